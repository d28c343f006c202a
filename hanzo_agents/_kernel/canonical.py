"""One spelling for what means the same: the keys of a cache are made of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CANONICAL", "joined", "without_call_ids"]

CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
"""Plain JSON in one spelling: fields in order, ASCII. Raises TypeError or ValueError on what is not plain JSON."""

_CALL_IDS = frozenset({"call_id", "tool_call_id"})
_WITH_IDS = _CALL_IDS | {"tool_calls"}


def joined(parts: Iterable[bytes]) -> bytes:
    """The parts in one, each after its length: no two lists of parts give the same."""
    return b"".join([b"%d:%b" % (len(part), part) for part in parts])


def without_call_ids(items: list[Any]) -> list[Any]:
    """A conversation in which tool calls are numbered as they come up, whatever ids they have.

    Ids tie a call to its output, and mean nothing else; those of an answer from the cache are new each time.
    """
    numbers: dict[str, str] = {}
    return [item if _WITH_IDS.isdisjoint(fields := as_dict(item)) else _renamed(fields, numbers) for item in items]


def _renamed(item: dict[str, Any], numbers: dict[str, str]) -> dict[str, Any]:
    renamed = dict(item)
    if calls := as_list(renamed.get("tool_calls")):
        renamed["tool_calls"] = [_numbered(call, "id", numbers) for call in calls]
    for name in _CALL_IDS:
        renamed = _numbered(renamed, name, numbers)
    return renamed


def _numbered(item: Any, name: str, numbers: dict[str, str]) -> Any:
    fields = as_dict(item)
    given = fields.get(name)
    if not isinstance(given, str) or not given:
        return item
    return {**fields, name: numbers.setdefault(given, f"#{len(numbers)}")}
