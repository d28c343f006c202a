"""Serving over standard input and output, which then carry the protocol and nothing else."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from mcp.server.stdio import stdio_server

from hanzo_agents._wire.sync.calls import call_off_loop
from hanzo_agents.mcp.serving.signals import asked_to_stop

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyio.streams.memory import MemoryObjectSendStream
    from mcp.server import Server

__all__ = ["Wires", "serve_stdio", "standard_wires"]


class Wires(NamedTuple):
    """Descriptors that carry the protocol: where requests come in, and where answers go out."""

    incoming: int
    outgoing: int


@contextmanager
def standard_wires() -> Generator[Wires]:
    """Keep standard input and output for the protocol.

    In the block, whoever reads standard input finds its end, and what is printed goes to standard error: also what
    libraries write below Python, and programs that are started.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    wires = Wires(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        yield wires
    finally:
        sys.stdout.flush()
        os.dup2(wires.incoming, 0)
        os.dup2(wires.outgoing, 1)
        # The one that is read stays open: a thread may still wait on it, and must not wait on another's file.
        os.close(wires.outgoing)
        os.close(nothing)


async def serve_stdio(server: Server[Any], wires: Wires | None = None) -> None:
    """Serve one client until its side is closed, or at SIGTERM or Ctrl-C."""
    if wires is None:
        with standard_wires() as own:
            await serve_stdio(server, own)
        return
    try:
        await _serve_on(server, wires)
    except* BrokenPipeError:
        pass  # the client is gone, and did not close its side first


async def _serve_on(server: Server[Any], wires: Wires) -> None:
    lines, incoming = anyio.create_memory_object_stream[str]()
    with lines, incoming, os.fdopen(wires.outgoing, "wb", closefd=False) as out, asked_to_stop(lines.close):
        outgoing: Any = _Out(TextIOWrapper(out, encoding="utf-8", write_through=True))
        threading.Thread(
            target=_read, args=(wires.incoming, lines, asyncio.get_running_loop()), name="mcp-stdin", daemon=True
        ).start()
        stdin: Any = incoming
        async with stdio_server(stdin, outgoing) as (read, write):
            await server.run(read, write, server.create_initialization_options())


class _Out:
    """A file, written by daemon threads.

    When a tool calls `sys.exit`, the interpreter would wait for threads of anyio for ever, and the client too.
    """

    def __init__(self, file: TextIOWrapper) -> None:
        self._file = file

    async def write(self, text: str) -> None:
        await call_off_loop(self._file.write, text)

    async def flush(self) -> None:
        await call_off_loop(self._file.flush)


def _read(descriptor: int, lines: MemoryObjectSendStream[str], loop: asyncio.AbstractEventLoop) -> None:
    """Pass on lines until there are no more, or nobody takes them.

    A read cannot be cancelled, so nobody waits for this thread. It has a buffer of its own: for that of
    `sys.stdin` the interpreter would wait when it ends.
    """
    with (
        suppress(RuntimeError, CancelledError, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError),
        os.fdopen(descriptor, "rb", closefd=False) as incoming,
    ):
        for line in incoming:
            asyncio.run_coroutine_threadsafe(lines.send(line.decode("utf-8", "replace")), loop).result()
        loop.call_soon_threadsafe(lines.close)
