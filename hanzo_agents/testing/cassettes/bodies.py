"""Bodies as people read them in a diff, and as matching compares them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["events", "leaves", "parsed", "path_of", "pruned", "readable"]

Path = tuple[str | int, ...]

_SEGMENT = re.compile(r"[^.\[\]]+")


def readable(body: bytes) -> str | None:
    """The body as pretty JSON, as the lines of an event stream, or as its text; None when it is not text.

    What is parsed from the result is what is parsed from the body: where pretty printing would change a
    value, the text is left as it is.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if text.lstrip()[:1] in {"{", "["}:
        return _again(text, indent=2)
    if _is_stream(text):
        return "\n".join(_line(line) for line in text.replace("\r\n", "\n").split("\n"))
    return text


def parsed(body: bytes | str | None) -> Any:
    """The JSON value of a body; the text, where it is not JSON; the bytes, where it is not text."""
    if body is None:
        return ""
    if isinstance(body, bytes):
        try:
            body = body.decode("utf-8")
        except UnicodeDecodeError:
            return body
    try:
        return json.loads(body)
    except ValueError:
        return body


def events(text: str) -> Iterator[Any]:
    """The JSON values of an event stream's data lines; nothing for other texts."""
    for line in text.splitlines():
        if line.startswith("data:"):
            try:
                yield json.loads(line[5:])
            except ValueError:
                continue


def leaves(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is neither object nor list, with the path to it."""
    if _is_object(value) and value:
        for key, child in value.items():
            yield from leaves(child, (*at, key))
    elif _is_array(value) and value:
        for index, child in enumerate(value):
            yield from leaves(child, (*at, index))
    else:
        yield at, value


def path_of(text: str) -> Path:
    """Read `messages[*].tool_calls[*].id`: keys, `[2]`, `*` for any key or index, `**` for any depth."""
    segments = _SEGMENT.findall(text.removeprefix("$"))
    if not segments:
        raise ValueError(f"{text!r} is not a path into a body; expected something like 'messages[*].name'")
    return tuple(int(part) if part.isdecimal() else part for part in segments)


def pruned(value: Any, paths: Sequence[Path]) -> Any:
    """The value without what lies at the paths."""
    for path in paths:
        value = _without(value, path)
    return value


def _without(value: Any, path: Path) -> Any:
    head, rest = path[0], path[1:]
    if head == "**":
        if not rest:
            raise ValueError("a path cannot end in '**'")
        return _children(_without(value, rest), lambda child: _without(child, path))
    if _is_object(value):
        chosen = set(value) if head == "*" else {str(head)} & set(value)
        return {
            key: _without(child, rest) if key in chosen else child
            for key, child in value.items()
            if rest or key not in chosen
        }
    if _is_array(value):
        return [
            (_without(child, rest) if rest else None) if head in {"*", index} else child
            for index, child in enumerate(value)
        ]
    return value


def _children(value: Any, change: Callable[[Any], Any]) -> Any:
    if _is_object(value):
        return {key: change(child) for key, child in value.items()}
    if _is_array(value):
        return [change(child) for child in value]
    return value


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_array(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _again(text: str, *, indent: int | None) -> str:
    try:
        value = json.loads(text)
        pretty = json.dumps(value, indent=indent, ensure_ascii=False)
        pretty.encode("utf-8")  # lone surrogates have no UTF-8
    except ValueError:
        return text
    return pretty if json.loads(pretty) == value else text


def _line(line: str) -> str:
    if not line.startswith("data:") or line[5:].lstrip()[:1] not in {"{", "["}:
        return line
    return "data: " + _again(line[5:].lstrip(), indent=None)


def _is_stream(text: str) -> bool:
    return any(line.startswith(("data:", "event:")) for line in text.splitlines()[:20])
