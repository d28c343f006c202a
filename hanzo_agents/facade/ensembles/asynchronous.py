"""`compare`, `blend` and `judge`: several models for one request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from hanzo_agents._kernel.clock import Duration, seconds
from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.ensembles.asked import check_judged, messages_of
from hanzo_agents.facade.ensembles.results import Blended, Comparison, Judged
from hanzo_agents.facade.ensembles.running import Running, answer_of, summary_of
from hanzo_agents.facade.keywords import AUTO
from hanzo_agents.policies.ensemble.blend import Blend
from hanzo_agents.policies.ensemble.comparison import Compare
from hanzo_agents.policies.ensemble.contest import CRITERIA
from hanzo_agents.policies.ensemble.fields import models_of
from hanzo_agents.policies.ensemble.judge import Judge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from openai.types.chat import ChatCompletionMessageParam

    from hanzo_agents._kernel.stack import Policy
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._wire.replies import HanzoChatCompletion
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.facade.ensembles.asked import BlendArguments, CompareArguments, JudgeArguments
    from hanzo_agents.facade.ensembles.results import EnsembleEvent, Result
    from hanzo_agents.facade.ensembles.running import Transcript
    from hanzo_agents.policies.ensemble.blend import Strategy

__all__ = ["AsyncEnsembles"]

R = TypeVar("R", bound="Result")


class AsyncEnsembles:
    """Several models for one request. All the policies of the client apply to each of them."""

    @overload
    async def compare(
        self, *, stream: Literal[False] = False, **asked: Unpack[CompareArguments]
    ) -> Comparison: ...

    @overload
    async def compare(
        self, *, stream: Literal[True], **asked: Unpack[CompareArguments]
    ) -> AsyncGenerator[EnsembleEvent]: ...

    async def compare(
        self,
        *,
        models: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        stream: bool = False,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Comparison | AsyncGenerator[EnsembleEvent]:
        """Ask several models the same at the same time, and get all their answers.

        Each answers itself or fails, which fails none of the others.

        Args:
            models: names or `Target`s.
            messages: as for `chat.completions.create`.
            stream: get an iterator of events instead, as each model speaks.
            patience: seconds that each gets; None: until the deadline.
            arguments: as for `chat.completions.create`.

        Raises:
            ConfigError: an argument is wrong; nothing was sent.
            EnsembleFailed: no model answered.
        """
        targets = models_of("compare.models", models, 1)
        policy = Compare(models=targets, patience=seconds("compare.patience", patience, zero=False))
        return await self._run(policy, targets[0].name, messages, arguments, _compared, stream=stream)

    @overload
    async def blend(self, *, stream: Literal[False] = False, **asked: Unpack[BlendArguments]) -> Blended: ...

    @overload
    async def blend(
        self, *, stream: Literal[True], **asked: Unpack[BlendArguments]
    ) -> AsyncGenerator[EnsembleEvent]: ...

    async def blend(
        self,
        *,
        models: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        synthesizer: str | Target | None = None,
        strategy: Strategy = "consensus",
        stream: bool = False,
        layers: int | None = None,
        samples: int | None = None,
        quorum: int = 1,
        agreement: float | None = 0.9,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Blended | AsyncGenerator[EnsembleEvent]:
        """Ask several models, and get one answer made of theirs.

        Args:
            models: who advises.
            messages: as for `chat.completions.create`.
            synthesizer: who answers; the client's model by default, else the first of `models`.
            strategy: how, as for `Blend`; so are `layers`, `samples`, `quorum`, `agreement` and `patience`.
            stream: get an iterator of events instead, as each model speaks.
            layers: of "moa".
            samples: of "self_moa".
            quorum: answers without which it fails.
            agreement: the likeness of most answers at which the others are left.
            patience: seconds that each round gets.
            arguments: as for `chat.completions.create`.

        Raises:
            ConfigError: an argument is wrong; nothing was sent.
            EnsembleFailed: too few models answered.
        """
        policy = Blend(
            models, synthesizer=synthesizer, strategy=strategy, layers=layers, samples=samples, quorum=quorum,
            agreement=agreement, patience=patience,
        )  # fmt: skip

        model = self._model(policy.chosen, policy.advisers)
        return await self._run(policy, model, messages, arguments, partial(_blended, policy), stream=stream)

    @overload
    async def judge(self, *, stream: Literal[False] = False, **asked: Unpack[JudgeArguments]) -> Judged: ...

    @overload
    async def judge(
        self, *, stream: Literal[True], **asked: Unpack[JudgeArguments]
    ) -> AsyncGenerator[EnsembleEvent]: ...

    async def judge(
        self,
        *,
        contestants: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        judge: str | Target | None = None,
        criteria: Sequence[str] | None = None,
        stream: bool = False,
        quorum: int = 1,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Judged | AsyncGenerator[EnsembleEvent]:
        """Let several models answer, and another one judge which answer is the best.

        Args:
            contestants: who answers.
            messages: as for `chat.completions.create`.
            judge: who judges; the client's model by default, else the first contestant.
            criteria: what the judge goes by; correct, complete and clear by default.
            stream: get an iterator of events instead, as each model speaks.
            quorum: answers without which it fails.
            patience: seconds that the contestants get.
            arguments: as for `chat.completions.create`, without tools.

        Raises:
            ConfigError: an argument is wrong; nothing was sent.
            EnsembleFailed: too few contestants answered.
            InvalidResponse: the judge gave no verdict, twice.
        """
        messages = messages_of(messages)
        check_judged(cast("AsyncHanzo", self), messages, arguments)
        policy = Judge(
            contestants, judge=judge, criteria=CRITERIA if criteria is None else criteria, quorum=quorum,
            patience=patience,
        )  # fmt: skip
        model = self._model(policy.chosen, policy.models)
        return await self._run(policy, model, messages, arguments, _judged, stream=stream)

    def _model(self, chosen: Target | None, asked: Sequence[Target]) -> str:
        """Of the request itself: whoever answers it, else the client's, else the first that is asked."""
        default = cast("AsyncHanzo", self).default_model
        if chosen is not None:
            return chosen.name
        return default if default and default != AUTO else asked[0].name

    async def _run(
        self,
        policy: Policy,
        model: str,
        messages: Any,
        arguments: dict[str, Any],
        result: Callable[[HanzoChatCompletion, Transcript], R],
        *,
        stream: bool,
    ) -> R | AsyncGenerator[EnsembleEvent]:
        if not isinstance(stream, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"stream: expected True or False, got {stream!r}")
        if "model" in arguments:
            raise ConfigError(f"model: several are asked, each named for what it does; got {arguments['model']!r}")
        client = cast("AsyncHanzo", self)
        running = Running(
            client=client, policy=policy, model=model, messages=messages_of(messages), arguments=arguments,
            result=result,
        )  # fmt: skip
        if stream:
            return running.events()
        whole: R = await running.whole()
        return whole


def _compared(reply: HanzoChatCompletion, heard: Transcript) -> Comparison:
    return Comparison(responses=heard.answers("answer"), summary=summary_of(reply, heard))


def _blended(policy: Blend, reply: HanzoChatCompletion, heard: Transcript) -> Blended:
    final, verdict = heard.final, heard.verdict
    return Blended(
        content=reply.choices[0].message.content or "",
        strategy=policy.strategy,
        source_models=tuple(str(target) for target in policy.models),
        synthesizer=final.name if final is not None else "" if verdict is None else verdict.winner,
        candidates=heard.answers(),
        layers=policy.layers or 1,
        summary=summary_of(reply, heard),
        reply=reply,
        verdict=verdict,
    )


def _judged(reply: HanzoChatCompletion, heard: Transcript) -> Judged:
    verdict = heard.verdict
    assert verdict is not None
    winner = next(leg for leg in heard.legs if leg.role == "answer" and leg.name == verdict.winner)
    return Judged(
        verdict=verdict,
        winner_response=answer_of(winner),
        contestants=heard.answers("answer"),
        summary=summary_of(reply, heard),
        reply=reply,
    )
