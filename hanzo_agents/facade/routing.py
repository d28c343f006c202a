"""`auto_route` and its companions: the routing they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.auto_route import AutoRoute, Wishes
from hanzo_agents.facade.checked import as_names, check_flag, check_one_of
from hanzo_agents.facade.resilience import latency_of
from hanzo_agents.routing.candidates import STRATEGIES
from hanzo_agents.routing.catalogue import tier_of
from hanzo_agents.routing.strategy import RoutingStrategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents.facade.keywords import Keywords
    from hanzo_agents.modes.local import Local
    from hanzo_agents.routing.candidates import StrategyName

__all__ = ["route_of"]


def route_of(given: Keywords, local: Local | None, substitutes: Sequence[str] = ()) -> AutoRoute | None:
    """The routing that these keywords mean, None for none.

    Args:
        given: the keywords.
        local: the models of this machine.
        substitutes: models that providers have for certain.

    Raises:
        ConfigError: one is wrong, or has no effect without another.
    """
    for name in ("auto_route", "cost_optimize", "prefer_local", "allow_expensive_models"):
        check_flag(name, given.get(name))
    strategy = _strategy(given)
    quality = given.get("min_quality_threshold")
    tier_of("min_quality_threshold", quality)
    local_for = given.get("local_for")
    if local_for is not None and not callable(local_for):
        raise ConfigError(f"local_for: expected a function of a text, got {type(local_for).__name__}")
    models, prefer = (_names(name, given.get(name)) for name in ("models", "preferred_models"))
    if strategy is None:
        for name in ("models", "preferred_models", "min_quality_threshold", "allow_expensive_models", "local_for"):
            if given.get(name) is not None:
                raise ConfigError(f"{name}: has no effect without auto_route=True or a routing_strategy")
        return None
    wishes = Wishes(
        strategy=strategy, models=models, prefer=prefer, quality=quality,
        prefer_local=bool(given.get("prefer_local")),
        allow_expensive=given.get("allow_expensive_models") is not False,
        max_latency=latency_of(given), max_cost=given.get("max_cost_per_request"), local_for=local_for,
    )  # fmt: skip
    return AutoRoute(wishes, local, substitutes)


def _names(name: str, value: object) -> tuple[str, ...]:
    return () if value is None else as_names(name, value)


def _strategy(given: Keywords) -> StrategyName | RoutingStrategy | None:
    strategy, auto, cheap = given.get("routing_strategy"), given.get("auto_route"), given.get("cost_optimize")
    if not isinstance(strategy, RoutingStrategy):
        if isinstance(strategy, type):
            raise ConfigError(
                f"routing_strategy: expected an object, got the class {strategy.__name__}: call it first"
            )
        check_one_of("routing_strategy", strategy, STRATEGIES)
    if auto is False and strategy is not None:
        raise ConfigError("routing_strategy: contradicts auto_route=False; give one of the two")
    if cheap:
        if auto is False:
            raise ConfigError("cost_optimize: contradicts auto_route=False; give one of the two")
        if strategy not in {None, "cost_optimized"}:
            raise ConfigError(f"cost_optimize: contradicts routing_strategy={strategy!r}; give one of the two")
        return "cost_optimized"
    return strategy or ("balanced" if auto else None)
