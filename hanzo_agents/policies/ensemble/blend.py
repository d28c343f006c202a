"""One answer made of several."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from hanzo_agents._kernel.clock import Duration, seconds, seconds_of
from hanzo_agents._kernel.fields import check_count, check_flag
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.ensemble.contest import Contest
from hanzo_agents.policies.ensemble.deliberation import DELIBERATIONS, Deliberation
from hanzo_agents.policies.ensemble.entrance import alone, obstacle, offers_tools
from hanzo_agents.policies.ensemble.fields import (
    MOST_MODELS,
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

__all__ = ["Blend", "Strategy"]

Strategy = Literal["consensus", "council", "best_of", "chain", "moa", "self_moa"]

MOST_LAYERS = 5


@dataclass(frozen=True)
class Blend:
    """Ask several models, and answer with one answer made of theirs.

        HanzoModelProvider(policies=[Blend(["gpt-4o", "claude-sonnet", "zen-1"], synthesizer="gpt-4o")])

    The models advise, at the same time and without tools. Then the synthesizer gets the caller's own request, with
    its tools, settings and form, and what the models said: its reply is the reply, streamed as it comes. With
    "best_of" it chooses one of the answers instead, which is the answer word for word; only where tools may be
    called it carries out the proposal that it finds best.

    Within a tool loop the synthesizer goes on alone. A call that leans on state at one provider is passed on as it
    is; one that is to be a single request goes to the synthesizer. A model that fails is done without.

    Attributes:
        models: who advises: names or `Target`s; for "self_moa" the one model that drafts.
        synthesizer: who answers; None: the model that the call asks for. In "self_moa", by default, the one that
            drafts.
        strategy: "consensus": what the answers agree on. "council": all review all answers before the synthesizer
            writes. "best_of": the best answer as it is. "chain": one draft, improved by one model after the other.
            "moa": layers of models that see each other's answers (mixture of agents). "self_moa": several samples
            of one model.
        layers: of "moa": rounds of advice before the answer; 2 by default.
        samples: of "self_moa": drafts; 4 by default.
        quorum: answers without which the call fails.
        agreement: once more than half of the models have given answers at least so alike, the others are left; see
            `likeness`. None waits for all of them.
        patience: seconds that each round of models gets; None: an equal share of the time that is left.
        tool_turns: ask the models also what they make of the results of tools, in each turn of a tool loop.

    Raises:
        EnsembleFailed: fewer than `quorum` models answered.
        InvalidResponse: asked to choose, the synthesizer did not, twice.
    """

    place: ClassVar[Place] = Place.ENSEMBLE

    models: Sequence[str | Target]
    _: KW_ONLY
    synthesizer: str | Target | None = None
    strategy: Strategy = "consensus"
    layers: int | None = None
    samples: int | None = None
    quorum: int = 1
    agreement: float | None = 0.9
    patience: Duration | None = None
    tool_turns: bool = False

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        if self.strategy not in get_args(Strategy):
            names = ", ".join(map(repr, get_args(Strategy)))
            raise ConfigError(f"Blend.strategy: expected one of {names}, got {self.strategy!r}")
        put = object.__setattr__
        put(self, "models", models_of("Blend.models", self.models, 1 if self.strategy == "self_moa" else 2))
        put(self, "synthesizer", optional_target("Blend.synthesizer", self.synthesizer))
        self._check_counts()
        put(self, "agreement", optional_share("Blend.agreement", self.agreement))
        put(self, "patience", seconds("Blend.patience", self.patience, zero=False))
        check_flag("Blend.tool_turns", self.tool_turns)

    def _check_counts(self) -> None:
        put = object.__setattr__
        for name, strategy, default, least, most in (
            ("layers", "moa", 2, 1, MOST_LAYERS), ("samples", "self_moa", 4, 2, MOST_MODELS)
        ):  # fmt: skip
            given = getattr(self, name)
            if self.strategy != strategy:
                if given is not None:
                    raise ConfigError(f'Blend.{name}: only strategy="{strategy}" has any, got {given!r}')
                continue
            put(self, name, default if given is None else given)
            check_count(f"Blend.{name}", getattr(self, name), least, most)
        if self.strategy == "self_moa" and len(self.models) > 1:
            raise ConfigError(f'Blend.models: strategy="self_moa" samples one model, got {len(self.models)}')
        check_count("Blend.quorum", self.quorum, 1, 1 if self.strategy == "chain" else len(self.advisers))

    @property
    def advisers(self) -> tuple[Target, ...]:
        """Who is asked in a round; a model that is sampled, as often as it is."""
        targets = tuple(target for target in self.models if isinstance(target, Target))
        return targets * self.samples if self.samples is not None else targets

    @property
    def to(self) -> tuple[Target, ...]:
        """Every target there is."""
        chosen = self.chosen
        return tuple(self.models if chosen is None else (*self.models, chosen))  # type: ignore[arg-type] # pyright: ignore[reportReturnType]

    @property
    def chosen(self) -> Target | None:
        """Who answers; None: whom the call asks."""
        if self.synthesizer is None and self.strategy == "self_moa":
            return self.advisers[0]
        assert not isinstance(self.synthesizer, str)
        return self.synthesizer

    @property
    def routing(self) -> dict[str, Any]:
        """What decides the answer, as part of a cache's key."""
        return {
            "models": spelled(self.advisers), "synthesizer": spelled([self.chosen]), "strategy": self.strategy,
            "layers": self.layers, "agreement": self.agreement, "quorum": self.quorum,
            "tool_turns": self.tool_turns,
        }  # fmt: skip

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Ask the models, and then the one who answers."""
        if (why := obstacle(call)) is not None:
            call.note("Blend", "passes on", why)
            return await send(call)
        panel = self._panel(call, send)
        if (why := alone(call, tool_turns=self.tool_turns)) is not None:
            leg = panel.leg(self.chosen, "final", part="answers")
            call.note("Blend", "asks one alone", f"{leg.name}: {why}")
            return await panel.final(leg)
        names = ", ".join(str(target) for target in self.models)
        call.note("Blend", "asks", f"{names} ({self.strategy})", strategy=self.strategy)
        if self.strategy == "best_of" and not offers_tools(call):
            return await Contest(panel=panel, contestants=self.advisers, judge=self.chosen).held()
        given = Deliberation(panel=panel, models=self.advisers, layers=self.layers or 1)
        advice = await DELIBERATIONS[self.strategy](given)
        leg = panel.leg(
            self.chosen, "final", instructions=advice.instructions, message=advice.message, part="answers"
        )
        call.note("Blend", "synthesizes", f"{leg.name} makes one answer of theirs", target=leg.name)
        return await panel.final(leg)

    def plan(self, call: Call) -> Decision:
        """Who would be asked, and who would answer."""
        if (why := obstacle(call)) is not None:
            return Decision("Blend", "passes on", why)
        answerer = str(self.chosen or call.target)
        if (why := alone(call, tool_turns=self.tool_turns)) is not None:
            return Decision("Blend", "asks one alone", f"{answerer}: {why}", {"synthesizer": answerer})
        names = [str(target) for target in self.models]
        rounds = f", {self.layers} rounds" if self.layers else f", {self.samples} drafts" if self.samples else ""
        then = "chooses" if self.strategy == "best_of" and not offers_tools(call) else "answers"
        reason = f"{', '.join(names)} ({self.strategy}{rounds}), then {answerer} {then}"
        data = {"strategy": self.strategy, "models": names, "synthesizer": answerer}
        return Decision("Blend", "asks", reason, data)

    def onward(self, call: Call) -> list[Call]:
        """Every request that would be sent, the advisers' first; what they would say is guessed by its length."""
        if obstacle(call) is not None:
            return [call]
        panel = self._panel(call)
        if alone(call, tool_turns=self.tool_turns) is not None:
            return [panel.leg(self.chosen, "final", part="answers").call]
        contest = self.strategy == "best_of" and not offers_tools(call)
        return planned_legs(
            panel, self.advisers, self.chosen, contest=contest, layers=self.layers or 1,
            reviews=self.strategy == "council", sequential=self.strategy == "chain",
        )  # fmt: skip

    def _panel(self, call: Call, send: Send | None = None) -> Panel:
        return Panel(
            policy="Blend", call=call, send=send or nowhere, quorum=self.quorum, agreement=self.agreement,
            patience=None if self.patience is None else seconds_of(self.patience),
        )  # fmt: skip
