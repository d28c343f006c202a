"""A stream with its first useful event in hand, whose end is reported exactly once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.clock import SYSTEM_CLOCK, Clock
from hanzo_agents.errors import DeadlineExceeded, HanzoError, InvalidResponse, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["Primed", "finish_closing", "without_frames"]

Batch = tuple[bool, list[Any]]


class Primed:
    """Holds a stream back until its commit point, then is that stream: iterate it, or `aclose()` it.

    Args:
        batches: pairs of "commits the stream" and the events to hand on; it raises unless the stream is whole.
        close: starts releasing the connection, or returns None when there is nothing to release; what it
            starts is finished even under cancellation.
        finished: told the error that ended the stream, or None, and whether it was read to its end.
        whole: whether all of the answer has come, and `batches` only waits a moment for what may follow it.
            Nothing is late then.
    """

    def __init__(
        self,
        batches: AsyncIterator[Batch],
        *,
        close: Callable[[], Awaitable[None] | None],
        finished: Callable[[BaseException | None, bool], None],
        whole: Callable[[], bool] = lambda: False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.reading = False
        self._batches = batches
        self._close = close
        self._finished = finished
        self._whole = whole
        self._clock = clock
        self._over = False
        self._held: deque[Any] = deque()
        self._until: float | None = None
        self._idle: float | None = None

    async def prime(self) -> None:
        """Read up to the first useful event. What came before it is held."""
        self.reading = True
        try:
            async for useful, events in self._batches:
                self._held.extend(events)
                if useful:
                    return
            # Ends as any other failure to prime.
            raise StreamTruncated("the stream ended without an answer", code="stream_truncated")  # noqa: TRY301
        except BaseException as error:  # noqa: BLE001 - raised again, whatever it is
            self._end(error, complete=False)
            await self._release()
            raise without_frames(error) from error.__cause__
        finally:
            self.reading = False

    def __aiter__(self) -> Primed:
        return self

    async def __anext__(self) -> Any:
        if self._held:
            return self._held.popleft()
        if self._over:
            raise StopAsyncIteration
        self.reading = True
        try:
            while not self._held:
                _, events = await self._in_time()
                self._held.extend(events)
            return self._held.popleft()
        except StopAsyncIteration:
            self._end(None, complete=True)
            await self._release()
            raise
        except BaseException as error:  # noqa: BLE001 - raised again, whatever it is
            self._end(error, complete=False)
            await self._release()
            raise without_frames(error) from error.__cause__
        finally:
            self.reading = False

    async def aclose(self) -> None:
        """Leave the stream: it is settled at once, and the connection closed."""
        self.left()
        self._held.clear()
        await self._release()

    def __del__(self) -> None:
        # No loop may be running here: settle what was left unread, and let the connection go with its owner.
        self.left()

    def bound(self, until: float | None, idle: float | None) -> None:
        """Limit what follows acceptance: a time by which the stream must end, and seconds between events."""
        self._until, self._idle = until, idle

    @property
    def held(self) -> tuple[Any, ...]:
        """The events that have come and that its reader has not had yet."""
        return tuple(self._held)

    def left(self) -> None:
        """The reader left before the end."""
        self._end(None, complete=False)

    async def _in_time(self) -> Batch:
        if (self._until is None and self._idle is None) or self._whole():
            return await anext(self._batches)
        when = self._until
        if self._idle is not None:
            stalled = self._clock.now() + self._idle
            when = stalled if when is None else min(when, stalled)
        try:
            async with self._clock.timeout_at(when):
                return await anext(self._batches)
        except TimeoutError as error:
            if isinstance(error, HanzoError):
                raise
            why = "at the deadline" if when == self._until else f"after {self._idle:g} s without an event"
            raise DeadlineExceeded(f"the stream was abandoned {why}", code="deadline") from None

    async def _release(self) -> None:
        closing = self._close()
        if closing is not None:
            await finish_closing(closing)

    def _end(self, error: BaseException | None, *, complete: bool) -> None:
        if not self._over:
            self._over = True
            self._finished(error, complete)


def without_frames(error: BaseException) -> BaseException:
    """An error about what came back, without the frames that read it: their locals hold it, perhaps a key."""
    return error.with_traceback(None) if isinstance(error, InvalidResponse) else error


_closing: set[asyncio.Future[Any]] = set()


async def finish_closing(closing: Awaitable[None]) -> None:
    """Await a release to its end, even if we are cancelled meanwhile.

    The SDK cancels a call that times out twice, the second time while it cleans up.
    """
    task = asyncio.ensure_future(closing)
    _closing.add(task)
    task.add_done_callback(_closed)
    await asyncio.shield(task)


def _closed(task: asyncio.Future[Any]) -> None:
    _closing.discard(task)
    if not task.cancelled():
        task.exception()
