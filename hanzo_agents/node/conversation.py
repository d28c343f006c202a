"""What a request asks for, free of either API's wire format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .apierror import ApiError
from .generation import Sampling

__all__ = ["Ask", "Call", "Tool", "ToolChoice", "Turn", "check_order"]


@dataclass(frozen=True)
class Call:
    """A tool call: `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message of a conversation.

    Attributes:
        role: Who speaks; `tool` is the result of a call.
        text: What is said; empty on an assistant's turn that only calls.
        calls: What the assistant called.
        call_id: On a `tool` turn, the call that this is the result of.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function that the model may call; `field` is where the request defined it, for errors."""

    name: str
    description: str
    parameters: dict[str, Any]
    field: str

    @property
    def has_arguments(self) -> bool:
        """Whether there is anything to fill in."""
        return bool(self.parameters.get("properties") or self.parameters.get("$ref"))


@dataclass(frozen=True, kw_only=True)
class ToolChoice:
    """Whether to call, and which of the request's tools (by name) may be called."""

    mode: Literal["none", "auto", "required"]
    allowed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A whole request.

    Attributes:
        turns: The conversation, oldest first.
        tools: The tools that may be called.
        mode: Whether they must or may be.
        schema: JSON schema that a text answer must obey.
        strict: The schema is a promise: refuse it when any part of it cannot be enforced.
        schema_field: Where the request defined the schema, for errors.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    mode: Literal["none", "auto", "required"] = "none"
    schema: dict[str, Any] | None = None
    strict: bool = False
    schema_field: str = "response_format"
    sampling: Sampling = field(default_factory=Sampling)


def check_order(turns: tuple[Turn, ...], param: str) -> None:
    """Refuse a conversation in which calls and results do not pair up.

    Raises:
        ApiError: A result answers no open call, or a call was left without a result.
    """
    open_calls: set[str] = set()
    for index, turn in enumerate(turns):
        if turn.role == "tool":
            if turn.call_id not in open_calls:
                raise ApiError(
                    f"{param}[{index}]: a tool result must follow the call that it answers; "
                    f"no open call has the id {turn.call_id!r}",
                    param=f"{param}[{index}]",
                )
            open_calls.discard(turn.call_id)
            continue
        if open_calls and not turn.calls:
            break
        open_calls.update(call.id for call in turn.calls)
    if open_calls:
        missing = ", ".join(sorted(open_calls))
        raise ApiError(
            f"{param}: every tool call must be followed by its result; missing for: {missing}", param=param
        )
