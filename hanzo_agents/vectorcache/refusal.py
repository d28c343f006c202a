"""The error that a reply with an error status stands for, in either shape that the service documents.

{"detail": "Invalid API key"}                                            its API reference
{"error": "rate_limited", "message": "...", "retry_after": 30, "fallback": "..."}   its guide to errors
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict, dicts
from hanzo_agents._wire.redact import legible
from hanzo_agents.policies.classify import retry_after
from hanzo_agents.vectorcache.errors import (
    BadRequest,
    Forbidden,
    KeyRefused,
    NotCacheable,
    NotFound,
    RateLimitExceeded,
    ServiceFailed,
    VectorcacheStatusError,
)

if TYPE_CHECKING:
    import httpx2

__all__ = ["refusal"]

_KINDS: dict[int, type[VectorcacheStatusError]] = {
    401: KeyRefused,
    403: Forbidden,
    404: NotFound,
    422: NotCacheable,
    429: RateLimitExceeded,
}
MOST_TEXT = 500
LONGEST = 1e9
"""Seconds to wait; more is no advice."""


def refusal(response: httpx2.Response, body: Any, *, wall: float) -> VectorcacheStatusError:
    """The error for a reply.

    Args:
        response: a copy without keys.
        body: its JSON, None when it is none.
        wall: seconds since the epoch, for dates.
    """
    fields = as_dict(body)
    status = response.status_code
    kind = ServiceFailed if status >= 500 else _KINDS.get(status, BadRequest)
    if kind is NotCacheable and isinstance(fields.get("detail"), list):
        kind = BadRequest  # what FastAPI finds wrong with a request: no word on whether it can be cached
    code = fields.get("error")
    error = kind(
        f"Vectorcache answered {status}: {_said(fields) or response.reason_phrase}",
        response=response,
        body=body,
        code=code if isinstance(code, str) else None,
        retry_after=None,
    )
    # The reply's headers, in all their spellings. Both may say how long: the longer wait satisfies both.
    waits = [
        wait for wait in (retry_after(error, now=wall), _seconds(fields.get("retry_after"))) if wait is not None
    ]
    error.retry_after = max(waits, default=None)
    if isinstance(error, RateLimitExceeded):
        _note_limits(error, wall)
    return error


def _said(fields: dict[str, Any]) -> str:
    """What the service says is wrong."""
    said: Any = next((text for name in ("message", "detail", "error") if (text := fields.get(name))), "")
    if wrong := dicts(said):
        said = "; ".join(f"{_place(one)}{one.get('msg')}" for one in wrong)
    if not isinstance(said, str):
        return ""
    return legible(said[:MOST_TEXT])


def _place(wrong: dict[str, Any]) -> str:
    where = wrong.get("loc")
    return f"{'.'.join(map(str, where))}: " if isinstance(where, list) and where else ""  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _note_limits(error: RateLimitExceeded, wall: float) -> None:
    """Read the three X-RateLimit headers; without a Retry-After, the count's fresh start is when to try again."""
    headers = error.response.headers
    error.limit = _count(headers.get("x-ratelimit-limit"))
    error.remaining = _count(headers.get("x-ratelimit-remaining"))
    resets_at = _count(headers.get("x-ratelimit-reset"))
    if resets_at is not None:
        error.resets_at = float(resets_at)
        if error.retry_after is None:
            error.retry_after = _seconds(max(0.0, resets_at - wall))


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 12 else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        return None
    return float(value)
