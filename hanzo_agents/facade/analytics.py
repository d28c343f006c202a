"""`enable_analytics`: what a client's calls took, added up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.money import EXACT, added
from hanzo_agents._kernel.outcome import provider_of
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.observe import outcomes
from hanzo_agents.observe.names import Names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._kernel.journal import Attempt, Decision, Journal

__all__ = ["Analytics", "ModelStats", "Summary"]

MOST_MODELS = 100
"""Models that are told apart; what comes later is counted as "other". Upstreams name models as they like."""


@dataclass(slots=True)
class ModelStats:
    """What one model took.

    Attributes:
        requests: that it was sent, with retries, fallbacks and hedges.
        failed: those of them that brought no answer.
        cost: US dollars, as far as they are known.
        unpriced: requests whose cost nobody knows.
        input_tokens, output_tokens: as reported, or estimated where nobody reports them.
    """

    requests: int = 0
    failed: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the calls of a client took, since it was made, in this process.

    Attributes:
        total_requests: calls that are over: answered, failed, refused or cancelled.
        failed_requests: those of them that brought no whole answer, though their caller wanted one.
        total_cost: US dollars of all requests that were sent, as far as they are known.
        unpriced_requests: requests to upstreams whose cost nobody knows, and that are not in `total_cost`.
        avg_latency_ms: milliseconds a call took, from its beginning to the end of its answer, on average.
        cache_hit_rate: share of the calls that a cache answered, ours or the router's.
        local_ratio: share of the answers of upstreams that came from this machine's node.
        input_tokens, output_tokens: of all requests.
        by_model: the same for each model that was asked, by the name it answers to.
    """

    total_requests: int = 0
    failed_requests: int = 0
    total_cost: Decimal = Decimal(0)
    unpriced_requests: int = 0
    avg_latency_ms: float = 0.0
    cache_hit_rate: float = 0.0
    local_ratio: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    by_model: Mapping[str, ModelStats] = field(default_factory=dict[str, ModelStats])


class Analytics:
    """Adds up the calls of one client and its copies. An observer: it holds figures and names of models only."""

    def __init__(self) -> None:
        self._turns = Turns("an observer failed")
        self._names = Names(MOST_MODELS)
        self._models: dict[str, ModelStats] = {}
        self._calls = self._failed = self._hits = self._local = self._answers = 0
        self._seconds = 0.0

    def get_summary(self) -> Summary:
        """Everything so far. Calls under way are not in it; requests that ended after their call are."""
        with self._turns:
            stats = {name: replace(one) for name, one in self._models.items()}
            calls = self._calls
            return Summary(
                total_requests=calls,
                failed_requests=self._failed,
                total_cost=added(one.cost for one in stats.values()),
                unpriced_requests=sum(one.unpriced for one in stats.values()),
                avg_latency_ms=1000 * self._seconds / calls if calls else 0.0,
                cache_hit_rate=self._hits / calls if calls else 0.0,
                local_ratio=self._local / self._answers if self._answers else 0.0,
                input_tokens=sum(one.input_tokens for one in stats.values()),
                output_tokens=sum(one.output_tokens for one in stats.values()),
                by_model=stats,
            )

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        """Nothing to count yet."""

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        """Count a request whose call is over; the others are counted with it."""
        if journal.ended is not None:
            self._turns.put(self._count, (attempt,))

    def decided(self, journal: Journal, decision: Decision) -> None:
        """Decisions are told by the log and by metrics."""

    def call_ended(self, journal: Journal) -> None:
        """Count a call, and the requests it took."""
        self._turns.put(self._count, [a for a in journal.attempts if a.ended is not None], journal)

    def _count(self, attempts: list[Attempt], journal: Journal | None = None) -> None:
        for attempt in attempts:
            self._attempt(attempt)
        if journal is None or journal.ended is None:
            return
        outcome = outcomes.of_call(journal)
        self._calls += 1
        self._failed += outcome in {"error", "broken", "refused"}
        self._seconds += journal.ended - journal.started
        self._hits += outcomes.from_cache(journal) or any(
            attempt.cache_hit and attempt.accepted is not None for attempt in attempts
        )

    def _attempt(self, attempt: Attempt) -> None:
        if not outcomes.is_request(attempt):
            return
        name: object = attempt.model
        stats = self._models.setdefault(
            self._names.of(name if isinstance(name, str) and name else attempt.target), ModelStats()
        )
        stats.requests += 1
        stats.failed += attempt.error is not None
        if attempt.accepted is not None:
            self._answers += 1
            self._local += (attempt.provider or provider_of(attempt.server or "")) == "local"
        if attempt.cost.amount is not None:
            stats.cost = EXACT.add(stats.cost, attempt.cost.amount)
        elif attempt.sent:
            stats.unpriced += 1
        if attempt.usage is not None and not attempt.cache_hit:
            stats.input_tokens += attempt.usage.input_tokens
            stats.output_tokens += attempt.usage.output_tokens
