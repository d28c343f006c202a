"""The four modes, each whole and as a stream: functions from arguments to a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from hanzo_agents.errors import ConfigError
from hanzo_agents.llmwise.request import FIELDS, Request, sent
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
    from collections.abc import Sequence

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

_TAKES = {
    "chat": ChatOptions.__annotations__,
    "compare": CompareOptions.__annotations__,
    "blend": BlendOptions.__annotations__,
    "judge": JudgeOptions.__annotations__,
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
    return _whole("chat", {"model": _name("model", model)}, messages, options, stream=stream)


def chat_stream(*, model: str, messages: Sequence[Message], **options: Unpack[ChatOptions]) -> Request[Event]:
    """Ask one model, and read its answer as it is made. The request is sent when the first event is asked for."""
    return _mode("chat", {"model": _name("model", model)}, messages, options, stream=True)


def compare(
    *, models: Sequence[str], messages: Sequence[Message], stream: bool = False, **options: Unpack[CompareOptions]
) -> Request[Compare]:
    """Ask several models the same, and get all their answers."""
    return _whole("compare", {"models": _names("models", models)}, messages, options, stream=stream)


def compare_stream(
    *, models: Sequence[str], messages: Sequence[Message], **options: Unpack[CompareOptions]
) -> Request[Event]:
    """Ask several models the same; each event names the `model` that speaks."""
    return _mode("compare", {"models": _names("models", models)}, messages, options, stream=True)


def blend(
    *, models: Sequence[str], messages: Sequence[Message], stream: bool = False, **options: Unpack[BlendOptions]
) -> Request[Blend]:
    """Ask several models, and have one make a single answer of theirs."""
    return _whole("blend", {"models": _names("models", models)}, messages, options, stream=stream)


def blend_stream(
    *, models: Sequence[str], messages: Sequence[Message], **options: Unpack[BlendOptions]
) -> Request[Event]:
    """Ask several models, and read the answer that one makes of theirs."""
    return _mode("blend", {"models": _names("models", models)}, messages, options, stream=True)


def judge(
    *,
    contestants: Sequence[str],
    judge: str,
    messages: Sequence[Message],
    stream: bool = False,
    **options: Unpack[JudgeOptions],
) -> Request[Judge]:
    """Ask several models, and have another say whose answer is best."""
    asked = {"contestants": _names("contestants", contestants), "judge": _name("judge", judge)}
    return _whole("judge", asked, messages, options, stream=stream)


def judge_stream(
    *, contestants: Sequence[str], judge: str, messages: Sequence[Message], **options: Unpack[JudgeOptions]
) -> Request[Event]:
    """Ask several models, and follow how another judges them."""
    asked = {"contestants": _names("contestants", contestants), "judge": _name("judge", judge)}
    return _mode("judge", asked, messages, options, stream=True)


def _whole(
    mode: str, asked: Mapping[str, Any], messages: object, options: Mapping[str, Any], *, stream: bool
) -> Request[Any]:
    if stream:
        raise ValueError(f"Use {mode}_stream(...), not {mode}(stream=True)")
    return _mode(mode, asked, messages, options, stream=False)


def _mode(
    mode: str, asked: Mapping[str, Any], messages: object, options: Mapping[str, Any], *, stream: bool
) -> Request[Any]:
    for name in options:
        if name not in _TAKES[mode]:
            raise TypeError(f"{mode}() got an unexpected keyword argument {name!r}")
    given = sent(**{name: options[name] for name in FIELDS if name in options})
    if spare := given.get("routing", {}).get("fallback"):
        given["routing"]["fallback"] = _names("routing.fallback", spare)
    body = {**asked, "messages": _conversation(messages), "stream": stream, **given}
    return Request("POST", f"/{mode}", body=body, kind="object")


def _name(field: str, given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ConfigError(f"{field}: expected a model's name, got {given!r}")
    return given


def _names(field: str, given: Any) -> list[str]:
    """Names of models, in the order in which they are given."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(f"{field}: expected a list of models' names, got {given!r}")
    listed: Iterable[Any] = given  # pyright: ignore[reportUnknownVariableType]
    names = [_name(field, name) for name in listed]
    if not names:
        raise ConfigError(f"{field}: expected a list of models' names, and it is empty")
    return names


def _conversation(given: object) -> list[Any]:
    """Messages, of any iterable. What is in them is for the service to judge."""
    messages: list[Any] = [None]
    if isinstance(given, Iterable) and not isinstance(given, Mapping):
        messages = list(given)  # pyright: ignore[reportUnknownArgumentType]
    if not all(isinstance(message, Mapping) for message in messages):
        came = type(given).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise ConfigError(f"messages: expected a list of messages, each a mapping, got {came}")
    return messages
