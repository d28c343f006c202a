"""Waking those who wait in a lane, whichever event loop or thread they wait on.

A store knows who is next, but not where they wait. So everybody who waits in this process has a bell; when
something changes in a lane, the bell of the one in front rings, and they ask the store again. Who that is a store
in memory tells at once; for one elsewhere it is whose bell hangs here for longest. A bell is only a hint: who is
rung for nothing asks in vain, and who is not rung asks when their delay is over.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Self

from hanzo_agents._kernel.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from hanzo_agents._kernel.clock import Clock

__all__ = ["Bell", "Bells"]


class Bells:
    """The bells of one process, by lane, in the order of arrival.

    Args:
        first: tells which operation is in front of a lane, None when nobody waits there; where the store cannot
            tell at once, there is no such function.

    Attributes:
        rings: another number after each ring, in any lane.
    """

    __slots__ = ("_first", "_lanes", "_numbers", "_turns", "rings")

    def __init__(self, first: Callable[[str], str | None] | None = None) -> None:
        self.rings = 0
        self._first = first
        self._numbers = itertools.count(1)
        self._lanes: dict[str, dict[str, Bell]] = {}
        self._turns = Turns()

    def hang(self, lane: str, op: str) -> Bell:
        """A bell for an operation on the running event loop; use it as a context manager."""
        return Bell(self, lane, op)

    def ring(self, lane: str) -> None:
        """Something has changed: have the one in front look. It rings the next when it leaves. Never waits."""
        self.rings = next(self._numbers)
        if lane in self._lanes:
            self._turns.put(self._ring, lane)

    def waiting(self, lane: str) -> int:
        """How many wait in the lane in this process."""
        return len(self._lanes.get(lane, ()))

    def add(self, bell: Bell) -> None:
        """Put a bell at the end of its row."""
        with self._turns:
            self._lanes.setdefault(bell.lane, {})[bell.op] = bell

    def remove(self, bell: Bell) -> None:
        """Take a bell away. Safe to repeat; never waits."""
        self._turns.put(self._remove, bell)

    def _ring(self, lane: str) -> None:
        row = self._lanes.get(lane, {})
        if self._first is not None:
            bell = row.get(self._first(lane) or "")
            # Who is in front and has no bell yet sees, once it hangs, that it has rung.
            if bell is None or bell.rung or bell.ring():
                return
            self._remove(bell)
        while (bell := next((bell for bell in row.values() if not bell.rung), None)) is not None:
            if bell.ring():
                return
            self._remove(bell)

    def _remove(self, bell: Bell) -> None:
        row = self._lanes.get(bell.lane)
        if row is not None:
            row.pop(bell.op, None)
            if not row:
                del self._lanes[bell.lane]


class Bell:
    """One who waits.

    Attributes:
        rung: it has rung, and nobody has heard it yet.
    """

    __slots__ = ("_bells", "_loop", "_sleeper", "lane", "op", "rung")

    def __init__(self, bells: Bells, lane: str, op: str) -> None:
        self._bells = bells
        self._loop = asyncio.get_running_loop()
        self._sleeper: asyncio.Future[None] | None = None
        self.lane = lane
        self.op = op
        self.rung = False

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

    def ring(self) -> bool:
        """Wake the one who waits, from any thread; False when nobody is there any more."""
        self.rung = True
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # its loop was closed, and the one who waited is gone with it
            return False
        return True

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)
