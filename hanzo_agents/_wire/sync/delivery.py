"""Replies for callers without an event loop: streams and raw responses are read over the loop thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx2
from openai import Stream
from typing_extensions import override

from hanzo_agents._wire.bodies import elapsed_of
from hanzo_agents._wire.delivery import deliver
from hanzo_agents._wire.stream import HanzoStream
from hanzo_agents._wire.sync.calls import iterate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from openai import OpenAI
    from openai.types.chat import ChatCompletionChunk

    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._wire.replies import HanzoChatCompletionChunk

__all__ = ["HanzoSyncChatStream", "HanzoSyncStream", "deliver_in_sync", "in_sync", "raw_in_sync"]

T = TypeVar("T")

_ENCODED = frozenset({b"content-encoding", b"transfer-encoding"})


class HanzoSyncStream(Stream[T], Generic[T]):
    """An `openai.Stream` over a stream of the loop thread, which reads never ahead of its caller.

    Closing it, leaving its `with` block or dropping it settles it and closes the connection.
    """

    raw: object = None
    """What has to live as long as the stream."""

    def __init__(self, source: HanzoStream[T], client: OpenAI) -> None:
        # Not Stream.__init__: it would start a second reader on the same response.
        self._items = iterate(source)
        self._cast_to = source._cast_to  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._client = client
        self.response = _bridged(source.response, _Bridge(source.response, None, self._items.close))

    @override
    def __next__(self) -> T:
        try:
            return next(self._items)
        except BaseException:
            self.response.is_closed = True
            raise

    @override
    def __iter__(self) -> Iterator[T]:
        try:
            while True:
                yield next(self)
        except StopIteration:
            return

    @override
    def close(self) -> None:
        """Leave the stream: it is settled at once, and the connection closed."""
        self.response.close()


if TYPE_CHECKING:

    class HanzoSyncChatStream(HanzoSyncStream[ChatCompletionChunk]):
        """The stream of a chat completion. Its last chunk knows what the call took."""

        def __next__(self) -> HanzoChatCompletionChunk: ...
        def __iter__(self) -> Iterator[HanzoChatCompletionChunk]: ...
else:
    # What only a type checker needs to know: the stream of the SDK's chunks yields ours.
    HanzoSyncChatStream = HanzoSyncStream


def deliver_in_sync(reply: Reply, client: OpenAI) -> Any:
    """A parsed value with its request id, or the stream."""
    value: Any = deliver(reply)
    if not isinstance(value, HanzoStream):
        return value
    stream: HanzoStream[Any] = value  # pyright: ignore[reportUnknownVariableType]
    return HanzoSyncStream(stream, client)


def raw_in_sync(reply: Reply, value: Any) -> httpx2.Response:
    """The response of a reply whose value has been delivered."""
    raw = in_sync(reply.raw)
    if isinstance(value, HanzoSyncStream):
        # Dropped, the response would close the connection; `.parse()` of one that nobody keeps is still read.
        value.raw = raw
    return raw


def in_sync(response: Any) -> httpx2.Response:
    """The same response for a caller without a loop: its bytes as they are there, or as they come."""
    if hasattr(response, "_content"):
        return _bridged(response, response.content)
    chunks = iterate(_Bytes(response))
    return _bridged(response, _Bridge(response, iter(chunks), chunks.close))


def _bridged(response: Any, body: bytes | httpx2.SyncByteStream) -> httpx2.Response:
    # What is there already has been decoded.
    dropped = _ENCODED if isinstance(body, bytes) else frozenset[bytes]()
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in dropped]
    request: Any = response.request
    if not isinstance(request, httpx2.Request):  # an older httpx
        request = httpx2.Request(request.method, str(request.url), headers=request.headers.raw)
    extensions = {name: value for name, value in response.extensions.items() if name != "network_stream"}
    content, stream = (body, None) if isinstance(body, bytes) else (None, body)
    made = httpx2.Response(
        response.status_code,
        headers=headers,
        request=request,
        extensions=extensions,
        content=content,
        stream=stream,
    )
    if (elapsed := elapsed_of(response)) is not None:  # else it is still under way, and its stream will tell
        made.elapsed = elapsed
    return made


class _Bytes:
    """The raw bytes of a response of the loop, and its closing, for one task to read and to close."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._chunks = response.aiter_raw()

    def __aiter__(self) -> _Bytes:
        return self

    async def __anext__(self) -> bytes:
        chunk: bytes = await anext(self._chunks)
        return chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class _Bridge(httpx2.SyncByteStream):
    """A body that comes over the loop thread: its chunks, or None while somebody reads its events."""

    def __init__(self, response: Any, chunks: Iterator[bytes] | None, closed: Callable[[], None]) -> None:
        self._response = response
        self._chunks = chunks
        self._closed = closed

    @override
    def __iter__(self) -> Iterator[bytes]:
        if self._chunks is None:
            raise httpx2.StreamConsumed
        return self._chunks

    @property
    def elapsed(self) -> timedelta | None:
        """What `httpx2.Response.elapsed` asks the stream for, once it is closed."""
        return elapsed_of(self._response)

    @override
    def close(self) -> None:
        self._closed()
