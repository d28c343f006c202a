"""Sockets on asyncio itself: what comes is read ahead, and waited for only when there is nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpcore2
from httpcore2._utils import is_socket_readable
from typing_extensions import override

__all__ = ["MOST_UNREAD", "Socket"]

MOST_UNREAD = 1 << 16
"""Bytes that are taken from the socket ahead of whoever reads them."""


class Socket(asyncio.Protocol):
    """A socket, what it has brought that nobody has read yet, and whether it takes more to send.

    Attributes:
        transport: the system's socket, as the loop has it.
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
        self.transport.set_write_buffer_limits(0)  # wait until the socket has taken everything

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
        return True  # the other direction may be in use yet

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
        if self.full:
            try:
                async with asyncio.timeout(timeout):  # in all, whatever comes meanwhile
                    while self.full:
                        await self._changed(None)
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
