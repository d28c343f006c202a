"""What comes in place of an answer of Vectorcache.

    VectorcacheError (also HanzoError)
    +-- Unreachable (also openai.APIConnectionError)        no reply came
    |   +-- TimedOut (also openai.APITimeoutError, TimeoutError)
    +-- VectorcacheStatusError                              a reply with an error status
        +-- BadRequest            400, 422 with a list of what is wrong, any other 4xx
        +-- KeyRefused            401
        +-- Forbidden             403
        +-- NotFound              404
        +-- NotCacheable          422: call the model yourself
        +-- RateLimitExceeded     429
        +-- ServiceFailed         5xx

A reply with a success status that is no answer is the package's own `InvalidResponse`, an argument that cannot be
sent its `ConfigError`. Policies read these errors like any other: by `status_code`, `code` and `retry_after`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai

from hanzo_agents._kernel.shapes import as_dict, dicts
from hanzo_agents._wire.redact import legible
from hanzo_agents.errors import HanzoError
from hanzo_agents.policies.classify import retry_after

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "BadRequest",
    "Forbidden",
    "KeyRefused",
    "NotCacheable",
    "NotFound",
    "RateLimitExceeded",
    "ServiceFailed",
    "TimedOut",
    "Unreachable",
    "VectorcacheError",
    "VectorcacheStatusError",
    "refusal",
]


class VectorcacheError(HanzoError):
    """The root of what the service, or the way to it, did wrong."""


class Unreachable(VectorcacheError, openai.APIConnectionError):
    """No reply came: the connection was refused, broken or not trusted."""

    def __init__(self, message: str, *, request: httpx2.Request) -> None:
        """Take a `request` without headers and body: who keeps the error keeps it."""
        openai.APIConnectionError.__init__(self, message=message, request=request)
        self.status_code = self.request_id = self.retry_after = None


class TimedOut(Unreachable, openai.APITimeoutError, TimeoutError):
    """No reply came in time. The service may have asked the model, and billed it, all the same."""


class VectorcacheStatusError(VectorcacheError):
    """A reply with an error status.

    Attributes:
        response: the reply, without keys; `.status_code`, `.headers` and `.text` as an HTTP client has them.
        body: its parsed JSON, None when it is none.
        fallback: what the service advises to do instead, in its own words, where it does.
    """

    status_code: int

    def __init__(
        self, message: str, *, response: httpx2.Response, body: Any, code: str | None, retry_after: float | None
    ) -> None:
        super().__init__(
            message,
            status_code=response.status_code,
            code=code,
            request_id=response.headers.get("x-request-id"),
            retry_after=retry_after,
        )
        self.response = response
        self.body = body
        self.fallback: Any = as_dict(body).get("fallback")


class BadRequest(VectorcacheStatusError):
    """The service does not take the request as it is."""


class KeyRefused(VectorcacheStatusError):
    """The API key is missing or wrong."""


class Forbidden(VectorcacheStatusError):
    """The key may not do this."""


class NotFound(VectorcacheStatusError):
    """There is no such project or address."""


class NotCacheable(VectorcacheStatusError):
    """The service does not serve this prompt: call the model yourself."""


class RateLimitExceeded(VectorcacheStatusError):
    """Too many requests; `retry_after` says when another can succeed.

    Attributes:
        limit: requests a minute of the plan, as far as the reply says.
        remaining: how many are left of them.
        resets_at: when the count starts afresh, in seconds since the epoch.
    """

    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None


class ServiceFailed(VectorcacheStatusError):
    """The service, or what it depends on, has failed or is away."""


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
    """The error that a reply with an error status stands for, in either shape that the service documents.

    `{"detail": "Invalid API key"}` is that of its API reference, and `{"error": "rate_limited", "message": "...",
    "retry_after": 30, "fallback": "..."}` that of its guide to errors.

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
