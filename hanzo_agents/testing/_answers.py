"""Good answers, ready to be scripted.

Each answers a value or a stream, in Chat Completions or in Responses, whichever the request asked for.
"""

from __future__ import annotations

import base64
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from hanzo_agents.testing import _chat, _responses
from hanzo_agents.testing._http import Http, header_pairs, json_http
from hanzo_agents.testing._said import Said, ToolCall, Usage
from hanzo_agents.testing._sse import Dialect, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hanzo_agents.testing._http import Framing, Reply
    from hanzo_agents.testing._request import Request

__all__ = [
    "Answer",
    "Options",
    "embeddings",
    "events",
    "json",
    "message",
    "models",
    "refusal",
    "router_headers",
    "text",
    "tool_call",
    "tool_calls",
]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answers. `text("hi")` and its like make one; `dataclasses.replace` changes one.

    Attributes:
        text: The text, or None.
        reasoning: The reasoning before the text.
        refusal: The refusal in place of the text.
        tool_calls: The tool calls.
        usage: The tokens, or None for an upstream that does not count.
        always_usage: Whether a stream carries the usage even when the request did not ask for it.
        finish_reason: Why it ends; "own" is `stop`, or `tool_calls` when there are some; None sends none.
        model: The model that answers; None names the one asked for.
        headers: More headers, such as those of `router_headers`.
        framing: How a stream is delimited.
        dialect: How the events of a stream are spelled.
        pieces: In how many deltas each text is streamed.
        opening: Whether a stream begins with deltas that carry nothing yet.
        done: Whether a stream of Chat Completions ends with `[DONE]`.
    """

    text: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = field(default_factory=Usage)
    always_usage: bool = False
    finish_reason: str | None = "own"
    model: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    framing: Framing = "chunked"
    dialect: Dialect = field(default_factory=Dialect)
    pieces: int = 2
    opening: bool = True
    done: bool = True

    def render(self, request: Request, /) -> Http:
        """Return the bytes of the answer."""
        said = self._said(request)
        responses = request.path.endswith("/responses")
        headers = header_pairs({"x-request-id": f"req-{request.number}", **self.headers})
        if not request.stream:
            return json_http(_responses.value(said) if responses else _chat.value(said), headers=headers)
        stream = _responses.events(said) if responses else self._chat_events(said, request)
        return Http(
            headers=(("content-type", "text/event-stream; charset=utf-8"), *headers),
            body=tuple(self.dialect.encode(stream)),
            framing=self.framing,
        )

    def _chat_events(self, said: Said, request: Request) -> Iterator[Event]:
        asked: Any = request.field("stream_options") or {}
        yield from _chat.events(said, usage=self.always_usage or asked.get("include_usage") is True)
        if self.done:
            yield Event("[DONE]", "done")

    def _said(self, request: Request) -> Said:
        reason = self.finish_reason
        return Said(
            id=str(request.number),
            model=self.model or request.model or "test-model",
            text=self.text,
            reasoning=self.reasoning,
            refusal=self.refusal,
            tool_calls=self.tool_calls,
            finish_reason=("tool_calls" if self.tool_calls else "stop") if reason == "own" else reason,
            usage=self.usage,
            pieces=self.pieces,
            opening=self.opening,
        )


class Options(TypedDict, total=False):
    """What the functions below take by keyword: the attributes of `Answer`."""

    reasoning: str | None
    usage: Usage | None
    always_usage: bool
    finish_reason: str | None
    model: str | None
    headers: Mapping[str, str]
    framing: Framing
    dialect: Dialect
    pieces: int
    opening: bool
    done: bool


def text(content: str = "Hello!", /, **options: Unpack[Options]) -> Answer:
    """Answer with a text."""
    return Answer(text=content, **options)


def refusal(content: str = "I cannot help with that.", /, **options: Unpack[Options]) -> Answer:
    """Answer with a refusal."""
    return Answer(refusal=content, **options)


def tool_call(
    name: str,
    arguments: Mapping[str, Any] | str | None = None,
    /,
    *,
    id: str | None = None,
    index: int | Literal["own"] | None = "own",
    **options: Unpack[Options],
) -> Answer:
    """Answer with one tool call; `arguments` as text is sent as it is, however broken."""
    call = ToolCall(name, {} if arguments is None else arguments, id, index)
    return Answer(tool_calls=(call,), **options)


def tool_calls(*calls: ToolCall, **options: Unpack[Options]) -> Answer:
    """Answer with several tool calls."""
    return Answer(tool_calls=calls, **options)


def message(
    *,
    text: str | None = None,
    refusal: str | None = None,
    tool_calls: Iterable[ToolCall] = (),
    **options: Unpack[Options],
) -> Answer:
    """Answer with any mixture of text, reasoning, refusal and tool calls."""
    return Answer(text=text, refusal=refusal, tool_calls=tuple(tool_calls), **options)


def json(payload: Any, /, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Http:
    """Answer with this JSON, whatever was asked."""
    return json_http(payload, status=status, headers=header_pairs(headers))


def events(
    payloads: Iterable[Any],
    /,
    *,
    headers: Mapping[str, str] | None = None,
    framing: Framing = "chunked",
    dialect: Dialect | None = None,
) -> Http:
    """Answer with these events: JSON, an `Event`, or text such as "[DONE]"."""
    given = (payload if isinstance(payload, Event) else Event(payload) for payload in payloads)
    return Http(
        headers=(("content-type", "text/event-stream; charset=utf-8"), *header_pairs(headers)),
        body=tuple((dialect or Dialect()).encode(given)),
        framing=framing,
    )


def models(*ids: str) -> Http:
    """Answer `/v1/models` with these models."""
    listed = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "test"} for name in ids]
    return json_http({"object": "list", "data": listed})


def embeddings(*vectors: Sequence[float], usage: Usage | None = Usage(output=0)) -> Reply:  # noqa: B008
    """Answer `/v1/embeddings` with these vectors, as numbers or in base64 as the request wants them."""
    return _Embeddings(vectors, usage)


@dataclass(frozen=True)
class _Embeddings:
    vectors: tuple[Sequence[float], ...]
    usage: Usage | None

    def render(self, request: Request, /) -> Http:
        packed = request.field("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _pack(vector) if packed else list(vector)}
            for index, vector in enumerate(self.vectors)
        ]
        body: dict[str, Any] = {"object": "list", "model": request.model or "test-model", "data": data}
        if self.usage is not None:
            body["usage"] = {"prompt_tokens": self.usage.input, "total_tokens": self.usage.input}
        return json_http(body, headers=(("x-request-id", f"req-{request.number}"),))


def _pack(vector: Sequence[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()


def router_headers(
    *,
    cost: float | str | None = None,
    model_group: str | None = None,
    model_id: str | None = None,
    attempted_retries: int = 0,
    attempted_fallbacks: int = 0,
    cache_key: str | None = None,
    request_id: str | None = None,
) -> dict[str, str]:
    """Return the headers that the router adds: what the call cost, who answered, and how hard it was."""
    given = {
        "x-litellm-response-cost": cost,
        "x-litellm-model-group": model_group,
        "x-litellm-model-id": model_id,
        "x-litellm-attempted-retries": attempted_retries,
        "x-litellm-attempted-fallbacks": attempted_fallbacks,
        "x-litellm-cache-key": cache_key,
        "x-request-id": request_id,
    }
    return {name: str(value) for name, value in given.items() if value is not None}
