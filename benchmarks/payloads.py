"""What is sent and what is answered: the same bytes for every subject."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

ANSWER = (
    "The reservation is for two people at half past seven, by the window. The kitchen has been told about "
    "the nut allergy, and the table can be held for fifteen minutes. A confirmation was sent to the address "
    "on file; reply to it if anything should change."
)
_FILLER = "Please keep the earlier constraints in mind and answer in plain words, with a reason each. "
_USAGE = {"prompt_tokens": 40, "completion_tokens": 56, "total_tokens": 96}


_questions = count(1)


def asked_anew(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same messages with another number in the last one: no cache has seen them."""
    last = turns[-1]
    return [*turns[:-1], {**last, "content": f"{last['content']} (question {next(_questions)})"}]


def messages(number: int) -> list[dict[str, str]]:
    """So many messages of about 200 characters: a system message, then turns ending on the user."""
    turns = [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": f"Turn {turn}. {_FILLER * 2}"}
        for turn in range(number - 1)
    ]
    return [{"role": "system", "content": f"You are a booking assistant. {_FILLER}"}, *turns]


def pieces(count: int) -> list[str]:
    """`count` deltas as long as tokens usually are."""
    words = [f"{word} " for word in ANSWER.split()]
    return [words[index % len(words)] for index in range(count)]


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def server_error() -> bytes:
    return _dump({"error": {"message": "upstream is down", "type": "server_error", "code": "500"}})


def chat_value() -> bytes:
    message = {"role": "assistant", "content": ANSWER, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m"}
    return _dump({**head, "choices": [choice], "usage": _USAGE})


def chat_events(count: int) -> list[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}

    def chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    chunks = [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": piece}) for piece in pieces(count)),
        chunk({}, "stop"),
        {**head, "choices": [], "usage": _USAGE},
    ]
    return [*(b"data: " + _dump(value) + b"\n\n" for value in chunks), b"data: [DONE]\n\n"]


def _message(text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}] if text else []
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}


def _response(status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {
        "input_tokens": 40,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 56,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 96,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "m",
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if status == "completed" else None,
    }


def responses_value() -> bytes:
    return _dump(_response("completed", [_message(ANSWER)]))


def responses_events(count: int) -> list[bytes]:
    texts = pieces(count)
    whole = "".join(texts)
    at: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response("in_progress", [])},
        {"type": "response.in_progress", "response": _response("in_progress", [])},
        {"type": "response.output_item.added", "output_index": 0, "item": _message("", "in_progress")},
        {"type": "response.content_part.added", **at, "part": part},
        *({"type": "response.output_text.delta", **at, "delta": text, "logprobs": []} for text in texts),
        {"type": "response.output_text.done", **at, "text": whole, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": {**part, "text": whole}},
        {"type": "response.output_item.done", "output_index": 0, "item": _message(whole)},
        {"type": "response.completed", "response": _response("completed", [_message(whole)])},
    ]
    return [
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), _dump({**event, "sequence_number": number}))
        for number, event in enumerate(events)
    ]
