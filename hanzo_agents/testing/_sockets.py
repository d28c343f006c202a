"""What asyncio's servers do not do themselves: forget nobody who connects late, hear a hang-up, send a reset."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["HungUp", "or_hung_up", "reset", "stop_accepting"]

_ACCEPTING = 5
"""Turns of the loop in which a connection that was just accepted is handed over."""
_T = TypeVar("_T")


class HungUp(Exception):
    """The client has closed its side."""


async def stop_accepting(server: asyncio.Server) -> None:
    """Accept nobody else, and return when those who were accepted have been handed over.

    A server that is closed at once leaves open for ever what it has accepted in the same turn of the loop.
    """
    with contextlib.suppress(NotImplementedError):  # Windows' loop hands over at once
        for listener in server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(_ACCEPTING):
        await asyncio.sleep(0)


async def or_hung_up(awaitable: Awaitable[_T], reader: asyncio.StreamReader) -> None:
    """Wait for `awaitable`, or for the client to close, whichever comes first.

    Raises:
        HungUp: It was the client.
    """
    wanted = asyncio.ensure_future(awaitable)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise HungUp
        wanted.result()
    finally:
        wanted.cancel()
        gone.cancel()
        await asyncio.gather(wanted, gone, return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with nothing to linger for: the kernel sends RST instead of FIN."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
