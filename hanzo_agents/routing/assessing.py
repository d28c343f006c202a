"""What is known of each candidate for one call, and why one cannot take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Usage
from hanzo_agents._kernel.tokens import BYTES_PER_TOKEN, estimate_tokens
from hanzo_agents.prices import over
from hanzo_agents.routing.candidates import Candidate
from hanzo_agents.routing.catalogue import facts_of
from hanzo_agents.routing.memory import STALE, key_of

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.price import Prices, Pricing
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.policies.hedge import Latencies
    from hanzo_agents.routing.fields import Checked
    from hanzo_agents.routing.memory import Health, Place, Turn

__all__ = ["Assessor", "Bounds", "Request"]

ANSWER = 500
"""Tokens that an answer is taken to have, where the caller allows more. It only weighs input against output, and
is the same for all candidates."""

CACHED_FROM = 1024
"""Tokens from which providers cache a prompt (OpenAI and Anthropic document the same figure)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a candidate must keep for one call; None is no bound."""

    local_only: bool
    quality: float | None
    max_cost: Decimal | None
    within: float | None


class Request:
    """What the candidates of one call have in common, read once."""

    __slots__ = ("call", "limit", "now", "prices", "text_tokens", "usage")

    def __init__(self, call: Call, prices: Prices) -> None:
        view = call.view
        self.call = call
        self.prices = prices
        self.now = call.clock.now()
        self.limit = view.max_output
        self.text_tokens = estimate_tokens(view.text)
        self.usage = Usage(self.text_tokens, self._answer(), "estimated")

    def _answer(self) -> int:
        return min(self.limit or ANSWER, ANSWER) * self.call.view.choices

    def cached(self, tokens: int) -> Usage:
        """The same usage with a part of the prompt read from a cache."""
        return Usage(self.text_tokens, self._answer(), "estimated", tokens)

    def most(self, pricing: Pricing) -> float:
        """US dollars that the call may cost at most."""
        limit = self.limit or pricing.max_output or ANSWER
        return float(pricing.most(self.text_tokens, limit * self.call.view.choices))


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """What is known of a target whatever the call."""

    target: Target
    label: str
    quality: float | None
    window: int | None
    local: bool
    preferred: int | None


class Assessor:
    """What is known of the candidates, from the catalogue and from what was observed."""

    def __init__(self, given: Checked, latencies: Latencies, health: Health) -> None:
        self._prices = given.prices
        self._latencies = latencies
        self._health = health
        local = {str(target) for target in given.local}
        places = {name: place for place, name in reversed([*enumerate(given.prefer)])}
        self._entries: list[_Entry] = []
        for target in given.to:
            label, facts = str(target), facts_of(target.name, given.models)
            window = target.context_window or facts.context_window
            preferred = places.get(label, places.get(target.name))
            self._entries.append(_Entry(target, label, facts.quality, window, label in local, preferred))

    def assess(
        self, call: Call, turn: Turn, at: Place | None, bounds: Bounds
    ) -> tuple[list[Candidate], list[Candidate]]:
        """The candidates that can take a call, and those that cannot.

        Args:
            call: the call.
            turn: where in its conversation it stands.
            at: the target where the conversation is, and when it was last there.
            bounds: what a candidate must keep.
        """
        request = Request(call, over(self._prices, call.prices))
        fit: list[Candidate] = []
        passed: list[Candidate] = []
        for entry in self._entries:
            candidate = self._candidate(request, entry, turn, at)
            candidate.passed = _unfit(request, entry, candidate, bounds)
            (fit if candidate.passed is None else passed).append(candidate)
        if bounds.within is not None and fit:
            fit = _quick_enough(fit, passed, bounds.within)
        return fit, passed

    def _candidate(self, request: Request, entry: _Entry, turn: Turn, at: Place | None) -> Candidate:
        key = key_of(entry.target, request.call)
        stays = at is not None and at.label == entry.label
        usage = request.usage
        if stays and at is not None and request.now < at.when + STALE:
            cached = request.text_tokens - turn.latest // BYTES_PER_TOKEN
            if cached >= CACHED_FROM:
                usage = request.cached(cached)
        failing, fresh = self._health.of(key, request.now)
        return Candidate(
            entry.target,
            entry.label,
            quality=entry.quality,
            price=_price(request, entry, usage),
            latency=self._latencies.percentile(key, 0.5) if fresh else None,
            failing=failing,
            stays=stays,
            local=entry.local,
            preferred=entry.preferred,
        )


def _price(request: Request, entry: _Entry, usage: Usage) -> float | None:
    """US dollars that the call would cost there; what runs on this machine costs nothing."""
    if entry.local:
        return 0.0
    pricing = request.prices.known(entry.target)
    return None if pricing is None else float(pricing.cost(usage))


def _unfit(request: Request, entry: _Entry, candidate: Candidate, bounds: Bounds) -> str | None:
    """Why the target cannot take the call, None when it can."""
    target, floor = entry.target, bounds.quality
    if bounds.local_only and not entry.local:
        return "is not local, and the call must stay local"
    if target.lacks and (missing := request.call.view.needs & target.lacks):
        return f"lacks {', '.join(sorted(missing))}"
    wanted = request.text_tokens + (request.limit or 0)
    if entry.window is not None and wanted > entry.window:
        return f"takes {entry.window} tokens, and the call may need {wanted}"
    if floor is not None and candidate.worth < floor:
        known = "nobody knows" if entry.quality is None else f"{entry.quality:.2f}"
        return f"is not good enough: {known} of {floor:.2f}"
    return None if bounds.max_cost is None or entry.local else _too_dear(request, entry, float(bounds.max_cost))


def _too_dear(request: Request, entry: _Entry, most: float) -> str | None:
    pricing = request.prices.known(entry.target)
    if pricing is None:
        return "has no known price"
    price = request.most(pricing)
    return f"may cost ${price:.2g} of ${most:.2g}" if price > most else None


def _quick_enough(fit: list[Candidate], passed: list[Candidate], within: float) -> list[Candidate]:
    """Those that are not known to be too slow; the quickest when none would be left."""
    slow = [candidate for candidate in fit if candidate.latency is not None and candidate.latency > within]
    if len(slow) == len(fit):
        slow.remove(min(slow, key=lambda candidate: candidate.latency or 0.0))
    for candidate in slow:
        candidate.passed = f"usually takes {candidate.latency:.3g} s of {within:.3g} s"
        passed.append(candidate)
    return [candidate for candidate in fit if candidate.passed is None]
