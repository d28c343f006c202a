"""Who calls, what they may still spend, and how many of their calls are under way."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.clock import current_clock
from hanzo_agents.errors import RateLimited
from hanzo_agents.policies.budget.run_block import charged_to
from hanzo_agents.policies.budget.runs import Run
from hanzo_agents.policies.rate_limit.admission import Permit
from hanzo_agents.stores.limits import Need
from hanzo_agents.stores.limits.memory import MemoryLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from decimal import Decimal

    from mcp.server import ServerRequestContext

__all__ = ["STDIO", "Clients", "name_of"]

STDIO = "stdio"
"""The one client of a server that is spoken to over its standard streams."""


def name_of(context: ServerRequestContext[Any, Any]) -> str:
    """Who sent a request.

    Over HTTP whom the token was given to; without tokens, the address: a session would be a new purse for whoever
    opens another one.
    """
    request = context.request
    if request is None:
        return STDIO
    user = request.scope.get("user")
    if getattr(user, "is_authenticated", False):
        return f"token {user.display_name}"
    return f"address {request.client.host}" if request.client else "address unknown"


class Clients:
    """What each client has spent and has under way. Kept in this process, by the name of the client.

    Args:
        budget: US dollars that all clients together may spend; None for no limit.
        budget_per_client: the same for each.
        at_once: calls of a client that may be under way.
        queued: calls of a client that may wait for their turn.
    """

    def __init__(
        self, *, budget: Decimal | None, budget_per_client: Decimal | None, at_once: int, queued: int
    ) -> None:
        self.everyone = Run(budget)
        self._each = budget_per_client
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._limits = MemoryLimits()
        self._need = Need(0, None, None, at_once, queued, math.inf, 0.0)

    def run_of(self, client: str) -> Run:
        """What a client has spent."""
        with self._lock:
            run = self._runs.get(client)
            if run is None:
                run = self._runs[client] = Run(self._each)
            return run

    def under_way(self, client: str) -> tuple[int, int]:
        """Calls of a client that run, and that wait."""
        standing = self._limits.standing(client, clock=current_clock()).value
        return standing.slots, self._limits.bells.waiting(client)

    @contextmanager
    def charged(self, client: str) -> Generator[None]:
        """Charge the calls of a block to a client, and to everyone."""
        with ExitStack() as stack:
            stack.enter_context(charged_to(self.everyone))
            stack.enter_context(charged_to(self.run_of(client)))
            yield

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncGenerator[None]:
        """Wait until a call of the client may run, and keep its place until the block ends.

        Raises:
            RateLimited: so many wait already.
        """
        permit = Permit(self._limits, client, current_clock())
        try:
            await self._admitted(client, permit)
            yield
        finally:
            permit.withdraw()

    async def _admitted(self, client: str, permit: Permit) -> None:
        clock, bells = current_clock(), self._limits.bells
        with permit.hang() as bell:
            while (turn := await permit.ask(self._need)).state == "queued":
                await bell.wait(turn.delay, clock)
        if turn.state == "admitted":
            bells.ring(client)  # there may be room for the next one too
            return
        permit.refused()
        raise RateLimited(
            f"{self._need.slots_limit} of your calls are under way and {turn.ahead} wait; try again when one ends",
            code="queue_full",
        )
