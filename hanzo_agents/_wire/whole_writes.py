"""A request in one piece: its head waits for its body, and both are one write to the socket.

httpcore writes them one after the other. That is a second system call and, as small packets are not held back, a
second packet for every request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore2
from typing_extensions import override

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2

__all__ = ["WholeWrites", "write_whole"]

LARGE = 1 << 18
"""Bytes of a body from which joining it to the head would cost more than a write."""


def write_whole(transport: httpx2.AsyncHTTPTransport) -> httpx2.AsyncHTTPTransport:
    """Have a transport that is new write requests in one piece."""
    pool: Any = transport._pool  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001
    return transport


class WholeWrites(httpcore2.AsyncNetworkStream):
    """A connection that holds back what is written first after a read, until the next write or read.

    HTTP/1.1 writes the head of a request, its body, and an empty end; then it reads.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._held = b""
        self._first = True

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._first:
            self._first, self._held = False, buffer
            return
        if self._held:
            held, self._held = self._held, b""
            if len(buffer) < LARGE:
                buffer = held + buffer
            else:
                await self._stream.write(held, timeout)
        if buffer:
            await self._stream.write(buffer, timeout)

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._held:
            await self.write(b"", timeout)
        self._first = True
        return await self._stream.read(max_bytes, timeout)

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()

    @override
    async def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return WholeWrites(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.AsyncNetworkBackend):
    """Opens such connections."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend) -> None:
        self._backend = backend

    @override
    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return WholeWrites(await self._backend.connect_tcp(*args, **kwargs))

    @override
    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return WholeWrites(await self._backend.connect_unix_socket(*args, **kwargs))

    @override
    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
