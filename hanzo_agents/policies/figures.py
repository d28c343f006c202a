"""What a cache counts: calls by what became of them, and what its hits would have taken."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.money import EXACT
from hanzo_agents._kernel.turns import Turns

if TYPE_CHECKING:
    from hanzo_agents.policies.sealed import Facts

__all__ = ["Figures"]


class Figures:
    """Figures by their names in a cache's stats. Serves every event loop and thread."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._saved = Decimal(0)
        self._turns = Turns()

    def so_far(self) -> dict[str, Any]:
        """All that are not 0, with the US dollars `saved`."""
        with self._turns:
            return {**self._counts, "saved": self._saved}

    def count(self, name: str, more: int = 1) -> None:
        """Add to a figure. Never waits."""
        self._turns.put(self._count, name, more)

    def hit(self, facts: Facts, *, shared: bool = False) -> None:
        """Count a hit, and what it saved; `shared`: of a question that somebody else had just asked."""
        with self._turns:
            self._count("hits", 1)
            if shared:
                self._count("shared", 1)
            if facts.usage is not None:
                self._count("saved_tokens", facts.usage.total_tokens)
            if facts.cost.amount is not None:
                self._saved = EXACT.add(self._saved, facts.cost.amount)

    def _count(self, name: str, more: int) -> None:
        self._counts[name] += more
