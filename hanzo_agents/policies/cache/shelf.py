"""Where the answers of a cache lie, what it has saved, and whether its store is there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hanzo_agents.policies.figures import Figures
from hanzo_agents.stores.limits.leases import Leases

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds, Claim, Entries
    from hanzo_agents.stores.pending import Telling
    from hanzo_agents.stores.store import Store

__all__ = ["LEASE", "CacheStats", "Shelf"]

LEASE = 10.0
"""Seconds for which who asks has the right to; prolonged while that process lives."""

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
        self.figures = Figures()
        self._scope = store.scope
        self._away = False
        self._no_writing_until = float("-inf")
        self._lease = LEASE
        self.prolong_every = LEASE / 3
        self.leases = Leases(self._prolong, self._lost, every=self.prolong_every)

    def claim(self, key: bytes, owner: str, clock: Clock) -> Telling[Claim]:
        """Take the right to ask."""
        return self.entries.claim(key, owner=owner, lease=self._lease, clock=clock)

    def release(self, key: bytes, owner: str, clock: Clock) -> None:
        """Give the right to ask back. Never waits."""
        self.entries.release(key, owner=owner, clock=clock).tell(_nothing, _nothing)

    def prolong(self, key: bytes, owner: str, clock: Clock) -> None:
        """Keep the right to ask. Never waits."""
        self.entries.prolong(key, owner=owner, lease=self._lease, clock=clock).tell(_nothing, _nothing)

    def _prolong(self, key: str, owners: list[str], clock: Clock) -> None:
        for owner in owners:
            self.prolong(bytes.fromhex(key), owner, clock)

    def _lost(self, key: str, owner: str, clock: Clock) -> None:
        self.release(bytes.fromhex(key), owner, clock)

    @property
    def stats(self) -> CacheStats:
        """What was done so far."""
        return CacheStats(**self.figures.so_far())

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


def _nothing(_: Any) -> None:
    """Nobody waits for it: a lease ends by itself."""
