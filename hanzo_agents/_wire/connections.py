"""Connections on asyncio itself, and requests in one piece.

httpcore goes through anyio, which on every request asks for cancellation that asyncio delivers by itself, has the
loop watch and forget the socket for each read, and goes round the loop once for nothing. It writes the head of a
request, then its body: a second system call and, as small packets are not held back, a second packet. Here a
connection is read as data come, waited for only when there are none, and a request is one write.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Any

import httpcore2
from httpcore2._utils import is_socket_readable
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ssl import SSLContext

    import httpx2

__all__ = ["Connection", "Inbox", "connect_directly"]

LARGE = 1 << 18
"""Bytes of a body from which joining it to the head would cost more than a write."""

MOST_UNREAD = 1 << 16
"""Bytes that are taken from the socket ahead of whoever reads them."""

SECOND_ADDRESS_AFTER = 0.25
"""Seconds after which a host's next address is tried beside one that does not answer (RFC 8305)."""


def connect_directly(transport: httpx2.AsyncHTTPTransport) -> httpx2.AsyncHTTPTransport:
    """Have a transport that is new open its connections here."""
    pool: Any = transport._pool  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    pool._network_backend = _Backend()  # noqa: SLF001
    return transport


class Inbox(asyncio.Protocol):
    """What a connection has brought and nobody has read yet, and whether it takes more to send.

    Attributes:
        transport: the socket, or the encryption over it.
        unread: data.
        ended: nothing comes after them.
        error: why, when it did not end well.
        full: what was written last is still on its way to the socket.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.unread = bytearray()
        self.ended = False
        self.error: Exception | None = None
        self.full = False
        self._paused = False
        self._waiting: asyncio.Future[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        # Wait until the socket has taken everything. Not 0: encryption would then pause with nothing to send.
        self.transport.set_write_buffer_limits(1)

    @override
    def data_received(self, data: bytes) -> None:
        self.unread += data
        if len(self.unread) >= MOST_UNREAD and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    @override
    def eof_received(self) -> bool:
        self.ended = True
        self._wake()
        # The other direction may be in use yet; encryption has no such thing.
        return self.transport.get_extra_info("ssl_object") is None

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.ended, self.full = True, False
        self.error = self.error or exc
        self._wake()

    @override
    def pause_writing(self) -> None:
        self.full = True

    @override
    def resume_writing(self) -> None:
        self.full = False
        self._wake()

    def take(self, most: int) -> bytes:
        """At most so many bytes of what is there."""
        data = bytes(self.unread[:most])
        del self.unread[:most]
        if self._paused and not self.unread:
            self._paused = False
            self.transport.resume_reading()
        return data

    async def changed(self, timeout: float | None) -> None:  # noqa: ASYNC109 - as httpcore has it
        """Wait until anything of this is otherwise; raises TimeoutError after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        self._waiting = waiting = loop.create_future()
        alarm = None if timeout is None else loop.call_later(timeout, _ring, waiting)
        try:
            await waiting
        finally:
            self._waiting = None
            if alarm is not None:
                alarm.cancel()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _ring(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())


class Connection(httpcore2.AsyncNetworkStream):
    """One connection. Holds back what is written first after a read, until the next write or read.

    HTTP/1.1 writes the head of a request, its body, and an empty end; then it reads.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._held = b""
        self._first = True

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        inbox = self._inbox
        if self._held:
            await self.write(b"", timeout)
        self._first = True
        while not inbox.unread:
            if inbox.error is not None:
                raise httpcore2.ReadError(inbox.error) from inbox.error
            if inbox.ended:
                return b""
            try:
                await inbox.changed(timeout)
            except TimeoutError as error:
                raise httpcore2.ReadTimeout(error) from error
        return inbox.take(max_bytes)

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._first:
            self._first, self._held = False, buffer
            return
        inbox, held = self._inbox, self._held
        if inbox.transport.is_closing():
            raise httpcore2.WriteError("the connection is closed")
        if held:
            self._held = b""
            if len(buffer) < LARGE:
                buffer = held + buffer
            else:
                inbox.transport.write(held)
        if buffer:
            inbox.transport.write(buffer)
        while inbox.full:
            try:
                await inbox.changed(timeout)
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(error) from error

    @override
    async def aclose(self) -> None:
        inbox = self._inbox
        # Who reads still must not take this for the end of an answer.
        inbox.error = inbox.error or ConnectionAbortedError("the connection is closed")
        inbox.transport.abort()
        await asyncio.sleep(0)  # the socket is closed by the loop

    @override
    async def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        inbox = self._inbox
        try:
            async with asyncio.timeout(timeout):
                encrypted = await asyncio.get_running_loop().start_tls(
                    inbox.transport, inbox, ssl_context, server_hostname=server_hostname
                )
        except OSError as error:
            raise _unconnected(error) from error
        assert encrypted is not None
        inbox.connection_made(encrypted)
        return Connection(inbox)

    @override
    def get_extra_info(self, info: str) -> Any:
        inbox = self._inbox
        if info == "is_readable":
            # The socket is asked too: what came while the loop was held up has not been read yet.
            return bool(inbox.unread) or inbox.ended or is_socket_readable(self.get_extra_info("socket"))
        return inbox.transport.get_extra_info(_NAMES.get(info, info))


_NAMES = {"client_addr": "sockname", "server_addr": "peername"}
"""What asyncio calls otherwise than httpcore."""


class _Backend(httpcore2.AsyncNetworkBackend):
    """Opens connections."""

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        local = None if local_address is None else (local_address, 0)
        try:
            transport, inbox = await _connected(host, port, local, timeout)
        except OSError as error:
            raise _unconnected(error) from error
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return Connection(inbox)


async def _connected(
    host: str,
    port: int,
    local: tuple[str, int] | None,
    timeout: float | None,  # noqa: ASYNC109 - as httpcore has it
) -> tuple[Any, Inbox]:
    loop = asyncio.get_running_loop()
    # uvloop tries one address after the other, and an address is the only one it has.
    if _is_address(host) or not isinstance(loop, asyncio.BaseEventLoop):
        async with asyncio.timeout(timeout):
            return await loop.create_connection(Inbox, host, port, local_addr=local)

    async def race() -> tuple[Any, Inbox]:
        async with asyncio.timeout(timeout):
            return await loop.create_connection(
                Inbox, host, port, local_addr=local, happy_eyeballs_delay=SECOND_ADDRESS_AFTER
            )

    # asyncio forgets the socket of a race that is cancelled when it is already won: it is run to its end instead.
    racing = asyncio.ensure_future(race())
    try:
        return await asyncio.shield(racing)
    except asyncio.CancelledError:
        racing.add_done_callback(_close_late)
        raise


def _close_late(racing: asyncio.Future[tuple[Any, Inbox]]) -> None:
    if not racing.cancelled() and racing.exception() is None:
        racing.result()[0].abort()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unconnected(error: OSError) -> Exception:
    """What httpcore calls an error of connecting; one of a certificate is among them, and a timeout."""
    return httpcore2.ConnectTimeout(error) if isinstance(error, TimeoutError) else httpcore2.ConnectError(error)
