"""The policies of a mode: who is asked in which order, and that nothing leaves this machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from typing_extensions import override

from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents._wire.transport import is_here
from hanzo_agents.errors import ConfigError, Unsupported
from hanzo_agents.modes.provider import MOST_NAMES
from hanzo_agents.policies.fallback import Fallback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.modes.local import Local
    from hanzo_agents.modes.provider import Provider

__all__ = ["Providers", "StaysHere", "loopback"]


@dataclass(frozen=True, kw_only=True)
class Providers(Fallback):
    """Ask those who have the model, in order, and then the others for what they have in its place.

    A model named "local/..." is asked on this machine only. A call that leans on state at one provider, or is to
    be a single request, goes to the first.

    Attributes:
        mode: the mode it belongs to, for what is said of a decision.
        order: who may be asked, first to last.
        local: the one of them that is this machine; None when it takes no part.
        also: the user's own fallbacks, tried behind them.
        falls_back: whether the next is asked when one fails.
    """

    mode: str
    order: tuple[Provider, ...]
    local: Local | None = None
    also: tuple[Target, ...] = ()
    falls_back: bool = True
    _chains: dict[tuple[str, str, int], tuple[Target, ...]] = field(
        default_factory=dict[tuple[str, str, int], tuple[Target, ...]], init=False, repr=False, compare=False
    )

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send to each in turn until one accepts."""
        if self.local is not None and call.target.base_url is None:
            await self.local.ready(call.target.name, call.clock)
        chain = self._chain(call)
        if call.exact and chain[0].name not in {call.target.name, call.target.name.partition("/")[2]}:
            raise Unsupported(f"nobody who may be asked has {call.target}", code="unsupported")
        call.note("Mode", "asks", self._said(call, chain))
        if len(chain) == 1 or call.pinned or call.single or call.exact:
            return await send(call.aimed_at(chain[0]))
        return await super().__call__(call, send)

    @override
    def plan(self, call: Call) -> Decision:
        """Who would be asked in turn."""
        try:
            chain = self._chain(call)
        except ConfigError as error:
            return Decision("Mode", "refuses", str(error))
        asked = chain[:1] if call.pinned or call.single or call.exact else chain
        return Decision("Mode", "asks", self._said(call, asked), {"chain": [str(one) for one in asked]})

    @override
    def onward(self, call: Call) -> list[Call]:
        """The call aimed at each of them; nowhere when it would be refused."""
        try:
            first = self._chain(call)[0]
        except ConfigError:
            return []
        return [call.aimed_at(first)] if call.pinned or call.single or call.exact else super().onward(call)

    def _said(self, call: Call, chain: list[Target]) -> str:
        first, *others = chain
        then = f", then {' > '.join(map(str, others))}" if others else ""
        return f"{self.mode}: {first.provider or self._name_of(first)} for {first.name or call.target}{then}"

    def _name_of(self, target: Target) -> str:
        if target.base_url is not None:
            return str(target)
        return next((one.name for one in self.order if getattr(one, "base_url", None) is None), "home")

    @override
    def _chain(self, call: Call) -> list[Target]:
        asked = call.target
        if asked.base_url is not None:
            return self._walked(asked, call.view.operation)
        key = (asked.name, call.view.operation, self.local.version if self.local is not None else 0)
        chain = self._chains.get(key)
        if chain is None:
            if len(self._chains) >= MOST_NAMES:
                self._chains.clear()
            chain = self._chains[key] = tuple(self._walked(asked, call.view.operation))
        return list(chain)

    def _walked(self, asked: Target, operation: str) -> list[Target]:
        """The chain for a target, the first under the plain name of the model that was asked for."""
        name = asked.name
        if asked.base_url is not None or not name:
            serving, others = [asked], self.order
        else:
            found = [(one, one.serving(name, operation)) for one in self.order]
            serving = [target for _, target in found if target is not None]
            others = tuple(one for one, target in found if target is None)
        here_only = name.startswith("local/")
        if here_only or self.mode == "local":
            others = ()
            serving = serving if not here_only else [one for one in serving if one.provider == "local"]
            if not serving:
                raise ConfigError(self._missing(name))
        # Who is not to be stood in for when they fail is not to be when they are not there either.
        others = others if self.falls_back else ()
        instead = [target for one in others if (target := one.instead(operation)) is not None]
        chain = [*serving, *(one for one in instead if not _same(one, asked))] or [asked]
        if chain[0].name == name and chain[0].label != name and asked.base_url is None:
            chain[0] = _relabelled(chain[0], name)
        if not self.falls_back:
            return chain[:1]
        return chain if here_only else [*chain, *self._behind(operation)]

    def _behind(self, operation: str) -> Iterator[Target]:
        """The user's own fallbacks; a model's name is asked wherever that model is."""
        for target in self.also:
            name = target.name
            found = [] if target.base_url is not None else [one.serving(name, operation) for one in self.order]
            yield from [one for one in found if one is not None] or [target]

    def _missing(self, name: str) -> str:
        if self.local is None:
            return f"model: {name} is asked on this machine only, which takes no part here"
        return f"model: {self.local.missing(name.removeprefix('local/'))}"


def _same(one: Target, other: Target) -> bool:
    return (one.model, one.base_url) == (other.model, other.base_url)


def _relabelled(target: Target, label: str) -> Target:
    return Target(
        target.model, target.base_url, target.api_key, headers=target.headers, lacks=target.lacks,
        context_window=target.context_window, label=label, provider=target.provider,
    )  # fmt: skip


@dataclass(frozen=True)
class StaysHere:
    """Refuse every request that is not for an address of this machine, right before it would be sent.

    A trace of the Agents SDK in which a call is made is withheld from that SDK's exporter, which sends traces to
    OpenAI whoever answers.

    Raises:
        ConfigError: something else in the stack, or a copy of the client, would have sent it elsewhere.
    """

    place: ClassVar[Place] = Place.OTHER
    stays_here: ClassVar[bool] = True
    """Whether all that is sent stays on this machine."""

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Look at the address when nothing but the send is left to do."""
        if "agents.tracing" in sys.modules:
            # By name: the Agents SDK stands above this layer, and need not be there.
            import_module("hanzo_agents._agents.withheld").withhold_trace()
        return await send(call.but(guards=(*call.guards, _refuse_others)))

    def plan(self, call: Call) -> Decision:
        """Whether the call may be sent where it is aimed."""
        try:
            _refuse_others(call)
        except ConfigError as error:
            return Decision("Mode", "refuses", str(error))
        return Decision("Mode", "passes on", "it stays on this machine")


def _refuse_others(call: Call) -> None:
    address = call.target.base_url or call.home
    if not loopback(address):
        raise ConfigError(f'base_url: mode "local" sends nothing to {_host(address)}')


def loopback(url: str) -> bool:
    """Whether an address is one of this machine without asking anybody: of names, only `localhost` is."""
    return is_here(_host(url))


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
