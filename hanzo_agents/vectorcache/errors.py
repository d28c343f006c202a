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

from hanzo_agents.errors import HanzoError

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
        self.fallback: Any = body.get("fallback") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType]


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
