"""A Responses stream: which event commits it, and whether it ended."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from openai.types.responses import ResponseStreamEvent, ResponseUsage

from hanzo_agents._wire.dialects.call_ids import CallIds, refuse_cut_calls
from hanzo_agents._wire.facts import usage_of
from hanzo_agents._wire.failures import reported_error, truncated
from hanzo_agents._wire.redact import Secrets
from hanzo_agents._wire.replies import HanzoResponseCompletedEvent, HanzoResponseIncompleteEvent
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanzo_agents._kernel.journal import Usage

__all__ = ["ResponseEvents", "event_class", "responses_usage"]

_HELD = frozenset(
    {
        "response.created",
        "response.in_progress",
        "response.queued",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
    }
)
_HELD_ITEMS = frozenset({"message", "reasoning", "function_call"})
"""Items that say nothing yet. Any other (search, code, MCP, shell, images) is a side effect under way."""

_TEXT_DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
    }
)
"""Events that bring text, which counts where nobody reports tokens."""
_TERMINAL = frozenset({"response.completed", "response.incomplete"})
_TYPE = re.compile(r'\{\s*"type"\s*:\s*"([a-z_.]+)"')


@cache
def _classes() -> dict[str, type[Any]]:
    """Event type -> class. A pydantic union over all of them would cost as much as building leniently."""
    union = get_args(ResponseStreamEvent)[0]
    found: dict[str, type[Any]] = {}
    for member in get_args(union):
        for name in get_args(member.model_fields["type"].annotation):
            found[name] = member
    return found | {
        "response.completed": HanzoResponseCompletedEvent,
        "response.incomplete": HanzoResponseIncompleteEvent,
    }


def event_class(data: Mapping[str, Any] | str) -> type[Any] | None:
    """The class of an event, by its type; None for one that this SDK does not know."""
    if isinstance(data, str):
        # Only at the very start is it sure to be the event's own type and not that of something inside it.
        match = _TYPE.match(data)
        return _classes().get(match.group(1)) if match else None
    return _classes().get(data.get("type") or "")


def responses_usage(usage: Usage) -> ResponseUsage:
    """A usage object that says of itself that it is estimated."""
    return ResponseUsage.construct(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        input_tokens_details={"cached_tokens": 0},
        output_tokens_details={"reasoning_tokens": 0},
        estimated=True,
    )


class ResponseEvents:
    """Follows the events of one stream.

    Args:
        taken: tool-call ids that the conversation already holds.
        estimate: usage for the text that came out of a stream that reported none.
        inject: whether to put that estimate into the terminal event.
    """

    __slots__ = (
        "_begun",
        "_ended",
        "_estimate",
        "_ids",
        "_inject",
        "_seen_items",
        "_text",
        "raw_usage",
        "usage",
    )

    def __init__(
        self, taken: Callable[[], set[str]], estimate: Callable[[str], Usage], *, inject: bool = True
    ) -> None:
        self.usage: Usage | None = None
        self.raw_usage: Any = None
        self._estimate = estimate
        self._inject = inject
        self._ids = CallIds(taken)
        self._text: list[str] = []
        self._ended = False
        self._begun = False
        self._seen_items = False

    def feed(self, event: Any) -> tuple[bool, list[Any]]:
        """Take an event: whether it commits the stream, and what to hand on."""
        self._begun = True
        kind = getattr(event, "type", None)
        if kind in _TEXT_DELTAS:
            self._text.append(str(event.delta))
            return True, [event]
        if kind in _HELD:
            return False, [event]
        if kind in {"response.output_item.added", "response.output_item.done"}:
            return self._item(event), [event]
        if kind in _TERMINAL:
            self._finish(event.response)
            return True, [event]
        if kind == "response.failed":
            error = event.response.error
            raise reported_error(error.to_dict() if error is not None else "failed", Secrets())
        if kind == "error":
            raise reported_error({"message": event.message, "code": event.code}, Secrets())
        return True, [event]

    def _item(self, event: Any) -> bool:
        self._seen_items = True
        item = event.item
        kind = getattr(item, "type", None)
        if kind == "function_call":
            self._ids.mend_item(item, event.output_index)
        return event.type.endswith(".done") or kind not in _HELD_ITEMS

    def _finish(self, response: Any) -> None:
        if not response.output and not self._seen_items and not self._text and response.status == "completed":
            raise InvalidResponse("the reply is complete and empty", code="empty_reply")
        self._ended = True
        refuse_cut_calls(response)
        self._ids.mend_output(response.output)
        self.raw_usage = response.usage
        self.usage = usage_of(self.raw_usage)
        if self.usage is None:
            self.usage = self._estimate(self.output_text)
            if self._inject:
                response.usage = responses_usage(self.usage)

    def end(self) -> list[Any]:
        """The stream is over: nothing is held back. StreamTruncated when it is not whole."""
        if not self.complete:
            raise truncated(
                "the stream ended without a terminal event" if self._begun else "the stream ended before it began"
            )
        return []

    @property
    def complete(self) -> bool:
        """Whether the terminal event has come."""
        return self._ended

    @property
    def accounted(self) -> bool:
        """The terminal event holds the usage."""
        return self._ended

    @property
    def tool_calls(self) -> list[Any]:
        """None of their own: the terminal event has them in its response."""
        return []

    @property
    def output_text(self) -> str:
        """Text and arguments so far."""
        return "".join(self._text)
