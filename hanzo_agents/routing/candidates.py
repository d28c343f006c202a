"""Candidates for a call: what is known of each, why one is passed by, and how the others compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hanzo_agents.routing.catalogue import TIERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.target import Target

__all__ = ["STRATEGIES", "TOLERANCE", "Candidate", "StrategyName", "needed", "rank"]

StrategyName = Literal["balanced", "cost_optimized", "latency_optimized", "quality_focused"]

UNKNOWN_QUALITY = TIERS["acceptable"]
"""What a model of which nothing is known counts as."""

FAILING = 100.0
"""What failing lately adds: more than everything else together, so that such a target goes last."""


class Weights(NamedTuple):
    """What counts under a strategy. Shares are of the dearest, the slowest, and of the step between tiers.

    Attributes:
        short: for being worse than the task needs.
        quality: for being worse than perfect.
        price, latency: for being dear, and slow.
        unmeasured: the latency share of a target that has not been measured lately; 0 is tried, to be measured.
    """

    short: float
    quality: float
    price: float
    latency: float
    unmeasured: float


# What a strategy means in words is in docs/routing.md; the weights say no more than those words:
STRATEGIES: dict[StrategyName, Weights] = {
    # good enough first, then cheap, then quick;
    "balanced": Weights(short=3.0, quality=0.0, price=0.5, latency=0.3, unmeasured=0.5),
    # cheap, unless it falls short by two thirds of the step from acceptable to excellent;
    "cost_optimized": Weights(short=1.5, quality=0.0, price=1.0, latency=0.0, unmeasured=0.5),
    # quick, unless it falls short by more than that step;
    "latency_optimized": Weights(short=1.0, quality=0.0, price=0.02, latency=1.0, unmeasured=0.0),
    # the best; of equals the cheaper one.
    "quality_focused": Weights(short=0.0, quality=10.0, price=0.01, latency=0.0, unmeasured=0.5),
}
STEP = TIERS["excellent"] - TIERS["acceptable"]

TOLERANCE = 0.1 * STEP
"""What a target may fall short of the quality needed and still be good enough: published figures are no finer."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A target and what is known of it for one call.

    Attributes:
        quality: from 0 to 1; None when nobody knows.
        price: US dollars that the call would cost there, roughly; None when nobody knows.
        latency: seconds to the first useful event, the median of what was seen lately; None when not measured.
        failing: its last answers were failures.
        stays: the conversation is there already.
        local: it stays on this machine.
        preferred: its place among those the user prefers, None when it is not.
        passed: why it cannot take the call; None when it can.
        penalty: how it compares, lower is better.
    """

    target: Target
    label: str
    quality: float | None = None
    price: float | None = None
    latency: float | None = None
    failing: bool = False
    stays: bool = False
    local: bool = False
    preferred: int | None = None
    passed: str | None = None
    penalty: float = 0.0

    @property
    def worth(self) -> float:
        """Its quality, or what an unknown one counts as."""
        return UNKNOWN_QUALITY if self.quality is None else self.quality

    def as_dict(self) -> dict[str, Any]:
        """For decisions; what is not known is None."""
        return {
            "target": self.label,
            "penalty": round(self.penalty, 4),
            "quality": self.quality,
            "price": self.price,
            "latency": self.latency,
            "failing": self.failing,
        }


def needed(score: float) -> float:
    """The quality that a task of this complexity needs: acceptable for the easiest, excellent for the hardest."""
    return TIERS["acceptable"] + STEP * score


def rank(candidates: Sequence[Candidate], strategy: StrategyName, need: float, margin: float) -> list[Candidate]:
    """The candidates, best first; of equals the one that was named first.

    Args:
        candidates: those that can take the call.
        strategy: what counts.
        need: the quality that the task needs.
        margin: by how much another must be better than the one where the conversation is.
    """
    weights = STRATEGIES[strategy]
    dearest = max((c.price for c in candidates if c.price is not None), default=0.0)
    slowest = max((c.latency for c in candidates if c.latency is not None), default=0.0)
    for candidate in candidates:
        price = _share(candidate.price, dearest, unknown=1.0)
        latency = _share(candidate.latency, slowest, unknown=weights.unmeasured)
        candidate.penalty = (
            weights.short * max(0.0, need - TOLERANCE - candidate.worth) / STEP
            + weights.quality * (1.0 - candidate.worth)
            + weights.price * price
            + weights.latency * latency
            + FAILING * candidate.failing
            - margin * candidate.stays
        )
    return sorted(candidates, key=_order)


def _order(candidate: Candidate) -> tuple[bool, float, float, float, float]:
    preferred = float("inf") if candidate.preferred is None else candidate.preferred
    if candidate.price is None:
        # Better models are dearer, as a rule: of those that do, the one that is no better than it must be.
        return candidate.failing, preferred, round(candidate.penalty, 9), float("inf"), candidate.worth
    return candidate.failing, preferred, round(candidate.penalty, 9), candidate.price, -candidate.worth


def _share(value: float | None, most: float, *, unknown: float) -> float:
    if value is None:
        return unknown
    return value / most if most else 0.0
