"""Vectors of one space, side by side, so that one multiplication compares them all."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy import float32
    from numpy.typing import NDArray

__all__ = ["Matrix", "check_numpy", "packed"]

LENGTH_ERROR = 1e-2
"""By how much a vector's length may be off 1 and still be taken for one of ours."""

FIRST_ROWS = 16


def check_numpy(what: str) -> None:
    """Raise ConfigError when there is nothing to compare vectors with."""
    if find_spec("numpy") is None:
        raise ConfigError(f"{what}: pip install 'hanzo-agents-provider[semantic]'")


def packed(numbers: Iterable[float]) -> bytes | None:
    """A vector of length 1 in the direction of these numbers; None when they have none."""
    import numpy as np

    vector = np.asarray(numbers if hasattr(numbers, "__len__") else list(numbers), dtype=np.float64)
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
        return None
    largest = float(np.abs(vector).max())
    if not largest:
        return None
    vector = vector / largest  # its squares would be too large, or too small, to be added up
    return (vector / float(np.linalg.norm(vector))).astype("<f4").tobytes()


def _unpacked(vector: bytes) -> NDArray[float32] | None:
    """The numbers, None unless they are those of a vector of length 1."""
    import numpy as np

    if not vector or len(vector) % 4:
        return None
    numbers = np.frombuffer(vector, dtype="<f4")
    length = float(np.linalg.norm(numbers))
    return numbers if abs(length - 1) < LENGTH_ERROR else None  # False also when it is no number


class Matrix:
    """Rows of one length, each under an id. Not for two threads at once."""

    __slots__ = ("_ids", "_row_of", "_rows")

    def __init__(self) -> None:
        self._rows: Any = None
        self._ids: list[int] = []
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, entry: int) -> bool:
        return entry in self._row_of

    @property
    def size(self) -> int:
        """Bytes it takes, roughly."""
        return 0 if self._rows is None else int(self._rows.nbytes)

    def add(self, entry: int, vector: bytes) -> bool:
        """Put a row in; False when it does not fit to the others, or is there already."""
        import numpy as np

        numbers = _unpacked(vector)
        if numbers is None or entry in self._row_of:
            return False
        if self._rows is None:
            self._rows = np.empty((FIRST_ROWS, numbers.size), dtype=np.float32)
        if numbers.size != self._rows.shape[1]:
            return False
        count = len(self._ids)
        if count == len(self._rows):
            grown = np.empty((2 * count, numbers.size), dtype=np.float32)
            grown[:count] = self._rows
            self._rows = grown
        self._rows[count] = numbers
        self._row_of[entry] = count
        self._ids.append(entry)
        return True

    def drop(self, entry: int) -> None:
        """Take a row out; the last one fills its place."""
        row = self._row_of.pop(entry, None)
        if row is None:
            return
        last = self._ids.pop()
        if last != entry:
            self._rows[row] = self._rows[len(self._ids)]
            self._ids[row] = last
            self._row_of[last] = row

    def nearest(self, vector: bytes, *, least: float, most: int) -> list[tuple[int, float]]:
        """Ids and similarities of up to `most` rows, the most similar first."""
        import numpy as np

        numbers, count = _unpacked(vector), len(self._ids)
        if numbers is None or not count or numbers.size != self._rows.shape[1]:
            return []
        found: NDArray[float32] = self._rows[:count] @ numbers
        # Rounding must not make the same text unlike itself.
        (rows,) = np.nonzero(found >= min(least, 1.0) - 1e-6)
        if len(rows) > most:
            rows = rows[np.argpartition(found[rows], -most)[-most:]]
        rows = rows[np.argsort(-found[rows], kind="stable")]
        return [(self._ids[row], min(1.0, float(found[row]))) for row in rows.tolist()]
