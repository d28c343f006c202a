"""What a user gives to `Blend` and `Judge`, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.fields import share_of, targets_of
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MOST_MODELS",
    "criteria_of",
    "models_of",
    "optional_share",
    "optional_target",
    "spelled",
]

MOST_MODELS = 20
"""Models, or samples, of one ensemble: what another one adds falls off long before."""


def models_of(field: str, given: Any, least: int) -> tuple[Target, ...]:
    """The models, each of another name."""
    targets = targets_of(field, given, 0)
    if not least <= len(targets) <= MOST_MODELS:
        raise ConfigError(f"{field}: expected {least} to {MOST_MODELS} models, got {len(targets)}")
    names = [str(target) for target in targets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{field}: expected each model once, got {twice[0]!r} again; labels tell Targets apart")
    return targets


def optional_target(field: str, given: Any) -> Target | None:
    """One model, or none."""
    return None if given is None else Target.of(given, field)


def optional_share(field: str, given: object) -> float | None:
    """A share, or none."""
    return None if given is None else share_of(field, given)


def criteria_of(field: str, given: Any) -> tuple[str, ...]:
    """What a judge goes by: texts, at least one."""
    if isinstance(given, str | bytes) or not isinstance(given, Sequence) or not given:
        raise ConfigError(f"{field}: expected a list of texts, got {given!r}")
    listed: Sequence[Any] = given  # pyright: ignore[reportUnknownVariableType]
    for one in listed:
        if not isinstance(one, str) or not one.strip():
            raise ConfigError(f"{field}: expected texts, got {one!r} among them")
    return tuple(listed)


def spelled(targets: Iterable[Target | None]) -> list[list[str | None] | None]:
    """Targets as plain JSON, for keys of caches."""
    return [None if target is None else [target.name, target.base_url] for target in targets]
