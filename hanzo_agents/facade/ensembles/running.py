"""One ensemble for one call of a client: the stack it runs in, and who writes down what its models say."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hanzo_agents._kernel.primed import finish_closing
from hanzo_agents._kernel.stack import Place, Stack
from hanzo_agents._wire.whole import Gathered
from hanzo_agents.facade.ensembles.results import EnsembleEvent, EnsembleSummary, ModelAnswer
from hanzo_agents.policies.ensemble.audience import audience

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from hanzo_agents._kernel.stack import Policy
    from hanzo_agents._wire.replies import HanzoChatCompletion
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.facade.ensembles.results import Result
    from hanzo_agents.policies.ensemble import Verdict
    from hanzo_agents.policies.ensemble.legs import Leg

__all__ = ["Running", "Transcript", "answer_of", "summary_of"]


class Transcript:
    """An audience that keeps what it hears.

    Args:
        tell: told each event as it happens; None where nobody waits for events.
    """

    def __init__(self, tell: Callable[[EnsembleEvent], None] | None = None) -> None:
        self.listens = tell is not None
        self.legs: list[Leg] = []
        self.verdict: Verdict | None = None
        self._tell = tell

    def begins(self, leg: Leg) -> None:
        """A model is asked."""
        self.legs.append(leg)

    def says(self, leg: Leg, text: str) -> None:
        """A piece of its answer has come."""
        if self._tell is not None:
            self._tell(EnsembleEvent(event="delta", model=leg.name, role=leg.role, delta=text))

    def ends(self, leg: Leg) -> None:
        """It has answered, failed, or was left."""
        if self._tell is not None:
            answer = answer_of(leg)
            event: Literal["done", "error"] = "done" if answer.status == "ok" else "error"
            told = EnsembleEvent(event=event, model=leg.name, role=leg.role, answer=answer, error=answer.error)
            self._tell(told)

    def hears(self, verdict: Verdict) -> None:
        """A judge has chosen."""
        self.verdict = verdict

    @property
    def final(self) -> Leg | None:
        """The model whose reply is the call's; None where an answer is given word for word."""
        return next((leg for leg in self.legs if leg.role == "final"), None)

    def answers(self, *roles: str) -> tuple[ModelAnswer, ...]:
        """What has been said in these roles, all but the final one by default."""
        wanted = roles or ("answer", "review", "verdict")
        return tuple(answer_of(leg) for leg in self.legs if leg.role in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An ensemble on its way.

    Attributes:
        model: of the request itself.
        arguments: of `chat.completions.create`.
        result: makes what the caller gets, of the reply and what was heard.
    """

    client: AsyncHanzo
    policy: Policy
    model: str
    messages: list[Any]
    arguments: dict[str, Any]
    result: Callable[[HanzoChatCompletion, Transcript], Result]

    async def whole(self) -> Any:
        """What the caller gets, once all is over."""
        heard = Transcript()
        with _attended(heard):
            reply: Any = await self._create(stream=False)
        return self.result(reply, heard)

    async def events(self) -> AsyncGenerator[EnsembleEvent]:
        """What happens, as it happens. Nothing is sent before the first is asked for; who leaves ends it all."""
        told: asyncio.Queue[EnsembleEvent | None] = asyncio.Queue()
        heard = Transcript(told.put_nowait)
        task = asyncio.create_task(self._told(heard, told))
        try:
            while (event := await told.get()) is not None:
                yield event
            result = await task
            yield EnsembleEvent(event="summary", summary=result.summary, result=result)
        finally:
            task.cancel()
            await finish_closing(_ended(task))

    async def _told(self, heard: Transcript, told: asyncio.Queue[EnsembleEvent | None]) -> Result:
        try:
            with _attended(heard):
                stream: Any = await self._create(stream=True)
            gathered = Gathered()
            async with stream:
                async for chunk in stream:
                    gathered.feed(chunk)
                    if heard.final is not None and chunk.choices and (piece := chunk.choices[0].delta.content):
                        heard.says(heard.final, piece)
            reply = gathered.answer(stream.response)
            if heard.final is not None:
                heard.final.text = reply.choices[0].message.content or ""
                heard.ends(heard.final)
            return self.result(reply, heard)
        finally:
            told.put_nowait(None)

    async def _create(self, *, stream: bool) -> Any:
        behind = self.client.behind(_stack(self.client.stack, self.policy))
        create: Any = behind.chat.completions.create
        return await create(model=self.model, messages=self.messages, stream=stream, **self.arguments)


def _stack(stack: Stack, policy: Policy) -> Stack:
    """The client's policies around and below this one.

    It stands outside the cache, which then knows each model's answers and not only what was made of them. What
    would choose other models is left out.
    """
    kept = [p for p in stack if _place(p) not in {Place.ROUTE, Place.ENSEMBLE}]
    at = next((n for n, p in enumerate(kept) if _place(p) >= Place.CACHE), len(kept))
    return Stack.silently([*kept[:at], policy, *kept[at:]])


def _place(policy: Policy) -> Place:
    return getattr(policy, "place", Place.OTHER)


@contextmanager
def _attended(heard: Transcript) -> Generator[None]:
    token = audience.set(heard)
    try:
        yield
    finally:
        audience.reset(token)


async def _ended(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task})


def answer_of(leg: Leg) -> ModelAnswer:
    """What became of a model, for its caller."""
    usage = next((attempt.usage for attempt in reversed(leg.record) if attempt.usage is not None), None)
    reply: Any = None if leg.reply is None or leg.role == "final" else leg.reply.value
    ended = leg.ended if leg.ended is not None else leg.call.clock.now()
    return ModelAnswer(
        model=leg.name, content=leg.text, role=leg.role,
        status="cancelled" if leg.left else "ok" if leg.error is None else "error",
        latency_ms=(ended - leg.started) * 1000,
        prompt_tokens=None if usage is None else usage.input_tokens,
        completion_tokens=None if usage is None else usage.output_tokens,
        cost=leg.cost.amount, cost_basis=leg.cost.basis, error=leg.error, reply=reply,
    )  # fmt: skip


def summary_of(reply: HanzoChatCompletion, heard: Transcript) -> EnsembleSummary:
    """What all of them took."""
    answers = [answer for answer in heard.answers("answer") if answer.status == "ok"]
    fastest = min(answers, key=lambda answer: answer.latency_ms or 0.0, default=None)
    longest = max(answers, key=lambda answer: len(answer.content), default=None)
    return EnsembleSummary(
        fastest=None if fastest is None else fastest.model,
        longest=None if longest is None else longest.model,
        latency_ms=(reply.latency or 0.0) * 1000,
        cost=reply.cost,
        cost_basis=reply.cost_basis,
    )
