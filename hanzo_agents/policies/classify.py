"""What kind of failure is this? Predicates for `on=`, and the many spellings of Retry-After.

Errors are read by their attributes, the way the Agents SDK's own retry policies do, so that errors of any
model, also of strangers in a chain, are understood.
"""

from __future__ import annotations

import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import openai

from hanzo_agents.errors import ConfigError, InvalidResponse, Refused

__all__ = [
    "FILTER_CODES",
    "context_overflow",
    "not_sent",
    "retry_after",
    "status_of",
    "substitutable",
    "transient",
]

_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
_REPEATING = frozenset({"tool_arguments_truncated", "response_too_large"})
"""Codes of ours for what the same request would only do again."""

FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
"""How OpenAI, the router and Azure say that the request, or the answer, was not let through."""
_SPENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_OVERFLOW_CODES = frozenset({"context_length_exceeded", "string_above_max_length"})
_OVERFLOW_WORDS = (
    "context length", "context_length", "context window", "contextwindowexceeded", "maximum context",
    "too many tokens", "prompt is too long", "input is too long", "exceeds the maximum number of tokens",
    "reduce the length",
)  # fmt: skip
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
"""By name: httpx and its continuation httpx2 have the same classes twice."""


def status_of(error: BaseException) -> int | None:
    """The HTTP status an error carries, None when it has none."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and not isinstance(status, bool) else None


def transient(error: Exception) -> bool:
    """Whether the same request may succeed in a moment: a lost connection, a timeout, 408, 409, 425, 429, 5xx.

    Also a reply that is no answer (`InvalidResponse`), unless the error it carried says otherwise. An upstream
    that sends `x-should-retry` is believed. Refusals of ours, an exhausted quota, a bad certificate and
    anything else are not transient.
    """
    if isinstance(error, Refused | ConfigError) or _code_of(error) in _SPENT_CODES:
        return False
    if (advice := _header(error, "x-should-retry")) in {"true", "false"}:
        return advice == "true"
    status = status_of(error)
    if isinstance(error, InvalidResponse):
        return error.code not in _REPEATING and (status is None or _transient_status(status))
    if status is not None:
        return _transient_status(status)
    if isinstance(error, openai.APIConnectionError):
        return not _bad_certificate(error)
    return isinstance(error, openai.APIError | TimeoutError | ConnectionError)


def substitutable(error: Exception) -> bool:
    """Whether another target may answer what this one did not: the default of `Fallback`.

    All that is transient; refusals of ours (an open breaker, a full limiter, a spent budget); a model that is
    not there (404, or the router's 400); an exhausted quota; a context that overflowed; a reply that was too
    large. Not: bad requests, wrong keys, content filters, tool arguments cut by `max_tokens`, which are answers;
    and a deadline, which leaves no time.
    """
    if isinstance(error, Refused):
        return not isinstance(error, TimeoutError)
    code = _code_of(error)
    if code in FILTER_CODES or code == "tool_arguments_truncated":
        return False
    status = status_of(error) or 0
    return (
        transient(error)
        or code == "response_too_large"
        or code in _SPENT_CODES
        or context_overflow(error)
        or _no_such_model(error)
        # The upstream asked for no retry of this request on itself; another upstream is another matter.
        or status >= 500
        or status == 429
    )


def context_overflow(error: Exception) -> bool:
    """Whether the input was larger than the model's context window."""
    if _code_of(error) in _OVERFLOW_CODES:
        return True
    if status_of(error) not in {400, 413, 422}:
        return False
    text = str(error).lower()
    return any(words in text for words in _OVERFLOW_WORDS)


def not_sent(error: BaseException) -> bool:
    """Whether the upstream certainly did no work: the connection was never made."""
    return isinstance(error, openai.APIConnectionError) and type(error.__cause__).__name__ in _NOT_SENT


def retry_after(error: BaseException, *, now: float) -> float | None:
    """Seconds the upstream asked to wait, from `retry-after-ms`, `retry-after` in seconds or as an HTTP date.

    A router passes its upstream's on as `llm_provider-retry-after`. A date in the past is 0; what is negative,
    not finite or not a time is no advice (None).

    Args:
        error: an error, ours or `openai`'s.
        now: seconds since the epoch, for dates.
    """
    own = getattr(error, "retry_after", None)
    if isinstance(own, int | float) and not isinstance(own, bool):
        return _finite(float(own))
    for prefix in ("", "llm_provider-"):
        if (text := _header(error, f"{prefix}retry-after-ms")) and (ms := _number(text)) is not None:
            return ms / 1000
        if text := _header(error, f"{prefix}retry-after"):
            # Two headers are joined by a comma: the longer wait satisfies both.
            numbers = [n for part in text.split(",") if (n := _number(part.strip())) is not None]
            value = max(numbers, default=None)
            if value is None:
                value = _until_date(text, now)
            if value is not None:
                return value
    return None


def _number(text: str) -> float | None:
    # float() also reads "1_0", "inf" and the digits of every script; a header has ASCII ones.
    return _finite(float(text)) if _NUMBER.fullmatch(text) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) and value >= 0 else None


def _until_date(text: str, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            # The asctime form names no zone; an HTTP date is always GMT (RFC 9110, 5.6.7).
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _transient_status(status: int) -> bool:
    return status in _TRANSIENT_STATUS or status >= 500


def _code_of(error: BaseException) -> str | None:
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else None


def _header(error: BaseException, name: str) -> str | None:
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    value = headers.get(name) if headers is not None else None
    return value.strip() if isinstance(value, str) else None


def _no_such_model(error: Exception) -> bool:
    status = status_of(error)
    if status == 404 or _code_of(error) == "model_not_found":
        return True
    # The router says 400 where OpenAI says 404.
    return status == 400 and "invalid model name" in str(error).lower()


def _bad_certificate(error: BaseException) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__)
