"""What a tool gave back, made fit for a model: as text, cleaned, and no longer than it may be."""

from __future__ import annotations

import json
import threading
import weakref
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hanzo_agents.mcp.cleaning import clean, shortened

if TYPE_CHECKING:
    from mcp_types import CallToolResult

__all__ = ["Allowance", "Allowances", "ToolResult", "result_of"]

_SPENT = (
    "[left out: the results of this run have reached their limit of {:,} characters; go on with what is there]"
)
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave back.

    Attributes:
        text: all of it as text, cleaned, and cut with a marker where it was too long.
        failed: the tool itself says that this is an error.
        truncated: something was cut or left out.
        images: as data URLs.
    """

    text: str
    failed: bool = False
    truncated: bool = False
    images: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text

    @property
    def described(self) -> str:
        """The text, with a line for each image: for where images cannot go, or may get lost."""
        return "\n".join(filter(None, (self.text, *map(_depicted, self.images))))


def _depicted(url: str) -> str:
    mime, _, data = url.removeprefix("data:").partition(";base64,")
    return f"[image: {mime}, {len(data) * 3 // 4:,} bytes]"


class Allowance:
    """How many characters the results of one run may still have, all together. For any thread."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._left = limit

    def fit(self, result: ToolResult) -> ToolResult:
        """The result as far as it fits, and its size taken off."""
        images = sum(map(len, result.images))
        with self._lock:
            left = self._left
            self._left = max(left - len(result.text) - images, 0)
        if len(result.text) + images <= left:
            return result
        # Below this, half a sentence says less than that nothing is left.
        text = shortened(result.text, left) if left >= 200 else _SPENT.format(self._limit)
        return ToolResult(text, result.failed, truncated=True)


class Allowances:
    """One allowance a run. The agents of a run share its `usage` object, and so is a run known by it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[int, Allowance] = {}

    def of(self, usage: object) -> Allowance:
        """The allowance of the run with this `usage`."""
        key = id(usage)
        with self._lock:
            if (kept := self._kept.get(key)) is None:
                kept = self._kept[key] = Allowance(self._limit)
                weakref.finalize(usage, self._kept.pop, key, None)
            return kept


def result_of(given: CallToolResult, most: int) -> ToolResult:
    """A server's result, at most `most` characters of it."""
    parts: list[str] = []
    images: list[str] = []
    room = most
    for block in given.content:
        # No more is cleaned than can be kept: what comes may be megabytes, and cleaning looks at each character.
        if (
            block.type == "image"
            and block.mime_type in _IMAGES
            and len(block.data) <= room
            and _is_base64(block.data)
        ):
            images.append(f"data:{block.mime_type};base64,{block.data}")
            room -= len(block.data)
        else:
            parts.append(_text_of(block))
    if not any(parts) and not images and given.structured_content is not None:
        parts.append(json.dumps(given.structured_content, ensure_ascii=False, default=str))
    text = "\n".join(parts)
    cut = _cleaned(text, room)
    if not cut and given.is_error:
        cut = "the tool reports an error, and says nothing of it"
    return ToolResult(cut, given.is_error, truncated=len(text) > room, images=tuple(images))


def _is_base64(data: str) -> bool:
    """Whether it is: one request with an image that is none would be refused by the API, and end the run."""
    try:
        return bool(b64decode(data, validate=True))
    except ValueError:
        return False


def _cleaned(text: str, most: int) -> str:
    if len(text) <= most:
        return clean(text)
    kept = clean(text[: most - min(most // 2, 120)])
    return f"{kept}\n[truncated: the first {len(kept):,} of {len(text):,} characters]"


def _text_of(block: Any) -> str:
    """A block of content as text; what is none is named, with its size."""
    if block.type == "text":
        return str(block.text)
    if block.type == "resource":
        held = block.resource
        text = getattr(held, "text", None)
        return text if isinstance(text, str) else _named("resource", held.mime_type, held.blob, str(held.uri))
    if block.type == "resource_link":
        return f"[resource {block.name}: {block.uri}]"
    return _named(block.type, getattr(block, "mime_type", None), getattr(block, "data", ""))


def _named(kind: str, mime: str | None, data: str, where: str = "") -> str:
    return (
        f"[{kind}{f' {where}' if where else ''}: {mime or 'unknown type'}, {len(data) * 3 // 4:,} bytes, left out]"
    )
