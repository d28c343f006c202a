"""A `Route` among the models there are, for calls that name none."""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from hanzo_agents._kernel.asking import Asking
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError, Refused
from hanzo_agents.facade.checked import known_as
from hanzo_agents.facade.keywords import AUTO
from hanzo_agents.policies.hedge import Latencies
from hanzo_agents.routing.catalogue import facts_of
from hanzo_agents.routing.memory import Memory
from hanzo_agents.routing.route import Route
from hanzo_agents.routing.strategy import RoutingStrategy, checked_local

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.price import Prices
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.modes.local import Local
    from hanzo_agents.routing.candidates import StrategyName

__all__ = ["EXPENSIVE", "AutoRoute", "Wishes"]

EXPENSIVE = Decimal(15)
"""US dollars for a million tokens of output above which a model is expensive: above Claude Sonnet, GPT-4.1 and
Gemini Pro at their list prices, below Claude Opus and GPT-4."""

MOST = 50
"""Candidates that are compared, which is what `Route` takes."""

_logger = logging.getLogger("hanzo_agents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the keywords say of routing, checked."""

    strategy: StrategyName | RoutingStrategy
    models: tuple[str, ...]
    prefer: tuple[str, ...]
    quality: float | str | None
    prefer_local: bool
    allow_expensive: bool
    max_latency: float | None
    max_cost: Any
    local_for: Callable[[str], object] | None


class AutoRoute:
    """A `Route` for calls that name no model, among the models there are.

    Candidates are those of `models=` and `preferred_models=`, and, unless `models=` is given, the models of this
    machine and those that the router lists: it is asked at the first such call, and again every five minutes. With
    `prefer_local` and `local_for` those of this machine are candidates always. A call that names its model is left
    to it, though a `RoutingStrategy` or `local_for` may still hold it back from leaving the machine.
    """

    place: ClassVar[Place] = Place.ROUTE

    def __init__(self, wishes: Wishes, local: Local | None, substitutes: Sequence[str]) -> None:
        self._wishes = wishes
        self._local = local
        self._substitutes = tuple(substitutes)
        self._clients: weakref.WeakSet[AsyncHanzo] = weakref.WeakSet()
        self._listed: tuple[str, ...] = ()
        self._asking: Asking[tuple[str, ...]] = Asking(self._told, self._untold)
        self._latencies, self._memory = Latencies(), Memory()
        self._lock = threading.Lock()
        self._made: tuple[Any, Route] | None = None
        # A wrong figure is said when the client is made, not at the first call.
        with known_as(Route_max__latency="max_latency_ms", Route_max__cost="max_cost_per_request"):
            self._route_among(wishes.models or ("any",), ())

    @property
    def routing(self) -> list[Any]:
        """For the key of a cache: what decides who answers."""
        wishes = self._wishes
        kind = wishes.strategy if isinstance(wishes.strategy, str) else type(wishes.strategy).__qualname__
        return [kind, [*wishes.models], [*wishes.prefer], str(wishes.quality), wishes.prefer_local]

    @property
    def local_for(self) -> Callable[[str], object] | None:
        """What says of a text whether it must stay on this machine."""
        return self._wishes.local_for

    def begin(self, client: AsyncHanzo) -> None:
        """Know by whom to ask the router: a client, or a copy of it that may outlive it."""
        with self._lock:
            self._clients.add(client)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Choose, and send."""
        if not self._concerns(call):
            return await send(call)
        await self.ready()
        if why := self._kept_back(call):
            call.note("Route", "refuses", why)
            raise Refused(why, code="local_only")
        return await self._route(call.prices)(call, send)

    def plan(self, call: Call) -> Decision:
        """Which model would be chosen."""
        if not self._concerns(call):
            return Decision("Route", "passes on", f"the call asks for {call.target} by name")
        if why := self._kept_back(call):
            return Decision("Route", "would refuse", why)
        return self._route(call.prices).plan(call)

    def onward(self, call: Call) -> list[Call]:
        """The call aimed at the model that would be chosen."""
        if not self._concerns(call):
            return [call]
        return [] if self._kept_back(call) else self._route(call.prices).onward(call)

    async def ready(self) -> None:
        """Ask the router which models it has, if that is not known yet."""
        with self._lock:
            client = next(iter(self._clients), None)
        if client is not None and not self._wishes.models and not self._asking.fresh:
            await self._asking.learn(partial(_listed_by, client))

    def _told(self, names: tuple[str, ...]) -> None:
        self._listed = names

    def _untold(self, error: BaseException) -> None:
        # With the others there may be enough to go on.
        _logger.warning("auto_route: the router does not list its models (%s)", type(error).__name__)

    def _concerns(self, call: Call) -> bool:
        if call.target.name == AUTO and call.view.operation == "embeddings":
            raise ConfigError("model: embeddings of different models cannot be compared; name one")
        wishes = self._wishes
        return (
            call.target.name == AUTO
            or isinstance(wishes.strategy, RoutingStrategy)
            or (wishes.local_for is not None and bool(checked_local(wishes.local_for(call.view.text))))
        )

    def _kept_back(self, call: Call) -> str | None:
        """Why a call is sent nowhere: it must stay on this machine, and nobody here takes it."""
        local_for = self._wishes.local_for
        if local_for is None or _staying(self._here()) or not checked_local(local_for(call.view.text)):
            return None
        return "the call must stay on this machine, which has no model for it"

    def _route(self, prices: Prices) -> Route:
        local = self._local
        names = () if local is None else tuple(local.names)
        version = (0 if local is None else local.version, names, self._listed)
        with self._lock:
            if self._made is None or self._made[0] != version:
                self._made = (version, self._route_among(self._candidates(prices), names))
            return self._made[1]

    def _candidates(self, prices: Prices) -> list[str]:
        wishes = self._wishes
        listed = () if wishes.models else (*self._substitutes, *self._listed)
        return [
            name
            for name in dict.fromkeys((*wishes.prefer, *wishes.models, *listed))
            if wishes.allow_expensive or not _expensive(name, prices)
        ]

    def _route_among(self, names: Sequence[str], local_names: Sequence[str]) -> Route:
        wishes = self._wishes
        here = self._here(local_names)
        local = _staying(here)
        known = {target.name for target in here}
        to: list[str | Target] = [*here]
        to += [name for name in names if name not in known]
        if not to and isinstance(wishes.strategy, str):
            raise ConfigError("auto_route: nobody says which models there are; name some with models=[...]")
        return Route(
            to=to[:MOST], strategy=wishes.strategy, alias=AUTO, quality=wishes.quality,
            max_latency=wishes.max_latency, max_cost=wishes.max_cost, local=local,
            prefer_local=wishes.prefer_local and bool(local),
            prefer=[name for name in wishes.prefer if name in names or name in known], latencies=self._latencies,
            memory=self._memory, local_for=wishes.local_for if local else None,
        )  # fmt: skip

    def _here(self, names: Sequence[str] | None = None) -> list[Target]:
        """The candidates of this machine."""
        wishes, local = self._wishes, self._local
        if local is None:
            return []
        # Who wants local models, or has calls that nobody else may answer, need not list them besides.
        all_of_them = not wishes.models or wishes.prefer_local or wishes.local_for is not None
        wanted = [
            name
            for name in (local.names if names is None else names)
            if all_of_them or name in wishes.models or name in wishes.prefer
        ]
        return [target for name in wanted if (target := local.serving(name, "chat")) is not None]

    def __repr__(self) -> str:
        kind = self._wishes.strategy
        return f"AutoRoute({kind if isinstance(kind, str) else type(kind).__name__})"


def _staying(targets: Sequence[Target]) -> list[Target]:
    """Those that answer themselves: a node may pass models on that are others'."""
    return [target for target in targets if target.provider == "local"]


async def _listed_by(client: AsyncHanzo) -> tuple[str, ...]:
    """The models that a router lists; those of which nothing is known only when there are no others."""
    page = await client.with_options(max_retries=0).models.list()
    names = [model.id for model in page.data if facts_of(model.id, {}).quality is not None]
    return tuple(names or [model.id for model in page.data])


def _expensive(name: str, prices: Prices) -> bool:
    price = prices.known(Target(name))
    return price is not None and price.most(0, 1_000_000) > EXPENSIVE
