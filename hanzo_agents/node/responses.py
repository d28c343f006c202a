"""POST /v1/responses: the Responses API, stateless, with function tools."""

from __future__ import annotations

import time
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from .answer import ArgumentsDelta, CallStarted, Event, Finished, TextDelta
from .apierror import ApiError, not_supported
from .body import Body, as_object, read_choice, read_text, read_tools
from .conversation import Ask, Call, Turn, check_order
from .grammar import ANY_OBJECT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .answer import Answering

__all__ = ["ResponsesBody", "response_events", "response_value"]

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXT_PARTS = ("input_text", "output_text", "text", "refusal")


class ResponsesBody(Body):
    """The body of a request, as far as this server reads it."""

    input: str | list[dict[str, Any]]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    text: dict[str, Any] | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    background: bool | None = None
    metadata: dict[str, Any] | None = None

    def ask(self) -> Ask:
        """What this request asks for.

        Raises:
            ApiError: 400, naming the field that is wrong or not supported.
        """
        self._refuse()
        turns = _turns(self.input)
        check_order(turns, "input")
        if self.instructions:
            turns = (Turn(role="system", text=self.instructions), *turns)
        tools = read_tools(self.tools, nested=False)
        choice = read_choice(self.tool_choice, tools)
        schema, strict = _schema(self.text)
        return Ask(
            turns=turns,
            tools=tuple(tool for tool in tools if tool.name in choice.allowed),
            mode=choice.mode,
            schema=schema,
            strict=strict,
            schema_field="text.format",
            sampling=replace(self.sampling(), max_tokens=self.max_output_tokens),
        )

    def _refuse(self) -> None:
        for field in ("previous_response_id", "conversation", "prompt"):
            if getattr(self, field) is not None:
                raise not_supported(field, "this server keeps no state; send the whole conversation in 'input'")
        if self.background:
            raise not_supported("background", "this server answers in the foreground only")
        if self.top_logprobs or any("logprobs" in each for each in self.include or ()):
            raise not_supported("top_logprobs", "logprobs are available in Chat Completions only")


def _turns(given: str | list[dict[str, Any]]) -> tuple[Turn, ...]:
    if isinstance(given, str):
        return (Turn(role="user", text=given),)
    if not given:
        raise ApiError("Invalid value for 'input': expected at least one item.", param="input")
    turns: list[Turn] = []
    for index, item in enumerate(given):
        turn = _turn(item, f"input[{index}]")
        if turn is None:
            continue
        # calls made together come as items of their own; a conversation has them in one turn
        if turn.calls and turns and turns[-1].role == "assistant":
            turns[-1] = replace(turns[-1], calls=(*turns[-1].calls, *turn.calls))
        else:
            turns.append(turn)
    return tuple(turns)


def _turn(item: dict[str, Any], where: str) -> Turn | None:
    kind = item.get("type") or "message"
    if kind == "reasoning":  # another model's notes to itself; there is nothing in them for this one
        return None
    if kind == "function_call":
        call = Call(*(_string(item, key, where) for key in ("call_id", "name", "arguments")))
        return Turn(role="assistant", calls=(call,))
    if kind == "function_call_output":
        text = read_text(item.get("output"), f"{where}.output", _TEXT_PARTS)
        return Turn(role="tool", text=text, call_id=_string(item, "call_id", where))
    if kind != "message":
        raise not_supported(where, f"items of type {kind!r} are not supported")
    role = _ROLES.get(str(item.get("role")))
    if role is None:
        raise ApiError(f"Invalid value for '{where}.role': {item.get('role')!r}.", param=f"{where}.role")
    if item.get("content") is None:
        raise ApiError(f"Missing required parameter: '{where}.content'.", param=f"{where}.content")
    return Turn(role=cast("Any", role), text=read_text(item["content"], f"{where}.content", _TEXT_PARTS))


