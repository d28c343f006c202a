"""Replies as callers get them: the SDK's own classes, which also know what the call took.

The facts are read from the call's journal when somebody asks, so a reply nobody asks costs nothing. They are no
fields: `model_dump()` and the like give what the SDK's class gives.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import pydantic
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ParsedChatCompletion
from openai.types.responses import (
    ParsedResponse,
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
)
from typing_extensions import override

from hanzo_agents._kernel.outcome import UNKNOWN, Outcome
from hanzo_agents._kernel.shapes import as_dict

if TYPE_CHECKING:
    from decimal import Decimal

    from openai.types.chat import ChatCompletionMessageToolCallUnion, ParsedFunctionToolCall

    from hanzo_agents._kernel.journal import Attempt, Basis

__all__ = [
    "HanzoChatCompletion",
    "HanzoChatCompletionChunk",
    "HanzoCreateEmbeddingResponse",
    "HanzoParsedChatCompletion",
    "HanzoParsedResponse",
    "HanzoResponse",
    "HanzoResponseCompletedEvent",
    "HanzoResponseIncompleteEvent",
    "loaded",
    "note_outcome",
    "note_parsed",
    "take_outcome",
]

T = TypeVar("T")

_PLACE = "_hanzo_outcome"
"""Where a reply keeps its outcome: in `__dict__` beside its fields, as the SDK keeps `_request_id`."""


class Alike:
    """Compares as the SDK's classes do, by content: one of those with the same content is equal."""

    __slots__ = ()

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _sdk_class(type(self))):
            return NotImplemented
        mine: Any = self
        theirs: Any = other
        return (
            mine.__pydantic_fields_set__ == theirs.__pydantic_fields_set__
            and mine.__pydantic_extra__ == theirs.__pydantic_extra__
            and all(getattr(mine, name) == getattr(theirs, name) for name in _sdk_class(type(self)).model_fields)
        )

    __hash__ = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]


def _sdk_class(kind: type[Any]) -> Any:
    """The SDK's class under one of ours."""
    bases: tuple[type[Any], ...] = kind.__mro__
    found: Any = next(base for base in bases if not issubclass(base, Alike))
    return found.__pydantic_generic_metadata__["origin"] or found


