"""Tool calls of a reply: every one gets an id of its own, and none runs with half its arguments.

Providers send ids that are empty, the same twice, or the same in every turn ("call_0"). The SDK takes an id
for the identity of an invocation over the whole run, so each of these breaks a run or runs the wrong thing.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openai.types.chat import ChatCompletionMessageFunctionToolCall
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall, ChoiceDeltaToolCallFunction
from openai.types.chat.chat_completion_message_function_tool_call import Function

from hanzo_agents._kernel.shapes import as_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["StreamedCalls", "fresh_id", "mend_calls", "truncated_arguments", "truncated_arguments_of"]


def fresh_id() -> str:
    """An id that no provider has used."""
    return f"call_{uuid.uuid4().hex}"


def mend_calls(calls: Sequence[Any], *, taken: set[str]) -> list[Any]:
    """Give every tool call an id of its own; a call that merely repeats another is dropped.

    Args:
        calls: the tool calls of one message; mended in place.
        taken: ids that the conversation already holds.
    """
    kept: list[Any] = []
    by_id: dict[str, tuple[str, str]] = {}
    for given in calls:
        call = _function_call(given)
        payload = _payload(call)
        original = call.id or ""
        if original and by_id.get(original) == payload:
            continue
        if not original or original in taken or original in by_id:
            call.id = fresh_id()
        by_id.setdefault(original, payload)
        kept.append(call)
    return kept


def _function_call(call: Any) -> Any:
    """The call as the SDK knows it: some providers leave the type out, or number their calls."""
    function = getattr(call, "function", None)
    if function is None:
        return call
    if call.type != "function":
        fields = as_dict(function) or {"name": function.name, "arguments": function.arguments}
        call = ChatCompletionMessageFunctionToolCall.construct(
            id=call.id, type="function", function=Function.construct(**fields)
        )
    if call.id is not None and not isinstance(call.id, str):
        call.id = str(call.id)
    return call


def truncated_arguments(calls: Sequence[Any]) -> bool:
    """Whether the arguments of any call are not whole JSON."""
    return any(not _whole(_payload(call)[1]) for call in calls)


def _payload(call: Any) -> tuple[str, str]:
    function = getattr(call, "function", None)
    if function is None:
        custom = getattr(call, "custom", None)
        return (str(getattr(custom, "name", "")), json.dumps(getattr(custom, "input", None)))
    if not isinstance(function.arguments, str):
        # Some providers send the arguments as an object; null means none.
        function.arguments = "" if function.arguments is None else json.dumps(function.arguments)
    return (str(function.name), function.arguments)


def truncated_arguments_of(arguments: str) -> bool:
    """Whether the arguments of a call are not whole JSON."""
    return not _whole(arguments)


def _whole(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True


def _begins_another(call: ChoiceDeltaToolCall, slot: _Slot) -> bool:
    """Whether a delta with the index of a call, or without any, opens another call all the same."""
    name = call.function.name if call.function is not None else None
    if call.id and slot.original:
        # Some send a new id with every delta of one call; only a name begins another.
        return call.id != slot.original and bool(name or _whole(slot.payload[1]))
    # Without ids to go by: another name, or the same one again after arguments that are whole.
    return bool(name and slot.name) and (name != slot.name or _whole(slot.payload[1]))


@dataclass(slots=True)
class _Slot:
    """One tool call of a stream, as far as it has come."""

    index: int
    original: str
    id: str
    twin: _Slot | None = None
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])

    @property
    def payload(self) -> tuple[str, str]:
        return (self.name, "".join(self.arguments))


class StreamedCalls:
    """Mends the tool calls of one choice as their deltas arrive.

    A call that comes with the id of an earlier one is held back until the end: only then is it known whether
    it repeats that call or is another one.
    """

    __slots__ = ("_routes", "_slots", "_taken")

    def __init__(self, taken: Callable[[], set[str]]) -> None:
        self._taken = taken
        self._slots: list[_Slot] = []
        self._routes: dict[int, _Slot] = {}

    def feed(self, calls: Sequence[ChoiceDeltaToolCall]) -> list[ChoiceDeltaToolCall]:
        """Mend deltas in place; returns those to hand on now."""
        ready: list[ChoiceDeltaToolCall] = []
        for call in calls:
            slot = self._slot_of(call)
            function = call.function
            if function is not None:
                slot.name = slot.name or function.name or ""
                if function.arguments is not None:
                    if not isinstance(function.arguments, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                        function.arguments = json.dumps(function.arguments)
                    slot.arguments.append(function.arguments)
            if slot.twin is None:
                ready.append(call)
        return ready

    def _slot_of(self, call: ChoiceDeltaToolCall) -> _Slot:
        wire_index: Any = call.index
        if not isinstance(wire_index, int):
            wire_index = -1
        if call.id is not None and not isinstance(call.id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            call.id = str(call.id)
        slot = self._routes.get(wire_index)
        if slot is None or _begins_another(call, slot):
            slot = self._routes[wire_index] = self._open(call.id or "", wire_index)
            call.id = slot.id
        elif call.id:
            call.id = slot.id
        call.index = slot.index
        return slot

    def _open(self, original: str, wire_index: int) -> _Slot:
        used = {slot.index for slot in self._slots}
        index = wire_index if wire_index >= 0 and wire_index not in used else max(used, default=-1) + 1
        twin = next((slot for slot in self._slots if original and slot.original == original), None)
        keep = original and twin is None and original not in self._taken()
        slot = _Slot(index, original, original if keep else fresh_id(), twin)
        self._slots.append(slot)
        return slot

    def finish(self) -> list[ChoiceDeltaToolCall]:
        """The calls that were held back and turned out to be calls of their own."""
        late = [slot for slot in self._slots if slot.twin is not None and slot.payload != slot.twin.payload]
        return [
            ChoiceDeltaToolCall(
                index=slot.index,
                id=slot.id,
                type="function",
                function=ChoiceDeltaToolCallFunction(name=slot.name, arguments=slot.payload[1]),
            )
            for slot in late
        ]

    def whole(self) -> list[ChatCompletionMessageFunctionToolCall]:
        """The calls as a message that was not streamed would hold them."""
        return [
            ChatCompletionMessageFunctionToolCall(
                id=slot.id, type="function", function=Function(name=slot.name, arguments=slot.payload[1])
            )
            for slot in self._slots
            if slot.twin is None or slot.payload != slot.twin.payload
        ]

    @property
    def cut(self) -> bool:
        """Whether the arguments of any call are not whole."""
        return any(not _whole(slot.payload[1]) for slot in self._slots)

    @property
    def text(self) -> str:
        """All arguments so far."""
        return "".join(slot.payload[1] for slot in self._slots)
