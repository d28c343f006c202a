"""The messages of Chat Completions, as LLMWise takes them: system, user and assistant; text and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict, dicts
from hanzo_agents.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hanzo_agents.llmwise.shapes import ContentBlock, Message

__all__ = ["messages_of"]

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
