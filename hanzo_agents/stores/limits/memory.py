"""Limits in memory, for the threads and event loops of one process."""

from __future__ import annotations

import itertools
import math
from collections import deque
from typing import TYPE_CHECKING

from hanzo_agents._kernel.turns import Turns
from hanzo_agents.stores.limits import ABSENT, PERIOD, Need, Standing, Turn, time_until_fit
from hanzo_agents.stores.limits.bells import Bells
from hanzo_agents.stores.limits.leases import running_loop
from hanzo_agents.stores.pending import Done

if TYPE_CHECKING:
    import asyncio

    from hanzo_agents._kernel.clock import Clock

__all__ = ["MemoryLimits"]

FEW_LANES = 64
"""Lanes below which idle ones are not looked for."""

LOOK_EVERY = 1.0
"""Seconds between two looks whether the calls that hold all slots can still end."""

_NOTHING = Done(None)


class MemoryLimits:
    """Lanes in memory. Counts by the monotonic clock, which cannot jump; thread-safe, bound to no loop."""

    __slots__ = ("_lanes", "_sweep_at", "_turns", "bells")

    def __init__(self) -> None:
        self.bells = Bells(self._first)
        self._lanes: dict[str, _Lane] = {}
        self._sweep_at = FEW_LANES
        self._turns = Turns()

    def ask(self, lane: str, op: str, need: Need, *, clock: Clock) -> Done[Turn]:
        """Admit the call, or give it its place in the queue."""
        with self._turns:
            found = self._lanes.get(lane)
            if found is None:
                found = self._new(lane, clock.now())
            return Done(found.ask(op, need, clock.now(), running_loop()))

    def settle(self, lane: str, op: str, tokens: int | None, *, clock: Clock) -> Done[None]:
        """The call is over: free its slot, and count the tokens it really took. Never waits."""
        self._turns.put(self._settle, lane, op, tokens, clock.now())
        return _NOTHING

    def withdraw(self, lane: str, op: str, *, clock: Clock) -> Done[None]:
        """The call is not sent: give everything back. Never waits."""
        self._turns.put(self._withdraw, lane, op)
        return _NOTHING

    def standing(self, lane: str, *, clock: Clock) -> Done[Standing]:
        """How the lane stands."""
        with self._turns:
            found = self._lanes.get(lane)
            return Done(Standing(0, 0, 0, 0) if found is None else found.standing(clock.now()))

    def foresee(self, lane: str, need: Need, *, clock: Clock) -> Turn:
        """What `ask` would answer to a call that comes now. Changes nothing."""
        with self._turns:
            found = self._lanes.get(lane)
            return Turn("admitted") if found is None else found.judge("", need, clock.now())

    def _first(self, lane: str) -> str | None:
        """Who is in front of those who wait."""
        with self._turns:
            found = self._lanes.get(lane)
            return None if found is None else found.queue.first()

    def _settle(self, name: str, op: str, tokens: int | None, when: float) -> None:
        lane = self._lanes.get(name)
        if lane is not None:
            lane.settle(op, tokens, when)

    def _withdraw(self, name: str, op: str) -> None:
        lane = self._lanes.get(name)
        if lane is not None:
            lane.withdraw(op)

    def _new(self, name: str, now: float) -> _Lane:
        """A lane; before there are twice as many, those in which nothing is left are dropped."""
        if len(self._lanes) >= self._sweep_at:
            self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.idle(now)}
            self._sweep_at = max(FEW_LANES, 2 * len(self._lanes))
        lane = self._lanes[name] = _Lane()
        return lane

    def __len__(self) -> int:
        return len(self._lanes)


class _Entry:
    """A call that was admitted; what is given back is counted as nothing until it leaves the window."""

    __slots__ = ("at", "in_window", "loop", "op", "requests", "tokens", "under_way")

    def __init__(self, op: str, at: float, tokens: int, loop: asyncio.AbstractEventLoop | None) -> None:
        self.op, self.at, self.tokens, self.loop = op, at, tokens, loop
        self.requests = 1
        self.in_window = self.under_way = True


class _Place:
    """A place in the queue: what waits there, and until when it is kept."""

    __slots__ = ("held_until", "kept_until", "tokens")

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.held_until = self.kept_until = 0.0


class _Queue:
    """Those who wait, in their order."""

    __slots__ = ("_held", "_lapse", "_places", "_tokens")

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._held: dict[str, _Place] = {}
        self._tokens = 0
        self._lapse = math.inf  # no place is given up before

    def put(self, op: str, tokens: int, *, held_until: float | None, kept_until: float) -> None:
        """Take a place at the end, or keep the one there is."""
        place = self._places.get(op)
        if place is None:
            place = self._places[op] = _Place(tokens)
            self._tokens += tokens
        place.kept_until = kept_until
        if held_until is None:
            self._held.pop(op, None)
        else:
            self._held[op] = place
            place.held_until = held_until
        self._lapse = min(self._lapse, kept_until)

    def leave(self, op: str) -> None:
        """Give up a place."""
        place = self._places.pop(op, None)
        if place is not None:
            self._tokens -= place.tokens
            self._held.pop(op, None)

    def first(self) -> str | None:
        """Who goes first; None when nobody is there but who is on hold."""
        return next((op for op in self._places if op not in self._held), None)

    def ahead(self, op: str, now: float) -> tuple[int, int]:
        """How many go first, and their tokens; who is on hold does not."""
        if self._lapse < now:
            for absent in [op for op, place in self._places.items() if place.kept_until < now]:
                self.leave(absent)
            self._lapse = min((place.kept_until for place in self._places.values()), default=math.inf)
        for ready in [op for op, place in self._held.items() if place.held_until <= now]:
            del self._held[ready]
        if op in self._places:
            before = [
                place.tokens
                for name, place in itertools.takewhile(lambda item: item[0] != op, self._places.items())
                if name not in self._held
            ]
            return len(before), sum(before)
        held = sum(place.tokens for place in self._held.values())
        return len(self._places) - len(self._held), self._tokens - held

    def __contains__(self, op: str) -> bool:
        return op in self._places

    def __len__(self) -> int:
        return len(self._places)


