"""What routers say of their own models, asked for once in a while and remembered by all who use the endpoint."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hanzo_agents._kernel.clock import current_clock
from hanzo_agents.prices.pages import Page
from hanzo_agents.prices.price import Dearest, Limited
from hanzo_agents.prices.public import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Hashable

    from hanzo_agents._kernel.price import Pricing
    from hanzo_agents.prices.pages import Listed

__all__ = ["Endpoint", "Endpoints"]

REMEMBERED = 300.0
"""Seconds for which a page is taken as it was: prices change by the week."""
FAILURE_REMEMBERED = 60.0
"""Seconds in which a router that did not answer is not asked again."""
PATIENCE = 2.0
"""Seconds that asking may take, for whoever asks and for all who wait for it."""
TICK = 0.01
"""Seconds by which a timer may ring early."""
MOST_NAMES = 4096

Ask = Callable[[], Awaitable[Page | None]]
"""Fetches the page, or None where the router has none (which is an answer). Raises when it failed."""

_logger = logging.getLogger("hanzo_agents")


class Endpoint:
    """The models of one endpoint, as far as it told. Used from any thread and any event loop.

    Args:
        url: its address; where it is a provider's own, that provider's list prices hold.
    """

    __slots__ = ("_asking", "_asking_until", "_failing", "_lock", "_page", "_resolved", "_until", "_url")

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._page: Page = {}
        self._resolved: dict[str, Pricing | None] = {}
        self._until = float("-inf")
        self._asking: Future[None] | None = None
        self._asking_until = float("-inf")
        self._failing = False

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
        return current_clock().now() < self._until

    async def learn(self, ask: Ask) -> None:
        """Have the page, unless it is fresh, or it failed a moment ago.

        Whoever comes first asks; the others wait for that one, whatever loop or thread it is on. One that is
        cancelled hands over. Never raises but for cancellation, and never takes longer than `PATIENCE`.
        """
        clock = current_clock()
        now = clock.now()
        if now < self._until:
            return
        deadline = now + PATIENCE
        try:
            async with clock.timeout_at(deadline):
                while (now := clock.now()) >= self._until:
                    turn, ours = self._turn(now, deadline)
                    if ours:
                        await self._ask(ask, turn, deadline)
                        return
                    await asyncio.wrap_future(turn)
        except TimeoutError:
            return

    def _turn(self, now: float, deadline: float) -> tuple[Future[None], bool]:
        """The future that ends when whoever asks is done, and whether that is us."""
        with self._lock:
            if self._asking is not None and now < self._asking_until:
                return self._asking, False
            turn: Future[None] = Future()
            # A running future cannot be cancelled: a waiter that leaves must not take it from the others.
            turn.set_running_or_notify_cancel()
            self._asking, self._asking_until = turn, deadline
            return turn, True

    async def _ask(self, ask: Ask, turn: Future[None], deadline: float) -> None:
        clock = current_clock()
        began = clock.now()
        try:
            page = await ask() or {}
        except Exception as error:  # noqa: BLE001 - whatever it is, the prices are unknown and the call goes on
            self._failed(error, clock.now())
        except BaseException as error:
            # Time is up, or the caller left: only a router that had its time has failed.
            if clock.now() >= deadline - TICK and deadline - began > PATIENCE / 2:
                self._failed(error, clock.now())
            raise
        else:
            self._page, self._resolved = page, {}
            self._until, self._failing = clock.now() + REMEMBERED, False
        finally:
            with self._lock:
                if self._asking is turn:
                    self._asking = None
            turn.set_result(None)

    def _failed(self, error: BaseException, now: float) -> None:
        self._until = now + FAILURE_REMEMBERED
        if not self._failing:
            self._failing = True
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