class WithOutcome(Alike):
    """What a call took. Of a stream, the last chunk knows; the others know nothing yet."""

    __slots__ = ()

    @property
    def _outcome(self) -> Outcome:
        outcome: Outcome = self.__dict__.get(_PLACE, UNKNOWN)
        return outcome

    @property
    def provider(self) -> str | None:
        """Who answered: "openai", "anthropic", "local", ..., or the host of an endpoint that has no such name."""
        said: Any = as_dict(getattr(self, "model_extra", None)).get("provider")
        return said if isinstance(said, str) else self._outcome.provider

    @property
    def routing_reason(self) -> str:
        """Why this model answered: what the policies decided on the way, in words."""
        return self._outcome.routing_reason

    @property
    def cost(self) -> Decimal | None:
        """US dollars of the call, all its attempts together; None when nobody knows, which is not zero."""
        return self._outcome.cost.amount

    @property
    def cost_basis(self) -> Basis:
        """Whether the upstream reported the cost, it was estimated from prices, or it is unknown."""
        return self._outcome.cost.basis

    @property
    def from_cache(self) -> bool:
        """Whether a cache answered, ours or the router's."""
        return self._outcome.from_cache

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every request that was sent for this call, in order."""
        return self._outcome.attempts

    @property
    def latency(self) -> float | None:
        """Seconds from the call to the end of its answer; None while it is under way."""
        return self._outcome.latency


class HanzoChatCompletion(WithOutcome, ChatCompletion):
    """An `openai` ChatCompletion that knows what the call took."""

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """A chat completion from its JSON, strictly if it keeps to the schema and leniently if it does not."""
        try:
            return cls.model_validate_json(body, strict=True)
        except pydantic.ValidationError:
            return cls.construct(**json.loads(body))

    @property
    def tool_calls(self) -> list[ChatCompletionMessageToolCallUnion]:
        """The tool calls of the first choice; empty when there are none."""
        return list(self.choices[0].message.tool_calls or ()) if self.choices else []


class HanzoChatCompletionChunk(WithOutcome, ChatCompletionChunk):
    """An `openai` ChatCompletionChunk; the last one of a stream knows what the call took."""

    @property
    def tool_calls(self) -> list[ChatCompletionMessageToolCallUnion]:
        """On the last chunk, the whole tool calls of the first choice; empty before that, and without any."""
        return self._outcome.tool_calls


class HanzoResponse(WithOutcome, Response):
    """An `openai` Response that knows what the call took."""

    @property
    def tool_calls(self) -> list[ResponseFunctionToolCall]:
        """The function calls among the output; empty when there are none."""
        return [item for item in self.output if isinstance(item, ResponseFunctionToolCall)]


class HanzoCreateEmbeddingResponse(WithOutcome, CreateEmbeddingResponse):
    """An `openai` CreateEmbeddingResponse that knows what the call took."""


class HanzoParsedChatCompletion(WithOutcome, ParsedChatCompletion[T], Generic[T]):
    """An `openai` ParsedChatCompletion that knows what the call took."""

    @property
    def tool_calls(self) -> list[ParsedFunctionToolCall]:
        """The tool calls of the first choice; empty when there are none."""
        return list(self.choices[0].message.tool_calls or ()) if self.choices else []


class HanzoParsedResponse(WithOutcome, ParsedResponse[T], Generic[T]):
    """An `openai` ParsedResponse that knows what the call took."""

    @property
    def tool_calls(self) -> list[ResponseFunctionToolCall]:
        """The function calls among the output; empty when there are none."""
        return [item for item in self.output if isinstance(item, ResponseFunctionToolCall)]


class HanzoResponseCompletedEvent(Alike, ResponseCompletedEvent):
    """The last event of a stream, whose `response` knows what the call took."""

    response: HanzoResponse  # pyright: ignore[reportIncompatibleVariableOverride]


class HanzoResponseIncompleteEvent(Alike, ResponseIncompleteEvent):
    """The last event of a stream that hit a limit, whose `response` knows what the call took."""

    response: HanzoResponse  # pyright: ignore[reportIncompatibleVariableOverride]


def note_outcome(value: Any, outcome: Outcome) -> None:
    """Let a reply, or the last event of a stream, know what its call took."""
    if isinstance(value, HanzoResponseCompletedEvent | HanzoResponseIncompleteEvent):
        value = value.response
    if isinstance(value, WithOutcome):
        value.__dict__[_PLACE] = outcome


def loaded(body: Any) -> HanzoChatCompletion:
    """A chat completion from its JSON, as leniently as the SDK reads one."""
    return HanzoChatCompletion.construct(**body)


def take_outcome(source: Any, value: Any) -> None:
    """Let a reply know what the last event of its stream knows."""
    if isinstance(source, WithOutcome) and (outcome := source.__dict__.get(_PLACE)) is not None:
        note_outcome(value, outcome)


_PARSED: dict[type[Any], type[Any]] = {
    ParsedChatCompletion: HanzoParsedChatCompletion,
    ParsedResponse: HanzoParsedResponse,
}


def note_parsed(value: Any, parsed: Any) -> None:
    """Let what the SDK made of a reply know what the reply knows."""
    kind = next((ours for theirs, ours in _PARSED.items() if isinstance(parsed, theirs)), None)
    if kind is not None and isinstance(value, WithOutcome):
        # The SDK builds the object itself, of a class of its own; ours adds no fields to that.
        object.__setattr__(parsed, "__class__", kind)
        parsed.__dict__[_PLACE] = value.__dict__.get(_PLACE, UNKNOWN)
