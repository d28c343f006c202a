"""A server as a child process: JSON-RPC, a message a line, over its standard input and output.

The SDK's own transport reads a line of any length into memory, and lets the server write to our terminal.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import asynccontextmanager, suppress
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types
from mcp.shared.message import SessionMessage

from hanzo_agents._wire.redact import legible
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from anyio.abc import ByteReceiveStream, ByteSendStream, Process
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.client._transport import TransportStreams

    from hanzo_agents.mcp.servers import StdioServer

__all__ = ["Program"]

GRACE = 2.0
"""Seconds a server has to end by itself when its input is closed, and again when it is asked to (the SDK's)."""
MOST_BYTES = 64 * 2**20
"""The largest message that is read; `AsyncHanzo` leaves a reply at the same size."""
_KEPT = 2000
_CHUNK = 65536
_ID = re.compile(rb'"id"\s*:\s*(\d+)')

_logger = logging.getLogger("hanzo_agents")


class Program:
    """A server that runs as a program.

    Args:
        server: which.
        name: what it is called.
        on_end: called when it has closed its output: it is over.
    """

    def __init__(self, server: StdioServer, name: str, on_end: Callable[[], None]) -> None:
        self._server = server
        self._name = name
        self._said = b""
        self._on_end = on_end

    @property
    def last_words(self) -> str:
        """The end of what it wrote to its standard error, in one line."""
        return legible(self._said.decode("utf-8", "replace"))

    @asynccontextmanager
    async def streams(self) -> AsyncGenerator[TransportStreams]:
        """Start it, and end it with the block.

        Raises:
            ConfigError: there is no such program.
        """
        process = await self._started()
        inbox_in, inbox = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outbox, outbox_out = anyio.create_memory_object_stream[SessionMessage](0)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        async with anyio.create_task_group() as tasks, inbox_in, inbox, outbox, outbox_out:
            tasks.start_soon(self._read, process.stdout, inbox_in)
            tasks.start_soon(self._write, outbox_out, process.stdin)
            tasks.start_soon(self._listen, process.stderr)
            try:
                yield inbox, outbox
            finally:
                with anyio.CancelScope(shield=True):
                    await _stop(process)
                tasks.cancel_scope.cancel()

    async def _started(self) -> Process:
        program = self._server.program
        if program is None:
            raise ConfigError(f"{self._name}: there is no program {self._server.command[0]!r} on its PATH")
        _logger.info("starting the MCP server %s: %s", self._name, self._server)
        return await anyio.open_process(
            [program, *self._server.command[1:]], env=self._server.environment, cwd=self._server.cwd,
            stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=sys.platform != "win32",
        )  # fmt: skip

    async def _read(self, stdout: ByteReceiveStream, inbox: MemoryObjectSendStream[Any]) -> None:
        lines = _Lines()
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            async with inbox:
                while True:
                    for message in lines.feed(await stdout.receive(_CHUNK)):
                        await inbox.send(message)
        self._on_end()

    async def _write(self, outbox: MemoryObjectReceiveStream[SessionMessage], stdin: ByteSendStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            async for message in outbox:
                line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                await stdin.send(line.encode() + b"\n")

    async def _listen(self, stderr: ByteReceiveStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            while True:
                said = await stderr.receive(_CHUNK)
                self._said = (self._said + said)[-_KEPT:]


class _Lines:
    """Bytes as they come, made into messages; a line beyond the limit into an error in its place."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[SessionMessage | Exception]:
        *ends, rest = chunk.split(b"\n")
        messages: list[SessionMessage | Exception] = []
        for end in ends:
            self._add(end)
            line, size = b"".join(self._parts), self._size
            self._parts, self._size = [], 0
            if line.strip() and (message := _message(line, size)) is not None:
                messages.append(message)
        self._add(rest)
        return messages

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > MOST_BYTES:
            self._parts = self._parts[:1]  # the beginning is kept: it says what the answer is to
        elif part:
            self._parts.append(part)


def _message(line: bytes, size: int) -> SessionMessage | Exception | None:
    if size <= MOST_BYTES:
        try:
            return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValueError as none:
            _logger.debug("an MCP server wrote a line that is no message")
            # Too deep for a parser, for one; who waits for the answer would else wait until its time is over.
            if not line.lstrip().startswith(b"{") or b'"jsonrpc"' not in line[:256]:
                return none
            said = "the result cannot be read as JSON"
    else:
        said = f"the result has {size:,} bytes, and more than {MOST_BYTES:,} are not read"
    found = _ID.search(line[:256])
    if found is None:
        return None
    error = mcp_types.ErrorData(code=mcp_types.INTERNAL_ERROR, message=said)
    return SessionMessage(mcp_types.JSONRPCError(jsonrpc="2.0", id=int(found[1]), error=error))


async def _stop(process: Process) -> None:
    """Close its input; ask it to end, then make it, with all that it has started."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    if not await _over(process):
        if sys.platform == "win32":
            process.kill()
        else:
            from mcp.os.posix.utilities import terminate_posix_process_tree

            await terminate_posix_process_tree(process, GRACE)
        await _over(process)
    for stream in (process.stdout, process.stderr):
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await stream.aclose()
    # A grandchild may still hold the pipes: asyncio would keep its transport open, and complain of it in the end.
    transport: Any = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        transport.close()


async def _over(process: Process) -> bool:
    """Whether it has ended within its grace. Asked again and again: `wait` would wait for its children's pipes."""
    with anyio.move_on_after(GRACE):
        while process.returncode is None:  # noqa: ASYNC110 - there is no event for it
            await anyio.sleep(0.01)
    return process.returncode is not None
