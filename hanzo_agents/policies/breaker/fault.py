"""Whose fault was it? What counts against a target, and what says nothing about it."""

from __future__ import annotations

import openai

from hanzo_agents.errors import ConfigError, InvalidResponse, Refused
from hanzo_agents.policies.classify import FILTER_CODES, retry_after, status_of

__all__ = ["asked_rest", "unhealthy"]

_OURS = FILTER_CODES | {"tool_arguments_truncated", "response_too_large"}
"""Codes for what the request, or a limit of ours, brought about."""


def unhealthy(error: Exception) -> bool:
    """Whether an error speaks against the target: the default of `Breaker`.

    A timeout, a lost connection, a certificate that is not trusted, 408 and 5xx, and a reply that is no answer
    (`InvalidResponse`). Not: other 4xx, as they tell of the request, the key or its quota; refusals of our
    policies; a wait for one of our own connections; what the caller's limits cut off.
    """
    if isinstance(error, Refused | ConfigError) or getattr(error, "code", None) in _OURS:
        return False
    status = status_of(error)
    if status is not None:
        return status == 408 or not 400 <= status < 500
    if isinstance(error, openai.APIConnectionError):
        # By name: httpx and its continuation httpx2 have the same class twice.
        return type(error.__cause__).__name__ != "PoolTimeout"
    return isinstance(error, InvalidResponse | openai.APIError | TimeoutError | ConnectionError)


def asked_rest(error: Exception, *, now: float) -> float:
    """Seconds for which an overloaded target (429, 5xx) asked to be left alone; 0 when it did not."""
    status = status_of(error)
    if status is None or not (status == 429 or status >= 500):
        return 0.0
    return retry_after(error, now=now) or 0.0
