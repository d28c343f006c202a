"""Which connection a request goes over: one that is free, or a new one.

httpcore's pool looks at every connection before and after each request, whichever it needs. Here only those that
are free are kept in order, the one used last at the end.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpcore2

from hanzo_agents._wire.connections import Connection

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2

__all__ = ["Pool", "connect_directly"]

KEPT = 5.0
"""Seconds for which a connection is kept that nobody needs: httpx's own default."""


def connect_directly(transport: httpx2.AsyncHTTPTransport, pool: Pool) -> httpx2.AsyncHTTPTransport:
    """Have a transport that is new, and has no proxy, send through a pool of ours."""
    transport._pool = pool  # type: ignore[assignment] # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    return transport


class Pool:
    """The connections of one event loop.

    Args:
        context: for those that are encrypted.
        most: how many may be in use at once; who comes then waits.
        most_free: how many are kept beside them.
    """

    def __init__(self, context: SSLContext, *, most: int, most_free: int) -> None:
        self._context = context
        self._most_free = most_free
        self._turns = asyncio.Semaphore(most)
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request, and return when the head of its answer is there.

        Raises:
            httpcore2.PoolTimeout: no connection became free in time.
        """
        if request.url.scheme not in {b"http", b"https"}:
            raise httpcore2.UnsupportedProtocol(f"not http:// or https://: {request.url.scheme.decode()}://")
        origin = request.url.origin
        await self._turn(request)
        connection = self._found(origin) or Connection(origin, self._context, self._left)
        self._busy.add(connection)
        return await connection.send(request)

    async def aclose(self) -> None:
        """Close every connection, also those in use. Who is not connected yet may go on, but nothing is kept."""
        self._most_free = 0
        for connection in (*self._free, *self._busy):
            connection.close()
        self._free.clear()
        await asyncio.sleep(0)  # the sockets are closed by the loop

    async def _turn(self, request: httpcore2.Request) -> None:
        if not self._turns.locked():
            await self._turns.acquire()  # at once
            return
        asked: Any = request.extensions  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        try:
            async with asyncio.timeout(asked.get("timeout", {}).get("pool")):
                await self._turns.acquire()
        except TimeoutError as error:
            raise httpcore2.PoolTimeout(error) from error

    def _found(self, origin: httpcore2.Origin) -> Connection | None:
        """A connection that is free and stands."""
        for connection in self._free[::-1]:
            if connection.origin == origin:
                self._free.remove(connection)
                if connection.stands and not _old(connection):
                    return connection
                connection.close()
        return None

    def _left(self, connection: Connection) -> None:
        """The end of a request."""
        self._busy.discard(connection)
        self._turns.release()
        if connection.free:
            self._free.append(connection)
            while self._free and (len(self._free) > self._most_free or _old(self._free[0])):
                self._free.pop(0).close()


def _old(connection: Connection) -> bool:
    return time.monotonic() - connection.used > KEPT
