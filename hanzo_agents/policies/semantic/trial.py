"""Whether a cache of similar questions may answer: what it would have said, held against what the model says."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

from hanzo_agents._kernel.turns import Turns

__all__ = ["State", "Trial"]

State = Literal["shadow", "serving", "off"]
"""It only compares; it answers, and compares a sample; it has shut itself off."""

WINDOW = 500
"""Comparisons that are remembered: what was wrong long ago does not count for ever."""

Z = 1.2816
"""Of the normal distribution: 9 of 10 times the true share lies above the bound made with it."""

FEWEST = 2
"""Disagreements that shut a cache off: one may be the model's own change of mind."""


class Trial:
    """Comparisons, and what follows from them. Pure of time and I/O; lock-guarded.

    Args:
        shadow: True never serves; a number serves after that many comparisons, if they agree; False at once.
        sample: share of the answers that are still compared once it serves.
        most: share of disagreements that is borne.
    """

    def __init__(self, *, shadow: bool | int, sample: float, most: float) -> None:
        self._shadow = shadow
        self._sample = sample
        self._most = most
        self._turns = Turns()
        self._begin()

    def _begin(self) -> None:
        self.state: State = "shadow" if self._shadow else "serving"
        self._compared: deque[bool] = deque(maxlen=WINDOW)
        self._due = 0.0

    @property
    def disagreement(self) -> tuple[int, int]:
        """How many of the remembered comparisons disagree, and how many there are."""
        with self._turns:
            return self._compared.count(False), len(self._compared)

    def serves(self) -> bool:
        """Whether the answer that was found is given; False: the model is asked, and the two are compared."""
        with self._turns:
            if self.state != "serving":
                return False
            self._due += self._sample
            if self._due < 1:
                return True
            self._due -= 1
            return False

    def compared(self, *, agree: bool) -> State | None:
        """Take a comparison in; the new state, when it changes. Called where nothing may wait."""
        changed: list[State] = []
        self._turns.put(self._take, agree, changed)
        return changed[0] if changed else None

    def _take(self, agree: bool, changed: list[State]) -> None:
        self._compared.append(agree)
        wrong, count = self._compared.count(False), len(self._compared)
        before = self.state
        if wrong >= FEWEST and least_share(wrong, count) > self._most:
            self.state = "off"
        elif (
            before == "shadow"
            and self._shadow is not True
            and count >= self._shadow
            and wrong <= self._most * count
        ):
            self.state = "serving"
        if self.state != before:
            changed.append(self.state)

    def reopen(self) -> None:
        """Begin anew, as at first."""
        with self._turns:
            self._begin()


def least_share(wrong: int, count: int) -> float:
    """The share of which 9 in 10 times there is more (Wilson's lower bound)."""
    share = wrong / count
    middle = share + Z * Z / (2 * count)
    spread = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    return (middle - spread) / (1 + Z * Z / count)
