"""All keywords together: the policies of the stack, and what a client keeps beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents._kernel.stack import Place, Policy, Stack
from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.auto_route import AutoRoute
from hanzo_agents.facade.caching import caches_of
from hanzo_agents.facade.checked import check_flag
from hanzo_agents.facade.keywords import AUTO, PLACES, CacheKeywords
from hanzo_agents.facade.places import placed
from hanzo_agents.facade.resilience import breaker_of, deadline_of, retry_of
from hanzo_agents.facade.routing import route_of
from hanzo_agents.facade.spending import budget_of
from hanzo_agents.facade.staying import check_stays_here
from hanzo_agents.facade.understanding import Understood
from hanzo_agents.facade.warming import models_to_warm, warm
from hanzo_agents.facade.watching import Watchers, watchers_of
from hanzo_agents.modes import SUBSTITUTES
from hanzo_agents.policies.default import stack_of
from hanzo_agents.policies.fallback import Fallback
from hanzo_agents.policies.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._wire.inherited import Inherited
    from hanzo_agents.facade.keywords import Keywords
    from hanzo_agents.facade.understanding import Asked
    from hanzo_agents.modes.local import Local

__all__ = ["Facade", "composed", "recached"]

_MEANING = {
    "Cache": "enable_cache",
    "SemanticCache": "semantic_cache",
    "Budget": "daily_budget, monthly_budget and max_cost_per_request",
    "Retry": "retry_on and retry_delay",
    "Breaker": "circuit_breaker",
    "Deadline": "max_latency_ms",
    "AutoRoute": "auto_route",
}
"""Policies, and the keywords that stand for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facade:
    """What the keywords left beside policies. Copies of a client share it.

    Attributes:
        caching: the keywords of the cache, as they were given.
        caches: those they made: the exact one first.
        route: chooses the model of calls that name none.
        local: the models of this machine; None where they take no part.
        stays_here: nothing may leave this machine.
        whole_by_stream: whole answers are asked for as streams (`prefer_streaming`).
        warmed: models to wake when the client is made.
    """

    caching: CacheKeywords = field(default_factory=CacheKeywords, repr=False)
    caches: tuple[Policy, ...] = ()
    watchers: Watchers = field(default_factory=Watchers)
    route: AutoRoute | None = None
    local: Local | None = None
    stays_here: bool = False
    whole_by_stream: bool = False
    warmed: tuple[str, ...] = ()

    def begin(self, client: Any, *, copied: bool) -> None:
        """Do what is to be done once the client is there, or a copy of it."""
        if self.route is not None:
            self.route.begin(client)
        if self.warmed and not copied:
            warm(client, self.warmed)

    async def ready(self) -> None:
        """Learn what an explanation needs to know."""
        if self.route is not None:
            await self.route.ready()


def composed(asked: Asked, given: Keywords) -> Understood:
    """What plain arguments and keywords mean together.

    Raises:
        ConfigError: a keyword is wrong, contradicts another one, or a policy that is given besides.
    """
    check_flag("prefer_streaming", given.get("prefer_streaming"))
    caches = caches_of(given, routed=route_of(given, None) is not None)
    made: list[Policy | None] = [
        *caches, budget_of(given), breaker_of(given), retry_of(given, asked.max_retries), deadline_of(given),
    ]  # fmt: skip
    new = [policy for policy in made if policy is not None]
    warmed = models_to_warm(given)
    # What looks for a node or opens a port comes when all that may be refused has been.
    at, plan = placed(asked, given)
    local, substitutes = (None, ()) if plan is None else (plan.local, plan.order)
    route = route_of(given, local, [SUBSTITUTES[name] for name in substitutes if name in SUBSTITUTES])
    if route is not None:
        new.append(route)
        at = _routed(asked, at)
    listed = _listed(asked.policies, given)
    for policy in new:
        _check_alone(policy, listed)
    watchers = watchers_of(given)
    added = () if plan is None else plan.policies
    stack = _stacked(at, _watched([*listed, *new], watchers), added, exact=not (new or watchers.observers))
    facade = Facade(
        caching=_of_cache(given), caches=caches, watchers=watchers, route=route, local=local,
        stays_here=plan is not None and plan.stays_here, whole_by_stream=bool(given.get("prefer_streaming")),
        warmed=warmed,
    )  # fmt: skip
    return Understood(asked=at, stack=stack, facade=facade)


