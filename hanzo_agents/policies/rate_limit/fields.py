"""What a `RateLimit` may be given."""

from __future__ import annotations

from typing import Any

from hanzo_agents._kernel.fields import check_count, check_flag, check_store, share_of
from hanzo_agents.errors import ConfigError

__all__ = ["check"]


def check(fields: Any) -> None:
    """Raise ConfigError for the first field that is wrong, by name."""
    for name in ("requests_per_minute", "tokens_per_minute", "max_concurrent"):
        if getattr(fields, name) is not None:
            check_count(f"RateLimit.{name}", getattr(fields, name))
    for name in ("max_queued", "expected_output"):
        check_count(f"RateLimit.{name}", getattr(fields, name), least=0)
    given = (fields.requests_per_minute, fields.tokens_per_minute, fields.max_concurrent, fields.limiter)
    if all(value is None for value in given):
        raise ConfigError(
            "RateLimit: expected requests_per_minute, tokens_per_minute, max_concurrent or limiter, got none"
        )
    share_of("RateLimit.local_share", fields.local_share)
    if not (callable(fields.key) or (isinstance(fields.key, str) and fields.key)):
        raise ConfigError(
            f'RateLimit.key: expected "target", a name, or a function of the call, got {fields.key!r}'
        )
    check_store("RateLimit.store", fields.store, "limits")
    check_flag("RateLimit.adaptive", fields.adaptive)
    if fields.limiter is not None:
        _check_limiter("RateLimit.limiter", fields.limiter)


def _check_limiter(name: str, limiter: object) -> None:
    if hasattr(limiter, "release"):
        raise ConfigError(
            f"{name}: expected a limiter that only lets through, got {type(limiter).__name__}, which wants to be "
            "released; max_concurrent= limits the calls under way"
        )
    kind = type(limiter)
    entered = hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")
    if isinstance(limiter, type) or not (entered or callable(getattr(limiter, "acquire", None))):
        raise ConfigError(
            f"{name}: expected an async context manager or an object with acquire(), such as "
            f"aiolimiter.AsyncLimiter, got {limiter!r}"
        )
