"""An answer in the words of Chat Completions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents.testing._sse import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanzo_agents.testing._http import Mark
    from hanzo_agents.testing._said import Said, Usage

__all__ = ["events", "value"]

_CREATED = 1_700_000_000


def value(said: Said) -> dict[str, Any]:
    """Return the answer as a `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.reasoning is not None:
        message["reasoning_content"] = said.reasoning
    if said.refusal is not None:
        message["refusal"] = said.refusal
    if said.tool_calls:
        message["tool_calls"] = [
            {
                "id": said.call_id(at),
                "type": "function",
                "function": {"name": call.name, "arguments": call.text},
            }
            for at, call in enumerate(said.tool_calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason, "logprobs": None}
    body = {**_outline(said, "chat.completion"), "choices": [choice]}
    return body if said.usage is None else {**body, "usage": _usage(said.usage)}


def events(said: Said, *, usage: bool) -> Iterator[Event]:
    """Yield the answer as chunks, without the closing `[DONE]`; `usage` adds the chunk that counts tokens."""
    if said.opening:
        yield _chunk(said, {"role": "assistant", "content": ""}, "opening")
    for piece in said.split(said.reasoning or ""):
        yield _chunk(said, {"reasoning_content": piece})
    for piece in said.split(said.refusal or ""):
        yield _chunk(said, {"refusal": piece})
    for piece in said.split(said.text or ""):
        yield _chunk(said, {"content": piece})
    for position in range(len(said.tool_calls)):
        yield from _tool_call(said, position)
    if said.finish_reason is not None:
        yield _chunk(said, {}, "finish", finish_reason=said.finish_reason)
    if usage and said.usage is not None:
        empty: dict[str, Any] = {"choices": [], "usage": _usage(said.usage)}
        yield Event({**_outline(said, "chat.completion.chunk"), **empty}, "usage")


def _tool_call(said: Said, position: int) -> Iterator[Event]:
    call = said.tool_calls[position]
    index = {} if call.index is None else {"index": position if call.index == "own" else call.index}
    start = {**index, "id": said.call_id(position), "type": "function"}
    if call.index is None:  # with no index there is nothing to join the pieces by: such upstreams send calls whole
        function = {"name": call.name, "arguments": call.text}
        yield _chunk(said, {"tool_calls": [{**start, "function": function}]})
        return
    yield _chunk(said, {"tool_calls": [{**start, "function": {"name": call.name, "arguments": ""}}]})
    for piece in said.split(call.text):
        yield _chunk(said, {"tool_calls": [{**index, "function": {"arguments": piece}}]})


def _chunk(
    said: Said, delta: dict[str, Any], mark: Mark = "content", *, finish_reason: str | None = None
) -> Event:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return Event({**_outline(said, "chat.completion.chunk"), "choices": [choice]}, mark)


def _outline(said: Said, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{said.id}", "object": kind, "created": _CREATED, "model": said.model}


def _usage(usage: Usage) -> dict[str, Any]:
    body: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return body if usage.cost is None else {**body, "cost": usage.cost}
