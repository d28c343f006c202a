"""Where the answers of a cache lie, what it has saved, and whether its store is there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.money import EXACT
from hanzo_agents._kernel.turns import Turns

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.cache.sealed import Facts
    from hanzo_agents.stores.entries import Bounds, Entries
    from hanzo_agents.stores.store import Store

__all__ = ["CacheStats", "Shelf"]

PAUSE = 30.0
"""Seconds without an attempt to write after one that failed: a full disk is not filled again by trying."""

_logger = logging.getLogger("hanzo_agents")


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache has done since it was made, in this process.

    Attributes:
        hits: calls that it answered.
        shared: those of them that waited for the same question of somebody else.
        misses: calls that were sent.
        bypassed: calls that are none of its business: stateful ones, and those it was told to leave.
        kept: answers put into the store.
        dropped: entries that did not open, and were removed.
        saved: US dollars that the hits would have cost, as far as that is known.
        saved_tokens: tokens that they would have taken, input and output together.
    """

    hits: int = 0
    shared: int = 0
    misses: int = 0
    bypassed: int = 0
    kept: int = 0
    dropped: int = 0
    saved: Decimal = Decimal(0)
    saved_tokens: int = 0


class Shelf:
    """A store's entries, as one cache uses them. Serves every event loop and thread.

    Args:
        store: that has the entries.
        ttl: seconds for which an answer is kept.
        bounds: how much is kept.
        tool_calls: whether answers that call tools are.
        substitutes: whether those of another target than the one that was asked are.
    """

    def __init__(self, store: Store, *, ttl: float, bounds: Bounds, tool_calls: bool, substitutes: bool) -> None:
        self.entries: Entries = store.entries
        self.ttl = ttl
        self.bounds = bounds
        self.tool_calls = tool_calls
        self.substitutes = substitutes
        self._scope = store.scope
        self._counts: dict[str, int] = dict.fromkeys(
            ("hits", "shared", "misses", "bypassed", "kept", "dropped", "saved_tokens"), 0
        )
        self._saved = Decimal(0)
        self._turns = Turns()
        self._away = False
        self._no_writing_until = float("-inf")

    @property
    def stats(self) -> CacheStats:
        """What was done so far."""
        with self._turns:
            return CacheStats(**self._counts, saved=self._saved)

    def count(self, what: str, more: int = 1) -> None:
        """Add to a figure. Never waits."""
        self._turns.put(self._count, what, more)

    def _count(self, what: str, more: int) -> None:
        self._counts[what] += more

    def saved(self, facts: Facts, *, shared: bool) -> None:
        """Count a hit, and what it saved."""
        counts, usage, amount = self._counts, facts.usage, facts.cost.amount
        with self._turns:
            counts["hits"] += 1
            counts["shared"] += shared
            if usage is not None:
                counts["saved_tokens"] += usage.total_tokens
            if amount is not None:
                self._saved = EXACT.add(self._saved, amount)

    def back(self) -> None:
        """The store answers."""
        if self._away:
            self._away = False
            self._no_writing_until = float("-inf")
            _logger.info("the cache is back: %s", self._scope)

    def away(self, error: BaseException) -> None:
        """The store does not answer: calls are sent as if there were no cache. Said once, until it is back."""
        if not self._away:
            self._away = True
            _logger.warning("the cache is away, calls are sent without it (%s): %s", self._scope, error)

    def writes(self, clock: Clock) -> bool:
        """Whether it is worth trying to write."""
        return clock.now() >= self._no_writing_until

    def written(self) -> None:
        """The store takes answers."""
        if self._no_writing_until > float("-inf"):
            self._no_writing_until = float("-inf")
            _logger.info("the cache keeps answers again: %s", self._scope)

    def not_written(self, error: BaseException, clock: Clock) -> None:
        """The store takes nothing: read only, or its disk is full. Said once, until it does again."""
        if self._no_writing_until == float("-inf") and not self._away:
            _logger.warning("the cache keeps no new answers (%s): %s", self._scope, error)
        self._no_writing_until = clock.now() + PAUSE
