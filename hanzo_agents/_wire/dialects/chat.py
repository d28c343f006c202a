"""Chat Completions: its request view and what counts as an answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.counts import bounded, ceiling, count_of, json_size
from hanzo_agents._kernel.shapes import as_dict, as_list, dicts, media_in, texts_in
from hanzo_agents._wire.dialects.advice import chat_messages, described, settings_for, with_message, with_system
from hanzo_agents._wire.dialects.body import BodyView
from hanzo_agents._wire.dialects.chat_stream import ChatEvents, chat_usage
from hanzo_agents._wire.dialects.members import with_member
from hanzo_agents._wire.dialects.tool_calls import mend_calls, truncated_arguments
from hanzo_agents._wire.replies import HanzoChatCompletion, HanzoChatCompletionChunk
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._kernel.voice import Part
    from hanzo_agents._wire.dialects.dialect import EventCheck, RequestView

__all__ = ["CHAT", "ChatView", "takes_reasoning_settings"]

_REASONING_MODEL = re.compile(r"(^|/)(gpt-5|o\d)")
_REASONING_SETTINGS = ("reasoning_effort", "verbosity")

_LIMITS = ("max_completion_tokens", "max_tokens")
"""Of the answer. Where both are sent, servers differ in which one they heed."""


def takes_reasoning_settings(model: str) -> bool:
    """Whether a model is of the families that take `reasoning_effort` and `verbosity`."""
    return _REASONING_MODEL.search(model) is not None


@dataclass(frozen=True, slots=True)
class ChatView(BodyView):
    """A chat request as policies see it."""

    operation: str = "chat"
    _text: str | None = field(default=None, repr=False, compare=False)

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        return dicts(self.body.get("messages"))

    @property
    def text(self) -> str:
        if self._text is None:  # several policies ask
            object.__setattr__(self, "_text", self._read())
        assert self._text is not None
        return self._text

    def _read(self) -> str:
        parts: list[str] = []
        for message in self.messages:
            parts.extend(texts_in(message))
            if calls := message.get("tool_calls"):
                parts.append(json.dumps(calls, default=str))
        if tools := self.body.get("tools"):
            parts.append(json.dumps(tools, default=str))
        if schema := as_dict(self.body.get("response_format")).get("json_schema"):
            parts.append(json.dumps(schema, default=str))
        return "\n".join(parts)

    @property
    def needs(self) -> frozenset[str]:
        needs = media_in(self.messages)
        if self.body.get("tools"):
            needs.add("tools")
        if as_dict(self.body.get("response_format")).get("type") == "json_schema":
            needs.add("json_schema")
        return frozenset(needs)

    @property
    def max_output(self) -> int | None:
        return ceiling(map(self.body.get, _LIMITS))

    @property
    def choices(self) -> int:
        return count_of(self.body.get("n")) or 1

    @property
    def foretold(self) -> int:
        return json_size(prediction) if (prediction := self.body.get("prediction")) else 0

    @property
    def offered(self) -> list[str]:
        given = dicts(self.body.get("tools"))
        tools = [as_dict(tool.get("function") or tool.get("custom")) or tool for tool in given]
        tools += dicts(self.body.get("functions"))
        return [described(tool.get("name") or tool.get("type"), tool.get("description")) for tool in tools]

    @property
    def in_tool_loop(self) -> bool:
        messages = self.messages
        return bool(messages) and messages[-1].get("role") in {"tool", "function"}

    def advised(self, *, instructions: str = "", message: str = "", part: Part = "answers") -> ChatView:
        messages = as_list(self.body.get("messages")) if part == "answers" else chat_messages(self.messages)
        messages = with_message(with_system(messages, instructions), message, part="text")
        return ChatView({**settings_for(self.body, part), "messages": messages})

    def with_model(self, model: str | None) -> ChatView:
        if model is None:
            return self
        body = {**self.body, "model": model}
        dropped = () if takes_reasoning_settings(model) else tuple(n for n in _REASONING_SETTINGS if n in body)
        for name in dropped:
            del body[name]
        return ChatView(body, dropped=dropped)

    def with_max_output(self, tokens: int) -> ChatView:
        if given := {name: limit for name in _LIMITS if (limit := self.body.get(name)) is not None}:
            body = {**self.body, **{name: bounded(limit, tokens, name) for name, limit in given.items()}}
            return ChatView(body, dropped=self.dropped, _text=self._text)
        name = "max_tokens" if "max_tokens" in self.body else "max_completion_tokens"
        content = with_member(self.content, self.body, name, tokens)
        return ChatView({**self.body, name: tokens}, content, dropped=self.dropped, _text=self._text)

    def tool_call_ids(self) -> set[str]:
        """Ids of tool calls that the conversation already holds."""
        calls = (call for message in self.messages for call in dicts(message.get("tool_calls")))
        return {call.get("id") or "" for call in calls}


class _Chat:
    """POST /chat/completions."""

    path = "/chat/completions"
    value_type = HanzoChatCompletion
    takes_metadata = True

    def view(self, body: Mapping[str, Any], content: bytes | None = None) -> ChatView:
        return ChatView(body, content)

    def outgoing(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        # A router reports a stream's usage only when asked, and without it every stream would cost nothing.
        if body.get("stream") and "stream_options" not in body:
            return {**body, "stream_options": {"include_usage": True}}
        return body

    def check(self, value: Any, view: RequestView) -> None:
        choices = as_list(getattr(value, "choices", None))
        if not choices:
            raise InvalidResponse("the reply has no choices", code="no_choices")
        for choice in choices:
            message = getattr(choice, "message", None)
            if message is None:
                raise InvalidResponse("a choice of the reply has no message", code="no_message")
            if not isinstance(message.content, str | None):
                raise InvalidResponse("the content of the reply is no text", code="invalid_response")
            calls = getattr(message, "tool_calls", None)
            if calls:
                if choice.finish_reason == "length" and truncated_arguments(calls):
                    raise InvalidResponse(
                        "the answer was cut inside a tool call's arguments (finish_reason: length); "
                        "a larger max_tokens would let it end",
                        code="tool_arguments_truncated",
                    )
                assert isinstance(view, ChatView)
                message.tool_calls = mend_calls(calls, taken=view.tool_call_ids())
            elif _says_nothing(message) and choice.finish_reason is None:
                raise InvalidResponse("the reply is empty and has no finish_reason", code="empty_reply")

    def events(self, view: RequestView, estimate: Callable[[str], Usage]) -> EventCheck:
        assert isinstance(view, ChatView)
        return ChatEvents(
            choices=view.choices,
            taken=view.tool_call_ids,
            estimate=estimate,
            merge_usage=not _asks_for_usage(view.body),
        )

    def event_type(self, data: Mapping[str, Any] | str) -> type[Any] | None:
        return HanzoChatCompletionChunk

    def usage(self, value: Any) -> Any:
        return getattr(value, "usage", None)

    def add_usage(self, value: Any, usage: Usage) -> None:
        value.usage = chat_usage(usage)

    def output_text(self, value: Any) -> str:
        parts: list[str] = []
        for choice in value.choices:
            message = choice.message
            parts.append(getattr(message, "content", None) or "")
            parts.extend(call.function.arguments for call in message.tool_calls or () if call.type == "function")
        return "".join(parts)


def _asks_for_usage(body: Mapping[str, Any]) -> bool:
    return bool(as_dict(body.get("stream_options")).get("include_usage"))


def _says_nothing(message: Any) -> bool:
    return not (
        getattr(message, "content", None)
        or getattr(message, "refusal", None)
        or getattr(message, "audio", None)
        or getattr(message, "function_call", None)
        or getattr(message, "reasoning_content", None)
    )


CHAT = _Chat()
