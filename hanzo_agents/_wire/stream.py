"""An accepted stream, as the SDK hands it to callers, and its settlement."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx2
from openai import APIConnectionError, APIError, AsyncStream
from openai._httpx2 import request_exceptions
from openai._streaming import SSEDecoder
from typing_extensions import override

from hanzo_agents._kernel.clock import SYSTEM_CLOCK, Clock
from hanzo_agents._wire.failures import connection_error, truncated
from hanzo_agents._wire.reading import byte_chunks
from hanzo_agents.errors import DeadlineExceeded, HanzoError, InvalidResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from hanzo_agents._wire.dialect import Dialect, EventCheck
    from hanzo_agents._wire.reading import Parser
    from hanzo_agents._wire.redact import Secrets

__all__ = ["HanzoStream", "Source", "close_response"]

T = TypeVar("T")


class Source:
    """Reads one stream: bytes, events, checks. Ends with an error unless the stream is whole.

    Args:
        finished: called once, with the error that ended the stream or None, and whether it was read to its end.
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
        finished: Callable[[BaseException | None, bool], None],
    ) -> None:
        self.response = response
        self.check = check
        self.limit = limit
        self.clock: Clock = SYSTEM_CLOCK
        self.until: float | None = None
        self.idle: float | None = None
        self._dialect = dialect
        self._parser = parser
        self._secrets = secrets
        self._finished = finished
        self._over = False
        self._reading = False
        self._held: list[Any] = []
        self._bytes = byte_chunks(response, limit)
        self._events = self._read()
        response.stream = _Closing(response.stream, self._closed_under_us)

    async def prime(self) -> None:
        """Read up to the first useful event: the commit point. What came before is held."""
        self._reading = True
        try:
            async for useful, events in self._events:
                self._held.extend(events)
                if useful:
                    return
            # Whole, but nothing useful in it (`end()` would have raised were it cut).
            raise truncated("the stream ended without an answer", self._id)
        except BaseException as error:
            self._end(error, complete=False)
            await close_response(self.response)
            raise
        finally:
            self._reading = False

    async def events(self) -> AsyncGenerator[Any]:
        """Everything, from the first event on."""
        complete = False
        failure: BaseException | None = None
        try:
            held, self._held = self._held, []
            for event in held:
                yield event
            while True:
                try:
                    _, events = await self._next()
                except StopAsyncIteration:
                    break
                for event in events:
                    yield event
            complete = True
        except GeneratorExit:
            raise
        except BaseException as error:
            failure = error
            raise
        finally:
            self._end(failure, complete=complete)
            await close_response(self.response)

    async def _next(self) -> tuple[bool, list[Any]]:
        self._reading = True
        try:
            return await self._bounded()
        finally:
            self._reading = False

    async def _bounded(self) -> tuple[bool, list[Any]]:
        if self.until is None and self.idle is None:
            return await anext(self._events)
        when = self.until
        if self.idle is not None:
            stall = self.clock.now() + self.idle
            when = stall if when is None else min(when, stall)
        try:
            async with self.clock.timeout_at(when):
                return await anext(self._events)
        except TimeoutError as error:
            if isinstance(error, HanzoError | APIError):
                raise
            why = "the deadline" if when == self.until else f"{self.idle:g} s without an event"
            raise DeadlineExceeded(
                f"the stream was abandoned after {why}", code="deadline", request_id=self._id
            ) from None

    async def _read(self) -> AsyncGenerator[tuple[bool, list[Any]]]:
        try:
            async for data in self._data():
                event = self._parser.event(self._dialect, data, self.response)
                useful, events = self.check.feed(event)
                if useful or events:
                    yield useful, events
            if last := self.check.end():
                yield False, last
        except InvalidResponse as error:
            error.request_id = error.request_id or self._id
            raise

    async def _data(self) -> AsyncIterator[str]:
        chunks = self._bytes
        failure: Exception
        try:
            async for event in SSEDecoder().aiter_bytes(chunks):
                data = event.data
                if data.startswith("[DONE]"):
                    # The rest must be read, or the connection cannot be used again.
                    async for _ in chunks:
                        pass
                    return
                if data:
                    yield data
        except UnicodeDecodeError:
            failure = truncated("the stream is not valid UTF-8", self._id)
        except request_exceptions() as error:
            failure = _cut(connection_error(error, self.response.request, self._secrets), self._id)
        else:
            return
        raise failure

    @property
    def _id(self) -> str | None:
        return self.response.headers.get("x-request-id")

    def bound(self, until: float | None, idle: float | None) -> None:
        """Limit what follows acceptance: a time by which the stream must end, and seconds between events."""
        self.until, self.idle = until, idle

    def left(self) -> None:
        """The reader left before the end."""
        self._end(None, complete=False)

    def _closed_under_us(self) -> None:
        # Reaching the end of the bytes closes the response as well, while we read: that is no leaving.
        if not self._reading:
            self.left()

    def _end(self, error: BaseException | None, *, complete: bool) -> None:
        if not self._over:
            self._over = True
            self._finished(error, complete)


def _cut(lost: APIError, request_id: str | None) -> APIError | InvalidResponse:
    """A body that ends too early is a truncated stream, however the transport calls it."""
    if isinstance(lost, APIConnectionError) and isinstance(lost.__cause__, httpx2.RemoteProtocolError):
        error = truncated(f"the stream was cut: {lost.__cause__}", request_id)
        error.__cause__ = lost.__cause__
        return error
    return lost


class HanzoStream(AsyncStream[T], Generic[T]):
    """An `openai.AsyncStream` whose first useful event has already arrived and whose end is checked."""

    def __init__(self, source: Source, cast_to: type[T], client: Any) -> None:
        # Not AsyncStream.__init__: it would start a second reader on the same response.
        self.response = source.response
        self._cast_to = cast_to
        self._client = client
        self._source = source
        self._iterator = source.events()

    @override
    async def __anext__(self) -> T:
        return await anext(self._iterator)

    @override
    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in self._iterator:
            yield item

    @override
    async def close(self) -> None:
        """Leave the stream: it is settled at once, and the connection closed."""
        self._source.left()
        await close_response(self.response)

    def __del__(self) -> None:
        source = getattr(self, "_source", None)
        if source is not None:
            source.left()


class _Closing(httpx2.AsyncByteStream):
    """Lets us hear of `response.aclose()`: the SDK's `.stream()` closes the response, not the stream."""

    def __init__(self, inner: Any, closed: Callable[[], None]) -> None:
        self._inner = inner
        self._closed = closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._inner.__aiter__()

    @override
    async def aclose(self) -> None:
        self._closed()
        await self._inner.aclose()


_closing: set[asyncio.Future[None]] = set()


async def close_response(response: Any) -> None:
    """Close a response, to the end even if we are cancelled meanwhile.

    The SDK cancels a call that times out twice, the second time while it cleans up.
    """
    if response.is_closed:
        return
    task = asyncio.ensure_future(response.aclose())
    _closing.add(task)
    task.add_done_callback(_closed)
    await asyncio.shield(task)


def _closed(task: asyncio.Future[None]) -> None:
    _closing.discard(task)
    if not task.cancelled():
        task.exception()
