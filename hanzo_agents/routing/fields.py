"""What a user gives to `Route`, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents._kernel.clock import seconds
from hanzo_agents._kernel.fields import check_flag, check_function, targets_of
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.hedge import Latencies
from hanzo_agents.prices import checked_table
from hanzo_agents.routing.asked import dollars_of
from hanzo_agents.routing.candidates import STRATEGIES
from hanzo_agents.routing.catalogue import ModelFacts, tier_of
from hanzo_agents.routing.memory import Memory
from hanzo_agents.routing.strategy import RoutingStrategy

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from hanzo_agents.prices import Price
    from hanzo_agents.routing.candidates import StrategyName

__all__ = ["Checked", "checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The settings of a `Route` in the form in which they are used."""

    to: tuple[Target, ...]
    name: StrategyName
    own: RoutingStrategy | None
    alias: str | None
    quality: float | None
    max_latency: float | None
    max_cost: Decimal | None
    local: tuple[Target, ...]
    local_for: Callable[[str], object] | None
    prefer_local: bool
    prefer: tuple[str, ...]
    models: dict[str, ModelFacts]
    prices: dict[str, Price]
    lock: bool
    margin: float


def checked(given: Any) -> Checked:
    """The fields of a `Route`.

    Raises:
        ConfigError: names the field, what came, and what was expected.
    """
    own = given.strategy if isinstance(given.strategy, RoutingStrategy) else None
    if own is None and not (isinstance(given.strategy, str) and given.strategy in STRATEGIES):
        hint = " (a class: call it first)" if isinstance(given.strategy, type) else ""
        raise ConfigError(
            f"Route.strategy: expected one of {', '.join(STRATEGIES)}, or a RoutingStrategy, "
            f"got {given.strategy!r}{hint}"
        )
    to = _targets("Route.to", given.to)
    if not to and own is None:
        raise ConfigError("Route.to: expected at least one model name or Target, got none")
    local = _local(given.local, to)
    if not local and (given.local_for is not None or given.prefer_local):
        name = "local_for" if given.local_for is not None else "prefer_local"
        raise ConfigError(f"Route.{name}: expected Route.local to name at least one of Route.to, got none")
    if given.local_for is not None:
        check_function("Route.local_for", given.local_for)
    _check_kinds(given)
    return Checked(
        to=to,
        name="balanced" if own is not None else cast("StrategyName", given.strategy),
        own=own,
        alias=_alias(given.alias, to),
        quality=tier_of("Route.quality", given.quality),
        max_latency=seconds("Route.max_latency", given.max_latency, zero=False),
        max_cost=dollars_of("Route.max_cost", given.max_cost),
        local=local,
        local_for=given.local_for,
        prefer_local=given.prefer_local,
        prefer=_prefer(given.prefer, to),
        models=_models(given.models),
        prices=checked_table("Route.prices", given.prices),
        lock=given.lock,
        margin=_margin(given.margin),
    )


def _check_kinds(given: Any) -> None:
    for name in ("prefer_local", "lock"):
        check_flag(f"Route.{name}", getattr(given, name))
    if not isinstance(given.latencies, Latencies):
        raise ConfigError(f"Route.latencies: expected a Latencies, got {type(given.latencies).__name__}")
    if not isinstance(given.memory, Memory):
        raise ConfigError(f"Route.memory: expected a Memory, got {type(given.memory).__name__}")


def _targets(field: str, given: Any) -> tuple[Target, ...]:
    targets = targets_of(field, given, least=0)
    labels: set[str] = set()
    for target in targets:
        if target.model is None:
            raise ConfigError(f"{field}: expected targets that name a model, got {target}")
        if str(target) in labels:
            raise ConfigError(f"{field}: two targets are called {target}; give each a label of its own")
        labels.add(str(target))
    return targets


def _local(given: Any, to: tuple[Target, ...]) -> tuple[Target, ...]:
    if isinstance(given, str | Target) or not isinstance(given, Sequence):
        raise ConfigError(f"Route.local: expected a list of model names or Targets, got {given!r}")
    found: list[Target] = []
    for one in given:  # pyright: ignore[reportUnknownVariableType]
        if isinstance(one, Target):
            names = [target for target in to if target == one]
        else:
            names = [target for target in to if one in {target.name, target.label, str(target)}]
        if not names:
            raise ConfigError(f"Route.local: expected targets that are in Route.to, got {one!s}")
        found += names
    return tuple(dict.fromkeys(found)) if all(_hashable(target) for target in found) else tuple(found)


def _hashable(target: Target) -> bool:
    try:
        hash(target)
    except TypeError:  # headers are a dict, and a model object may be anything
        return False
    return True


def _alias(given: Any, to: tuple[Target, ...]) -> str | None:
    if given is not None and not (isinstance(given, str) and given.strip()):
        raise ConfigError(f"Route.alias: expected a name, got {given!r}")
    if given is not None and any(target.name == given for target in to):
        raise ConfigError(f"Route.alias: expected a name that is no candidate's, got {given!r}")
    return given


def _prefer(given: Any, to: tuple[Target, ...]) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigError(f"Route.prefer: expected a list of model names, got {given!r}")
    known = {name for target in to for name in (target.name, str(target))}
    for name in given:  # pyright: ignore[reportUnknownVariableType]
        if name not in known:
            raise ConfigError(f"Route.prefer: expected names of targets in Route.to, got {name!r}")
    return tuple(given)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _models(given: Any) -> dict[str, ModelFacts]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"Route.models: expected a dict of names and ModelFacts, got {type(given).__name__}")
    for name, facts in given.items():  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(name, str) or not isinstance(facts, ModelFacts):
            raise ConfigError(f"Route.models[{name!r}]: expected ModelFacts(quality=...), got {facts!r}")
    return dict(given)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _margin(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ConfigError(f"Route.margin: expected a share from 0 to 1, got {given!r}")
    return float(given)
