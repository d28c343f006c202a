"""Both ends of a socket: a server that sends back what it gets, and a client that reads to the end."""

import asyncio
from contextlib import suppress


async def everything(socket):
    parts = []
    while part := await socket.read(5.0):
        parts.append(part)
    return b"".join(parts)


async def echo(reader, writer):
    with suppress(OSError, ValueError, asyncio.IncompleteReadError):
        size = int(await reader.readline())
        writer.write(await reader.readexactly(size))
        await writer.drain()
