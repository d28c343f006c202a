"""What routers say of their own models, asked for once in a while and remembered by all who use the endpoint."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hanzo_agents._kernel.asking import Asking
from hanzo_agents.prices.pages import Page
from hanzo_agents.prices.price import Dearest, Limited
from hanzo_agents.prices.public import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Hashable

    from hanzo_agents._kernel.price import Pricing
    from hanzo_agents.prices.pages import Listed

__all__ = ["Endpoint", "Endpoints"]

MOST_NAMES = 4096

Ask = Callable[[], Awaitable[Page | None]]
"""Fetches the page, or None where the router has none (which is an answer). Raises when it failed."""

_logger = logging.getLogger("hanzo_agents")


class Endpoint:
    """The models of one endpoint, as far as it told. Used from any thread and any event loop.

    Args:
        url: its address; where it is a provider's own, that provider's list prices hold.
    """

    __slots__ = ("_asking", "_page", "_resolved", "_url")

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._page: Page = {}
        self._resolved: dict[str, Pricing | None] = {}
        self._asking: Asking[Page | None] = Asking(self._told, self._failed)

    def known(self, name: str) -> Pricing | None:
        """The prices of a model, from the page if it was asked for, else from the public list. Never asks."""
        resolved = self._resolved
        try:
            return resolved[name]
        except KeyError:
            pass
        listed = self._page.get(name)
        if listed is None:
            return PUBLIC.of(name, self._url)
        if len(resolved) >= MOST_NAMES:
            resolved.clear()
        pricing = resolved[name] = _resolve(listed)
        return pricing

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to ask: it was asked, or it failed, a short while ago."""
        return self._asking.fresh

    async def learn(self, ask: Ask) -> None:
        """Have the page, unless it is fresh, or it failed a moment ago (see `Asking.learn`)."""
        await self._asking.learn(ask)

    def _told(self, page: Page | None) -> None:
        self._page, self._resolved = page or {}, {}

    def _failed(self, error: BaseException) -> None:
        host = urlsplit(self._url or "").netloc.rpartition("@")[2]
        _logger.warning(
            "%s does not tell the prices of its models (%s); what only it knows is unknown until it does",
            host, "no answer" if isinstance(error, asyncio.CancelledError) else type(error).__name__,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Endpoint({len(self._page)} models)"


class Endpoints:
    """Everything that is remembered of endpoints, by what identifies one: address, key, headers."""

    __slots__ = ("_by_identity", "_lock")

    def __init__(self) -> None:
        self._by_identity: dict[Hashable, Endpoint] = {}
        self._lock = threading.Lock()

    def of(self, identity: Hashable, url: str | None) -> Endpoint:
        """The endpoint of that identity, made when first asked for."""
        with self._lock:
            endpoint = self._by_identity.get(identity)
            if endpoint is None:
                endpoint = self._by_identity[identity] = Endpoint(url)
            return endpoint

    def __repr__(self) -> str:
        return f"Endpoints({len(self._by_identity)})"


def _resolve(listed: list[Listed]) -> Pricing | None:
    """The prices of a name: of the dearest deployment behind it; None when those of one are not known."""
    found = [_pricing(deployment) for deployment in listed]
    known = tuple(dict.fromkeys(pricing for pricing in found if pricing is not None))
    if len(found) != sum(pricing is not None for pricing in found):
        return None
    return known[0] if len(known) == 1 else Dearest(known)


def _pricing(listed: Listed) -> Pricing | None:
    pricing: Pricing | None = listed.price
    if pricing is None:
        pricing = next(filter(None, map(PUBLIC.of, listed.names)), None)
    if pricing is None or listed.max_output is None:
        return pricing
    return Limited(pricing, listed.max_output)
