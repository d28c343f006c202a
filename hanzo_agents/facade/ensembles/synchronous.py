"""`compare`, `blend` and `judge` for programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from hanzo_agents._wire.sync.calls import iterate, run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hanzo_agents._wire.sync.calls import Iteration
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.facade.ensembles.asked import BlendArguments, CompareArguments, JudgeArguments
    from hanzo_agents.facade.ensembles.results import Blended, Comparison, EnsembleEvent, Judged

__all__ = ["SyncEnsembles"]


class SyncEnsembles:
    """Several models for one request, as `AsyncEnsembles`; streams of events are iterated over as they are."""

    _inner: AsyncHanzo

    @overload
    def compare(self, *, stream: Literal[False] = False, **asked: Unpack[CompareArguments]) -> Comparison: ...

    @overload
    def compare(self, *, stream: Literal[True], **asked: Unpack[CompareArguments]) -> Iteration[EnsembleEvent]: ...

    def compare(self, *, stream: bool = False, **asked: Any) -> Comparison | Iteration[EnsembleEvent]:
        """Ask several models the same at the same time, and get all their answers: see `AsyncHanzo.compare`."""
        answered: Comparison | Iteration[EnsembleEvent] = _asked(self._inner.compare, asked, stream=stream)
        return answered

    @overload
    def blend(self, *, stream: Literal[False] = False, **asked: Unpack[BlendArguments]) -> Blended: ...

    @overload
    def blend(self, *, stream: Literal[True], **asked: Unpack[BlendArguments]) -> Iteration[EnsembleEvent]: ...

    def blend(self, *, stream: bool = False, **asked: Any) -> Blended | Iteration[EnsembleEvent]:
        """Ask several models, and get one answer made of theirs: see `AsyncHanzo.blend`."""
        answered: Blended | Iteration[EnsembleEvent] = _asked(self._inner.blend, asked, stream=stream)
        return answered

    @overload
    def judge(self, *, stream: Literal[False] = False, **asked: Unpack[JudgeArguments]) -> Judged: ...

    @overload
    def judge(self, *, stream: Literal[True], **asked: Unpack[JudgeArguments]) -> Iteration[EnsembleEvent]: ...

    def judge(self, *, stream: bool = False, **asked: Any) -> Judged | Iteration[EnsembleEvent]:
        """Let several models answer, and another one judge which answer is the best: see `AsyncHanzo.judge`."""
        answered: Judged | Iteration[EnsembleEvent] = _asked(self._inner.judge, asked, stream=stream)
        return answered


def _asked(ask: Callable[..., Coroutine[Any, Any, Any]], asked: dict[str, Any], *, stream: bool) -> Any:
    answered = run(ask(stream=stream, **asked))
    return iterate(answered) if stream else answered
