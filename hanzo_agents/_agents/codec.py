"""Answers that outlive their call, at the Model seam: of any model, whoever made it."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from agents import ModelResponse, Usage
from agents.models.fake_id import FAKE_RESPONSES_ID
from openai.types.responses import Response
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from hanzo_agents._agents.spelling import handoff_of, identity_of, output_of, plain, settings_of, tool_of
from hanzo_agents._kernel.canonical import CANONICAL, joined, without_call_ids
from hanzo_agents._kernel.codec import Kept, Question
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.shapes import as_dict, as_list, dicts
from hanzo_agents._wire.dialects.responses_replay import objection_to, response_events, with_fresh_ids
from hanzo_agents._wire.dialects.responses_stream import event_class
from hanzo_agents._wire.dialects.tool_calls import fresh_id
from hanzo_agents._wire.keeping.asked import temperature_of
from hanzo_agents._wire.keeping.codec import follow, replayed

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._agents.view import ModelView
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.stack import Stack

__all__ = ["ModelCodec", "body_of_value", "value_of_response"]

_PART_OF_VALUE = frozenset({"output", "usage", "status", "id"})


class ModelCodec:
    """Keeps answers of models.

    What is kept is the output, its usage, and what a stream's response said beside them.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def question(self, call: Call) -> Question:
        """What a call asks: every argument that a model is told, and which model that is."""
        view: ModelView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
        settings = view.model_settings
        try:
            asked = settings_of(settings)
            more = (as_dict(asked.get("extra_body")), as_dict(asked.get("extra_args")))
            if settings.store or any(fields.get("store") for fields in more):
                return Question(obstacle="store: the caller wants it kept at the provider")
            whose, steady = self._whose(call)
            given: Any = view.input
            arguments = (
                view.system_instructions,
                given if isinstance(given, str) else without_call_ids(plain(given)),
                asked,
                [tool_of(tool) for tool in view.tools], output_of(view.output_schema),
                [handoff_of(handoff) for handoff in view.handoffs],
            )  # fmt: skip
            request = CANONICAL.encode(arguments).encode()
        except (TypeError, ValueError, RecursionError, AttributeError) as error:
            return Question(obstacle=f"its arguments cannot be spelled: {error}")
        named = [t for fields in (asked, *more) if (t := temperature_of(fields)) is not None]
        secret = hashlib.sha256(b"hanzo entries\0" + whose).digest() if steady else b""
        return Question(joined((b"model", whose, request)), secret, max(named, default=None))

    def _whose(self, call: Call) -> tuple[bytes, bool]:
        """The model that is asked, those that may answer for it, and whether their keys tell callers apart."""
        model, steady = identity_of(call.target.model)
        others: list[Any] = []
        for target in self._stack.targets:
            if target.foreign:
                other, its_own = identity_of(target.model)
                others.append(other)
                steady = steady and its_own
            else:
                others.append((target.name, target.base_url))
        routing = [plain(found) for policy in self._stack.policies if (found := getattr(policy, "routing", None))]
        return CANONICAL.encode((model, others, routing)).encode(), steady

    def listen(
        self,
        call: Call,
        reply: Reply,
        heard: Callable[[Kept | str | None, Settled], None],
        moved: Callable[[], None],
    ) -> None:
        """Have `heard` called once: with the whole answer, why it is none to keep, or None when it broke off."""
        if not call.payload:
            heard(_kept(_of_value(reply.value)), reply.settled or Settled())
            return
        final: list[dict[str, Any]] = []

        def feed(event: Any) -> None:
            if event.type in {"response.completed", "response.incomplete"}:
                final.append(_of_response(event.response))

        follow(reply, feed, lambda: _kept(final[-1]) if final else None, heard, moved)

    async def reply(self, call: Call, body: bytes, attempt: Attempt) -> Reply:
        """The answer again, as a response or as a stream, its tool calls under fresh ids."""
        kept = as_dict(json.loads(body))
        output = dicts(kept.get("output"))
        if not output:
            raise ValueError("an answer has output")
        with_fresh_ids(output, fresh_id)
        if call.payload:
            response = _response(kept, output, model=call.target.name)
            events = [_event(event) for event in response_events(response)]
            return await replayed(events, call, attempt)
        value = _value(kept, output)
        return Reply(value, attempt, end=Settlement(Settled(attempt.usage, attempt.cost)))


def body_of_value(value: ModelResponse) -> bytes:
    """A response as `ModelCodec.reply` reads it."""
    return CANONICAL.encode(_of_value(value)).encode()


def value_of_response(response: Response) -> ModelResponse:
    """What the last event of a stream holds, as the response of a call that does not stream."""
    kept = _of_response(response)
    return _value(kept, dicts(kept["output"]))


def _kept(answer: dict[str, Any]) -> Kept | str:
    if (status := answer["status"]) != "completed":
        return f"it is {status}"
    objection = objection_to(answer["output"])
    if objection is not None:
        return objection
    calls = any(item["type"] in {"function_call", "custom_tool_call"} for item in answer["output"])
    return Kept(CANONICAL.encode(answer).encode(), calls)


def _of_value(value: Any) -> dict[str, Any]:
    usage = value.usage
    return {
        "status": "completed",
        "id": value.response_id,
        "output": [_dumped(item) for item in value.output],
        "usage": {
            "requests": usage.requests,
            "input_tokens": usage.input_tokens,
            "input_tokens_details": _dumped(usage.input_tokens_details),
            "output_tokens": usage.output_tokens,
            "output_tokens_details": _dumped(usage.output_tokens_details),
            "total_tokens": usage.total_tokens,
        },
        "raw_usage": plain(value.raw_usage),
        "response": {},
    }


def _of_response(response: Any) -> dict[str, Any]:
    told = _dumped(response)
    return {
        "status": told.get("status") or "completed",
        "id": None if response.id == FAKE_RESPONSES_ID else response.id,
        "output": as_list(told.get("output")),
        "usage": told.get("usage"),
        "raw_usage": None,
        "response": {name: value for name, value in told.items() if name not in _PART_OF_VALUE},
    }


def _value(kept: dict[str, Any], output: list[dict[str, Any]]) -> ModelResponse:
    told = as_dict(kept.get("usage"))
    usage = Usage()
    if told:
        usage = Usage(
            requests=told.get("requests", 1),
            input_tokens=told["input_tokens"],
            input_tokens_details=InputTokensDetails.construct(**as_dict(told.get("input_tokens_details"))),
            output_tokens=told["output_tokens"],
            output_tokens_details=OutputTokensDetails.construct(**as_dict(told.get("output_tokens_details"))),
            total_tokens=told["total_tokens"],
        )
    # The SDK finds the class of each item, as it does for what comes over the wire.
    items = Response.construct(output=output).output
    return ModelResponse(items, usage, kept.get("id"), raw_usage=kept.get("raw_usage"))


def _response(kept: dict[str, Any], output: list[dict[str, Any]], *, model: str) -> dict[str, Any]:
    usage = as_dict(kept.get("usage"))
    return {
        "created_at": time.time(),
        "model": model,
        "object": "response",
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        **as_dict(kept.get("response")),
        "id": kept.get("id") or FAKE_RESPONSES_ID,
        "status": "completed",
        "output": output,
        "usage": {name: value for name, value in usage.items() if name != "requests"} or None,
    }


def _event(told: dict[str, Any]) -> Any:
    kind = event_class(told)
    assert kind is not None
    return kind.construct(**told)


def _dumped(item: Any) -> dict[str, Any]:
    fields: dict[str, Any] = item.model_dump(mode="json", exclude_unset=True, warnings=False)
    return fields
