"""Answers by likeness, in memory."""

from __future__ import annotations

import itertools
import sys
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from weakref import finalize

from hanzo_agents._kernel.turns import Turns
from hanzo_agents.stores.pending import Done, in_turn, on_thread
from hanzo_agents.stores.vectors import Near
from hanzo_agents.stores.vectors.matrix import Matrix
from hanzo_agents.stores.workers import Workers

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Telling

__all__ = ["MemoryVectors"]

AT_ONCE = 1 << 22
"""Bytes of vectors that are compared on the caller's own thread: well below a millisecond."""


@dataclass(slots=True)
class _Kept:
    space: bytes
    vector: bytes
    content: bytes
    until: float

    @property
    def size(self) -> int:
        return len(self.vector) + len(self.content)


class MemoryVectors:
    """Contents of one process, the one that was used last at the end."""

    largest = sys.maxsize

    def __init__(self) -> None:
        self._spaces: dict[bytes, Matrix] = {}
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._size = 0
        self._ids = itertools.count()
        self._turns = Turns()
        self._workers: Workers | None = None

    async def nearest(self, space: bytes, vector: bytes, *, least: float, most: int, clock: Clock) -> list[Near]:
        """Up to `most` contents of the space, the most similar first."""
        matrix = self._spaces.get(space)
        if matrix is None:
            return []
        look = partial(self._nearest, space, vector, least, most, clock.now())
        if matrix.size <= AT_ONCE:
            return look()
        return await on_thread(self._threads(), look, "comparing questions")

    def put(
        self, space: bytes, vector: bytes, content: bytes, *, ttl: float, bounds: Bounds, clock: Clock
    ) -> Telling[bool]:
        """Keep a content for `ttl` seconds; what was not used for longest makes room. Never waits."""
        kept = _Kept(space, vector, content, clock.now() + ttl)
        return in_turn(self._turns, lambda: self._put(kept, bounds), "Vectors.put")

    def remove(self, near: Near, *, clock: Clock) -> Done[None]:
        """Drop one that was found."""
        with self._turns:
            self._drop(near.id)
        return Done(None)

    def clear(self, *, clock: Clock) -> Done[int]:
        """Drop all."""
        with self._turns:
            dropped = len(self._kept)
            self._kept.clear()
            self._spaces.clear()
            self._size = 0
        return Done(dropped)

    def _threads(self) -> Workers:
        if self._workers is None or not self._workers.ours:
            self._workers = Workers("hanzo-agents-vectors")
            finalize(self, self._workers.dismiss)
        return self._workers

    def _nearest(self, space: bytes, vector: bytes, least: float, most: int, now: float) -> list[Near]:
        with self._turns:
            while (matrix := self._spaces.get(space)) is not None:
                found = [
                    (entry, similarity, self._kept[entry])
                    for entry, similarity in matrix.nearest(vector, least=least, most=most)
                ]
                over = [entry for entry, _, kept in found if kept.until <= now]
                for entry in over:
                    self._drop(entry)
                if over:
                    continue
                for entry, _, _ in found:
                    self._kept.move_to_end(entry)
                return [Near(entry, similarity, kept.vector, kept.content) for entry, similarity, kept in found]
        return []

    def _put(self, kept: _Kept, bounds: Bounds) -> bool:
        if kept.size > bounds.size or bounds.entries < 1:
            return False
        entry = next(self._ids)
        matrix = self._spaces.setdefault(kept.space, Matrix())
        if not matrix.add(entry, kept.vector):
            if not len(matrix):
                del self._spaces[kept.space]
            return False
        self._kept[entry] = kept
        self._size += kept.size
        while len(self._kept) > bounds.entries or self._size > bounds.size:
            self._drop(next(iter(self._kept)))
        return True

    def _drop(self, entry: int) -> None:
        kept = self._kept.pop(entry, None)
        if kept is None:
            return
        self._size -= kept.size
        matrix = self._spaces[kept.space]
        matrix.drop(entry)
        if not len(matrix):
            del self._spaces[kept.space]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._kept)} answers, {self._size} bytes)"
