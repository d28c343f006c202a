"""What `compare`, `blend` and `judge` are given, for type checkers, and checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Required

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.arguments import ChatArguments
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.clock import Duration
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.policies.ensemble.blend import Strategy

__all__ = ["BlendArguments", "CompareArguments", "JudgeArguments", "check_judged", "messages_of"]


class _Arguments(ChatArguments, total=False):
    patience: Duration | None


class CompareArguments(_Arguments, total=False):
    """What `compare` takes beside `stream`."""

    models: Required[Sequence[str | Target]]


class BlendArguments(_Arguments, total=False):
    """What `blend` takes beside `stream`."""

    models: Required[Sequence[str | Target]]
    synthesizer: str | Target | None
    strategy: Strategy
    layers: int | None
    samples: int | None
    quorum: int
    agreement: float | None


class JudgeArguments(_Arguments, total=False):
    """What `judge` takes beside `stream`."""

    contestants: Required[Sequence[str | Target]]
    judge: str | Target | None
    criteria: Sequence[str] | None
    quorum: int


def messages_of(given: Any) -> list[Any]:
    """The conversation, which may be given as an iterator and is read once."""
    messages: object = given
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise ConfigError(f"messages: expected a list of messages, got {type(given).__name__}")
    return list(given)


def check_judged(client: AsyncHanzo, messages: list[Any], arguments: Mapping[str, Any]) -> None:
    """Refuse a call that can have no verdict: its contestants would be paid for nothing."""
    asked = {**arguments, **as_dict(arguments.get("extra_body"))}
    for name in ("tools", "functions"):
        if asked.get(name):
            raise ConfigError(f"judge.{name}: contestants get no tools; use Judge as a policy for agents")
    if CHAT.view({"messages": messages}).in_tool_loop:
        raise ConfigError("judge.messages: they end with results of tools, which nobody judges")
    if client.engine.single:
        raise ConfigError("judge: a verdict takes several requests, and with max_retries=0 a call is one")
