"""HTTP/1.1 on asyncio itself: a request is one write, and an answer is read as it comes.

httpcore goes through anyio, which on every request asks for cancellation that asyncio delivers by itself, has the
loop watch and forget the socket for each read, and goes round the loop once for nothing. It writes the head of a
request, then its body: a second system call and, as small packets are not held back, a second packet. Here there
is nothing between h11, which knows HTTP, and the socket.
"""

from __future__ import annotations

import time
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING, Any, Self

import h11
import httpcore2

from hanzo_agents._wire.addresses import open_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from ssl import SSLContext

    from hanzo_agents._wire.encrypted import Encryption
    from hanzo_agents._wire.sockets import Socket

__all__ = ["LARGE", "Connection"]

LARGE = 1 << 18
"""Bytes of a body from which joining it to the head would cost more than a write."""

LONGEST_HEAD = 100 * 1024
"""Bytes of an answer's head, as httpcore has it."""


class Connection:
    """One connection, opened by its first request; it takes one at a time.

    Args:
        origin: where it leads.
        context: of the encryption, where that is encrypted.
        left: called at the end of each request: it is free for the next one, or it is closed.

    Attributes:
        free: for another request.
        used: monotonic seconds at which its last answer ended.
    """

    __slots__ = ("_context", "_http", "_left", "_socket", "free", "origin", "used")

    def __init__(self, origin: httpcore2.Origin, context: SSLContext, left: Callable[[Connection], None]) -> None:
        self.origin = origin
        self.free = True
        self.used = 0.0
        self._context = context
        self._left = left
        self._socket: Socket | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)

    async def send(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request, and return when the head of its answer is there.

        Raises:
            httpcore2.ConnectError, httpcore2.ConnectTimeout: nothing was sent.
        """
        self.free = False
        asked: Any = request.extensions  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        timeouts: Mapping[str, float | None] = asked.get("timeout", {})
        try:
            if self._socket is None:
                self._socket = await self._opened(asked.get("sni_hostname"), timeouts.get("connect"))
            await self._send(self._socket, request, timeouts.get("write"))
            wait = timeouts.get("read")
            while not isinstance(head := await self.event(wait), h11.Response):
                if head is h11.PAUSED:  # and would be for ever
                    raise httpcore2.RemoteProtocolError("The server went on in another protocol.")  # noqa: TRY301
        except BaseException:
            self.leave()
            raise
        return httpcore2.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            content=_Body(self, wait),
            extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason},
        )

    async def _opened(self, name: str | None, timeout: float | None) -> Socket:  # noqa: ASYNC109 - as httpcore has it
        host = self.origin.host.decode("ascii")
        encryption: Encryption | None = None
        if self.origin.scheme == b"https":
            self._context.set_alpn_protocols(["http/1.1"])
            encryption = self._context, name or host
        return await open_socket(host, self.origin.port, encryption, timeout)

    async def _send(self, socket: Socket, request: httpcore2.Request, timeout: float | None) -> None:  # noqa: ASYNC109
        """Write a request: its head with the first part of its body, the rest as it comes."""
        http = self._http
        try:
            head: bytes = http.send(
                h11.Request(method=request.method, target=request.url.target, headers=request.headers)
            )
            async with _closing(request.stream) as parts:
                async for part in parts:
                    data: bytes = http.send(h11.Data(data=part))
                    if len(data) < LARGE:
                        data = head + data
                    elif head:
                        await socket.write(head, timeout)
                    head = b""
                    await socket.write(data, timeout)
            rest: bytes = head + http.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise httpcore2.LocalProtocolError(error) from error
        if rest:
            await socket.write(rest, timeout)

    async def event(self, timeout: float | None) -> Any:  # noqa: ASYNC109
        """What h11 reads next."""
        http, socket = self._http, self._socket
        assert socket is not None
        while True:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError as error:
                raise httpcore2.RemoteProtocolError(error) from error
            if event is not h11.NEED_DATA:
                return event
            data = await socket.read(timeout)
            if not data and http.their_state is h11.SEND_RESPONSE:
                raise httpcore2.RemoteProtocolError("Server disconnected without sending a response.")
            http.receive_data(data)

    def leave(self) -> None:
        """End the request: free for another, if that would find nothing of this one's answer; else closed."""
        http, socket = self._http, self._socket
        whole = http.our_state is h11.DONE and http.their_state is h11.DONE and not http.trailing_data[0]
        if whole and socket is not None and socket.at_rest:
            http.start_next_cycle()
            self.free, self.used = True, time.monotonic()
        else:
            self.close()
        self._left(self)

    def close(self) -> None:
        """Close it at once."""
        if self._socket is not None:
            self._socket.close()

    @property
    def stands(self) -> bool:
        """Whether the server has said nothing since its last answer: it could only be that it is closing."""
        return self._socket is not None and self._socket.quiet


class _Body:
    """The body of an answer, as it comes."""

    __slots__ = ("_connection", "_over", "_timeout")

    def __init__(self, connection: Connection, timeout: float | None) -> None:
        self._connection = connection
        self._timeout = timeout
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            event = await self._connection.event(self._timeout)
        except BaseException:
            await self.aclose()
            raise
        if isinstance(event, h11.Data):
            return bytes(event.data)
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the connection to the next request, or to nobody. Safe to repeat."""
        if not self._over:
            self._over = True
            self._connection.leave()


def _closing(stream: Any) -> AbstractAsyncContextManager[Any]:
    """The parts of a body; a generator that makes them is closed."""
    parts = stream.__aiter__()
    return aclosing(parts) if hasattr(parts, "aclose") else nullcontext(parts)
