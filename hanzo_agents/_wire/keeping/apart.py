"""A request in two: what the user says last, and all the rest. And an answer that only says something."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.canonical import CANONICAL
from hanzo_agents._kernel.codec import Question
from hanzo_agents._kernel.likeness import Apart
from hanzo_agents._kernel.shapes import as_dict, as_list, dicts
from hanzo_agents._kernel.target import Target
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.embeddings import EMBEDDINGS
from hanzo_agents._wire.dialects.responses import RESPONSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._wire.attempt import Exchange
    from hanzo_agents._wire.dialects.dialect import Dialect
    from hanzo_agents._wire.keeping.codec import WireCodec

__all__ = ["WireLikeness", "response_of", "text_in", "without_last_text"]

_TEXTS = frozenset({"text", "input_text"})
_LONELY = frozenset({"messages", "input", "model", "stream", "stream_options", "user", "metadata", "temperature",
    "max_tokens", "max_completion_tokens", "max_output_tokens", "top_p", "seed", "store"})  # fmt: skip
"""Fields that tell the model nothing besides what the user says."""


class WireLikeness:
    """Takes the requests of one client apart."""

    def __init__(self, codec: WireCodec) -> None:
        self._codec = codec

    def apart(self, call: Call) -> Apart:
        """What a request asks, what the user says last taken out of it."""
        dialect: Dialect = call.payload.dialect
        view: Any = call.view
        said = _last_said(dialect, view.body)
        if isinstance(said, str):
            return Apart(Question(obstacle=said))
        rest = self._codec.question(call.but(view=dialect.view(said.rest)))
        return Apart(rest, said.text, said.alone, bool(view.body.get("tools") or view.body.get("functions")))

    def embedding(self, call: Call, model: str, text: str) -> Call:
        """A call of the same endpoint for the embedding of a text: one request, to this model and no other."""
        exchange: Exchange = call.payload
        at = call.target
        extras = replace(exchange.extras.away(), raw=False)
        return call.but(
            target=Target(model, at.base_url, at.api_key, at.headers, provider=at.provider),
            view=EMBEDDINGS.view({"model": model, "input": [text], "encoding_format": "float"}),
            payload=replace(exchange, dialect=EMBEDDINGS, extras=extras, stream=False),
            attempt=1, pinned=True, single=True, codec=None,
        )  # fmt: skip

    def vector(self, value: Any) -> list[float]:
        """The numbers in an answer of the embeddings API."""
        vector = value.data[0].embedding
        if not isinstance(vector, list):
            raise TypeError("an embedding is a list of numbers")
        return [float(number) for number in vector]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]

    def spoken(self, call: Call, text: str) -> bytes:
        """An answer of one message that says this."""
        model = call.target.name
        made = response_of if call.payload.dialect is RESPONSES else _completion_of
        return CANONICAL.encode(made(text, model)).encode()

    def text_of(self, body: bytes) -> str:
        """What an answer says, in its first choice."""
        return text_in(json.loads(body))


@dataclass(frozen=True, slots=True)
class _Said:
    """What the user says last, and the request without it.

    Attributes:
        alone: the rest tells the model nothing.
    """

    text: str = field(repr=False)
    rest: Mapping[str, Any] = field(repr=False)
    alone: bool


def _last_said(dialect: Dialect, body: Mapping[str, Any]) -> _Said | str:
    """What the user says last in a request; a string says why that cannot be told."""
    if dialect is CHAT:
        name = "messages"
    elif dialect is RESPONSES:
        name = "input"
    else:
        return f"{dialect.path} has no conversation"
    given = body.get(name)
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    found = without_last_text(as_list(given))
    if isinstance(found, str):
        return found
    text, items = found
    return _Said(text, {**body, name: items}, len(items) == 1 and _LONELY.issuperset(body))


def without_last_text(items: Sequence[Any]) -> tuple[str, list[Any]] | str:
    """The text of the last item, and the items without it; a string says why there is none."""
    last = as_dict(items[-1]) if items else {}
    if last.get("role") != "user" or last.get("type", "message") != "message":
        return "the user does not speak last"
    content = last.get("content")
    parts = as_list(content)
    if len(parts) == 1 and (part := as_dict(parts[0])).get("type") in _TEXTS and part.keys() == {"type", "text"}:
        content = part["text"]
    if not isinstance(content, str):
        return "the user gives more than a text"
    if not content.strip():
        return "the user says nothing"
    rest = {name: value for name, value in last.items() if name not in {"content", "type"}}
    return content, [*items[:-1], rest]


def text_in(answer: Mapping[str, Any]) -> str:
    """What an answer of either API says.

    Raises:
        KeyError, IndexError, TypeError, AttributeError: it is no answer.
    """
    if "choices" in answer:
        return answer["choices"][0]["message"].get("content") or ""
    messages = (item for item in answer["output"] if item.get("type") == "message")
    return "".join(part["text"] for item in messages for part in dicts(item["content"]) if "text" in part)


def _completion_of(text: str, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": int(time.time()),
        "model": model, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }  # fmt: skip


def response_of(text: str, model: str) -> dict[str, Any]:
    """A Responses answer of one message."""
    message: dict[str, Any] = {
        "id": f"msg_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }  # fmt: skip
    return {
        "id": f"resp_{uuid.uuid4().hex}", "object": "response", "created_at": int(time.time()), "model": model,
        "status": "completed", "output": [message], "parallel_tool_calls": False, "tool_choice": "auto",
        "tools": [],
    }  # fmt: skip
