"""What lies elsewhere, mirrored here so far that it can be compared: the vectors, not the contents."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanzo_agents.stores.vectors.matrix import Matrix

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Mirror"]

MOST_SPACES = 1024
MOST_BYTES = 1 << 30
"""Of vectors, in all spaces together; the one that was not asked for longest is forgotten, and read anew."""


@dataclass(slots=True)
class _Space:
    """What is known of one: its vectors, and the number of the newest."""

    matrix: Matrix = field(default_factory=Matrix)
    last: int = 0


class Mirror:
    """Vectors of some spaces. Entries of a space are numbered upwards, so that what is new can be asked for."""

    def __init__(self) -> None:
        self._spaces: OrderedDict[bytes, _Space] = OrderedDict()
        self._lock = threading.Lock()

    def last(self, space: bytes) -> int:
        """The number of the newest entry that is known; 0 for none."""
        with self._lock:
            return self._of(space).last

    def add(self, space: bytes, entries: Iterable[tuple[int, bytes]]) -> None:
        """Take in new entries: their numbers and vectors."""
        with self._lock:
            known = self._of(space)
            for entry, vector in entries:
                known.matrix.add(entry, vector)
                known.last = max(known.last, entry)
            self._make_room()

    def nearest(self, space: bytes, vector: bytes, *, least: float, most: int) -> list[tuple[int, float]]:
        """Numbers and similarities of up to `most` entries, the most similar first."""
        with self._lock:
            return self._of(space).matrix.nearest(vector, least=least, most=most)

    def drop(self, space: bytes, entries: Iterable[int]) -> None:
        """Forget entries that are no more."""
        with self._lock:
            matrix = self._of(space).matrix
            for entry in entries:
                matrix.drop(entry)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._spaces.clear()

    def forked(self) -> None:
        """Start afresh in a child process."""
        self._spaces = OrderedDict()
        self._lock = threading.Lock()

    def _of(self, space: bytes) -> _Space:
        known = self._spaces.get(space)
        if known is None:
            known = self._spaces[space] = _Space()
            self._make_room()
        self._spaces.move_to_end(space)
        return known

    def _make_room(self) -> None:
        size = sum(known.matrix.size for known in self._spaces.values())
        while len(self._spaces) > MOST_SPACES or (size > MOST_BYTES and len(self._spaces) > 1):
            _, oldest = self._spaces.popitem(last=False)
            size -= oldest.matrix.size
