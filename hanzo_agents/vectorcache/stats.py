"""What a client's questions came to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.money import EXACT
from hanzo_agents.batch import Batch
from hanzo_agents.vectorcache.response import VectorcacheResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Tally", "VectorcacheBatch", "VectorcacheStats"]


@dataclass(frozen=True)
class VectorcacheStats:
    """Questions that were answered, and what the hits among them saved.

    Attributes:
        queries: answered ones; those that failed are none.
        hits: answered from the cache.
        saved: US dollars, as the service says.
    """

    queries: int = 0
    hits: int = 0
    saved: Decimal = Decimal(0)

    @property
    def hit_rate(self) -> float:
        """The share of hits, from 0 to 1; 0 when nothing was answered."""
        return self.hits / self.queries if self.queries else 0.0

    def __str__(self) -> str:
        return (
            f"{self.hits} of {self.queries} answers from the cache ({self.hit_rate:.1%}), ${self.saved:.4f} saved"
        )

    def plus(self, answer: VectorcacheResponse) -> VectorcacheStats:
        """The same with one more answer."""
        # The shortest text that reads as this float is the one the service sent.
        saved = Decimal(repr(answer.cost_saved)) if answer.cache_hit else Decimal(0)
        return VectorcacheStats(self.queries + 1, self.hits + answer.cache_hit, EXACT.add(self.saved, saved))


class Tally:
    """Stats that grow, told by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stats = VectorcacheStats()

    def add(self, answer: VectorcacheResponse) -> None:
        """Count an answer."""
        with self._lock:
            self.stats = self.stats.plus(answer)


class VectorcacheBatch(Batch[VectorcacheResponse]):
    """The answers of a batch, in the order of its prompts; looking at one that failed raises its error."""

    @property
    def stats(self) -> VectorcacheStats:
        """What they came to."""
        return _sum(self.replies)

    @property
    def hit_rate(self) -> float:
        """The share of hits among the prompts that were answered."""
        return self.stats.hit_rate


def _sum(answers: Iterable[VectorcacheResponse]) -> VectorcacheStats:
    stats = VectorcacheStats()
    for answer in answers:
        stats = stats.plus(answer)
    return stats
