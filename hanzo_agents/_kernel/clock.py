"""Time, as policies see it: injected, so that tests never sleep.

Durations use a monotonic clock: it cannot jump. Only calendar windows need the wall clock.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = [
    "SYSTEM_CLOCK",
    "Alarm",
    "Clock",
    "Duration",
    "SystemClock",
    "current_clock",
    "required_seconds",
    "seconds",
    "seconds_of",
    "using_clock",
]

Duration = float | timedelta
"""Seconds, or a timedelta."""


class Alarm(Protocol):
    """Something that will ring unless it is cancelled."""

    def cancel(self) -> None:
        """Do not ring. Safe to repeat, and when it has rung."""
        ...


class Clock(Protocol):
    """What a policy may ask of time."""

    def now(self) -> float:
        """Monotonic seconds; only differences mean something."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch, for calendar windows and HTTP dates."""
        ...

    async def sleep(self, delay: float) -> None:
        """Wait `delay` seconds."""
        ...

    def timeout_at(self, when: float | None) -> AbstractAsyncContextManager[object]:
        """Cancel the block at monotonic time `when` and raise TimeoutError; None never does."""
        ...

    def call_at(self, when: float, ring: Callable[[], object]) -> Alarm:
        """Have the running loop call `ring` in this context at monotonic time `when`, without waiting for it."""
        ...


class SystemClock:
    """The real one. asyncio's loop time is the monotonic clock, so both agree."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    async def sleep(self, delay: float) -> None:
        """Wait `delay` seconds."""
        await asyncio.sleep(delay)

    def timeout_at(self, when: float | None) -> AbstractAsyncContextManager[object]:
        """Raise TimeoutError from the block at monotonic time `when`."""
        if when is None:
            return asyncio.timeout(None)
        # A loop of another kind (uvloop) counts from elsewhere: go by what is left, not by the reading.
        return asyncio.timeout(when - time.monotonic())

    def call_at(self, when: float, ring: Callable[[], object]) -> Alarm:
        """Have the running loop call `ring` at monotonic time `when`."""
        return asyncio.get_running_loop().call_later(max(when - time.monotonic(), 0.0), ring)

    def __repr__(self) -> str:
        return "SystemClock()"


SYSTEM_CLOCK = SystemClock()

_clock: ContextVar[Clock] = ContextVar("hanzo_agents_clock", default=SYSTEM_CLOCK)


def current_clock() -> Clock:
    """The clock that calls begun here go by: the system's, unless a test put another in its place."""
    return _clock.get()


@contextmanager
def using_clock(clock: Clock) -> Generator[None]:
    """Have calls begun in the block, and in tasks started there, go by `clock`."""
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)


LONGEST = 3_155_760_000.0
"""Seconds, a hundred years: what takes times has bounds of its own beyond that, a socket and Redis among them."""


def seconds(name: str, value: Duration | None, *, zero: bool = True) -> float | None:
    """Check a duration given by a caller and return it in seconds.

    Raises:
        ConfigError: it is not a number or timedelta, is negative, NaN or more than a hundred years, or zero where
            that is wrong.
    """
    return None if value is None else required_seconds(name, value, zero=zero)


def required_seconds(name: str, value: Duration | None, *, zero: bool = True) -> float:
    """As `seconds`, where None is no answer."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    wanted = "a number of seconds >= 0" if zero else "a number of seconds > 0"
    if isinstance(value, bool) or not isinstance(value, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{name}: expected {wanted} or a timedelta, got {type(value).__name__}")
    if not 0 <= value < float("inf") or (not zero and value == 0):
        raise ConfigError(f"{name}: expected {wanted}, got {value!r}")
    if value > LONGEST:
        raise ConfigError(f"{name}: expected {wanted}, a hundred years at most")
    return float(value)


def seconds_of(value: Duration) -> float:
    """A checked duration in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