class _Lane:
    """The state of a lane. Times never go back in it, whatever clocks its callers have."""

    __slots__ = ("calls", "log", "look_at", "queue", "requests", "slots", "tokens")

    def __init__(self) -> None:
        self.look_at = -math.inf
        self.log: deque[_Entry] = deque()
        self.requests = self.tokens = self.slots = 0
        self.calls: dict[str, _Entry] = {}
        self.queue = _Queue()

    def ask(self, op: str, need: Need, now: float, loop: asyncio.AbstractEventLoop | None) -> Turn:
        known = self.calls.get(op)
        if known is not None:
            return Turn("admitted", at=known.at)
        if need.slots_limit is not None and self.slots >= need.slots_limit and now >= self.look_at:
            self._end_lost(now)
        turn = self.judge(op, need, now)
        if turn.state == "queued":
            held_until = now + need.hold if need.hold > 0 else None
            self.queue.put(op, need.tokens, held_until=held_until, kept_until=now + turn.delay + ABSENT)
            return turn
        if self.queue:
            self.queue.leave(op)
        if turn.state == "admitted":
            entry = _Entry(op, turn.at, need.tokens, loop)
            self.log.append(entry)
            self.calls[op] = entry
            self.requests += 1
            self.slots += 1
            self.tokens += need.tokens
        return turn

    def judge(self, op: str, need: Need, now: float) -> Turn:
        """What a call is told that asks now."""
        self._forget(now)
        if self.log and self.log[-1].at > now:
            now = self.log[-1].at
        ahead, tokens_ahead = self.queue.ahead(op, now) if self.queue else (0, 0)
        wait = max(need.hold, self._wait(need, ahead, tokens_ahead, now))
        free = need.slots_limit is None or self.slots + ahead < need.slots_limit
        if free and wait <= 0:
            return Turn("admitted", at=now)
        if wait >= need.patience:
            return Turn("late", wait=wait, ahead=ahead)
        if op not in self.queue and len(self.queue) >= need.queue:
            return Turn("full", wait=wait, ahead=ahead)
        # Who waits for a slot is rung; they ask by themselves too, in case the one who was to ring is stuck.
        return Turn("queued", wait if wait > 0 else ABSENT, wait, ahead)

    def _wait(self, need: Need, ahead: int, tokens_ahead: int, now: float) -> float:
        wait = 0.0
        limit = need.requests_limit
        if limit is not None and self.requests + ahead >= limit:
            log = ((entry.at, entry.requests) for entry in self.log)
            wait = time_until_fit(log, self.requests, ahead, 1, limit, now=now)
        limit = need.tokens_limit
        if limit is not None and self.tokens + tokens_ahead + need.tokens > limit:
            log = ((entry.at, entry.tokens) for entry in self.log)
            wait = max(wait, time_until_fit(log, self.tokens, tokens_ahead, need.tokens, limit, now=now))
        return wait

    def _forget(self, now: float) -> None:
        """Let go of what has left the window."""
        log = self.log
        while log and log[0].at + PERIOD <= now:
            entry = log.popleft()
            self.requests -= entry.requests
            self.tokens -= entry.tokens
            entry.in_window = False
            if not entry.under_way:
                self.calls.pop(entry.op, None)

    def _end_lost(self, now: float) -> None:
        """End the calls whose event loop was closed: nobody else will."""
        self.look_at = now + LOOK_EVERY
        under_way = [entry for entry in self.calls.values() if entry.under_way]
        for entry in under_way:
            if entry.loop is not None and entry.loop.is_closed():
                self.settle(entry.op, None, now)

    def settle(self, op: str, tokens: int | None, now: float) -> None:
        entry = self.calls.get(op)
        if entry is None or not entry.under_way:
            return
        entry.under_way, entry.loop = False, None
        self.slots -= 1
        self._forget(now)
        if not entry.in_window:
            self.calls.pop(op, None)
        elif tokens is not None:
            self.tokens += tokens - entry.tokens
            entry.tokens = tokens

    def withdraw(self, op: str) -> None:
        self.queue.leave(op)
        entry = self.calls.pop(op, None)
        if entry is None:
            return
        if entry.under_way:
            entry.under_way, entry.loop = False, None
            self.slots -= 1
        if entry.in_window:
            self.requests -= entry.requests
            self.tokens -= entry.tokens
            entry.requests = entry.tokens = 0

    def standing(self, now: float) -> Standing:
        self._forget(now)
        return Standing(self.requests, self.tokens, self.slots, len(self.queue))

    def idle(self, now: float) -> bool:
        self._forget(now)
        return not (self.log or self.slots or self.queue)
