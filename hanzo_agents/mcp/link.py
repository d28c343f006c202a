"""One connection to one server: opened, held and closed by one task, as the transports' cancel scopes require."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import httpx2
from mcp import Client, MCPError
from mcp_types import CONNECTION_CLOSED, UNSUPPORTED_PROTOCOL_VERSION, ServerNotification

from hanzo_agents._wire.redact import Secrets
from hanzo_agents.errors import ConfigError
from hanzo_agents.mcp.cleaning import clean
from hanzo_agents.mcp.http import ways_to
from hanzo_agents.mcp.servers import HTTPServer, secrets_of
from hanzo_agents.mcp.stdio import Program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanzo_agents.mcp.servers import Server

__all__ = ["Link", "Lost", "Unreachable"]

T = TypeVar("T")

ALIVE_WITHIN = 5.0
"""Seconds within which a server that let a call time out must answer a ping, or is given up."""
_LEAVING = 1.0
"""Seconds a call that is given up may take to tell the server so."""


class Unreachable(ConnectionError):
    """There is no connection, and nothing was sent."""


class Lost(ConnectionError):
    """The connection ended after the request may have been sent."""


class Link:
    """A connection, made by its constructor. Lives on the loop it was made on.

    Attributes:
        over: done when it has ended.
        stale: whether its tools may have changed since they were listed.
    """

    def __init__(self, name: str, server: Server, *, connect_timeout: float) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.over: asyncio.Future[None] = loop.create_future()
        self.stale = True
        self._name = name
        self._server = server
        self._connect_timeout = connect_timeout
        self._opened: asyncio.Future[Client] = loop.create_future()
        self._leave = asyncio.Event()
        self._forgotten = False
        self._secrets = Secrets(*secrets_of(server))
        self._program: Program | None = None
        self._checking: asyncio.Task[None] | None = None
        # Not the context of whoever happened to come first: a budget or a trace of theirs is not the connection's.
        self._task = loop.create_task(self._live(), context=Context())

    @property
    def ended(self) -> bool:
        """Whether it is over, or about to be."""
        return (
            self.over.done()
            or self._leave.is_set()
            or (self._opened.done() and self._opened.exception() is not None)
        )

    async def use(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do something with the client, unless the connection ends before that.

        Raises:
            Unreachable, Lost: it did, or was never made.
            ConfigError: the server cannot be started.
            MCPError: the server's own answer.
        """
        client = await asyncio.shield(self._opened)
        if self.ended:
            raise Unreachable(self._said("the connection has ended"))
        task = asyncio.ensure_future(work(client))
        try:
            both: set[asyncio.Future[Any]] = {task, self.over}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and not (self._forgotten and task.exception()):
                return task.result()
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                raise
            self.leave()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            self.leave()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_LEAVING)
        if self._forgotten:
            raise Unreachable(self._said("it has started anew"))
        raise Lost(self._said("the connection was lost during the call"))

    def leave(self) -> None:
        """Close it. Does not wait."""
        self._leave.set()

    async def close(self) -> None:
        """Close it, and wait until it is."""
        self.leave()
        if not self._opened.done():
            self._task.cancel()
        await asyncio.wait({self._task})

    def suspect(self) -> None:
        """A call has timed out: give the connection up if the server does not answer a ping either."""
        if self._checking is None or self._checking.done():
            self._checking = self.loop.create_task(self._check(), context=Context())

    def _forget(self) -> None:
        self._forgotten = True
        self.leave()

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(ALIVE_WITHIN):
                await self.use(lambda client: client.session.send_ping())
        except MCPError:
            return  # it has answered
        except (TimeoutError, ConnectionError):
            self.leave()

    async def _live(self) -> None:
        failure: BaseException | None = None
        try:
            await self._hold()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            failure = _root(error)
        if not self._opened.done():
            self._opened.set_exception(self._explained(failure))
            self._opened.exception()  # or asyncio would complain where nobody waits any more
        self.over.set_result(None)

    async def _hold(self) -> None:
        refusals: list[Exception] = []
        limit = asyncio.get_running_loop().time() + self._connect_timeout
        for way in self._ways():
            async with AsyncExitStack() as stack:
                try:
                    async with asyncio.timeout_at(limit):
                        client = await self._entered(stack, way)
                except Exception as error:  # noqa: BLE001 - looked at
                    refusals.append(_root(error))
                    if isinstance(refusals[-1], MCPError | httpx2.HTTPStatusError | httpx2.SSEError):
                        continue
                    break
                self._opened.set_result(client)
                await self._leave.wait()
                return
        # A status says more than "no MCP here" does, and what came first more than what was tried in its place.
        told = [error for error in refusals if isinstance(error, httpx2.HTTPStatusError)]
        raise next((error for error in told if error.response.status_code in {401, 403}), refusals[0])

    def _ways(self) -> list[Callable[[], Any]]:
        if isinstance(self._server, HTTPServer):
            return list(ways_to(self._server, self._forget))
        self._program = Program(self._server, self._name, on_end=self.leave)
        return [self._program.streams]

    async def _entered(self, stack: AsyncExitStack, way: Callable[[], Any]) -> Client:
        """A client that has shaken hands. The older handshake first: all servers know it, and most no other."""
        for mode in ("legacy", "auto"):
            client = Client(way(), mode=mode, message_handler=self._hear, cache=None)
            try:
                return await stack.enter_async_context(client)
            except Exception as error:  # noqa: BLE001 - raised again, without its groups
                refused = _root(error)
                if mode == "auto" or getattr(refused, "code", None) != UNSUPPORTED_PROTOCOL_VERSION:
                    raise refused from None
        raise AssertionError("unreachable")

    async def _hear(self, message: Any) -> None:
        if isinstance(message, ServerNotification) and message.method == "notifications/tools/list_changed":
            self.stale = True

    def _explained(self, error: BaseException | None) -> Exception:
        if isinstance(error, ConfigError):
            return error
        if isinstance(error, TimeoutError):
            what = f"no answer within {self._connect_timeout:g} s"
        elif isinstance(error, httpx2.HTTPStatusError):
            what = f"answered with status {error.response.status_code}"
        elif isinstance(error, MCPError) and error.code != CONNECTION_CLOSED:
            what = f"does not speak MCP there: {self._secrets.scrub(error.message)[:200]}"
        elif isinstance(error, MCPError):
            what = "it ended before it answered"
        elif error is None or isinstance(error, asyncio.CancelledError):
            what = "the connection was closed"
        else:
            what = f"{type(error).__name__}: {self._secrets.scrub(str(error))[:200]}"
        return Unreachable(self._said(what))

    def _said(self, what: str) -> str:
        # Scrubbed before it is cut: half a key at the cut would be no match.
        words = self._secrets.scrub(self._program.last_words)[-300:] if self._program is not None else ""
        told = f"MCP server {self._name}: {what}" + (f"; it said last: {words}" if words else "")
        return clean(self._secrets.scrub(told))


def _root(error: Any) -> Any:
    """The error inside groups that task groups have put around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return error  # pyright: ignore[reportUnknownVariableType]