def _string(item: dict[str, Any], key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise ApiError(f"Missing required parameter: '{where}.{key}'.", param=f"{where}.{key}")
    return value


def _schema(text: dict[str, Any] | None) -> tuple[dict[str, Any] | None, bool]:
    wanted = as_object((text or {}).get("format") or {"type": "text"}) or {}
    kind = wanted.get("type")
    if kind == "text":
        return None, False
    if kind == "json_object":
        return ANY_OBJECT, False
    if kind != "json_schema":
        raise not_supported("text.format", f"the type {kind!r} is not supported")
    schema = as_object(wanted.get("schema"))
    if schema is None:
        raise ApiError("Missing required parameter: 'text.format.schema'.", param="text.format")
    return schema, bool(wanted.get("strict"))


class _Response:
    """The response object as it grows, and the events that tell of its growth."""

    def __init__(self, body: ResponsesBody, model: str) -> None:
        self._number = -1
        self._item: dict[str, Any] = {}
        self.value: dict[str, Any] = {
            "id": f"resp_{token_hex(16)}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "model": model,
            "output": [],
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "temperature": body.temperature if body.temperature is not None else 0.0,
            "text": body.text or {"format": {"type": "text"}},
            "tool_choice": body.tool_choice or "auto",
            "tools": body.tools or [],
            "top_p": body.top_p if body.top_p is not None else 1.0,
            "usage": None,
        }

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "sequence_number": self._number, **fields}

    def state(self, kind: str) -> dict[str, Any]:
        """An event that carries the response as it is now."""
        return self.event(kind, response=self.value | {"output": list(self.value["output"])})

    def add(self, event: Event) -> list[dict[str, Any]]:
        """Take in an event of the answer and return the events that it becomes."""
        if isinstance(event, TextDelta):
            return [*self._open_message(), self._text(event.text)]
        if isinstance(event, CallStarted):
            return self._open_call(event)
        if isinstance(event, ArgumentsDelta):
            self._item["arguments"] += event.text
            return [self._on_item("response.function_call_arguments.delta", delta=event.text)]
        return [*self._open_message(), *self._close_item(event), self._close(event)]

    def fail(self, error: ApiError) -> dict[str, Any]:
        self.value |= {
            "status": "failed",
            "error": {"code": error.code or "server_error", "message": error.message},
        }
        return self.state("response.failed")

    def _open_message(self) -> list[dict[str, Any]]:
        if self._item:
            return []
        self._item = {
            "id": f"msg_{token_hex(16)}",
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        added = self.event("response.output_item.added", output_index=0, item=dict(self._item))
        return [added, self._on_part("response.content_part.added", part=_part(""))]

    def _open_call(self, event: CallStarted) -> list[dict[str, Any]]:
        self._item = {
            "id": f"fc_{token_hex(16)}",
            "type": "function_call",
            "call_id": event.id,
            "name": event.name,
            "arguments": "",
            "status": "in_progress",
        }
        return [self.event("response.output_item.added", output_index=0, item=dict(self._item))]

    def _text(self, text: str) -> dict[str, Any]:
        said = self._item["content"][0]["text"] if self._item["content"] else ""
        self._item["content"] = [_part(said + text)]
        return self._on_part("response.output_text.delta", delta=text, logprobs=[])

    def _close_item(self, event: Finished) -> list[dict[str, Any]]:
        self._item["status"] = "incomplete" if event.reason == "length" else "completed"
        self.value["output"] = [self._item]
        if self._item["type"] == "function_call":
            arguments, name = self._item["arguments"], self._item["name"]
            closing = [self._on_item("response.function_call_arguments.done", arguments=arguments, name=name)]
        else:
            part = (self._item["content"] or [_part("")])[0]
            self._item["content"] = [part]
            closing = [
                self._on_part("response.output_text.done", text=part["text"], logprobs=[]),
                self._on_part("response.content_part.done", part=part),
            ]
        return [*closing, self.event("response.output_item.done", output_index=0, item=self._item)]

    def _close(self, event: Finished) -> dict[str, Any]:
        usage = event.usage
        self.value["usage"] = {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens},
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "cost": 0,
        }
        if event.reason == "length":
            self.value |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
            return self.state("response.incomplete")
        self.value["status"] = "completed"
        return self.state("response.completed")

    def _on_item(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.event(kind, item_id=self._item["id"], output_index=0, **fields)

    def _on_part(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self._on_item(kind, content_index=0, **fields)


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


async def response_value(body: ResponsesBody, model: str, answering: Answering) -> dict[str, Any]:
    """Answer with one `response` object."""
    response = _Response(body, model)
    async for event in answering.answer(body.ask()):
        response.add(event)
    return response.value


async def response_events(
    body: ResponsesBody, model: str, answering: Answering
) -> AsyncGenerator[dict[str, Any], None]:
    """Answer with the event sequence; closing the generator stops the engine.

    The answer's first event is awaited before `response.created` is sent, so that a request that fails at once
    fails with an HTTP status.
    """
    response, events = _Response(body, model), answering.answer(body.ask())
    started = False
    try:
        async for event in events:
            if not started:
                started = True
                yield response.state("response.created")
                yield response.state("response.in_progress")
            for told in response.add(event):
                yield told
    except ApiError as error:
        if not started:
            raise
        yield response.fail(error)
    finally:
        await events.aclose()
