"""Explaining a request: it goes its usual way up to the stack, which says what it would do and sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.plan import Explained, Rehearsal
from hanzo_agents._kernel.stack import Stack
from hanzo_agents._kernel.tracking import untracked
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hanzo_agents._kernel.plan import Plan

__all__ = ["explain_request", "plan_raised_by", "rehearsed"]


def rehearsed(stack: Stack) -> Stack:
    """In place of `stack`: one that raises what it would do."""
    return Stack.silently([Rehearsal(stack)])


async def plan_raised_by(ask: Callable[[], Awaitable[object]]) -> Plan:
    """The plan that a rehearsed call ends with. Other errors pass: the call would not even come to the stack."""
    with untracked():
        try:
            await ask()
        except Explained as rehearsal:
            return rehearsal.plan
    raise AssertionError("a rehearsed call was sent")


async def explain_request(rehearsal: Any, request: Mapping[str, Any]) -> Plan:
    """What would become of a request of the client that `rehearsal` is a copy of.

    Raises:
        ConfigError: it is none of the three that run through the policies.
    """
    asked = dict(request)
    api = asked.pop("api", None) or ("chat" if "messages" in asked else "responses" if "input" in asked else None)
    create = {
        "chat": lambda: rehearsal.chat.completions.create,
        "responses": lambda: rehearsal.responses.create,
        "embeddings": lambda: rehearsal.embeddings.create,
    }.get(str(api))
    if create is None:
        raise ConfigError(
            "explain: expected messages= (Chat Completions) or input= (Responses), "
            f'or api="embeddings" with input=, got {sorted(request)}'
        )
    return await plan_raised_by(lambda: create()(**asked))
