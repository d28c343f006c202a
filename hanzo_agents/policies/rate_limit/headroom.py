"""What an upstream says in its headers that it still takes, and when it takes more again.

    x-ratelimit-remaining-requests: 59    x-ratelimit-reset-requests: 1s     OpenAI, and routers that say the same
    anthropic-ratelimit-tokens-remaining  anthropic-ratelimit-tokens-reset   Anthropic, as dates
    ratelimit-remaining: 3                ratelimit-reset: 30                the IETF's draft, and many more
    llm_provider-x-ratelimit-...                                             a router's upstream, passed on
    x-ratelimit-api_key-remaining-requests, x-litellm-key-remaining-tokens-gpt-4       a router's own

What is not a count or not a time is no advice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Headroom", "Kind", "headroom"]

Kind = Literal["requests", "tokens"]

_NAME = re.compile(
    r"(?:llm_provider-)?(?:"
    r"(?:x-|anthropic-)?ratelimit-(?:(?P<before>requests|tokens)-|[a-z0-9_]+-)?"
    r"(?P<what>remaining|reset)(?:-(?P<after>requests|tokens))?"
    r"|x-(?:lite)?llm-(?:key|model)-(?P<own>remaining)-(?P<of>requests|tokens)-.+"
    r")"
)
_COUNT = re.compile(r"\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}(\.\d*)?", re.ASCII)
_SPAN = re.compile(r"(\d{1,9}(?:\.\d*)?)(ms|[dhms])", re.ASCII)
_SPANS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_EPOCH = 1e9
"""Seconds; larger numbers are dates, not spans."""
_EPOCH_MS = 1e12


class Headroom(NamedTuple):
    """How much more is taken, and in how many seconds it is more again."""

    remaining: int
    resets_in: float


def headroom(headers: Any, *, wall: float) -> dict[Kind, Headroom]:
    """What the headers of a reply tell, the smallest of each kind.

    Args:
        headers: of an HTTP library, or any mapping.
        wall: seconds since the epoch, for dates. Where no reset is told, it is the end of the minute: routers
            count by the minute of the clock.
    """
    remaining: dict[Kind, int] = {}
    resets: dict[Kind, float] = {}
    for name, value in _about_limits(headers):
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        kind = cast("Kind", match["before"] or match["after"] or match["of"] or "requests")
        if match["what"] == "reset":
            if (seconds := _seconds(value.strip(), wall)) is not None:
                resets[kind] = max(resets.get(kind, 0.0), seconds)
        elif _COUNT.fullmatch(value.strip()):
            remaining[kind] = min(remaining.get(kind, int(value)), int(value))
    return {kind: Headroom(left, resets.get(kind, 60 - wall % 60)) for kind, left in remaining.items()}


def _about_limits(headers: Any) -> Iterable[tuple[str, str]]:
    raw = getattr(headers, "raw", None)
    if raw is not None:
        # Most replies tell nothing: one look at all names together finds that out.
        names = b" ".join([name for name, _ in raw]).lower()
        if b"ratelimit" not in names and b"remaining" not in names:
            return ()
        return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]
    if not isinstance(headers, Mapping):
        return ()
    named = cast("Mapping[str, Any]", headers).items()
    return [(name.lower(), value) for name, value in named if isinstance(value, str)]


def _seconds(text: str, wall: float) -> float | None:
    """Seconds from now, of "1s", "6m0s", "120ms", "30", a Unix time, or a date."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number >= _EPOCH_MS:
            number /= 1000
        return max(0.0, number - wall) if number >= _EPOCH else number
    spans = _SPAN.findall(text)
    if spans and "".join(number + unit for number, unit in spans) == text:
        return math.fsum(float(number) * _SPANS[unit] for number, unit in spans)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - wall)