def _routed(asked: Asked, at: Asked) -> Asked:
    """The same, with calls that name no model left to the route."""
    if asked.model is not None:
        raise ConfigError(
            "model: with routing, the model of a call that names none is chosen; leave it out, or use models=[...]"
        )
    return replace(at, model=AUTO)


def _stacked(at: Asked, policies: list[Policy], added: Sequence[Policy], *, exact: bool) -> Stack:
    """The stack of these policies; one that the keywords add nothing to stays what the caller made it."""
    given = at.policies if exact else policies or None
    stack = stack_of(given, fallbacks=at.fallbacks, max_retries=at.max_retries)
    if not added:
        return stack
    if others := [p for p in stack if isinstance(p, Fallback)]:
        name = type(others[0]).__name__
        raise ConfigError(
            f"inference_mode: policies already hold a {name}; name who is asked with fallback_order="
        )
    return Stack.silently(sorted([*stack, *added], key=lambda policy: getattr(policy, "place", Place.OTHER)))


def recached(inherited: Inherited, settings: CacheKeywords) -> Inherited:
    """The same client with another cache.

    Raises:
        ConfigError: a setting is wrong, or the cache there is was given as a policy.
    """
    if unknown := settings.keys() - CacheKeywords.__optional_keys__:
        known = ", ".join(sorted(CacheKeywords.__optional_keys__))
        raise ConfigError(f"configure_cache: expected some of {known}, got {min(unknown)!r}")
    facade = inherited.beside or Facade()
    old = facade.caches
    others = [policy for policy in inherited.stack if not any(policy is one for one in old)]
    if held := [p for p in others if getattr(p, "place", None) in {Place.CACHE, Place.SEMANTIC}]:
        raise ConfigError(f"configure_cache: policies hold a {type(held[0]).__name__}; configure that one")
    wanted = settings.get("enable_cache")
    given: Any = {**facade.caching, **settings, "enable_cache": True if wanted is None else wanted}
    if wanted is False:
        given = settings
    if facade.stays_here:
        check_stays_here(given)
    same = all(given.get(name) == facade.caching.get(name) for name in ("cache_backend", "redis_url"))
    store = getattr(old[0], "store", None) if old and same else None
    caches = caches_of(given, store, routed=facade.route is not None)
    place = next((n for n, p in enumerate(others) if getattr(p, "place", Place.OTHER) > Place.CACHE), len(others))
    others[place:place] = caches
    beside = replace(facade, caching=given, caches=caches)
    return replace(inherited, stack=Stack.silently(others), beside=beside)


def _of_cache(given: Keywords) -> CacheKeywords:
    kept = {name: value for name, value in given.items() if name in CacheKeywords.__optional_keys__}
    return cast("CacheKeywords", kept)


def _listed(policies: Any, given: Keywords) -> list[Policy]:
    """The policies that were given, to which those of the keywords are to be added."""
    if policies is None:
        return []
    exact = isinstance(policies, Stack)
    if exact or policies == []:
        adding = [name for name, value in given.items() if value is not None and name not in PLACES]
        if not adding:
            return []
        what = "an exact Stack" if exact else "[], which turns all policies off"
        raise ConfigError(f"{adding[0]}: policies is {what}; put what you want into a list of policies")
    listed: list[Policy] = [*policies] if not isinstance(policies, str) and hasattr(policies, "__iter__") else []
    if not listed:
        raise ConfigError(f"policies: expected a list of policies or a Stack, got {type(policies).__name__}")
    return listed


def _check_alone(policy: Policy, listed: list[Policy]) -> None:
    kind: type[Any] = type(policy)
    if isinstance(policy, AutoRoute) and any(getattr(other, "place", None) is Place.ROUTE for other in listed):
        raise ConfigError("auto_route: policies already hold one that routes; give one of the two")
    if any(isinstance(other, kind) for other in listed):
        name = kind.__name__
        raise ConfigError(f"{_MEANING[name]}: policies already hold a {name}; give one of the two")


def _watched(policies: list[Policy], watchers: Watchers) -> list[Policy]:
    if observers := watchers.observers:
        given = next((policy for policy in policies if isinstance(policy, Trace)), None)
        trace = Trace(also=observers) if given is None else replace(given, also=(*given.also, *observers))
        policies = [trace, *(policy for policy in policies if policy is not given)]
    return policies if watchers.requests is None else [*policies, watchers.requests]
