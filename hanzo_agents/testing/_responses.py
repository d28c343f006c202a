"""An answer in the words of the Responses API."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from hanzo_agents.testing._sse import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanzo_agents.testing._http import Mark
    from hanzo_agents.testing._said import Said, Usage

__all__ = ["events", "value"]

_CREATED = 1_700_000_000
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def value(said: Said) -> dict[str, Any]:
    """Return the answer as a `response`."""
    return _response(said, list(_items(said)))


def events(said: Said) -> Iterator[Event]:
    """Yield the answer as events; with no finish_reason the last one is left out."""
    numbers = count()

    def event(kind: str, mark: Mark, **fields: Any) -> Event:
        return Event({"type": kind, "sequence_number": next(numbers), **fields}, mark, kind)

    begun = {**_response(said, []), "status": "in_progress", "usage": None}
    if said.opening:
        yield event("response.created", "opening", response=begun)
        yield event("response.in_progress", "opening", response=begun)
    items = list(_items(said))
    for position, item in enumerate(items):
        opened = {**item, "status": "in_progress", **_HOLLOW[item["type"]]}
        yield event("response.output_item.added", "opening", output_index=position, item=opened)
        for kind, mark, fields in _steps(said, item):
            yield event(kind, mark, output_index=position, item_id=item["id"], **fields)
        yield event("response.output_item.done", "content", output_index=position, item=item)
    if said.finish_reason is not None:
        ended = _response(said, items)
        yield event(f"response.{ended['status']}", "finish", response=ended)


_HOLLOW: dict[str, dict[str, Any]] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
}


def _steps(said: Said, item: dict[str, Any]) -> Iterator[tuple[str, Mark, dict[str, Any]]]:
    """Yield the events between the beginning and the end of an item: kind, mark, fields."""
    if item["type"] == "function_call":
        for piece in said.split(item["arguments"]):
            yield "response.function_call_arguments.delta", "content", {"delta": piece}
        done = {"name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", "content", done
        return
    parts = item["content"] if item["type"] == "message" else item["summary"]
    index = "content_index" if item["type"] == "message" else "summary_index"
    for number, part in enumerate(parts):
        at = {index: number}
        noun, field = _NOUNS[part["type"]]
        container = "content_part" if item["type"] == "message" else "reasoning_summary_part"
        more: dict[str, Any] = {"logprobs": []} if noun == "output_text" else {}
        yield f"response.{container}.added", "opening", {**at, "part": {**part, field: ""}}
        for piece in said.split(part[field]):
            yield f"response.{noun}.delta", "content", {**at, **more, "delta": piece}
        yield f"response.{noun}.done", "content", {**at, **more, field: part[field]}
        yield f"response.{container}.done", "content", {**at, "part": part}


_NOUNS = {
    "output_text": ("output_text", "text"),
    "refusal": ("refusal", "refusal"),
    "summary_text": ("reasoning_summary_text", "text"),
}


def _items(said: Said) -> Iterator[dict[str, Any]]:
    if said.reasoning is not None:
        summary = [{"type": "summary_text", "text": said.reasoning}]
        yield {"id": f"rs_{said.id}", "type": "reasoning", "summary": summary, "status": "completed"}
    content: list[dict[str, Any]] = []
    if said.text is not None:
        content.append({"type": "output_text", "text": said.text, "annotations": [], "logprobs": []})
    if said.refusal is not None:
        content.append({"type": "refusal", "refusal": said.refusal})
    if content:
        message = {"type": "message", "role": "assistant", "status": "completed", "content": content}
        yield {"id": f"msg_{said.id}", **message}
    for position, call in enumerate(said.tool_calls):
        yield {
            "id": f"fc_{said.id}_{position}",
            "type": "function_call",
            "call_id": said.call_id(position),
            "name": call.name,
            "arguments": call.text,
            "status": "completed",
        }


def _response(said: Said, output: list[dict[str, Any]]) -> dict[str, Any]:
    reason = _INCOMPLETE.get(said.finish_reason or "")
    return {
        "id": f"resp_{said.id}",
        "object": "response",
        "created_at": _CREATED,
        "model": said.model,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if said.usage is None else _usage(said.usage),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    body: dict[str, Any] = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return body if usage.cost is None else {**body, "cost": usage.cost}
