"""What `compare`, `blend` and `judge` give, and the events of their streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.journal import Basis
    from hanzo_agents._wire.replies import HanzoChatCompletion
    from hanzo_agents.policies.ensemble import Verdict

__all__ = ["Blended", "Comparison", "EnsembleEvent", "EnsembleSummary", "Judged", "ModelAnswer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What became of one model that was asked.

    Attributes:
        model: the name or label under which it was asked.
        role: "answer" (one of those compared, blended or judged), "review", "verdict" or "final".
        status: "ok", "error", or "cancelled" when the others had agreed.
        latency_ms: from when it was asked to the end of its answer.
        cost: US dollars of all its attempts; None when nobody knows.
        reply: its answer in full; None for one of "final", which is the result's.
    """

    model: str
    content: str
    role: str = "answer"
    status: Literal["ok", "error", "cancelled"] = "ok"
    latency_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: Decimal | None = None
    cost_basis: Basis = "unknown"
    error: Exception | None = None
    reply: HanzoChatCompletion | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSummary:
    """What all of them took.

    Attributes:
        fastest: the model whose answer was there first; None when there is none.
        longest: the model whose answer has the most characters.
        cost: US dollars of every request; None as soon as that of one is not known.
    """

    fastest: str | None
    longest: str | None
    latency_ms: float
    cost: Decimal | None
    cost_basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What each model answered, in the order in which they were named."""

    responses: tuple[ModelAnswer, ...]
    summary: EnsembleSummary

    def __getitem__(self, model: str) -> ModelAnswer:
        """The answer of one model."""
        for answer in self.responses:
            if answer.model == model:
                return answer
        raise KeyError(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blended:
    """One answer made of several.

    Attributes:
        content: the answer.
        source_models: who advised.
        synthesizer: who answered; of "best_of", whose answer it is.
        candidates: what the advisers said, reviews and verdicts included, in the order in which they were asked.
        layers: rounds of advice.
        verdict: of "best_of".
        reply: the answer as `chat.completions.create` gives it.
    """

    content: str
    strategy: str
    source_models: tuple[str, ...]
    synthesizer: str
    candidates: tuple[ModelAnswer, ...]
    layers: int
    summary: EnsembleSummary
    reply: HanzoChatCompletion = field(repr=False)
    verdict: Verdict | None = None

    @property
    def latency_ms(self) -> float:
        """Milliseconds in all."""
        return self.summary.latency_ms

    @property
    def cost(self) -> Decimal | None:
        """US dollars in all; None when nobody knows."""
        return self.summary.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The best of several answers.

    Attributes:
        verdict: who won, the scores, and why.
        winner_response: the winner's answer.
        contestants: all answers, in the order in which the models were named.
        reply: the winner's answer as `chat.completions.create` gives it.
    """

    verdict: Verdict
    winner_response: ModelAnswer
    contestants: tuple[ModelAnswer, ...]
    summary: EnsembleSummary
    reply: HanzoChatCompletion = field(repr=False)

    @property
    def content(self) -> str:
        """What the winner said."""
        return self.winner_response.content

    @property
    def cost(self) -> Decimal | None:
        """US dollars in all; None when nobody knows."""
        return self.summary.cost


Result: TypeAlias = Comparison | Blended | Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleEvent:
    """One thing that happened.

    Attributes:
        event: "delta": a model has said a piece. "done": a model has ended well. "error": a model has failed, or
            was left. "summary": all is over; the last event.
        model: whose; empty of a summary.
        role: as in `ModelAnswer`.
        delta: the piece.
        answer: what became of the model, of "done" and "error".
        error: what it failed with.
        summary: of "summary".
        result: of "summary": what the call gives without `stream=True`.
    """

    event: Literal["delta", "done", "error", "summary"]
    model: str = ""
    role: str = ""
    delta: str = ""
    answer: ModelAnswer | None = None
    error: Exception | None = None
    summary: EnsembleSummary | None = None
    result: Any = None

    @property
    def done(self) -> bool:
        """Whether the model, or the whole, is over."""
        return self.event != "delta"
