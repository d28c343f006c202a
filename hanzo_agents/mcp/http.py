"""A server at an address: the transports that may be what answers there, in the order in which they are tried."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from typing_extensions import override

from hanzo_agents.mcp.stdio import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from mcp.client._transport import TransportStreams

    from hanzo_agents.mcp.servers import HTTPServer

    Opening = Callable[[], AbstractAsyncContextManager[TransportStreams]]

__all__ = ["ways_to"]

TIMEOUT = httpx2.Timeout(30.0, read=300.0)
"""The SDK's own: a server may keep a stream of events open without a word."""


def ways_to(server: HTTPServer, on_forgotten: Callable[[], None]) -> list[Opening]:
    """The transports to try, in order.

    Args:
        server: whom to reach.
        on_forgotten: called when the server does not know the session any more: it has started anew.
    """
    parts = urlsplit(server.url)

    def at(path: str) -> str:
        return urlunsplit(parts._replace(path=path))

    def http(url: str) -> Opening:
        return lambda: _streamable(server, url, on_forgotten)

    def sse(url: str) -> Opening:
        return lambda: _sse(server, url)

    if parts.path in {"", "/"}:
        return [http(at("/mcp")), http(server.url), sse(at("/sse")), sse(server.url)]
    if parts.path.rstrip("/").endswith("/sse"):
        return [sse(server.url), http(server.url)]
    return [http(server.url), sse(server.url)]


@asynccontextmanager
async def _streamable(
    server: HTTPServer, url: str, on_forgotten: Callable[[], None]
) -> AsyncGenerator[TransportStreams]:
    async def look(response: httpx2.Response) -> None:
        # 404 is MCP's word for it; the first generation of Python's servers said 400.
        if response.status_code in {400, 404} and "mcp-session-id" in response.request.headers:
            body = await response.aread()
            if response.status_code == 404 or b"session" in body.lower():
                on_forgotten()

    async with (
        _client(headers=dict(server.headers)) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MOST_BYTES) as streams,
    ):
        client.event_hooks = {"response": [_limit, look]}
        yield streams


def _sse(server: HTTPServer, url: str) -> AbstractAsyncContextManager[TransportStreams]:
    return sse_client(url, headers=dict(server.headers), httpx_client_factory=_client)


def _client(
    headers: dict[str, str] | None = None, timeout: httpx2.Timeout | None = None, auth: httpx2.Auth | None = None
) -> httpx2.AsyncClient:
    """An HTTP client that follows no redirect, and gives up a body beyond the limit, or packed."""
    return httpx2.AsyncClient(
        headers={"Accept-Encoding": "identity", **(headers or {})},
        timeout=timeout or TIMEOUT,
        auth=auth,
        event_hooks={"response": [_limit]},
    )


async def _limit(response: httpx2.Response) -> None:
    # A packed body of a megabyte can be one of gigabytes, and it is unpacked before anybody can count.
    if (packing := response.headers.get("content-encoding", "identity")) != "identity":
        response.stream = _Limited(
            response.stream, f"the result is packed with {packing[:20]}, against the request"
        )
    elif not response.headers.get("content-type", "").startswith("text/event-stream"):
        response.stream = _Limited(response.stream)


class _Limited(httpx2.AsyncByteStream):
    """A body of at most so many bytes, or of none, with the reason."""

    def __init__(self, inner: Any, refused: str | None = None) -> None:
        self._inner = inner
        self._refused = refused

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._refused is not None:
            raise httpx2.StreamError(self._refused)
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > MOST_BYTES:
                raise httpx2.StreamError(f"the result has more than {MOST_BYTES:,} bytes, which are not read")
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
