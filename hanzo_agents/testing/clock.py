"""`FakeClock`: time that passes only when a test says so.

    from hanzo_agents.testing.clock import FakeClock

    async def test_waits_and_tries_again():
        with FakeClock(auto=True) as clock:
            await client.chat.completions.create(...)     # the upstream fails once
        assert clock.sleeps == [1.0]                      # no second was really spent

Every call begun inside the block goes by the clock, also in tasks started there. With `auto=True`, time jumps
to the end of the earliest sleep as soon as nothing else can run. Without it, time stands still until the test
moves it:

        with FakeClock() as clock:
            call = asyncio.create_task(client.chat.completions.create(...))   # the upstream hangs
            await clock.run_for(600)                                          # up to the call's deadline
            with pytest.raises(DeadlineExceeded):
                await call

`advance` is for code without a loop (`circuit.allow(clock.now())`): it jumps, and whoever is due wakes
afterwards.

Enter the clock inside the test, not in a fixture: a fixture may run in another context, where the test's calls
do not see it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from hanzo_agents._kernel.clock import Duration, seconds, using_clock
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hanzo_agents._kernel.clock import Alarm

__all__ = ["FakeClock"]

QUIET = 25
"""Turns of the loop without news of this clock after which nothing more is expected to happen by itself."""


@dataclass(order=True, slots=True)
class _Timer:
    when: float
    number: int
    ring: Callable[[], object] = field(compare=False)
    loop: asyncio.AbstractEventLoop = field(compare=False)
    sleeper: bool = field(compare=False)
    dropped: bool = field(default=False, compare=False)

    def ring_soon(self) -> None:
        """Ring on the loop that waits, whichever thread moves the clock."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        if not self.dropped:
            self.dropped = True
            self.ring()


