"""Checks that several keywords share, and errors that name the keyword instead of the field it became."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents._kernel.fields import check_flag as check_given_flag
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = ["as_names", "as_table", "check_flag", "check_one_of", "check_positive", "check_share", "known_as"]


@contextmanager
def known_as(**names: str) -> Generator[None]:
    """Within the block, `ConfigError`s of fields (`Cache_ttl="cache_ttl"` for `Cache.ttl`) name the keyword."""
    try:
        yield
    except ConfigError as error:
        text = str(error)
        for field, keyword in names.items():
            text = text.replace(field.replace("_", ".", 1), keyword)
        raise ConfigError(text) from None


def check_flag(name: str, value: object) -> None:
    """Raise ConfigError unless the value is True, False or not given (None)."""
    if value is not None:
        check_given_flag(name, value)


def check_share(name: str, value: object) -> None:
    """Raise ConfigError unless the value is a share from 0 to 1, or not given."""
    if value is not None and not (_is_number(value) and 0 <= cast("float", value) <= 1):
        raise ConfigError(f"{name}: expected a number from 0 to 1, got {value!r}")


def check_positive(name: str, value: object, unit: str) -> None:
    """Raise ConfigError unless the value is a finite number above 0, or not given."""
    if value is not None and not (_is_number(value) and 0 < cast("float", value) <= sys.float_info.max):
        raise ConfigError(f"{name}: expected {unit} > 0, got {value!r}")


def check_one_of(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise ConfigError unless the value is one of `choices`, or not given."""
    known = list(choices)
    if value is not None and not (isinstance(value, str) and value in known):
        raise ConfigError(f"{name}: expected one of {', '.join(map(repr, known))}, got {value!r}")


def as_names(name: str, value: object) -> tuple[str, ...]:
    """A list of names.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ConfigError(f"{name}: expected a list of names, got {value!r}")
    listed = cast("Sequence[object]", value)
    for one in listed:
        if not isinstance(one, str) or not one.strip():
            raise ConfigError(f"{name}: expected names, got {one!r} among them")
    return tuple(cast("Sequence[str]", listed))


def as_table(name: str, value: object, known: Iterable[str]) -> dict[str, Any]:
    """A dict whose keys are among `known`.

    Raises:
        ConfigError: it is none, or has another key.
    """
    fields = list(known)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}: expected a dict with some of {', '.join(fields)}, got {type(value).__name__}")
    table = cast("Mapping[object, Any]", value)
    if unknown := [key for key in table if key not in fields]:
        raise ConfigError(f"{name}: expected some of {', '.join(fields)}, got {unknown[0]!r}")
    return {str(key): entry for key, entry in table.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
