"""What `compare`, `blend` and `judge` are given, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents.client import AsyncHanzo

__all__ = ["check_judged", "messages_of"]


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
