"""Reading JSON of unknown shape: what is not there, or is something else, reads as empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["as_dict", "as_list", "dicts", "media_in", "parts_in", "texts_in"]

_MEDIA = {
    "image_url": "vision",
    "input_image": "vision",
    "input_audio": "audio",
}


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is a dict, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def dicts(value: object) -> list[dict[str, Any]]:
    """The dicts in a list."""
    return [cast("dict[str, Any]", item) for item in as_list(value) if isinstance(item, dict)]


def texts_in(message: Mapping[str, Any]) -> Sequence[str]:
    """The texts of a message's content, whether it is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return (content,)
    return [text for part in dicts(content) if isinstance(text := part.get("text"), str)]


def parts_in(messages: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The parts of all contents that are lists: of most conversations there are none."""
    lists = [message["content"] for message in messages if isinstance(message.get("content"), list)]
    return (part for content in lists for part in dicts(content))


def media_in(messages: Iterable[Mapping[str, Any]]) -> set[str]:
    """The capabilities that the parts of the messages need: "vision", "audio"."""
    kinds = {part.get("type") for part in parts_in(messages)}
    return {need for kind, need in _MEDIA.items() if kind in kinds}
