"""POST /v1/chat/completions: its request and its two forms of answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, Field

from .answer import ArgumentsDelta, CallStarted, Event, Finished, TextDelta
from .apierror import ApiError, not_supported
from .body import Body, as_object, read_choice, read_text, read_tools
from .conversation import Ask, Call, Turn, check_order
from .grammar import ANY_OBJECT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .answer import Answering
    from .generation import Sampling

__all__ = ["ChatBody", "chat_chunks", "chat_completion"]

_MOST_CHOICES = 16


class _Function(BaseModel):
    name: str
    arguments: str = "{}"


class _ToolCall(BaseModel):
    id: str
    type: Literal["function"] = "function"
    function: _Function


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Any = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _StreamOptions(BaseModel):
    include_usage: bool | None = None


class ChatBody(Body):
    """The body of a request, as far as this server reads it."""

    messages: Annotated[list[_Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, Field(ge=1, le=_MOST_CHOICES)] | None = None
    seed: int | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: dict[str, Any] | None = None
    stream_options: _StreamOptions | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    audio: Any = None

    def ask(self) -> Ask:
        """What this request asks for.

        Raises:
            ApiError: 400, naming the field that is wrong or not supported.
        """
        if self.functions or self.function_call:
            raise not_supported("functions", "deprecated; use 'tools' and 'tool_choice'")
        if self.audio or (self.modalities or ["text"]) != ["text"]:
            raise not_supported("modalities", "only text comes out of this model")
        turns = tuple(_turn(message, index) for index, message in enumerate(self.messages))
        check_order(turns, "messages")
        tools = read_tools(self.tools, nested=True)
        choice = read_choice(self.tool_choice, tools)
        schema, strict = _schema(self.response_format)
        return Ask(
            turns=turns,
            tools=tuple(tool for tool in tools if tool.name in choice.allowed),
            mode=choice.mode,
            schema=schema,
            strict=strict,
            sampling=self.sampling(),
        )

    def sampling(self) -> Sampling:
        """The sampling fields."""
        top_logprobs = self.top_logprobs or 0 if self.logprobs else None
        if self.top_logprobs and not self.logprobs:
            raise ApiError("'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
        return replace(
            super().sampling(),
            seed=self.seed,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias=self.logit_bias or {},
            top_logprobs=top_logprobs,
        )


def _turn(message: _Message, index: int) -> Turn:
    param = f"messages[{index}].content"
    text = read_text(message.content, param, ("text", "refusal") if message.role == "assistant" else ("text",))
    if message.role == "tool":
        return Turn(role="tool", text=text, call_id=message.tool_call_id or "")
    if message.role == "assistant":
        calls = tuple(
            Call(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()
        )
        return Turn(role="assistant", text=text or message.refusal or "", calls=calls)
    if message.content is None:
        raise ApiError(f"Missing required parameter: {param!r}.", param=param, code="missing_required_parameter")
    return Turn(role="user" if message.role == "user" else "system", text=text)


def _schema(wanted: dict[str, Any] | None) -> tuple[dict[str, Any] | None, bool]:
    kind = (wanted or {"type": "text"}).get("type")
    if wanted is None or kind == "text":
        return None, False
    if kind == "json_object":
        return ANY_OBJECT, False
    if kind != "json_schema":
        raise not_supported("response_format", f"the type {kind!r} is not supported")
    inner = as_object(wanted.get("json_schema")) or {}
    schema = as_object(inner.get("schema"))
    if schema is None:
        raise ApiError(
            "Missing required parameter: 'response_format.json_schema.schema'.", param="response_format"
        )
    return schema, bool(inner.get("strict"))


@dataclass
class _Usage:
    """Token counts over all choices: the prompt is read once, whatever `n` is."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def add(self, event: Finished) -> None:
        self.prompt = self.prompt or event.usage.prompt_tokens
        self.cached = self.cached or event.usage.cached_tokens
        self.completion += event.usage.completion_tokens

    def body(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            # In the router's own field, so that a caller can tell "free" from "unknown".
            "cost": 0,
        }


