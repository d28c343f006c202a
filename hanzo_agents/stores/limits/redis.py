"""Limits in Redis, for processes on any number of machines. Times are whole microseconds of the server's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents.stores.limits import Need, Standing, Turn
from hanzo_agents.stores.limits.bells import Bells
from hanzo_agents.stores.limits.leases import Leases, left_to_its_lease
from hanzo_agents.stores.limits.scripts import ASK, RENEW, SETTLE, STANDING, WITHDRAW

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.pending import Pending
    from hanzo_agents.stores.redis import RedisStore

__all__ = ["RedisLimits"]

FOR_EVER = 10**15
"""Microseconds; more than thirty years."""


class RedisLimits:
    """Lanes in a Redis."""

    def __init__(self, store: RedisStore) -> None:
        self.bells = Bells()
        self._store = store
        self._leases = Leases(self._renew, self._lost)

    def ask(self, lane: str, op: str, need: Need, *, clock: Clock) -> Pending[Turn]:
        """Admit the call, or give it its place in the queue."""

        def answered(future: Future[Any]) -> None:
            if future.exception() is None and future.result()[0] in (b"late", b"full"):
                self._leases.drop(op)

        self._leases.hold(lane, op, clock)
        limits = (need.requests_limit, need.tokens_limit, need.slots_limit)
        submitted = self._store.run(
            ASK, [*self._keys(lane), self._gone(op)], op, need.tokens,
            *("" if limit is None else limit for limit in limits),
            need.queue, _micros(need.patience), _micros(need.hold), clock=clock,
        )  # fmt: skip
        submitted.future.add_done_callback(answered)
        return submitted.read(_turn)

    def settle(self, lane: str, op: str, tokens: int | None, *, clock: Clock) -> Pending[None]:
        """The call is over: free its slot, and count the tokens it really took."""
        self._leases.drop(op)
        settled = self._store.run(SETTLE, self._keys(lane), op, "" if tokens is None else tokens, clock=clock)
        return left_to_its_lease(settled)

    def withdraw(self, lane: str, op: str, *, clock: Clock) -> Pending[None]:
        """The call is not sent: give everything back, also what an `ask` under way would still take."""
        self._leases.drop(op)
        return left_to_its_lease(self._store.run(WITHDRAW, [*self._keys(lane), self._gone(op)], op, clock=clock))

    def standing(self, lane: str, *, clock: Clock) -> Pending[Standing]:
        """How the lane stands."""
        return self._store.run(STANDING, self._keys(lane), clock=clock).read(lambda result: Standing(*result))

    def _lost(self, lane: str, op: str, clock: Clock) -> None:
        self.settle(lane, op, None, clock=clock)
        self.bells.ring(lane)

    def _renew(self, lane: str, ops: list[str], clock: Clock) -> Pending[None]:
        return left_to_its_lease(self._store.run(RENEW, self._keys(lane), *ops, clock=clock))

    def _keys(self, lane: str) -> list[str]:
        parts = ("log", "amounts", "slots", "queue", "kept", "held", "counts")
        return [self._store.key("limits", lane, part) for part in parts]

    def _gone(self, op: str) -> str:
        return self._store.key("limits", "gone", op)


def _turn(result: list[Any]) -> Turn:
    """A turn, from what the script returns."""
    state, delay, wait, ahead, at = result
    return Turn(state.decode(), delay / 1e6, wait / 1e6, ahead, at / 1e6)


def _micros(seconds: float) -> int:
    return min(FOR_EVER, round(seconds * 1e6)) if seconds < FOR_EVER else FOR_EVER
