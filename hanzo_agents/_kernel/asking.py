"""A question to somebody else, asked by whoever needs its answer first; the others wait for that one."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from hanzo_agents._kernel.clock import current_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["FAILURE_REMEMBERED", "PATIENCE", "REMEMBERED", "Asking"]

T = TypeVar("T")

REMEMBERED = 300.0
"""Seconds for which an answer is taken as it was: what routers list changes by the week."""
FAILURE_REMEMBERED = 60.0
"""Seconds in which somebody who did not answer is not asked again."""
PATIENCE = 2.0
"""Seconds that asking may take, for whoever asks and for all who wait for it."""
TICK = 0.01
"""Seconds by which a timer may ring early."""


class Asking(Generic[T]):
    """One question, on any thread and any event loop.

    Args:
        told: takes the answer.
        failed: is told once of a row of failures; a cancellation means that no answer came in time.
    """

    __slots__ = ("_asking", "_asking_until", "_failed", "_failing", "_lock", "_told", "_until")

    def __init__(self, told: Callable[[T], None], failed: Callable[[BaseException], None]) -> None:
        self._told = told
        self._failed = failed
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._asking: Future[None] | None = None
        self._asking_until = float("-inf")
        self._failing = False

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to ask: it was asked, or it failed, a short while ago."""
        return current_clock().now() < self._until

    async def learn(self, ask: Callable[[], Awaitable[T]]) -> None:
        """Have the answer, unless it is fresh, or asking failed a moment ago.

        Whoever comes first asks; the others wait for that one, whatever loop or thread it is on. One that is
        cancelled hands over. Never raises but for cancellation, and never takes longer than `PATIENCE`.
        """
        clock = current_clock()
        now = clock.now()
        if now < self._until:
            return
        deadline = now + PATIENCE
        try:
            async with clock.timeout_at(deadline):
                while (now := clock.now()) >= self._until:
                    turn, ours = self._turn(now, deadline)
                    if ours:
                        await self._ask(ask, turn, deadline)
                        return
                    await asyncio.wrap_future(turn)
        except TimeoutError:
            return

    def _turn(self, now: float, deadline: float) -> tuple[Future[None], bool]:
        """The future that ends when whoever asks is done, and whether that is us."""
        with self._lock:
            if self._asking is not None and now < self._asking_until:
                return self._asking, False
            turn: Future[None] = Future()
            # A running future cannot be cancelled: a waiter that leaves must not take it from the others.
            turn.set_running_or_notify_cancel()
            self._asking, self._asking_until = turn, deadline
            return turn, True

    async def _ask(self, ask: Callable[[], Awaitable[T]], turn: Future[None], deadline: float) -> None:
        clock = current_clock()
        began = clock.now()
        try:
            answer = await ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on without
            self._fail(error, clock.now())
        except BaseException as error:
            # Time is up, or the caller left: only somebody who had the time has failed.
            if clock.now() >= deadline - TICK and deadline - began > PATIENCE / 2:
                self._fail(error, clock.now())
            raise
        else:
            self._told(answer)
            self._until, self._failing = clock.now() + REMEMBERED, False
        finally:
            with self._lock:
                if self._asking is turn:
                    self._asking = None
            turn.set_result(None)

    def _fail(self, error: BaseException, now: float) -> None:
        self._until = now + FAILURE_REMEMBERED
        if not self._failing:
            self._failing = True
            self._failed(error)
