"""Sockets on asyncio itself: what comes is read ahead, and waited for only when there is nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import httpcore2
from httpcore2._utils import is_socket_readable
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["MOST_UNREAD", "Encryption", "Socket", "open_socket"]

MOST_UNREAD = 1 << 16
"""Bytes that are taken from the socket ahead of whoever reads them."""

NEXT_ADDRESS_AFTER = 0.25
"""Seconds after which a host's next address is tried beside one that does not answer (RFC 8305)."""

Encryption = tuple[ssl.SSLContext, str]
"""The context, and the name that the other side's certificate must have."""


class Socket(asyncio.Protocol):
    """A socket, what it has brought that nobody has read yet, and whether it takes more to send.

    Attributes:
        transport: the socket, or the encryption over it.
        unread: data.
        ended: nothing comes after them.
        error: why, when it did not end well.
        full: what was written last is still on its way.
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

    async def read(self, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as httpcore has it
        """What there is; empty at the end.

        Raises:
            httpcore2.ReadTimeout: nothing came for `timeout` seconds.
            httpcore2.ReadError: the connection broke.
        """
        while not self.unread:
            if self.error is not None:
                raise httpcore2.ReadError(self.error) from self.error
            if self.ended:
                return b""
            try:
                await self._changed(timeout)
            except TimeoutError as error:
                raise httpcore2.ReadTimeout(error) from error
        data, self.unread = bytes(self.unread), bytearray()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return data

    async def write(self, data: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send; returns when the socket has taken it. What a broken connection loses, `read` tells.

        Raises:
            httpcore2.WriteTimeout: it was not taken for `timeout` seconds.
        """
        if self.transport.is_closing():
            return
        self.transport.write(data)
        while self.full:
            try:
                await self._changed(timeout)
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(error) from error

    @property
    def at_rest(self) -> bool:
        """Whether it stands, and all that came has been read."""
        return not (self.unread or self.ended or self.error)

    @property
    def quiet(self) -> bool:
        """The same, of the system's socket too: what came while the loop was held up has not been read yet."""
        return self.at_rest and not is_socket_readable(self.transport.get_extra_info("socket"))

    def close(self) -> None:
        """Close it at once. Safe to repeat."""
        # Who reads still must not take this for the end of an answer.
        self.error = self.error or ConnectionAbortedError("the connection is closed")
        self.transport.abort()

    async def _changed(self, timeout: float | None) -> None:  # noqa: ASYNC109
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


async def open_socket(
    host: str,
    port: int,
    encryption: Encryption | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - as httpcore has it
) -> Socket:
    """Connect, encrypted if it is to be.

    Raises:
        httpcore2.ConnectTimeout: it took more than `timeout` seconds.
        httpcore2.ConnectError: nobody is there, or nobody with that name in a certificate that is trusted.
    """
    loop = asyncio.get_running_loop()
    context, name = encryption or (None, None)

    async def connect(address: str) -> Socket:
        return (await loop.create_connection(Socket, address, port, ssl=context, server_hostname=name))[1]

    try:
        async with asyncio.timeout(timeout):
            if _is_address(host):
                return await connect(host)
            return await _first(connect, await _addresses(host, port))
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(error) from error
    except (OSError, UnicodeError) as error:  # also of a certificate, also of a name that none can have
        raise httpcore2.ConnectError(error) from error


async def _addresses(host: str, port: int) -> list[str]:
    """A host's addresses. The families take turns, as one of them may lead nowhere."""
    families: dict[int, list[str]] = {}
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, _, _, _, address in found:
        families.setdefault(family, []).append(str(address[0]))
    return [address for turn in zip_longest(*families.values()) for address in turn if address is not None]


async def _first(connect: Callable[[str], Awaitable[Socket]], addresses: list[str]) -> Socket:
    """The first connection that stands. asyncio's own race loses sockets when it is cancelled, uvloop has none."""
    failed: BaseException = OSError("the name has no address")
    won: asyncio.Future[Socket] | None = None
    tries: list[asyncio.Future[Socket]] = []
    running: set[asyncio.Future[Socket]] = set()
    try:
        while addresses or running:
            if addresses:
                address, *addresses = addresses
                tries.append(asyncio.ensure_future(connect(address)))
                running.add(tries[-1])
            wait = NEXT_ADDRESS_AFTER if addresses else None
            ended, running = await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                if (error := one.exception()) is None:
                    won = one
                    return won.result()
                failed = error
        raise failed
    finally:
        for one in tries:
            if one is not won:
                one.cancel()
                one.add_done_callback(_close_late)


def _close_late(connecting: asyncio.Future[Socket]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
