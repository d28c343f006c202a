"""The Responses API: its request view and what counts as an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.counts import bounded, ceiling
from hanzo_agents._kernel.shapes import as_dict, as_list, dicts, media_in, texts_in
from hanzo_agents._wire.dialects.advice import (
    described,
    is_result,
    joined,
    plain_items,
    settings_for,
    with_message,
)
from hanzo_agents._wire.dialects.body import BodyView
from hanzo_agents._wire.dialects.call_ids import CallIds, refuse_cut_calls
from hanzo_agents._wire.dialects.chat import takes_reasoning_settings
from hanzo_agents._wire.dialects.members import with_member
from hanzo_agents._wire.dialects.responses_stream import ResponseEvents, event_class, responses_usage
from hanzo_agents._wire.failures import reported_error
from hanzo_agents._wire.redact import Secrets
from hanzo_agents._wire.replies import HanzoResponse
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._kernel.voice import Part
    from hanzo_agents._wire.dialects.dialect import EventCheck, RequestView

__all__ = ["RESPONSES", "ResponsesView"]

_OWN_IDS = frozenset({"message", "function_call", "function_call_output"})
"""Items whose id only their provider knows; other ids are named by later items."""

_STATE = ("previous_response_id", "conversation", "prompt", "background")


@dataclass(frozen=True, slots=True)
class ResponsesView(BodyView):
    """A Responses request as policies see it."""

    operation: str = "responses"

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        given = self.body.get("input")
        if isinstance(given, str):
            return ({"role": "user", "content": given},)
        return dicts(given)

    @property
    def text(self) -> str:
        parts: list[str] = [self.body.get("instructions") or ""]
        for item in self.messages:
            parts.extend(texts_in(item))
            parts.extend(str(item[key]) for key in ("arguments", "output") if item.get(key))
        if tools := self.body.get("tools"):
            parts.append(json.dumps(tools, default=str))
        if schema := as_dict(as_dict(self.body.get("text")).get("format")).get("schema"):
            parts.append(json.dumps(schema, default=str))
        return "\n".join(parts)

    @property
    def needs(self) -> frozenset[str]:
        needs = media_in(self.messages)
        if self.body.get("tools"):
            needs.add("tools")
        if as_dict(as_dict(self.body.get("text")).get("format")).get("type") == "json_schema":
            needs.add("json_schema")
        return frozenset(needs)

    @property
    def max_output(self) -> int | None:
        return ceiling((self.body.get("max_output_tokens"),))

    @property
    def stateful(self) -> bool:
        references = any(item.get("type") == "item_reference" for item in self.messages)
        return references or any(self.body.get(name) for name in _STATE)

    @property
    def offered(self) -> list[str]:
        tools = dicts(self.body.get("tools"))
        return [described(tool.get("name") or tool.get("type"), tool.get("description")) for tool in tools]

    @property
    def in_tool_loop(self) -> bool:
        messages = self.messages
        return bool(messages) and is_result(messages[-1])

    def advised(self, *, instructions: str = "", message: str = "", part: Part = "answers") -> ResponsesView:
        body = settings_for(self.body, part)
        if instructions:
            body["instructions"] = joined(body.get("instructions"), instructions)
        if part != "answers" or message:
            given = list(self.messages) if part == "answers" else plain_items(self.messages)
            body["input"] = with_message(given, message, part="input_text")
        return ResponsesView(body)

    def with_model(self, model: str | None) -> ResponsesView:
        body = dict(self.body)
        dropped: tuple[str, ...] = ()
        if model is not None:
            body["model"] = model
            if not takes_reasoning_settings(model) and body.pop("reasoning", None) is not None:
                dropped = ("reasoning",)
        if isinstance(body.get("input"), list):
            body["input"] = _without_foreign_state(body["input"])
        return ResponsesView(body, dropped=dropped)

    def with_max_output(self, tokens: int) -> ResponsesView:
        content = with_member(self.content, self.body, "max_output_tokens", tokens)
        tokens = bounded(self.body.get("max_output_tokens"), tokens, "max_output_tokens")
        return ResponsesView({**self.body, "max_output_tokens": tokens}, content)

    def tool_call_ids(self) -> set[str]:
        """Ids of tool calls that the conversation already holds."""
        return {item.get("call_id") or "" for item in self.messages if item.get("type") == "function_call"}


def _without_foreign_state(items: list[Any]) -> list[Any]:
    """History for another provider: its own item ids and (encrypted) reasoning mean nothing there."""
    kept = [item for item in items if as_dict(item).get("type") != "reasoning"]
    return [
        {key: value for key, value in fields.items() if key != "id"}
        if (fields := as_dict(item)).get("type", "message") in _OWN_IDS
        else item
        for item in kept
    ]


class _Responses:
    """POST /responses."""

    path = "/responses"
    value_type = HanzoResponse
    takes_metadata = False

    def view(self, body: Mapping[str, Any], content: bytes | None = None) -> ResponsesView:
        return ResponsesView(body, content)

    def outgoing(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return body

    def check(self, value: Any, view: RequestView) -> None:
        status = getattr(value, "status", None)
        if status == "failed":
            error = getattr(value, "error", None)
            raise reported_error(error.to_dict() if error is not None else "failed", Secrets())
        output = getattr(value, "output", None)
        if not isinstance(output, list):
            raise InvalidResponse("the reply has no output", code="no_output")
        if not output and status == "completed":
            raise InvalidResponse("the reply is complete and empty", code="empty_reply")
        assert isinstance(view, ResponsesView)
        refuse_cut_calls(value)
        CallIds(view.tool_call_ids).mend_output(as_list(value.output))

    def events(self, view: RequestView, estimate: Callable[[str], Usage]) -> EventCheck:
        assert isinstance(view, ResponsesView)
        return ResponseEvents(view.tool_call_ids, estimate)

    def event_type(self, data: Mapping[str, Any] | str) -> type[Any] | None:
        return event_class(data)

    def usage(self, value: Any) -> Any:
        return getattr(value, "usage", None)

    def add_usage(self, value: Any, usage: Usage) -> None:
        if value.status in {None, "completed", "incomplete"}:
            value.usage = responses_usage(usage)

    def output_text(self, value: Any) -> str:
        return "".join(
            [value.output_text, *(item.arguments for item in value.output if item.type == "function_call")]
        )


RESPONSES = _Responses()
