"""Waking those who wait in a lane, whichever event loop or thread they wait on.

A store knows who is next, but not where they wait. So everybody who waits in this process has a bell; when
something changes in a lane, the bell of the one in front rings, and they ask the store again. A bell is only a
hint: who is rung for nothing asks in vain, and who is not rung asks when their delay is over.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Self

from hanzo_agents._kernel.turns import Turns

if TYPE_CHECKING:
    from types import TracebackType

    from hanzo_agents._kernel.clock import Clock

__all__ = ["Bell", "Bells"]


class Bells:
    """The bells of one process, by lane, in the order of arrival.

    Attributes:
        rings: another number after each ring, in any lane.
    """

    __slots__ = ("_lanes", "_numbers", "_turns", "rings")

    def __init__(self) -> None:
        self.rings = 0
        self._numbers = itertools.count(1)
        self._lanes: dict[str, dict[Bell, None]] = {}
        self._turns = Turns()

    def hang(self, lane: str) -> Bell:
        """A bell at the end of the row, for the running event loop; use it as a context manager."""
        return Bell(self, lane)

    def ring(self, lane: str) -> None:
        """Something has changed: have the one in front look. It rings the next when it leaves. Never waits."""
        self.rings = number = next(self._numbers)
        if lane in self._lanes:
            self._turns.put(self._ring, lane, number)

    def pass_on(self, lane: str, number: int) -> None:
        """Who was rung is not the one in front: on several threads bells hang in another order than was asked in.

        Each ring goes to a bell once at most. Never waits.
        """
        self._turns.put(self._ring, lane, number)

    def waiting(self, lane: str) -> int:
        """How many wait in the lane in this process."""
        return len(self._lanes.get(lane, ()))

    def add(self, bell: Bell) -> None:
        """Put a bell at the end of its row."""
        with self._turns:
            self._lanes.setdefault(bell.lane, {})[bell] = None

    def remove(self, bell: Bell) -> None:
        """Take a bell away. Safe to repeat; never waits."""
        self._turns.put(self._remove, bell)

    def _ring(self, lane: str, number: int) -> None:
        row = self._lanes.get(lane, {})
        while (bell := next((b for b in row if not b.rung and b.heard != number), None)) is not None:
            if bell.ring(number):
                return
            self._remove(bell)

    def _remove(self, bell: Bell) -> None:
        row = self._lanes.get(bell.lane)
        if row is not None:
            row.pop(bell, None)
            if not row:
                del self._lanes[bell.lane]


class Bell:
    """One who waits.

    Attributes:
        rung: it has rung, and nobody has heard it yet.
        heard: the number of the last ring that it was given.
    """

    __slots__ = ("_bells", "_loop", "_sleeper", "heard", "lane", "rung")

    def __init__(self, bells: Bells, lane: str) -> None:
        self._bells = bells
        self._loop = asyncio.get_running_loop()
        self._sleeper: asyncio.Future[None] | None = None
        self.lane = lane
        self.rung = False
        self.heard = 0

    def __enter__(self) -> Self:
        self._bells.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bells.remove(self)

    async def wait(self, delay: float, clock: Clock) -> None:
        """Wait `delay` seconds, or until the bell rings; one that rang before is not waited for."""
        self._sleeper = self._loop.create_future()
        alarm = clock.call_at(clock.now() + delay, self._wake)
        try:
            if not self.rung:
                await self._sleeper
        finally:
            alarm.cancel()
            self._sleeper = None
            self.rung = False

    def ring(self, number: int) -> bool:
        """Wake the one who waits, from any thread; False when nobody is there any more."""
        self.rung, self.heard = True, number
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # its loop was closed, and the one who waited is gone with it
            return False
        return True

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
