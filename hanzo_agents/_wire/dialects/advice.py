"""Requests to those who advise or judge: a conversation with more in it, and less attached to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict, as_list, dicts, texts_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hanzo_agents._kernel.voice import Part

__all__ = [
    "chat_messages",
    "described",
    "is_result",
    "joined",
    "plain_items",
    "settings_for",
    "with_message",
    "with_system",
]

_TOOLS = frozenset({
    "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "functions", "function_call",
    "web_search_options",
})  # fmt: skip
_FORM = frozenset({
    "response_format", "n", "logprobs", "top_logprobs", "prediction", "modalities", "audio", "include",
    # Of vLLM, llama.cpp and Ollama, by `extra_body`:
    "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "grammar",
    "json_schema", "format",
})  # fmt: skip
_SHAPE = frozenset({
    "max_tokens", "max_completion_tokens", "max_output_tokens", "temperature", "top_p", "stop", "verbosity",
    "frequency_penalty", "presence_penalty", "logit_bias", "min_tokens", "stop_token_ids", "ignore_eos",
})  # fmt: skip


def settings_for(given: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """The settings that are sent to somebody who plays this part."""
    if part == "answers":
        return dict(given)
    left_out = _TOOLS | _FORM | _SHAPE if part == "judges" else _TOOLS | _FORM
    kept = {name: value for name, value in given.items() if name not in left_out}
    if kept.get("store"):
        kept["store"] = False  # what is to be kept at the provider is the answer
    if "text" in kept:  # of the Responses API: the form of the answer, and how wordy it is
        text = {} if part == "judges" else {k: v for k, v in as_dict(kept["text"]).items() if k != "format"}
        kept.pop("text")
        kept |= {"text": text} if text else {}
    return kept


def joined(before: str | None, more: str) -> str:
    """Two texts, a line apart."""
    return f"{before}\n\n{more}" if before and more else before or more


def with_message(messages: Sequence[Any], text: str, *, part: str) -> list[Any]:
    """The messages with a text more from the user.

    It goes into the last message where that is the user's: some models take no two in a row.

    Args:
        messages: in either API's spelling.
        text: what is added; nothing when it is empty.
        part: the type of a text among the parts of a content.
    """
    kept = list(messages)
    if not text:
        return kept
    last = as_dict(kept[-1]) if kept else {}
    if last.get("role") != "user" or last.get("type", "message") != "message":
        return [*kept, {"role": "user", "content": text}]
    return [*kept[:-1], _longer(last, text, part)]


def with_system(messages: Sequence[Any], text: str) -> list[Any]:
    """Chat messages with a text more in their instructions."""
    kept = list(messages)
    if not text:
        return kept
    first = as_dict(kept[0]) if kept else {}
    if first.get("role") not in {"system", "developer"}:
        return [{"role": "system", "content": text}, *kept]
    return [_longer(first, text, "text"), *kept[1:]]


def _longer(message: dict[str, Any], text: str, part: str) -> dict[str, Any]:
    content: Any = message.get("content")
    longer: Any = joined(content if isinstance(content, str) else "", text)
    if isinstance(content, list):
        longer = [*as_list(content), {"type": part, "text": text}]  # pyright: ignore[reportUnknownArgumentType]
    return {**message, "content": longer}


def chat_messages(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """Chat messages with their tool calls and results in words: who is offered no tools may be refused them."""
    names: dict[str, str] = {}
    said = _Said()
    for message in dicts(list(messages)):
        role, text = message.get("role"), "\n".join(texts_in(message))
        if role in {"tool", "function"}:
            said.result(names.get(str(message.get("tool_call_id"))) or message.get("name"), text)
        elif calls := [*dicts(message.get("tool_calls")), *_old_call(message)]:
            for call in calls:
                asked = as_dict(call.get("function") or call.get("custom"))
                names[str(call.get("id"))] = str(asked.get("name"))
                text = joined(text, _called(asked.get("name"), asked.get("arguments", asked.get("input"))))
            said.calls(text)
        else:
            said.as_it_is(message)
    return said.messages


def plain_items(items: Iterable[Any]) -> list[Any]:
    """The same of the Responses API's items; those that mean something to one provider only are left out."""
    names: dict[str, str] = {}
    said = _Said()
    for item in dicts(list(items)):
        kind = str(item.get("type") or "message")
        if kind == "message":
            said.as_it_is(item)
        elif kind in {"function_call", "custom_tool_call"}:
            names[str(item.get("call_id"))] = str(item.get("name"))
            said.calls(_called(item.get("name"), item.get("arguments", item.get("input"))))
        elif is_result(item):
            said.result(names.get(str(item.get("call_id"))), _output(item.get("output")))
    return said.messages


def is_result(item: Mapping[str, Any]) -> bool:
    """Whether an item is the result of a tool that was run at the caller's."""
    return str(item.get("type")).endswith("_output")


def described(name: object, description: object) -> str:
    """A tool in a line."""
    return f"{name}: {description}" if description else str(name)


class _Said:
    """A conversation in words, as it grows: neighbours that were made here become one message."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._made: str | None = None

    def as_it_is(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._made = None

    def calls(self, text: str) -> None:
        self._say("assistant", text)

    def result(self, name: object, text: str) -> None:
        self._say("user", f"[{name or 'The tool'} returned] {text}")

    def _say(self, role: str, text: str) -> None:
        if self._made == role:
            last = self.messages[-1]
            self.messages[-1] = {**last, "content": joined(last["content"], text)}
        else:
            self.messages.append({"role": role, "content": text})
        self._made = role


def _called(name: object, arguments: object) -> str:
    return f"[called {name}({arguments or ''})]"


def _old_call(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    call = as_dict(message.get("function_call"))
    return [{"function": call}] if call else []


def _output(value: object) -> str:
    if isinstance(value, str):
        return value
    return "\n".join(str(part["text"]) for part in dicts(as_list(value)) if "text" in part)
