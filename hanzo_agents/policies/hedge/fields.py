"""What a user gives to `Hedge`, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError

__all__ = ["same_target", "share_of", "targets_of"]

MOST_TARGETS = 50

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)", re.ASCII)


def same_target(one: Target, other: Target) -> bool:
    """Whether two targets are one place, whatever they are called."""
    return (one.model, one.base_url, one.api_key, one.headers) == (
        other.model, other.base_url, other.api_key, other.headers
    )  # fmt: skip


def share_of(after: object) -> float | None:
    """The share of observations that a percentile's name means; None for a duration."""
    if not isinstance(after, str):
        return None
    found = _PERCENTILE.fullmatch(after)
    share = float(found[1]) / 100 if found else 0.0
    if not share:
        raise ConfigError(f'Hedge.after: expected seconds or a percentile such as "p95", got {after!r}')
    return share


def targets_of(to: Sequence[str | Target] | None) -> tuple[Target, ...] | None:
    """The targets that a user names, None for the call's own."""
    if to is None:
        return None
    if isinstance(to, str | Target) or not isinstance(to, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"Hedge.to: expected a list of model names or Targets, or None, got {to!r}")
    if not 1 <= len(to) <= MOST_TARGETS:
        raise ConfigError(f"Hedge.to: expected 1 to {MOST_TARGETS} targets, got {len(to)}")
    return tuple(Target.of(target, "Hedge.to") for target in to)
