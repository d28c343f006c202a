"""Function calls of a Responses answer: one id for each call, the same wherever the call shows up.

A call comes in several events and again in the whole output, where its position may be another: bridges leave
items out. So it is known by its item id and its own call id, and by position only where it has neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._wire.dialects.tool_calls import fresh_id, truncated_arguments_of
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CallIds", "refuse_cut_calls"]


class CallIds:
    """Gives an id of its own to every call whose id is empty, or used before.

    Args:
        taken: ids that the conversation already holds.
    """

    __slots__ = ("_ids", "_taken", "_used")

    def __init__(self, taken: Callable[[], set[str]]) -> None:
        self._taken = taken
        self._ids: dict[tuple[object, str], str] = {}
        self._used: set[str] = set()

    def mend_item(self, item: Any, position: int) -> None:
        """Mend a call that came in an event."""
        key = (getattr(item, "id", None) or position, item.call_id or "")
        item.call_id = self._ids.get(key) or self._open(key)

    def mend_output(self, output: list[Any]) -> None:
        """Mend a whole output in place; a call that merely repeats another is dropped."""
        streamed: dict[str, list[str]] = {}
        for (_, original), mended in self._ids.items():
            streamed.setdefault(original, []).append(mended)
        payloads: dict[str, tuple[Any, Any]] = {}
        kept: list[Any] = []
        for position, item in enumerate(output):
            if getattr(item, "type", None) == "function_call":
                original, payload = item.call_id or "", (item.name, item.arguments)
                if original and payloads.get(original) == payload:
                    continue
                payloads.setdefault(original, payload)
                item.call_id = self._final(item, original, position, streamed)
            kept.append(item)
        output[:] = kept

    def _final(self, item: Any, original: str, position: int, streamed: dict[str, list[str]]) -> str:
        waiting = streamed.get(original, [])
        known = self._ids.get((getattr(item, "id", None), original))
        if known is None and waiting:
            known = waiting[0]
        if known is None:
            return self._open((f"output {position}", original))
        if known in waiting:
            waiting.remove(known)
        return known

    def _open(self, key: tuple[object, str]) -> str:
        original = key[1]
        good = original and original not in self._used and original not in self._taken()
        mended = self._ids[key] = original if good else fresh_id()
        self._used.add(mended)
        return mended


def refuse_cut_calls(response: Any) -> None:
    """Raise InvalidResponse when an incomplete answer was cut inside a call's arguments."""
    if response.status != "incomplete":
        return
    calls = [item for item in response.output if getattr(item, "type", None) == "function_call"]
    if any(truncated_arguments_of(call.arguments) for call in calls):
        raise InvalidResponse(
            "the answer was cut inside a tool call's arguments; a larger max_output_tokens would let it end",
            code="tool_arguments_truncated",
        )
