"""`compare`, `blend` and `judge` for programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from hanzo_agents._wire.sync.calls import iterate, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openai.types.chat import ChatCompletionMessageParam

    from hanzo_agents._kernel.clock import Duration
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._wire.sync.calls import Iteration
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.facade.ensembles_results import Blended, Comparison, EnsembleEvent, Judged
    from hanzo_agents.policies.ensemble.blend import Strategy

__all__ = ["SyncEnsembles"]


class SyncEnsembles:
    """Several models for one request, as `AsyncEnsembles`; streams of events are iterated over as they are."""

    _inner: AsyncHanzo

    @overload
    def compare(
        self,
        *,
        models: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        stream: Literal[False] = False,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Comparison: ...

    @overload
    def compare(
        self,
        *,
        models: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        stream: Literal[True],
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Iteration[EnsembleEvent]: ...

    def compare(
        self,
        *,
        models: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        stream: bool = False,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Comparison | Iteration[EnsembleEvent]:
        """Ask several models the same at the same time, and get all their answers."""
        inner: Any = self._inner
        made: Any = run(
            inner.compare(models=models, messages=messages, patience=patience, stream=stream, **arguments)
        )
        answered: Comparison | Iteration[EnsembleEvent] = iterate(made) if stream else made
        return answered

    @overload
    def blend(
        self,
        *,
        models: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        synthesizer: str | Target | None = None,
        strategy: Strategy = "consensus",
        stream: Literal[False] = False,
        layers: int | None = None,
        samples: int | None = None,
        quorum: int = 1,
        agreement: float | None = 0.9,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Blended: ...

    @overload
    def blend(
        self,
        *,
        models: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        synthesizer: str | Target | None = None,
        strategy: Strategy = "consensus",
        stream: Literal[True],
        layers: int | None = None,
        samples: int | None = None,
        quorum: int = 1,
        agreement: float | None = 0.9,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Iteration[EnsembleEvent]: ...

    def blend(
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
    ) -> Blended | Iteration[EnsembleEvent]:
        """Ask several models, and get one answer made of theirs."""
        inner: Any = self._inner
        made: Any = run(
            inner.blend(
                models=models,
                messages=messages,
                synthesizer=synthesizer,
                strategy=strategy,
                layers=layers,
                samples=samples,
                quorum=quorum,
                agreement=agreement,
                patience=patience,
                stream=stream,
                **arguments,
            )
        )
        answered: Blended | Iteration[EnsembleEvent] = iterate(made) if stream else made
        return answered

    @overload
    def judge(
        self,
        *,
        contestants: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        judge: str | Target | None = None,
        criteria: Sequence[str] | None = None,
        stream: Literal[False] = False,
        quorum: int = 1,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Judged: ...

    @overload
    def judge(
        self,
        *,
        contestants: Sequence[str | Target],
        messages: Iterable[ChatCompletionMessageParam],
        judge: str | Target | None = None,
        criteria: Sequence[str] | None = None,
        stream: Literal[True],
        quorum: int = 1,
        patience: Duration | None = None,
        **arguments: Any,
    ) -> Iteration[EnsembleEvent]: ...

    def judge(
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
    ) -> Judged | Iteration[EnsembleEvent]:
        """Let several models answer, and another one judge which answer is the best."""
        inner: Any = self._inner
        made: Any = run(
            inner.judge(
                contestants=contestants,
                messages=messages,
                judge=judge,
                criteria=criteria,
                quorum=quorum,
                patience=patience,
                stream=stream,
                **arguments,
            )
        )
        answered: Judged | Iteration[EnsembleEvent] = iterate(made) if stream else made
        return answered
