"""Cached answers in memory."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import TYPE_CHECKING

from hanzo_agents._kernel.turns import Turns
from hanzo_agents.stores.entries import Claim
from hanzo_agents.stores.entries.flights import Flights
from hanzo_agents.stores.pending import Done, in_turn

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Telling

__all__ = ["MemoryEntries"]

_NOTHING: Done[bytes | None] = Done(None)


class MemoryEntries:
    """Answers of one process, the one that was used last at the end."""

    shared = False
    bounded = True
    largest = sys.maxsize

    def __init__(self) -> None:
        self.flights = Flights()
        self._kept: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._size = 0
        self._turns = Turns()

    def get(self, key: bytes, *, clock: Clock) -> Done[bytes | None]:
        """The answer under `key`, None when there is none or its time is over."""
        with self._turns:
            kept = self._kept.get(key)
            if kept is None:
                return _NOTHING
            if clock.now() >= kept[1]:
                self._drop(key)
                return _NOTHING
            self._kept.move_to_end(key)
        return Done(kept[0])

    def put(
        self, key: bytes, content: bytes, *, ttl: float, bounds: Bounds, fence: int | None, clock: Clock
    ) -> Telling[bool]:
        """Keep an answer for `ttl` seconds; what was not used for longest makes room. Never waits."""
        until = clock.now() + ttl
        return in_turn(self._turns, lambda: self._put(key, content, until, bounds), "Entries.put")

    def remove(self, key: bytes, *, content: bytes, clock: Clock) -> Done[None]:
        """Drop the entry under `key` if it still is `content`."""
        with self._turns:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == content:
                self._drop(key)
        return Done(None)

    def claim(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Done[Claim]:
        """Nobody else could hold the lease: within the process, `flights` see to that."""
        return Done(Claim(self.get(key, clock=clock).value, 0))

    def prolong(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Done[None]:
        """Nothing to prolong."""
        return Done(None)

    def release(self, key: bytes, *, owner: str, clock: Clock) -> Done[None]:
        """Nothing to give back."""
        return Done(None)

    def clear(self, space: bytes, *, position: str, clock: Clock) -> Done[tuple[int, str]]:
        """Drop the entries whose key begins with `space`."""
        with self._turns:
            keys = [key for key in self._kept if key.startswith(space)]
            for key in keys:
                self._drop(key)
        return Done((len(keys), ""))

    def _put(self, key: bytes, content: bytes, until: float, bounds: Bounds) -> bool:
        self._drop(key)
        if len(content) > bounds.size or bounds.entries < 1:
            return False
        self._kept[key] = (content, until)
        self._size += len(content)
        while len(self._kept) > bounds.entries or self._size > bounds.size:
            self._drop(next(iter(self._kept)))
        return True

    def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= len(kept[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._kept)} entries, {self._size} bytes)"
