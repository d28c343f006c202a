"""What a `RateLimit` may be given."""

from __future__ import annotations

from typing import Any

from hanzo_agents.errors import ConfigError

__all__ = ["check"]

MOST = 10**9


def check(fields: Any, owner: str = "RateLimit") -> None:
    """Raise ConfigError for the first field that is wrong, by name."""
    for name in ("requests_per_minute", "tokens_per_minute", "max_concurrent"):
        if getattr(fields, name) is not None:
            _check_count(f"{owner}.{name}", getattr(fields, name), 1)
    for name in ("max_queued", "expected_output"):
        _check_count(f"{owner}.{name}", getattr(fields, name), 0)
    given = (fields.requests_per_minute, fields.tokens_per_minute, fields.max_concurrent, fields.limiter)
    if all(value is None for value in given):
        raise ConfigError(
            f"{owner}: expected requests_per_minute, tokens_per_minute, max_concurrent or limiter, got none"
        )
    share = fields.local_share
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ConfigError(f"{owner}.local_share: expected a number > 0 and <= 1, got {share!r}")
    if not (callable(fields.key) or (isinstance(fields.key, str) and fields.key)):
        raise ConfigError(f'{owner}.key: expected "target", a name, or a function of the call, got {fields.key!r}')
    store: object = fields.store
    kind = type(store)
    if store is not None and not hasattr(kind, "limits"):
        raise ConfigError(f"{owner}.store: expected a store or None, got {kind.__name__}")
    if not isinstance(fields.adaptive, bool):
        raise ConfigError(f"{owner}.adaptive: expected True or False, got {fields.adaptive!r}")
    if fields.limiter is not None:
        _check_limiter(f"{owner}.limiter", fields.limiter)


def _check_count(name: str, value: object, least: int) -> None:
    if type(value) is not int or not least <= value <= MOST:
        raise ConfigError(f"{name}: expected an integer from {least} to {MOST:,}, got {value!r}")


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
