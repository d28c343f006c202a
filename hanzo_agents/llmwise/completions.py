"""Chat Completions to LLMWise and back: the messages as it takes them, its answers as completions and chunks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, Self

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from hanzo_agents._kernel.shapes import as_dict, dicts
from hanzo_agents.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hanzo_agents._kernel.primed import Primed
    from hanzo_agents.llmwise.shapes import ContentBlock, Message

__all__ = ["Chunks", "completion", "messages_of"]

Reason = Literal["stop", "length", "content_filter"]

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def messages_of(messages: Iterable[Mapping[str, Any]]) -> list[Message]:
    """The same conversation for LLMWise.

    Raises:
        Unsupported: it holds what that cannot be told: tool calls and their outputs, sound, files.
    """
    return [_message(message) for message in messages]


def _message(message: Mapping[str, Any]) -> Message:
    role: Any = _ROLES.get(str(message.get("role")))
    if role is None or message.get("tool_calls"):
        raise Unsupported("LLMWise has no tools, and the conversation holds tool calls", code="unsupported")
    content = message.get("content")
    if content is None:
        content = message.get("refusal") or ""
    if isinstance(content, str):
        return {"role": role, "content": content}
    return {"role": role, "content": [_block(part) for part in dicts(list(content))]}


def _block(part: dict[str, Any]) -> ContentBlock:
    kind = part.get("type")
    if kind == "text":
        return {"type": "text", "text": str(part.get("text", ""))}
    if kind == "refusal":
        return {"type": "text", "text": str(part.get("refusal", ""))}
    url = as_dict(part.get("image_url")).get("url")
    if kind == "image_url" and isinstance(url, str):
        return {"type": "image_url", "image_url": {"url": url}}
    raise Unsupported(f"LLMWise takes text and images, and a message holds {kind}", code="unsupported")


def completion(value: Mapping[str, Any], model: str) -> ChatCompletion:
    """A whole answer."""
    message = ChatCompletionMessage(role="assistant", content=str(value.get("content") or ""))
    return ChatCompletion(
        id=str(value.get("id") or ""),
        choices=[Choice(finish_reason=_reason(value.get("finish_reason")), index=0, message=message)],
        created=int(time.time()),
        model=_answered(value, model),
        object="chat.completion",
        usage=_usage(value),
    )


class Chunks:
    """The events of a chat as chunks: a delta each, and at the end the reason and the tokens."""

    def __init__(self, events: Primed, response: Any, model: str) -> None:
        self.response = response
        self._events = events
        self._told: dict[str, Any] = {"model": model}
        self._began = False
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        while not self._over:
            try:
                event: dict[str, Any] = await anext(self._events)
            except StopAsyncIteration:
                self._over = True
                return self._chunk(ChoiceDelta(), _reason(self._told.get("finish_reason")))
            self._told.update({name: value for name, value in event.items() if value is not None})
            if delta := event.get("delta"):
                role: Literal["assistant"] | None = None if self._began else "assistant"
                self._began = True
                return self._chunk(ChoiceDelta(role=role, content=str(delta)))
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the stream."""
        self._over = True
        await self._events.aclose()

    def _chunk(self, delta: ChoiceDelta, reason: Reason | None = None) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=str(self._told.get("id") or ""),
            choices=[ChunkChoice(delta=delta, finish_reason=reason, index=0)],
            created=int(time.time()),
            model=_answered(self._told, str(self._told["model"])),
            object="chat.completion.chunk",
            usage=None if reason is None else _usage(self._told),
        )


def _answered(told: Mapping[str, Any], model: str) -> str:
    return str(told.get("final_model") or told.get("resolved_model") or told.get("model") or model)


def _reason(said: object) -> Reason:
    return (
        "length" if said in {"length", "max_tokens"} else "content_filter" if said == "content_filter" else "stop"
    )


def _usage(told: Mapping[str, Any]) -> CompletionUsage | None:
    read, wrote = told.get("prompt_tokens"), told.get("completion_tokens")
    if type(read) is not int or type(wrote) is not int:
        return None
    return CompletionUsage(prompt_tokens=read, completion_tokens=wrote, total_tokens=read + wrote)
