"""What a user gives to a constructor, checked: every error names the field, what was expected, and what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError

__all__ = ["check_count", "check_flag", "check_function", "check_store", "share_of", "targets_of"]

MOST_COUNTED = 10**9
MOST_TARGETS = 50


def check_count(field: str, value: object, least: int = 1, most: int = MOST_COUNTED) -> None:
    """Refuse what is not an integer from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(f"{field}: expected an integer from {least} to {most:,}, got {value!r}")


def check_flag(field: str, value: object) -> None:
    """Refuse what is not True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{field}: expected True or False, got {value!r}")


def check_function(field: str, value: object) -> None:
    """Refuse what cannot be called."""
    if not callable(value):
        raise ConfigError(f"{field}: expected a function, got {type(value).__name__}")


def check_store(field: str, value: object, part: str) -> None:
    """Refuse what is neither None nor a store with the part that is needed: "ledger", "limits" and so on."""
    if value is not None and (isinstance(value, type) or not hasattr(type(value), part)):
        raise ConfigError(f"{field}: expected a store such as MemoryStore(), or None, got {_named(value)}")


def share_of(field: str, value: object) -> float:
    """A share above 0 and up to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigError(f"{field}: expected a share above 0 and up to 1, got {value!r}")
    return float(value)


def targets_of(field: str, given: Any, least: int = 1) -> tuple[Target, ...]:
    """From `least` to 50 targets, as users write them: names of models and Targets in a list."""
    if isinstance(given, str | bytes | Target) or not isinstance(given, Sequence):
        raise ConfigError(f"{field}: expected a list of model names or Targets, got {given!r}")
    listed: Sequence[Any] = given  # pyright: ignore[reportUnknownVariableType]
    if not least <= len(listed) <= MOST_TARGETS:
        raise ConfigError(f"{field}: expected {least} to {MOST_TARGETS} targets, got {len(listed)}")
    return tuple(Target.of(target, field) for target in listed)


def _named(value: object) -> str:
    return f"the class {value.__name__}: call it first" if isinstance(value, type) else type(value).__name__
