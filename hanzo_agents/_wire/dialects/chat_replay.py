"""A chat answer as its chunks, and chunks as the answer they make."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents._kernel.shapes import as_dict, as_list, dicts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ChatAssembly", "chat_chunks"]

_TOP = frozenset({"choices", "object", "usage"})
_CHOICE = frozenset({"index", "message", "delta", "finish_reason", "logprobs"})
_CONTENT = {"content"}
_NAMES = frozenset({"role", "type", "id", "name", "format", "index"})
"""Texts that come whole, and may come with every piece."""


def chat_chunks(answer: dict[str, Any], *, usage_apart: bool) -> Iterator[dict[str, Any]]:
    """The chunks of a stream that makes this answer.

    Args:
        answer: a whole completion.
        usage_apart: the caller asked for usage, which then comes in a chunk without choices; otherwise the last
            chunk has it, as in every other stream of ours.
    """
    shared = {name: value for name, value in answer.items() if name not in _TOP}
    shared["object"] = "chat.completion.chunk"
    chunks = [{**shared, "choices": [choice]} for given in dicts(answer["choices"]) for choice in _pieces(given)]
    if usage_apart:
        chunks.append({**shared, "choices": [], "usage": answer.get("usage")})
    elif "usage" in answer:
        chunks[-1]["usage"] = answer["usage"]
    yield from chunks


def _pieces(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    message = as_dict(choice["message"])
    index = choice["index"]
    content, calls = message.get("content"), as_list(message.get("tool_calls"))
    first = {name: value for name, value in message.items() if value is None or name == "role"}
    if isinstance(content, str):
        first["content"] = ""
    yield {"index": index, "delta": first, "finish_reason": None}
    rest = {
        name: value
        for name, value in message.items()
        if value is not None and name not in {"role", "content", "tool_calls"}
    }
    if rest:
        yield {"index": index, "delta": rest, "finish_reason": None}
    logprobs = {"logprobs": choice["logprobs"]} if "logprobs" in choice else {}
    if content:
        yield {"index": index, "delta": {"content": content}, "finish_reason": None, **logprobs}
    for number, call in enumerate(calls):
        yield {"index": index, "delta": {"tool_calls": [{"index": number, **call}]}, "finish_reason": None}
    extras = {name: value for name, value in choice.items() if name not in _CHOICE}
    if not content:
        extras |= logprobs
    elif logprobs:
        extras["logprobs"] = None
    yield {"index": index, "delta": {}, "finish_reason": choice["finish_reason"], **extras}


class ChatAssembly:
    """Puts the chunks of a stream together."""

    __slots__ = ("_choices", "_top", "_usage")

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: dict[str, Any] | None = None

    def feed(self, event: Any) -> None:
        """Take the next chunk, and keep nothing of it that its reader may change."""
        chunk = event
        for choice in chunk.choices or ():
            known = self._choices.get(choice.index)
            if known is None:
                known = self._choices[choice.index] = _Choice()
            if not known.takes_text(choice):
                known.take(_plain(choice))
        if chunk.usage is not None:
            self._usage = _plain(chunk.usage)
        if not self._top or chunk.usage is not None or not chunk.choices:
            fields = chunk.model_dump(exclude_unset=True, exclude=_TOP, warnings=False)
            self._top.update((name, value) for name, value in fields.items() if value is not None)
            for name in fields:
                self._top.setdefault(name, None)

    def whole(self) -> bytes | None:
        """The answer as JSON; None when it is not all there."""
        if self._usage is None or not self._choices:
            return None
        choices = [known.whole(index) for index, known in sorted(self._choices.items())]
        answer = {**self._top, "object": "chat.completion", "choices": choices, "usage": self._usage}
        return json.dumps(answer, allow_nan=False).encode()


class _Choice:
    """One choice, as far as it has come."""

    __slots__ = ("calls", "extras", "finish", "logprobs", "message", "says", "text")

    def __init__(self) -> None:
        self.says = False
        self.text: list[str] = []
        self.message: dict[str, Any] = {}
        self.calls: dict[int, dict[str, Any]] = {}
        self.logprobs: dict[str, Any] | None = None
        self.finish: str | None = None
        self.extras: dict[str, Any] = {}

    def takes_text(self, choice: Any) -> bool:
        """Take a piece of text and nothing else, which is what most chunks are."""
        delta = choice.delta
        if choice.finish_reason is None and delta is not None and delta.model_fields_set == _CONTENT:
            content = delta.content
            if content and getattr(choice, "logprobs", None) is None and not choice.model_extra:
                self.says = True
                self.text.append(content)
                return True
        return False

    def take(self, choice: dict[str, Any]) -> None:
        """Take a piece that may be anything."""
        delta = as_dict(choice.get("delta"))
        for name, value in delta.items():
            if name == "content":
                self.says = True
                if isinstance(value, str):
                    self.text.append(value)
            elif name == "tool_calls" and value:
                for call in dicts(value):
                    self._take_call(call)
            else:
                self.message[name] = _together(self.message.get(name), value, name)
        if "logprobs" in choice:
            self.extras.setdefault("logprobs", None)
            if (logprobs := choice["logprobs"]) is not None:
                self.logprobs = _together(self.logprobs or {}, logprobs)
        self.finish = choice.get("finish_reason") or self.finish
        self.extras.update((name, value) for name, value in choice.items() if name not in _CHOICE)

    def _take_call(self, call: dict[str, Any]) -> None:
        known = self.calls.setdefault(call["index"], {})
        function, more = as_dict(call.get("function")), as_dict(known.get("function"))
        joined = {**more, **function}
        joined["name"] = more.get("name") or function.get("name")
        joined["arguments"] = (more.get("arguments") or "") + (function.get("arguments") or "")
        known.update((name, value) for name, value in call.items() if value is not None and name != "index")
        known["type"] = "function"
        known["function"] = joined

    def whole(self, index: int) -> dict[str, Any]:
        """The choice of a completion."""
        message = {"role": "assistant", **self.message}
        if self.says:
            message["content"] = "".join(self.text) if self.text else None
        if self.calls:
            message["tool_calls"] = [call for _, call in sorted(self.calls.items())]
        choice = {**self.extras, "index": index, "message": message, "finish_reason": self.finish}
        if "logprobs" in choice:
            choice["logprobs"] = self.logprobs
        return choice


def _together(before: Any, more: Any, name: str = "") -> Any:
    """What two pieces make: texts and lists grow, fields join, of anything else the last counts."""
    if more is None:
        return before
    if isinstance(before, str) and isinstance(more, str) and name not in _NAMES:
        return before + more
    if isinstance(before, list) and isinstance(more, list):
        return [*before, *more]
    if isinstance(before, dict) and isinstance(more, dict):
        return _joined(as_dict(cast("object", before)), as_dict(cast("object", more)))
    return copy.deepcopy(more)


def _joined(known: dict[str, Any], pieces: dict[str, Any]) -> dict[str, Any]:
    return {**known, **{name: _together(known.get(name), value, name) for name, value in pieces.items()}}


def _plain(model: Any) -> dict[str, Any]:
    fields: dict[str, Any] = model.model_dump(exclude_unset=True, warnings=False)
    return fields
