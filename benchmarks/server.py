"""A router with no latency, in a process of its own: prebuilt bytes behind a bare `asyncio.Protocol`.

POST /<chunks>/v1/chat/completions    a value, or a stream of <chunks> content chunks
POST /<chunks>/v1/responses           the same in the Responses dialect
a body that names the model "down"    500, always
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.payloads import chat_events, chat_value, responses_events, responses_value, server_error

if TYPE_CHECKING:
    from collections.abc import Iterator

_JSON = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: %d\r\n\r\n%s"
_EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_1\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _whole(status: bytes, body: bytes) -> list[bytes]:
    return [_JSON % (status, len(body), body)]


def _framed(events: list[bytes]) -> list[bytes]:
    return [_EVENTS, *(b"%x\r\n%s\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"]


@cache
def _answer(path: bytes, *, stream: bool) -> list[bytes]:
    chunks, dialect = int(path.split(b"/")[1]), path.rsplit(b"/", 1)[1]
    if dialect == b"responses":
        return _framed(responses_events(chunks)) if stream else _whole(b"200 OK", responses_value())
    return _framed(chat_events(chunks)) if stream else _whole(b"200 OK", chat_value())


_DOWN = _whole(b"500 Internal Server Error", server_error())


class Router(asyncio.Protocol):
    """Reads one request at a time off a kept-alive connection and writes its prebuilt answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            self._reply(head.split(b" ", 2)[1], body.replace(b" ", b""))

    def _reply(self, path: bytes, body: bytes) -> None:
        down = b'"model":"down"' in body
        # One write an event, as a real stream arrives; the kernel may still join them.
        for part in _DOWN if down else _answer(path, stream=b'"stream":true' in body):
            self.transport.write(part)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start the server in another process and yield its origin, `http://127.0.0.1:<port>`."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Router, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