@dataclass
class _Choice:
    """One choice, gathered from its events."""

    text: str = ""
    call: CallStarted | None = None
    arguments: str = ""
    logprobs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reason: str = "stop"

    def add(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self.text += event.text
            self.logprobs += _logprobs(event) or []
        elif isinstance(event, CallStarted):
            self.call = event
        elif isinstance(event, ArgumentsDelta):
            self.arguments += event.text
        else:
            self.reason = event.reason

    def body(self, index: int, *, logprobs: bool) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self.call else self.text,
            "refusal": None,
        }
        if self.call is not None:
            message["tool_calls"] = [_call(self.call, self.arguments)]
        return {
            "index": index,
            "message": message,
            "logprobs": {"content": self.logprobs, "refusal": None} if logprobs and not self.call else None,
            "finish_reason": self.reason,
        }


def _call(started: CallStarted, arguments: str) -> dict[str, Any]:
    return {"id": started.id, "type": "function", "function": {"name": started.name, "arguments": arguments}}


def _logprobs(event: TextDelta) -> list[dict[str, Any]] | None:
    """The engine's logprobs without its token ids, which are no part of the API."""

    def clean(item: dict[str, Any]) -> dict[str, Any]:
        kept = {key: item[key] for key in ("token", "logprob", "bytes")}
        tops = cast("list[dict[str, Any]]", item.get("top_logprobs") or [])
        return kept | ({"top_logprobs": [clean(top) for top in tops]} if "top_logprobs" in item else {})

    return [clean(cast("dict[str, Any]", item)) for item in event.logprobs] or None


def _envelope(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{token_hex(12)}", "object": kind, "created": int(time.time()), "model": model}


def _asks(body: ChatBody) -> list[Ask]:
    """One ask for each of the `n` choices; a given seed becomes a different one for each."""
    ask, seed = body.ask(), body.seed
    count = body.n or 1
    if seed is None:
        return [ask] * count
    return [replace(ask, sampling=replace(ask.sampling, seed=seed + index)) for index in range(count)]


async def chat_completion(body: ChatBody, model: str, answering: Answering) -> dict[str, Any]:
    """Answer with one `chat.completion` object."""
    usage, choices = _Usage(), list[dict[str, Any]]()
    for index, ask in enumerate(_asks(body)):
        choice = _Choice()
        async for event in answering.answer(ask):
            choice.add(event)
            if isinstance(event, Finished):
                usage.add(event)
        choices.append(choice.body(index, logprobs=bool(body.logprobs)))
    return _envelope("chat.completion", model) | {"choices": choices, "usage": usage.body()}


async def chat_chunks(body: ChatBody, model: str, answering: Answering) -> AsyncGenerator[dict[str, Any], None]:
    """Answer with `chat.completion.chunk` objects; closing the generator stops the engine."""
    envelope, usage = _envelope("chat.completion.chunk", model), _Usage()
    with_usage = bool(body.stream_options and body.stream_options.include_usage)
    if with_usage:
        envelope["usage"] = None
    for index, ask in enumerate(_asks(body)):
        events = answering.answer(ask)
        first = True
        try:
            async for event in events:
                for delta, reason, logprobs in _deltas(event, first=first):
                    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
                    yield envelope | {"choices": [choice]}
                first = False
                if isinstance(event, Finished):
                    usage.add(event)
        finally:
            await events.aclose()
    if with_usage:
        yield envelope | {"choices": [], "usage": usage.body()}


def _deltas(event: Event, *, first: bool) -> list[tuple[dict[str, Any], str | None, dict[str, Any] | None]]:
    """The deltas that say an event, the role before the first."""
    calls = isinstance(event, CallStarted)
    deltas: list[tuple[dict[str, Any], str | None, dict[str, Any] | None]] = []
    if first:
        deltas.append(({"role": "assistant", "content": None if calls else ""}, None, None))
    if isinstance(event, TextDelta):
        logprobs = _logprobs(event)
        deltas.append(
            ({"content": event.text}, None, {"content": logprobs, "refusal": None} if logprobs else None)
        )
    elif isinstance(event, CallStarted):
        deltas.append(({"tool_calls": [{"index": 0} | _call(event, "")]}, None, None))
    elif isinstance(event, ArgumentsDelta):
        deltas.append(({"tool_calls": [{"index": 0, "function": {"arguments": event.text}}]}, None, None))
    else:
        deltas.append(({}, event.reason, None))
    return deltas
