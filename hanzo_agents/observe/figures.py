"""What is counted of a call: the figures behind the metrics, with labels that stay few."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.money import EXACT
from hanzo_agents.observe import outcomes
from hanzo_agents.observe.names import OTHER, Names, error_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.journal import Attempt, Decision, Journal, Usage

__all__ = ["COUNTERS", "TIMES", "Counter", "Figures", "Times"]

Labels = tuple[str, ...]

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "hanzo_requests": ("Calls, by how they ended.", ("operation", "target", "outcome")),
    "hanzo_errors": ("Calls that failed or were refused, by the error.", ("operation", "target", "error")),
    "hanzo_attempts": (
        "Requests to upstreams that the calls took: retries, fallbacks and hedges too.",
        ("operation", "target", "outcome", "error"),
    ),
    "hanzo_tokens": (
        "Tokens; cached and cache_write are parts of input, reasoning of output.",
        ("target", "model", "kind", "basis"),
    ),
    "hanzo_cost_dollars": ("US dollars, of failed and abandoned requests too.", ("target", "model", "basis")),
    "hanzo_unpriced_attempts": ("Requests whose cost nobody knows.", ("target", "model")),
    "hanzo_cache_hits": ("Answers from a cache: ours (local) or the router's.", ("target", "cache")),
    "hanzo_cache_saved_dollars": ("US dollars that the answers in our caches had cost.", ("target",)),
    "hanzo_decisions": ("What policies decided.", ("policy", "action")),
}
"""The counters: their name without `_total`, their help and their labels."""

TIMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "hanzo_request_duration_seconds": (
        "Seconds a call took, waits and retries and the whole stream included.",
        ("operation", "target", "outcome"),
    ),
    "hanzo_time_to_first_token_seconds": (
        "Seconds from sending a request to the first useful event of its answer.",
        ("target", "model"),
    ),
}
"""The histograms."""

_OPERATIONS = frozenset({"blend", "chat", "compare", "embeddings", "judge", "model", "responses"})

Counter = dict[Labels, "int | Decimal"]


class Times:
    """A histogram: how often, for each set of labels, and how much in all."""

    __slots__ = ("bounds", "counts", "sums")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, seconds: float) -> None:
        """Count one."""
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = [0] * (len(self.bounds) + 1)
            self.sums[labels] = 0.0
        counts[bisect_left(self.bounds, seconds)] += 1
        self.sums[labels] += seconds


class Figures:
    """The counters and histograms of one `Metrics`. Not for use from two threads at once.

    Args:
        most: distinct targets, and distinct models, that are told apart; more are counted as "other".
        bounds: upper ends of the histograms' buckets, in seconds.
    """

    def __init__(self, most: int, bounds: Sequence[float]) -> None:
        self.counters: dict[str, Counter] = {name: {} for name in COUNTERS}
        self.times = {name: Times(bounds) for name in TIMES}
        self._targets, self._models = Names(most), Names(most)
        self._errors, self._decisions = Names(most), Names(most)

    def call(self, journal: Journal, settled: Sequence[Attempt]) -> None:
        """Count a call that is over, and what those of its requests took that were settled before."""
        outcome = outcomes.of_call(journal)
        asked = (_operation(journal), self._target(journal.target))
        self._add("hanzo_requests", (*asked, outcome))
        if journal.error is not None and outcome != "cancelled":
            self._add("hanzo_errors", (*asked, self._errors.of(error_name(journal.error))))
        if outcome == "cached" or (outcome == "closed" and outcomes.from_cache(journal)):
            self._add("hanzo_cache_hits", (asked[1], "local"))
        if journal.ended is not None:
            self.times["hanzo_request_duration_seconds"].observe(
                (*asked, outcome), journal.ended - journal.started
            )
        for attempt in settled:
            self.bill(attempt)

    def attempt(self, journal: Journal, attempt: Attempt) -> None:
        """Count a request that is settled."""
        if not outcomes.is_request(attempt):
            return
        which = self._which(attempt)
        error = "" if attempt.error is None else self._errors.of(error_name(attempt.error))
        self._add("hanzo_attempts", (_operation(journal), which[0], outcomes.of_attempt(attempt), error))
        if attempt.ttft is not None:
            self.times["hanzo_time_to_first_token_seconds"].observe(which, attempt.ttft)

    def bill(self, attempt: Attempt) -> None:
        """Count what a request took.

        Apart from `attempt`: a policy that cancels one books what it may cost only afterwards.
        """
        if not outcomes.is_request(attempt):
            return
        which = self._which(attempt)
        if attempt.cache_hit:
            # The router repeats the tokens of the first answer, which nobody produced again.
            self._add("hanzo_cache_hits", (which[0], "router"))
        elif attempt.usage is not None:
            self._tokens(which, attempt.usage)
        if attempt.cost.amount:
            self._add("hanzo_cost_dollars", (*which, attempt.cost.basis), attempt.cost.amount)
        elif attempt.cost.amount is None and attempt.sent:
            self._add("hanzo_unpriced_attempts", which)

    def decision(self, journal: Journal, decision: Decision) -> None:
        """Count a decision."""
        saved = decision.data.get("saved")
        if isinstance(saved, Decimal) and saved:
            self._add("hanzo_cache_saved_dollars", (self._target(journal.target),), saved)
        policy = self._decisions.of(decision.policy)
        self._add("hanzo_decisions", (policy, self._decisions.of(decision.action, policy)))

    def _tokens(self, which: Labels, usage: Usage) -> None:
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cached", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if tokens:
                self._add("hanzo_tokens", (*which, kind, usage.basis), tokens)

    def _add(self, name: str, labels: Labels, amount: int | Decimal = 1) -> None:
        counter = self.counters[name]
        held = counter.get(labels, 0)
        counter[labels] = EXACT.add(held, amount) if isinstance(amount, Decimal) else held + amount

    def _target(self, name: str | None) -> str:
        return self._targets.of(name or "")

    def _which(self, attempt: Attempt) -> Labels:
        target = self._target(attempt.target)
        # What an upstream calls itself is whatever JSON it sends.
        name: object = attempt.model
        return target, self._models.of(name if isinstance(name, str) else "", target)


def _operation(journal: Journal) -> str:
    """One of a few: other requests are named by their path, which holds ids."""
    return journal.operation if journal.operation in _OPERATIONS else OTHER
