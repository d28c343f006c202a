"""The four modes, each whole and as a stream: functions from arguments to a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from hanzo_agents.errors import ConfigError
from hanzo_agents.llmwise.request import Request
from hanzo_agents.llmwise.shapes import (
    Blend,
    BlendOptions,
    Chat,
    ChatOptions,
    Compare,
    CompareOptions,
    Event,
    Judge,
    JudgeOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hanzo_agents.llmwise.shapes import Message

__all__ = [
    "MODES",
    "blend",
    "blend_stream",
    "chat",
    "chat_stream",
    "compare",
    "compare_stream",
    "judge",
    "judge_stream",
]

_READ: dict[str, Callable[[Any], Any]] = {
    "temperature": float,
    "max_tokens": int,
    "cost_saver": bool,
    "optimization_goal": str,
    "semantic_memory": bool,
    "semantic_top_k": int,
    "semantic_min_score": float,
    "routing": dict,
    "strategy": str,
    "synthesizer": str,
    "layers": int,
    "samples": int,
    "criteria": list,
    "conversation_id": str,
}
"""Every option, in the order in which it is sent, and the type it is sent as."""

_TAKES = {
    "chat": frozenset(ChatOptions.__annotations__) | frozenset(CompareOptions.__annotations__),
    "compare": frozenset(CompareOptions.__annotations__),
    "blend": frozenset(BlendOptions.__annotations__) | frozenset(CompareOptions.__annotations__),
    "judge": frozenset(JudgeOptions.__annotations__) | frozenset(CompareOptions.__annotations__),
}

MODES = {f"/{mode}": mode for mode in _TAKES}
"""Paths of the calls that go through the policies."""


def chat(
    *, model: str, messages: Sequence[Message], stream: bool = False, **options: Unpack[ChatOptions]
) -> Request[Chat]:
    """Ask one model; "auto" lets the service choose.

    Args:
        model: its name.
        messages: the conversation.
        stream: only False; `chat_stream` streams.
        options: see `ChatOptions`; None leaves one out.
    """
    return _whole("chat", {"model": model, "messages": messages}, options, stream=stream)


def chat_stream(*, model: str, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Request[Event]:
    """Ask one model, and read its answer as it is made. The request is sent when the first event is asked for."""
    return _mode("chat", {"model": model, "messages": messages}, options, stream=True)


def compare(
    *, models: Sequence[str], messages: Sequence[Message], stream: bool = False, **options: Unpack[CompareOptions]
) -> Request[Compare]:
    """Ask several models the same, and get all their answers."""
    return _whole("compare", {"models": _names("models", models), "messages": messages}, options, stream=stream)


def compare_stream(
    *, models: Sequence[str], messages: Sequence[Message], **options: Unpack[CompareOptions]
) -> Request[Event]:
    """Ask several models the same; each event names the `model` that speaks."""
    return _mode("compare", {"models": _names("models", models), "messages": messages}, options, stream=True)


def blend(
    *, models: Sequence[str], messages: Sequence[Message], stream: bool = False, **options: Unpack[BlendOptions]
) -> Request[Blend]:
    """Ask several models, and have one make a single answer of theirs."""
    return _whole("blend", {"models": _names("models", models), "messages": messages}, options, stream=stream)


def blend_stream(
    *, models: Sequence[str], messages: Sequence[Message], **options: Unpack[BlendOptions]
) -> Request[Event]:
    """Ask several models, and read the answer that one makes of theirs."""
    return _mode("blend", {"models": _names("models", models), "messages": messages}, options, stream=True)


def judge(
    *,
    contestants: Sequence[str],
    judge: str,
    messages: Sequence[Message],
    stream: bool = False,
    **options: Unpack[JudgeOptions],
) -> Request[Judge]:
    """Ask several models, and have another say whose answer is best."""
    fields = {"contestants": _names("contestants", contestants), "judge": judge, "messages": messages}
    return _whole("judge", fields, options, stream=stream)


def judge_stream(
    *, contestants: Sequence[str], judge: str, messages: Sequence[Message], **options: Unpack[JudgeOptions]
) -> Request[Event]:
    """Ask several models, and follow how another judges them."""
    return _mode(
        "judge",
        {"contestants": _names("contestants", contestants), "judge": judge, "messages": messages},
        options,
        stream=True,
    )


def _whole(mode: str, fields: Mapping[str, Any], options: Mapping[str, Any], *, stream: bool) -> Request[Any]:
    if stream:
        raise ValueError(f"Use {mode}_stream(...), not {mode}(stream=True)")
    return _mode(mode, fields, options, stream=False)


def _mode(mode: str, fields: Mapping[str, Any], options: Mapping[str, Any], *, stream: bool) -> Request[Any]:
    for name in options:
        if name not in _TAKES[mode]:
            raise TypeError(f"{mode}() got an unexpected keyword argument {name!r}")
    given = {name: _read(name, value) for name in _READ if (value := options.get(name)) is not None}
    return Request("POST", f"/{mode}", body={**fields, "stream": stream, **given}, kind="object")


def _names(field: str, given: object) -> list[Any]:
    """Names of models, in the order in which they are given."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(f"{field}: expected a list of models' names, got {given!r}")
    names: Any = given  # pyright: ignore[reportUnknownVariableType]
    return list(names)


def _read(name: str, value: Any) -> Any:
    """An option as the type it is sent as."""
    read = _READ[name]
    try:
        return read(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ConfigError(f"{name}: expected what {getattr(read, '__name__', '')}() takes, got {type(value).__name__}")
