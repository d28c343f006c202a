"""What each dialect knows about keeping its answers: which are whole, and how they are told again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pydantic

from hanzo_agents._kernel.shapes import as_dict, as_list
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.chat_replay import ChatAssembly, chat_chunks
from hanzo_agents._wire.dialects.embeddings import EMBEDDINGS
from hanzo_agents._wire.dialects.responses import RESPONSES
from hanzo_agents._wire.dialects.responses_replay import objection_to, response_events, with_fresh_ids
from hanzo_agents._wire.dialects.tool_calls import fresh_id
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hanzo_agents._wire.dialects.dialect import Dialect

__all__ = ["KIND_OF", "Assembly", "Kind"]


class Assembly(Protocol):
    """Puts the events of a stream together."""

    def feed(self, event: Any) -> None:
        """Take the next event, and keep nothing of it that its reader may change."""
        ...

    def whole(self) -> bytes | None:
        """The answer as JSON, None when it is not all there."""
        ...


class Kind(Protocol):
    """One dialect's answers."""

    def objection(self, value: Any) -> str | None:
        """Why an answer is not kept, None when it may be."""
        ...

    def calls_tools(self, value: Any) -> bool:
        """Whether an answer asks for tools to be run."""
        ...

    def renew(self, value: Any) -> None:
        """Give the tool calls of an answer ids that nobody has seen."""
        ...

    def events(self, dialect: Dialect, answer: dict[str, Any], request: Mapping[str, Any]) -> list[Any]:
        """The events of a stream that makes this answer, its tool calls under fresh ids."""
        ...

    def assembly(self) -> Assembly:
        """Something that puts a stream together."""
        ...


class _Chat:
    """Chat Completions."""

    def objection(self, value: Any) -> str | None:
        for choice in value.choices:
            message, calls = choice.message, choice.message.tool_calls
            if choice.finish_reason not in {"stop", "tool_calls"}:
                return f"it ended with {choice.finish_reason!r}"
            if message.refusal:
                return "it is a refusal"
            if getattr(message, "audio", None) or getattr(message, "function_call", None):
                return "it holds audio or a function call of the old kind"
            if any(call.type != "function" for call in calls or ()):
                return "it calls a custom tool"
            if not calls and not message.content:
                return "it is empty"
        return None

    def calls_tools(self, value: Any) -> bool:
        return any(choice.message.tool_calls for choice in value.choices)

    def renew(self, value: Any) -> None:
        for choice in value.choices:
            for call in choice.message.tool_calls or ():
                call.id = fresh_id()

    def events(self, dialect: Dialect, answer: dict[str, Any], request: Mapping[str, Any]) -> list[Any]:
        for choice in answer["choices"]:
            for call in as_list(choice["message"].get("tool_calls")):
                call["id"] = fresh_id()
        apart = bool(as_dict(request.get("stream_options")).get("include_usage"))
        return _built(dialect, chat_chunks(answer, usage_apart=apart))

    def assembly(self) -> Assembly:
        return ChatAssembly()


class _Responses:
    """The Responses API."""

    def objection(self, value: Any) -> str | None:
        if value.status != "completed":
            return f"it is {value.status}"
        return objection_to([item.model_dump(exclude_unset=True, warnings=False) for item in value.output])

    def calls_tools(self, value: Any) -> bool:
        return any(item.type in {"function_call", "custom_tool_call"} for item in value.output)

    def renew(self, value: Any) -> None:
        for item in value.output:
            if item.type in {"function_call", "custom_tool_call"}:
                item.call_id = fresh_id()

    def events(self, dialect: Dialect, answer: dict[str, Any], request: Mapping[str, Any]) -> list[Any]:
        with_fresh_ids(answer["output"], fresh_id)
        return _built(dialect, response_events(answer))

    def assembly(self) -> Assembly:
        return _Final()


class _Final:
    """The last event of a stream has all of it."""

    def __init__(self) -> None:
        self._body: bytes | None = None

    def feed(self, event: Any) -> None:
        if event.type in {"response.completed", "response.incomplete"}:
            self._body = event.response.model_dump_json(exclude_unset=True, by_alias=True, warnings=False).encode()

    def whole(self) -> bytes | None:
        return self._body


class _Embeddings:
    """Embeddings."""

    def objection(self, value: Any) -> str | None:
        return None

    def calls_tools(self, value: Any) -> bool:
        return False

    def renew(self, value: Any) -> None:
        pass

    def events(self, dialect: Dialect, answer: dict[str, Any], request: Mapping[str, Any]) -> list[Any]:
        raise InvalidResponse("embeddings do not stream", code="no_stream")

    def assembly(self) -> Assembly:
        raise InvalidResponse("embeddings do not stream", code="no_stream")


def _built(dialect: Dialect, events: Iterable[dict[str, Any]]) -> list[Any]:
    built: list[Any] = []
    for event in events:
        kind = dialect.event_type(event)
        assert kind is not None
        try:
            built.append(kind.model_validate(event, strict=True))
        except pydantic.ValidationError:
            built.append(kind.construct(**event))
    return built


KIND_OF: dict[str, Kind] = {CHAT.path: _Chat(), RESPONSES.path: _Responses(), EMBEDDINGS.path: _Embeddings()}
