"""Limits and counts in a request, read as the least strict of servers reads them: what is sent is what bounds."""

from __future__ import annotations

import json
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["bounded", "ceiling", "count_of", "json_size"]

MOST = 1 << 53
"""More is not counted: no server does."""


def count_of(value: object) -> int | None:
    """A number above 0 of tokens or answers; None for what is none and so bounds nothing.

    "50" and 50.0 are 50. Zero and negative numbers stand for "without a limit" with several servers.
    """
    if type(value) is int:
        return min(value, MOST) if value > 0 else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if number.is_nan() or number <= 0:
        return None
    return MOST if number >= MOST else int(number.to_integral_value(ROUND_CEILING))


def ceiling(limits: Iterable[object]) -> int | None:
    """The largest of the limits that are given; None when none is, or one of them bounds nothing."""
    largest: int | None = None
    for limit in limits:
        if limit is None:
            continue
        count = count_of(limit)
        if count is None:
            return None
        if largest is None or count > largest:
            largest = count
    return largest


def bounded(given: object, tokens: int, field: str) -> int:
    """The smaller of a limit that was given and `tokens`.

    Raises:
        ConfigError: it is no number, so that nobody knows what a server would make of it.
    """
    count = count_of(given)
    if count is None and given is not None and not _is_number(given):
        raise ConfigError(f"{field}: expected a number of tokens, got {given!r}")
    return tokens if count is None else min(count, tokens)


def _is_number(value: object) -> bool:
    try:
        return (
            not isinstance(value, bool)
            and isinstance(value, int | float | str)
            and Decimal(str(value).strip()) < 1
        )
    except InvalidOperation:  # also of NaN, which is not to be compared
        return False


def json_size(value: Any) -> int:
    """Bytes of a value as JSON, on the wire; of what JSON does not have, those of its text."""
    if isinstance(value, str) and value.isascii():
        return len(value) + 2  # as base64 and most text: media of megabytes are not copied for their length
    text = _ENCODER.encode(value)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
