"""Choosing a target, and saying why. It asks nobody and changes nothing: `explain` comes here as well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError
from hanzo_agents.routing.asked import asked_now
from hanzo_agents.routing.assessing import Assessor, Bounds
from hanzo_agents.routing.candidates import TOLERANCE, Candidate, needed, rank
from hanzo_agents.routing.catalogue import facts_of
from hanzo_agents.routing.complexity import Complexity, complexity
from hanzo_agents.routing.memory import turn_of
from hanzo_agents.routing.strategy import checked_choice, checked_local, spoken

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents.policies.hedge import Latencies
    from hanzo_agents.routing.asked import Asked
    from hanzo_agents.routing.fields import Checked
    from hanzo_agents.routing.memory import Memory, Turn

__all__ = ["Choice", "Chooser"]

ROUTED = frozenset({"chat", "responses", "model"})
"""Operations whose model may be chosen; embeddings of two models cannot be compared."""


@dataclass(slots=True)
class Choice:
    """What becomes of a call.

    Attributes:
        target: where it goes; None leaves it where it was aimed.
        reason: why, in a sentence.
        refused: the code of the refusal when there is nobody to send it to.
        local_only: it must stay on local targets.
        within: seconds to the first useful event.
        turn: where in its conversation it stands.
        ranked: the candidates that could take it, best first.
        passed: those that could not.
        locked: the target is the one that its tool loop began with.
    """

    target: Target | None
    reason: str
    refused: str | None = None
    local_only: bool = False
    within: float | None = None
    turn: Turn | None = None
    task: Complexity | None = None
    ranked: list[Candidate] = field(default_factory=list[Candidate])
    passed: list[Candidate] = field(default_factory=list[Candidate])
    locked: bool = False

    def data(self) -> dict[str, Any]:
        """For the decision: the candidates with their figures, and why each other one was not chosen."""
        passed = {candidate.label: candidate.passed for candidate in self.passed}
        chosen = next((candidate for candidate in self.ranked if candidate.target is self.target), None)
        for candidate in self.ranked:
            if candidate is not chosen:
                passed[candidate.label] = self._why_not(candidate, chosen)
        return {
            "target": None if self.target is None else str(self.target),
            "candidates": [candidate.as_dict() for candidate in self.ranked],
            "passed": passed,
            "complexity": None if self.task is None else self.task.score,
            "because": None if self.task is None else dict(self.task.because),
            "local_only": self.local_only,
            "locked": self.locked,
        }

    def _why_not(self, candidate: Candidate, chosen: Candidate | None) -> str:
        if self.locked:
            return "the call goes on where it is"
        if candidate.failing:
            return "it has failed lately"
        if chosen is None or candidate.penalty >= chosen.penalty:
            return f"penalty {candidate.penalty:.3g} against {chosen.penalty if chosen else 0.0:.3g}"
        return f"{chosen.label} is {'preferred' if chosen.preferred is not None else 'local and good enough'}"


class Chooser:
    """The settings of a `Route` applied to calls."""

    def __init__(self, given: Checked, latencies: Latencies, memory: Memory) -> None:
        self.by_label = {str(target): target for target in given.to}
        self._given = given
        self._assessor = Assessor(given, latencies, memory.health)
        self._places = memory.places

    def is_local(self, target: Target) -> bool:
        """Whether the target is a local one, or another model at the address of a local one."""
        for local in self._given.local:
            if local.base_url is not None:
                if target.base_url == local.base_url:
                    return True
            elif target.base_url is None and (
                target.model is local.model if local.foreign else target.model == local.model
            ):
                return True
        return False

    def choose(self, call: Call) -> Choice:
        """The target for a call."""
        given, asked = self._given, asked_now()
        own = given.own
        messages = [] if own is None else spoken(call.view)
        local_only = self._must_stay(call, messages, asked)
        if why := self._left_alone(call):
            if local_only and not self.is_local(call.target):
                why = f"the call must stay local, and {call.target} is not: {why}"
                return Choice(None, why, "local_only", local_only)
            return Choice(None, why, local_only=local_only)
        choice = None
        turn = turn_of(call)
        if own is not None:
            choice = self._named(checked_choice(own.select_model(messages, asked.options)), local_only=local_only)
        within = _least(given.max_latency, asked.max_latency)
        if choice is None:
            quality = given.quality if asked.quality is None else asked.quality
            cost = given.max_cost if asked.max_cost is None else asked.max_cost
            choice = self._compared(call, turn, Bounds(local_only, quality, cost, within))
        choice.local_only, choice.within, choice.turn = local_only, within, turn
        return choice

    def _must_stay(self, call: Call, messages: list[dict[str, Any]], asked: Asked) -> bool:
        given = self._given
        if given.own is not None and checked_local(given.own.should_use_local(messages, asked.options)):
            return True
        return given.local_for is not None and checked_local(given.local_for(call.view.text))

    def _left_alone(self, call: Call) -> str | None:
        """Why the call keeps its target, None when it is to be routed."""
        if call.view.operation not in ROUTED:
            return f"{call.view.operation} is not routed"
        alias = self._given.alias
        if alias is None:
            return "the call leans on state at one provider" if call.pinned else None
        return None if call.target.name == alias else f"the call asks for {call.target} by name"

    def _named(self, named: str | Target | None, *, local_only: bool) -> Choice | None:
        """The target that the user's own strategy has named; None when it is not local and the call must be."""
        if named is None:
            return None
        if not isinstance(named, str | Target) or named == "":  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(
                f"RoutingStrategy.select_model: expected a model name, a Target or None, got {named!r}"
            )
        target = self._known(named) if isinstance(named, str) else named
        if local_only and not self.is_local(target):
            return None
        candidate = Candidate(target, str(target), quality=facts_of(target.name, self._given.models).quality)
        return Choice(target, f"{target}: {type(self._given.own).__name__} says so", ranked=[candidate])

    def _known(self, name: str) -> Target:
        found = self.by_label.get(name)
        if found is not None:
            return found
        return next((target for target in self._given.to if target.name == name), None) or Target(name)

    def _compared(self, call: Call, turn: Turn, bounds: Bounds) -> Choice:
        given = self._given
        task = complexity(call.view.messages)
        at = self._places.find(turn.keys if turn.looping else turn.before)
        fit, passed = self._assessor.assess(call, turn, at, bounds)
        if not fit:
            why = "; ".join(f"{candidate.label} {candidate.passed}" for candidate in passed) or "there is none"
            code = "local_only" if bounds.local_only else "no_target"
            return Choice(None, f"no target can take the call: {why}", code, task=task, passed=passed)
        need = max(needed(task.score), bounds.quality or 0.0)
        ranked = rank(fit, given.name, need, given.margin)
        if given.lock and turn.looping and at is not None:
            for candidate in ranked:
                if candidate.label == at.label:
                    why = f"{candidate.label}: {_goes_on(call)}"
                    return Choice(candidate.target, why, task=task, ranked=ranked, passed=passed, locked=True)
        best = (self._good_local(ranked, need) if given.prefer_local else None) or ranked[0]
        why = _reason(best, given.name, task, need, local_only=bounds.local_only)
        return Choice(best.target, why, task=task, ranked=ranked, passed=passed)

    def _good_local(self, ranked: list[Candidate], need: float) -> Candidate | None:
        good = (c for c in ranked if c.local and not c.failing and c.worth >= need - TOLERANCE)
        return next(good, None)


def _goes_on(call: Call) -> str:
    if call.pinned:
        return "the run is there, and the call leans on state at one provider"
    return "it has asked for the tools whose results come now"


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _reason(best: Candidate, strategy: str, task: Complexity, need: float, *, local_only: bool) -> str:
    known = "unknown" if best.quality is None else f"{best.quality:.2f}"
    price = "at an unknown price" if best.price is None else f"about ${best.price:.2g}"
    parts = [f"complexity {task}", f"quality {known} of {need:.2f} needed", price]
    if best.latency is not None:
        parts.append(f"{best.latency:.2g} s to begin")
    if local_only:
        parts.append("must stay local")
    elif best.preferred is not None:
        parts.append("preferred")
    if best.stays:
        parts.append("the conversation is there")
    return f"{best.label} by {strategy}: {', '.join(parts)}"
