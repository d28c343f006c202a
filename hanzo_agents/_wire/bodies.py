"""The HTTP response of an accepted stream, in other hands than its reader's."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import httpx2
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import timedelta

    from hanzo_agents._kernel.primed import Primed
    from hanzo_agents._wire.stream import EventReader

__all__ = ["elapsed_of", "hear_closing", "raw_response"]


def elapsed_of(response: Any) -> timedelta | None:
    """From the sending of a request to the end of its answer; None before that."""
    try:
        elapsed: timedelta | None = response.elapsed
    except RuntimeError:
        return None
    return elapsed


class _ClosingBytes(httpx2.AsyncByteStream):
    """Lets us hear of `response.aclose()`: the SDK's `.stream()` closes the response, not the stream."""

    def __init__(self, inner: Any, closed: Callable[[], None]) -> None:
        self._inner = inner
        self._closed = closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = self._inner.__aiter__()
        return chunks

    @property
    def elapsed(self) -> timedelta | None:
        """What `httpx2.Response.elapsed` asks the stream for, once it is closed."""
        elapsed: timedelta | None = getattr(self._inner, "elapsed", None)
        return elapsed

    @override
    async def aclose(self) -> None:
        self._closed()
        await self._inner.aclose()


def hear_closing(response: Any, primed: Primed) -> None:
    """Settle the stream when its response is closed by somebody else than its reader."""
    if not isinstance(response, httpx2.Response):
        # A legacy httpx client takes only streams of its own; there the reader alone settles.
        return
    watched = weakref.ref(primed)

    def closed() -> None:
        stream = watched()
        # Reaching the end of the bytes closes the response too, while we read: that is no leaving.
        if stream is not None and not stream.reading:
            stream.left()

    response.stream = _ClosingBytes(response.stream, closed)


class _BytesAgain(httpx2.AsyncByteStream):
    """The bytes of an accepted stream; closing them leaves the stream."""

    def __init__(self, response: Any, reader: EventReader, primed: Primed) -> None:
        self._response = response
        self._reader = reader
        self._primed = primed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._reader.bytes_again()

    @property
    def elapsed(self) -> timedelta | None:
        """As `_ClosingBytes.elapsed`."""
        return elapsed_of(self._response)

    @override
    async def aclose(self) -> None:
        await self._primed.aclose()


def raw_response(response: Any, reader: EventReader, primed: Primed) -> httpx2.Response:
    """A response that can be read raw, or through the accepted stream, once."""
    headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
    body = _BytesAgain(response, reader, primed)
    return httpx2.Response(response.status_code, headers=headers, stream=body, request=response.request)
