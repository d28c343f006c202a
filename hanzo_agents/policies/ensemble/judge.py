"""The best of several answers, by the judgement of a model."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hanzo_agents._kernel.clock import Duration, seconds, seconds_of
from hanzo_agents._kernel.fields import check_count
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents.policies.ensemble.contest import CRITERIA, Contest
from hanzo_agents.policies.ensemble.deliberation import Deliberation, best_of
from hanzo_agents.policies.ensemble.entrance import alone, obstacle, offers_tools
from hanzo_agents.policies.ensemble.fields import (
    criteria_of,
    models_of,
    optional_share,
    optional_target,
    spelled,
)
from hanzo_agents.policies.ensemble.panel import Panel, nowhere
from hanzo_agents.policies.ensemble.rehearsal import planned_legs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Judge"]


@dataclass(frozen=True)
class Judge:
    """Let several models answer, and give the answer that a judge finds best, word for word.

        Judge(["gpt-4o", "claude-sonnet"], judge="zen-1", criteria=["It cites its sources."])

    The contestants get the caller's own request, at the same time. Each answers itself or fails: it passes no
    `Fallback`, no `Hedge` to another model and no cheaper one of a `Budget`. The judge sees the answers without
    names, in an order that depends on the call alone, and gives a verdict in JSON. What is no verdict is asked for
    once more.

    Where tools may be called there is nothing to give word for word: the contestants, without tools, propose, and
    the judge carries out the best proposal and may call them. Within a tool loop the judge goes on alone. A call
    that leans on state at one provider is passed on as it is.

    Attributes:
        contestants: who answers: names or `Target`s.
        judge: who judges; None: the model that the call asks for.
        criteria: what the judge goes by.
        quorum: answers without which the call fails.
        agreement: once more than half of the answers are so alike, one of them is taken unjudged; None: never.
        patience: seconds that the contestants get; None: a third of the time that is left.

    Raises:
        EnsembleFailed: fewer than `quorum` contestants answered.
        InvalidResponse: the judge gave no verdict, twice.
    """

    place: ClassVar[Place] = Place.ENSEMBLE

    contestants: Sequence[str | Target]
    _: KW_ONLY
    judge: str | Target | None = None
    criteria: Sequence[str] = CRITERIA
    quorum: int = 1
    agreement: float | None = None
    patience: Duration | None = None

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        put = object.__setattr__
        put(self, "contestants", models_of("Judge.contestants", self.contestants, 2))
        put(self, "judge", optional_target("Judge.judge", self.judge))
        put(self, "criteria", criteria_of("Judge.criteria", self.criteria))
        check_count("Judge.quorum", self.quorum, 1, len(self.contestants))
        put(self, "agreement", optional_share("Judge.agreement", self.agreement))
        put(self, "patience", seconds("Judge.patience", self.patience, zero=False))

    @property
    def models(self) -> tuple[Target, ...]:
        """The contestants."""
        return tuple(target for target in self.contestants if isinstance(target, Target))

    @property
    def chosen(self) -> Target | None:
        """Who judges; None: whom the call asks."""
        assert not isinstance(self.judge, str)
        return self.judge

    @property
    def to(self) -> tuple[Target, ...]:
        """Every target there is."""
        return self.models if self.chosen is None else (*self.models, self.chosen)

    @property
    def routing(self) -> dict[str, Any]:
        """What decides the answer, as part of a cache's key."""
        return {
            "contestants": spelled(self.models), "judge": spelled([self.chosen]), "criteria": list(self.criteria),
            "agreement": self.agreement, "quorum": self.quorum,
        }  # fmt: skip

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Let the contestants answer, and the judge choose."""
        if (why := obstacle(call)) is not None:
            call.note("Judge", "passes on", why)
            return await send(call)
        panel = self._panel(call, send)
        if (why := alone(call)) is not None:
            leg = panel.leg(self.chosen, "final", part="answers")
            call.note("Judge", "asks one alone", f"{leg.name}: {why}")
            return await panel.final(leg)
        call.note("Judge", "asks", ", ".join(str(target) for target in self.models))
        if not offers_tools(call):
            contest = Contest(panel=panel, contestants=self.models, judge=self.chosen, criteria=self.criteria)
            return await contest.held()
        advice = await best_of(Deliberation(panel=panel, models=self.models))
        criteria = "".join(f"\n- {one}" for one in self.criteria)
        told = f"{advice.instructions}\n\nThe best proposal is the best one by these criteria:{criteria}"
        leg = panel.leg(self.chosen, "final", instructions=told, message=advice.message, part="answers")
        call.note("Judge", "synthesizes", f"{leg.name} carries out the best proposal", target=leg.name)
        return await panel.final(leg)

    def plan(self, call: Call) -> Decision:
        """Who would answer, and who would judge."""
        if (why := obstacle(call)) is not None:
            return Decision("Judge", "passes on", why)
        judge = str(self.chosen or call.target)
        if (why := alone(call)) is not None:
            return Decision("Judge", "asks one alone", f"{judge}: {why}", {"judge": judge})
        names = [str(target) for target in self.models]
        then = "carries out the best proposal" if offers_tools(call) else "judges"
        data = {"contestants": names, "judge": judge}
        return Decision("Judge", "asks", f"{', '.join(names)}, then {judge} {then}", data)

    def onward(self, call: Call) -> list[Call]:
        """Every request that would be sent, the judge's last."""
        if obstacle(call) is not None:
            return [call]
        panel = self._panel(call)
        if alone(call) is not None:
            return [panel.leg(self.chosen, "final", part="answers").call]
        return planned_legs(panel, self.models, self.chosen, contest=not offers_tools(call))

    def _panel(self, call: Call, send: Send | None = None) -> Panel:
        return Panel(
            policy="Judge", call=call, send=send or nowhere, quorum=self.quorum, agreement=self.agreement,
            patience=None if self.patience is None else seconds_of(self.patience), exact=True,
        )  # fmt: skip
