"""An accepted stream over HTTP, as the SDK hands it to callers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from openai import APIConnectionError, APITimeoutError, AsyncStream
from openai._httpx2 import request_exceptions
from openai._streaming import SSEDecoder
from typing_extensions import override

from hanzo_agents._kernel.tap import Tap
from hanzo_agents._wire.failures import connection_error, not_an_answer, request_id_of, truncated
from hanzo_agents._wire.reading import MISSHAPEN, SHAPE_ERRORS, byte_chunks
from hanzo_agents.errors import InvalidResponse, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from openai.types.chat import ChatCompletionChunk

    from hanzo_agents._kernel.primed import Primed
    from hanzo_agents._wire.dialects.dialect import Dialect, EventCheck
    from hanzo_agents._wire.reading import Parser
    from hanzo_agents._wire.redact import Secrets
    from hanzo_agents._wire.replies import HanzoChatCompletionChunk

__all__ = ["EventReader", "HanzoChatStream", "HanzoStream"]

GRACE = 2.0
"""Seconds to wait for what may follow a whole answer (usage, the end of the body) on an open connection."""

T = TypeVar("T")
R = TypeVar("R")


class EventReader:
    """Bytes to checked events. Ends with an error unless the stream is whole.

    Args:
        accounted: told, before they are handed on, the last events of an answer that is whole and whose tokens
            are known. A reader may not come back after those.
        tap: shown every event first.
    """

    def __init__(
        self,
        response: Any,
        dialect: Dialect,
        check: EventCheck,
        parser: Parser,
        secrets: Secrets,
        *,
        limit: int,
        accounted: Callable[[list[Any]], None] = lambda _: None,
        tap: Tap | None = None,
    ) -> None:
        self._tap = tap or Tap()
        self._accounted = accounted
        self._patience = GRACE
        self._tail = False
        self._response = response
        self._dialect = dialect
        self._check = check
        self._parser = parser
        self._secrets = secrets
        self._chunks = byte_chunks(response, limit)
        self._heard: list[bytes] | None = []

    async def bytes_again(self) -> AsyncIterator[bytes]:
        """The bytes of the stream from their beginning, for who reads them raw after the stream was accepted."""
        for chunk in self._heard or ():
            yield chunk
        async for chunk in self._chunks:
            yield chunk

    def hurry(self, idle: float | None) -> None:
        """Wait for what may follow a whole answer no longer than for the answer itself."""
        if idle is not None:
            self._patience = min(GRACE, idle)

    def forget(self) -> None:
        """Keep no more of what was heard: nobody will read it raw."""
        self._heard = None

    async def _hear(self) -> AsyncGenerator[bytes]:
        async with aclosing(self._chunks):
            async for chunk in self._chunks:
                if self._heard is not None:
                    self._heard.append(chunk)
                yield chunk
        # The last event may lack the empty line that ends one.
        self._tail = True
        yield b"\n\n"

    async def batches(self) -> AsyncGenerator[tuple[bool, list[Any]]]:
        """Whether an event commits the stream, and the events to hand on."""
        try:
            async with aclosing(self._answer()) as answer:
                async for data in answer:
                    useful, events = self._unended(data) if self._tail else self._shaped(self._event, data)
                    self._tap.show(events)
                    if events and self._check.accounted:
                        self._accounted(events)
                    if useful or events:
                        yield useful, events
            last = self._shaped(self._check.end)
            self._tap.show(last)
            self._accounted(last)
            if last:
                yield False, last
        except InvalidResponse as error:
            self._secrets.scrub_error(error)
            error.request_id = error.request_id or request_id_of(self._response)
            raise

    def _event(self, data: str) -> tuple[bool, list[Any]]:
        return self._check.feed(self._parser.event(self._dialect, data, self._response))

    def _unended(self, data: str) -> tuple[bool, list[Any]]:
        """An event that the end of the body cut short: it counts when the answer is whole with it."""
        whole = self._check.complete
        try:
            got = self._shaped(self._event, data)
        except InvalidResponse as error:
            if whole or isinstance(error, StreamTruncated):
                return False, []
            raise
        return got if self._check.complete else (False, [])

    def _shaped(self, read: Callable[..., R], *data: str) -> R:
        """Read something; what has not the shape of an answer is none."""
        try:
            return read(*data)
        except SHAPE_ERRORS:
            pass
        raise not_an_answer(MISSHAPEN, self._response, "".join(data).encode(), self._secrets)

    async def _answer(self) -> AsyncGenerator[str]:
        """The data of events; what breaks after the answer is whole breaks nothing."""
        try:
            async with aclosing(self._data()) as texts:
                async for data in texts:
                    yield data
        except (InvalidResponse, APIConnectionError):
            if not self._check.complete:
                raise

    async def _data(self) -> AsyncGenerator[str]:
        failure: Exception
        decoder: Any = SSEDecoder()
        try:
            # Each closes the one it reads: left to the garbage collector they would all be closed at once.
            async with aclosing(self._hear()) as chunks, aclosing(decoder.aiter_bytes(chunks)) as events:
                while (event := await self._next(events)) is not None:
                    data: str = event.data
                    if data.startswith("[DONE]"):
                        # The rest must be read, or the connection cannot be used again; but nobody waits for it.
                        with suppress(TimeoutError):
                            async with asyncio.timeout(self._patience):
                                async for _ in chunks:
                                    pass
                        return
                    if data:
                        yield data
        except UnicodeDecodeError:
            failure = truncated("the stream is not valid UTF-8", request_id_of(self._response))
        except request_exceptions() as error:
            failure = _cut(
                connection_error(error, self._response.request, self._secrets), request_id_of(self._response)
            )
        else:
            return
        # Raised out here, so that the transport's error, whose frames hold the key, is not its context.
        raise failure

    async def _next(self, events: AsyncIterator[Any]) -> Any:
        """The next event; None at the end, or when the answer is whole and nothing more comes."""
        try:
            if not self._check.complete:
                return await anext(events)
            async with asyncio.timeout(self._patience):
                return await anext(events)
        except (StopAsyncIteration, TimeoutError):
            return None


def _cut(lost: APIConnectionError, request_id: str | None) -> Exception:
    """A body that ends too early is a truncated stream, whether the peer closed or reset the connection."""
    if isinstance(lost, APITimeoutError):
        return lost
    error = truncated(f"the stream was cut: {lost.__cause__}", request_id)
    error.__cause__ = lost.__cause__
    return error


class HanzoStream(AsyncStream[T], Generic[T]):
    """An `openai.AsyncStream` whose first useful event has already arrived and whose end is checked."""

    _iterator: Primed

    def __init__(self, primed: Primed, response: Any, cast_to: type[T], client: Any) -> None:
        # Not AsyncStream.__init__: it would start a second reader on the same response.
        self.response = response
        self._cast_to = cast_to
        self._client = client
        self._iterator = primed

    @override
    async def __anext__(self) -> T:
        item: T = await anext(self._iterator)
        return item

    @override
    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in self._iterator:
            yield item

    @override
    async def close(self) -> None:
        """Leave the stream: it is settled at once, and the connection closed."""
        await self._iterator.aclose()


if TYPE_CHECKING:

    class HanzoChatStream(HanzoStream[ChatCompletionChunk]):
        """The stream of a chat completion. Its last chunk knows what the call took."""

        async def __anext__(self) -> HanzoChatCompletionChunk: ...
        def __aiter__(self) -> AsyncIterator[HanzoChatCompletionChunk]: ...
else:
    # What only a type checker needs to know: the stream of the SDK's chunks yields ours.
    HanzoChatStream = HanzoStream