class FakeClock:
    """A `Clock` for tests. Implements what policies may ask of time, and moves only as it is told.

    Timeouts are `asyncio.Timeout`s, so nesting and cancellation from outside are asyncio's own. One clock may
    serve several loops and threads.

    Attributes:
        auto: whether time jumps to the end of the earliest sleep once nothing else can run. Only sleeps and
            alarms (`call_at`) move it, never a timeout: a call that hangs is ended by `run_for` or `advance`. Work
            that waits for something else than this clock, a socket for example, is not waited for.
        sleeps: every delay that was asked for, in order.
    """

    def __init__(
        self, *, auto: bool = False, start: float = 0.0, wall: float | datetime = 1_700_000_000.0
    ) -> None:
        """Set the clock.

        Args:
            auto: as the attribute.
            start: the first reading of `now()`.
            wall: the first reading of `wall()`: seconds since the epoch, or a datetime with a time zone.

        Raises:
            ConfigError: the datetime has no time zone.
        """
        if isinstance(wall, datetime):
            if wall.tzinfo is None:
                raise ConfigError("FakeClock.wall: expected a datetime with a time zone")
            wall = wall.timestamp()
        self.auto = auto
        self.sleeps: list[float] = []
        self._start = self._now = start
        self._wall = wall
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()
        self._news = 0
        self._pumping: set[asyncio.AbstractEventLoop] = set()
        self._lock = threading.RLock()
        self._entered: list[AbstractContextManager[None]] = []

    def now(self) -> float:
        """Monotonic seconds."""
        return self._now

    def wall(self) -> float:
        """Seconds since the epoch; they pass as `now` does."""
        return self._wall + (self._now - self._start)

    async def sleep(self, delay: float) -> None:
        """Wait until the clock has moved by `delay` seconds."""
        self.sleeps.append(delay)
        if delay <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        awake = loop.create_future()
        timer = self._add(
            self._now + delay, lambda: None if awake.done() else awake.set_result(None), sleeper=True
        )
        if self.auto:
            self._pump(loop)
        try:
            await awake
        finally:
            self._drop(timer)

    def timeout_at(self, when: float | None) -> AbstractAsyncContextManager[object]:
        """Cancel the block once the clock reaches `when` and raise TimeoutError; None never does."""
        return asyncio.timeout(None) if when is None else _Timeout(self, when)

    def call_at(self, when: float, ring: Callable[[], object]) -> Alarm:
        """Have the running loop call `ring` in this context once the clock reaches `when`."""
        context = copy_context()
        timer = self._add(when, lambda: context.run(ring), sleeper=True)
        if self.auto:
            self._pump(timer.loop)
        return _Alarm(self, timer)

    def advance(self, duration: Duration) -> None:
        """Jump ahead. Whoever is due wakes when the loop next runs, in the order of the times.

        Raises:
            ConfigError: `duration` is no duration, or negative: time does not run backwards.
        """
        self._move_to(self._now + _checked(duration))

    async def run_for(self, duration: Duration) -> None:
        """Let time pass: everybody wakes at their own time, and what they start then is counted too.

        Raises:
            ConfigError: as for `advance`.
        """
        end = self._now + _checked(duration)
        await self.settle()
        while (when := self._earliest(end)) is not None:
            self._move_to(when)
            await self.settle()
        self._move_to(end)
        await self.settle()

    async def settle(self) -> None:
        """Let other tasks run until none asks this clock for anything more."""
        news, quiet = self._news, 0
        while quiet < QUIET:
            await asyncio.sleep(0)
            quiet = quiet + 1 if news == self._news else 0
            news = self._news

    @property
    def waiting(self) -> int:
        """How many sleeps and timeouts are under way."""
        with self._lock:
            return len(self._timers)

    def __enter__(self) -> Self:
        """Have calls begun in the block go by this clock."""
        using = using_clock(self)
        using.__enter__()
        self._entered.append(using)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back the clock that was there before."""
        self._entered.pop().__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"FakeClock(now={self._now:g}, waiting={self.waiting}, auto={self.auto})"

    def _add(self, when: float, ring: Callable[[], object], *, sleeper: bool) -> _Timer:
        timer = _Timer(when, next(self._numbers), ring, asyncio.get_running_loop(), sleeper)
        with self._lock:
            self._news += 1
            if when > self._now:
                heapq.heappush(self._timers, timer)
                return timer
        timer.ring_soon()
        return timer

    def _drop(self, timer: _Timer) -> None:
        timer.dropped = True
        with self._lock:
            self._news += 1
            if timer in self._timers:
                self._timers.remove(timer)
                heapq.heapify(self._timers)

    def _move_to(self, when: float) -> None:
        with self._lock:
            self._news += 1
            due: list[_Timer] = []
            while self._timers and self._timers[0].when <= when:
                due.append(heapq.heappop(self._timers))
            self._now = max(self._now, when)
        for timer in due:
            timer.ring_soon()

    def _earliest(self, end: float = float("inf"), *, sleeper: bool = False) -> float | None:
        with self._lock:
            times = (t.when for t in self._timers if t.when <= end and (t.sleeper or not sleeper))
            return min(times, default=None)

    def _pump(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the loop until it has been quiet for a while, then move to the end of the earliest sleep."""
        with self._lock:
            if loop in self._pumping:
                return
            self._pumping.add(loop)

        def turn(news: int, quiet: int) -> None:
            quiet = quiet + 1 if news == self._news else 0
            if quiet >= QUIET:
                when = self._earliest(sleeper=True)
                if when is None:
                    self._pumping.discard(loop)
                    return
                self._move_to(when)
                quiet = 0
            loop.call_soon(turn, self._news, quiet)

        loop.call_soon(turn, self._news, 0)


@dataclass(frozen=True, slots=True)
class _Alarm:
    """A call that was asked for."""

    clock: FakeClock
    timer: _Timer

    def cancel(self) -> None:
        self.clock._drop(self.timer)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


class _Timeout(AbstractAsyncContextManager[object]):
    """An `asyncio.Timeout` that expires by another clock."""

    def __init__(self, clock: FakeClock, when: float) -> None:
        self._clock = clock
        self._when = when
        self._scope = asyncio.timeout(None)
        self._timer: _Timer | None = None

    async def __aenter__(self) -> object:
        scope = await self._scope.__aenter__()
        loop = asyncio.get_running_loop()
        # Rescheduled to now, an asyncio.Timeout expires at once, in its own way.
        self._timer = self._clock._add(  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            self._when, lambda: scope.reschedule(loop.time()), sleeper=False
        )
        return scope

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._clock._drop(self._timer)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        await self._scope.__aexit__(kind, error, trace)


def _checked(duration: float | timedelta) -> float:
    return seconds("duration", duration) or 0.0
