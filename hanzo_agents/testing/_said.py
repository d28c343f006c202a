"""What a model says, apart from how an API spells it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Said", "ToolCall", "Usage"]


@dataclass(frozen=True)
class Usage:
    """Tokens as the upstream counts them; any number is sent as given, negative ones too.

    Attributes:
        input: Prompt tokens.
        output: Completion tokens.
        cached: Prompt tokens that came from the upstream's cache.
        reasoning: Completion tokens that were reasoning.
        cost: What a router says that the call cost, in dollars.
    """

    input: int = 12
    output: int = 5
    cached: int = 0
    reasoning: int = 0
    cost: float | None = None


@dataclass(frozen=True)
class ToolCall:
    """One tool call; everything that upstreams get wrong about them can be said.

    Attributes:
        name: The name of the tool.
        arguments: A mapping, sent as JSON, or the very text to send.
        id: The id; None mints a good one, "" sends an empty one.
        index: The index in a stream; None leaves it out, as some upstreams do.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict[str, Any])
    id: str | None = None
    index: int | Literal["own"] | None = "own"

    @property
    def text(self) -> str:
        """The arguments as they go over the wire."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))


@dataclass(frozen=True, kw_only=True)
class Said:
    """The content of one answer.

    Attributes:
        id: What the ids of this answer are made of; unlike any other answer's.
        model: The model that answers.
        text: The text, or None when there is none.
        reasoning: The reasoning that comes before it.
        refusal: The refusal that comes in its place.
        tool_calls: The tool calls.
        finish_reason: Why the answer ends; None says nothing about it.
        usage: The tokens, or None when the upstream does not say.
        pieces: In how many deltas a text is streamed.
        opening: Whether a stream begins with a delta that carries nothing but the role.
    """

    id: str
    model: str
    text: str | None
    reasoning: str | None
    refusal: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    usage: Usage | None
    pieces: int
    opening: bool

    def call_id(self, position: int) -> str:
        """Return the id of the tool call at `position`."""
        given = self.tool_calls[position].id
        return f"call_{self.id}_{position}" if given is None else given

    def split(self, text: str) -> Iterator[str]:
        """Yield `text` in pieces."""
        step = max(1, -(-len(text) // self.pieces))
        for start in range(0, len(text), step):
            yield text[start : start + step]
