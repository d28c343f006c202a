"""A Responses answer as the events of its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import dicts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REPLAYED", "objection_to", "response_events", "with_fresh_ids"]

REPLAYED = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
"""Items that say something and do nothing. Behind any other (search, code, MCP, images) something has happened at
the provider, which a replay would not repeat."""

_CALLS = frozenset({"function_call", "custom_tool_call"})


def response_events(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a stream that ends with this response."""
    begun: dict[str, Any] = {**response, "status": "in_progress", "output": [], "usage": None}
    if "completed_at" in begun:
        begun["completed_at"] = None
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(dicts(response["output"])):
        events += _item(item, index)
    events.append({"type": "response.completed", "response": response})
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _item(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    at = {"output_index": index, "item_id": item.get("id") or ""}
    kind = item["type"]
    blank = {**item, "status": "in_progress"} if "status" in item or kind == "message" else dict(item)
    inner: list[dict[str, Any]] = []
    if kind == "message":
        blank["content"] = []
        inner = [event for n, part in enumerate(dicts(item["content"])) for event in _text(part, at, n)]
    elif kind == "function_call":
        blank["arguments"] = ""
        inner = _arguments(item, at)
    elif kind == "custom_tool_call":
        blank["input"] = ""
        inner = [
            {"type": "response.custom_tool_call_input.delta", **at, "delta": item["input"]},
            {"type": "response.custom_tool_call_input.done", **at, "input": item["input"]},
        ]
    elif kind == "reasoning":
        blank["summary"] = []
        if "content" in blank:
            blank["content"] = [] if blank["content"] is not None else None
        inner = list(_reasoning(item, at))
    yield {"type": "response.output_item.added", "output_index": index, "item": blank}
    yield from inner
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text(part: dict[str, Any], at: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    at = {**at, "content_index": number}
    logprobs: list[Any] = part.get("logprobs") or []
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": "", "annotations": []}}
    yield {"type": "response.output_text.delta", **at, "delta": part["text"], "logprobs": logprobs}
    for n, annotation in enumerate(part.get("annotations") or ()):
        yield {
            "type": "response.output_text.annotation.added",
            **at,
            "annotation_index": n,
            "annotation": annotation,
        }
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": logprobs}
    yield {"type": "response.content_part.done", **at, "part": part}


def _arguments(item: dict[str, Any], at: dict[str, Any]) -> list[dict[str, Any]]:
    said = item["arguments"]
    return [
        {"type": "response.function_call_arguments.delta", **at, "delta": said},
        {"type": "response.function_call_arguments.done", **at, "arguments": said, "name": item["name"]},
    ]


def _reasoning(item: dict[str, Any], at: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number, part in enumerate(dicts(item.get("summary"))):
        where = {**at, "summary_index": number}
        yield {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}}
        yield {"type": "response.reasoning_summary_text.delta", **where, "delta": part["text"]}
        yield {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **where, "part": part}
    for number, part in enumerate(dicts(item.get("content"))):
        where = {**at, "content_index": number}
        yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
        yield {"type": "response.reasoning_text.delta", **where, "delta": part["text"]}
        yield {"type": "response.reasoning_text.done", **where, "text": part["text"]}
        yield {"type": "response.content_part.done", **where, "part": part}


def objection_to(output: list[dict[str, Any]]) -> str | None:
    """Why an output is not kept, None when it may be."""
    said = False
    for item in output:
        kind = item.get("type")
        if kind not in REPLAYED:
            return f"something happened at the provider ({kind})"
        if item.get("status") not in {None, "completed"}:
            return f"a part of it is {item['status']}"
        for part in dicts(item.get("content")):
            if part.get("type") == "refusal":
                return "it is a refusal"
            said = said or (kind == "message" and bool(part.get("text")))
        said = said or kind in _CALLS
    return None if said else "it is empty"


def with_fresh_ids(output: list[dict[str, Any]], fresh_id: Any) -> bool:
    """Give every tool call of an output another id, in place; whether there is one."""
    calls = [item for item in output if item.get("type") in _CALLS]
    for item in calls:
        item["call_id"] = fresh_id()
    return bool(calls)
