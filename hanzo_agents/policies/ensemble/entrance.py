"""Which calls an ensemble takes, and which it passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call

__all__ = ["alone", "obstacle", "offers_tools"]


def obstacle(call: Call) -> str | None:
    """Why a call is none for several models, None when it is one."""
    if call.voice is None:
        return f"answers to {call.view.operation} are no text"
    if call.pinned:
        return "the call leans on state at one provider"
    return None


def alone(call: Call, *, tool_turns: bool = False) -> str | None:
    """Why the one who answers is not to be advised, None when it is.

    Args:
        call: one without an obstacle.
        tool_turns: whether there is advice on the results of tools, too.
    """
    assert call.voice is not None
    if call.single:
        return "the call is to be a single request"
    if not tool_turns and call.voice.in_tool_loop(call):
        return "tools have answered, which is no matter of opinion"
    return None


def offers_tools(call: Call) -> bool:
    """Whether the answer may call tools."""
    assert call.voice is not None
    return bool(call.voice.offered(call))
