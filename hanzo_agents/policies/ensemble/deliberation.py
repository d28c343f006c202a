"""What is found out before somebody answers: one function a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents.errors import BudgetExceeded, EnsembleFailed
from hanzo_agents.policies.ensemble import prompts
from hanzo_agents.policies.ensemble.panel import failure_of
from hanzo_agents.policies.ensemble.prompts import among, shuffled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hanzo_agents._kernel.target import Target
    from hanzo_agents.policies.ensemble.legs import Leg
    from hanzo_agents.policies.ensemble.panel import Panel

__all__ = ["DELIBERATIONS", "Advice", "Deliberation"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What the one who answers is told: how to use the material, and the material."""

    instructions: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliberation:
    """The advisers of a call.

    Attributes:
        models: who advises; of "self_moa" the one who drafts, as often as it is to.
        layers: rounds of advice, each on the last one's.
    """

    panel: Panel
    models: Sequence[Target]
    layers: int = 1

    @property
    def tools(self) -> str:
        """What advisers are told of the tools they do not have."""
        voice = self.panel.call.voice
        assert voice is not None
        return prompts.with_tools(voice.offered(self.panel.call))

    async def proposals(self, *, rounds: int) -> list[Leg]:
        """Each model's answer, on its own."""
        return await self.panel.round(
            [self.panel.leg(target, instructions=self.tools) for target in self.models], rounds=rounds
        )

    async def drafts(self) -> list[Leg]:
        """The same model's answer, time and again."""
        count = len(self.models)
        told = [_lines(self.tools, prompts.draft(number, count)) for number in range(1, count + 1)]
        legs = [self.panel.leg(target, instructions=text) for target, text in zip(self.models, told, strict=True)]
        return await self.panel.round(legs, rounds=2)

    async def layered(self) -> list[Leg]:
        """Answers on answers, round after round; those of the last round that brought enough."""
        answers = await self.proposals(rounds=self.layers + 1)
        for layer in range(2, self.layers + 1):
            if self.panel.agrees(answers, of=len(self.models)) is not None:
                self.panel.note("stops early", f"most answers of round {layer - 1} agree")
                break
            told = _lines(prompts.LAYER, self.tools)
            legs = [
                self.panel.leg(target, instructions=told, message=self.material(answers)) for target in self.models
            ]
            better = await self._further(legs, rounds=self.layers + 2 - layer)
            answers = better or answers
        return answers

    async def reviews(self, answers: Sequence[Leg]) -> list[Leg]:
        """What the models say of all the answers."""
        legs = [
            self.panel.leg(target, "review", instructions=prompts.REVIEW, message=self.material(answers))
            for target in self.models
        ]
        return await self._further(legs, rounds=2)

    async def revised(self) -> list[Leg]:
        """One draft, which each model in turn improves. Who fails is passed over."""
        asked: list[Leg] = []
        draft: list[Leg] = []
        for number, target in enumerate(self.models):
            if draft:
                told = _lines(prompts.LINK, self.tools)
                leg = self.panel.leg(target, instructions=told, message=self.material(draft))
            else:
                leg = self.panel.leg(target, instructions=self.tools)
            asked.append(leg)
            draft = await self.panel.round([leg], rounds=len(self.models) - number + 1, quorum=0) or draft
        if not draft:
            raise failure_of(asked)
        return draft

    def material(self, legs: Sequence[Leg], kind: str = "answer") -> str:
        """What has been said, in an order that favours nobody."""
        order = shuffled(len(legs), self.panel.call.view.text)
        return among([legs[n].text for n in order], kind=kind, named=kind == "answer")

    async def _further(self, legs: Sequence[Leg], *, rounds: int) -> list[Leg]:
        """A round that may fail: what was said before it stands."""
        try:
            return await self.panel.round(legs, rounds=rounds)
        except (EnsembleFailed, BudgetExceeded) as error:
            self.panel.note("goes on without", f"another round: {type(error).__name__}")
            return []


async def consensus(given: Deliberation) -> Advice:
    """What most of the models say."""
    return Advice(prompts.CONSENSUS, given.material(await given.proposals(rounds=2)))


async def council(given: Deliberation) -> Advice:
    """Answers, and what everybody says of all of them. A council that agrees at once reviews nothing."""
    answers = await given.proposals(rounds=3)
    material = given.material(answers)
    if given.panel.agrees(answers, of=len(given.models)) is None and len(answers) > 1:
        reviews = await given.reviews(answers)
        if reviews:
            return Advice(prompts.COUNCIL, f"{material}\n\n{given.material(reviews, 'review')}")
    return Advice(prompts.CONSENSUS, material)


async def chain(given: Deliberation) -> Advice:
    """One draft, improved by one model after the other."""
    return Advice(prompts.CHAIN, given.material(await given.revised()))


async def moa(given: Deliberation) -> Advice:
    """Mixture of agents: layers of models that each see the last layer's answers (arXiv 2406.04692)."""
    return Advice(prompts.MOA, given.material(await given.layered()))


async def self_moa(given: Deliberation) -> Advice:
    """Several samples of one model (arXiv 2502.00674)."""
    return Advice(prompts.SELF_MOA, given.material(await given.drafts()))


async def best_of(given: Deliberation) -> Advice:
    """Proposals of which one is to be carried out: what a contest is where tools may be called."""
    return Advice(prompts.BEST_OF, given.material(await given.proposals(rounds=2)))


DELIBERATIONS: dict[str, Callable[[Deliberation], Awaitable[Advice]]] = {
    "best_of": best_of,
    "chain": chain,
    "consensus": consensus,
    "council": council,
    "moa": moa,
    "self_moa": self_moa,
}


def _lines(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
