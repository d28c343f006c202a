"""Leave a target alone that keeps failing, and find out with few calls when it is back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.clock import Duration, current_clock, required_seconds, seconds, seconds_of
from hanzo_agents._kernel.fields import check_count, check_function, check_store, share_of
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.breaker.board import Board, CircuitChange
from hanzo_agents.policies.breaker.fault import unhealthy
from hanzo_agents.policies.breaker.passage import Passage, refusal
from hanzo_agents.stores.circuits import Rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.call import Call, Predicate, Send
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.stores.circuits import Change, CircuitView
    from hanzo_agents.stores.pending import Telling
    from hanzo_agents.stores.store import Store

__all__ = ["Breaker"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Breaker:
    """Refuse calls to a target that keeps failing.

    Every target, an endpoint and a model, has a circuit of its own. It is closed while calls pass, and opens
    after `failure_threshold` failures in a row, or when `failure_rate` of the calls in the last `window` seconds
    failed. While it is open, calls are refused at once and nothing is sent; a `Fallback` moves on. After `timeout`
    seconds it is half-open: `half_open_requests` probes are let through, of all callers together, and the others
    refused still. When all of them succeed it closes; the first that fails opens it for another `timeout`.

    A call is accounted for when it has ended: a stream that breaks after it was accepted is a failure. What comes
    back from a call that was sent before the circuit last changed says nothing about the present, and is ignored.

    Attributes:
        failure_threshold: failures in a row; None counts none. 5 is Envoy's default (`consecutive_5xx`).
        timeout: seconds that a circuit stays open; always the same. 60 is resilience4j's default.
        half_open_requests: probes.
        failure_rate: share of failures, above 0 and up to 1; None looks at no rate.
        min_calls: calls in the window without which there is no rate.
        window: seconds.
        lease: seconds a probe may take before its place is given to another, as its caller may be dead.
        max_retry_after: a target that asks in Retry-After (429, 5xx) for more than `timeout` is given it, up to so
            many seconds, without a look at failures. 0 never does.
        on: which errors count against the target. Other 4xx than 408, wrong keys, refusals of our policies and
            cancellations do not; a cancellation at the deadline is a timeout. So is a hedge's leaving of a first
            leg, when so many were left in a row that the target seems to hang.
        store: where circuits are kept, to share them with other processes. None keeps them in this object.
        on_change: called with a `CircuitChange`, on any thread.

    Raises:
        CircuitOpen: the circuit lets nobody through now; `.retry_after` says when it will.
    """

    place: ClassVar[Place] = Place.BREAKER

    failure_threshold: int | None = 5
    timeout: Duration = 60.0
    half_open_requests: int = 1
    failure_rate: float | None = None
    min_calls: int = 20
    window: Duration = 60.0
    lease: Duration = 60.0
    max_retry_after: Duration = 3600.0
    on: Predicate = unhealthy
    store: Store | None = None
    on_change: Callable[[CircuitChange], object] | None = None
    _board: Board = field(init=False)

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        if self.failure_threshold is not None:
            check_count("Breaker.failure_threshold", self.failure_threshold)
        for name in ("half_open_requests", "min_calls"):
            check_count(f"Breaker.{name}", getattr(self, name))
        for name in ("timeout", "window", "lease", "max_retry_after"):
            checked = required_seconds(f"Breaker.{name}", getattr(self, name))
            if name != "max_retry_after":
                seconds(f"Breaker.{name}", checked, zero=False)
            object.__setattr__(self, name, checked)
        if self.failure_rate is not None:
            share_of("Breaker.failure_rate", self.failure_rate)
        if self.failure_threshold is None and self.failure_rate is None:
            raise ConfigError("Breaker: expected a failure_threshold or a failure_rate, got neither")
        check_function("Breaker.on", self.on)
        if self.on_change is not None:
            check_function("Breaker.on_change", self.on_change)
        check_store("Breaker.store", self.store, "circuits")
        object.__setattr__(self, "_board", Board(self.store, self._rules(), self.on_change))

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send, unless the target's circuit is open."""
        passage = Passage(self._board, call, self.on, seconds_of(self.max_retry_after))
        looking = passage.at_the_door()
        if looking is not None:
            await looking
        try:
            reply = await send(call.guard(passage.check))
        except BaseException as error:
            passage.failed(error)
            raise
        reply.on_settled(passage.settled)
        return reply

    def plan(self, call: Call) -> Decision:
        """Whether the call would be let through, as far as this process knows."""
        view = self._board.planned(call)
        data = {"state": view.state, "failures": view.failures, "retry_after": view.retry_after}
        if not view.admits:
            return Decision("Breaker", "refuses", str(refusal(str(call.target), view)), data)
        if view.state == "closed":
            return Decision("Breaker", "passes on", f"the circuit of {call.target} is closed", data)
        return Decision("Breaker", "probes", view.reason, data)

    def state(self, target: str | Target, *, at: str | None = None) -> CircuitView:
        """A target's circuit, as this process knows it: with a shared store, as a call last found it.

        Args:
            target: a model's name, or a Target.
            at: the base_url of the router, where calls to that name go to several.

        Raises:
            ConfigError: it is no target, or nobody knows which router is meant.
        """
        key, waiting = self._board.named(target, at)
        clock = current_clock()
        return self._board.early(key, clock) if waiting else self._board.view(key, clock)

    def states(self) -> dict[str, CircuitView]:
        """Every circuit that this process knows to have failed or been set, by endpoint and model."""
        return self._board.views(current_clock())

    def look(self, target: str | Target, *, at: str | None = None) -> Telling[CircuitView]:
        """The same as `state`, asked of the store; await it."""
        key, waiting = self._board.named(target, at)
        return self._board.circuits(waiting=waiting).look(key, self._board.rules, clock=current_clock())

    def open(
        self,
        target: str | Target,
        *,
        rest: Duration | None = None,
        reason: str = "opened by hand",
        at: str | None = None,
    ) -> Telling[Change | None]:
        """Open a circuit by hand, for `rest` seconds, or until `close`.

        It begins at once. With a shared store, await it to know that it has been done everywhere.
        """
        length = seconds("Breaker.open: rest", rest, zero=False)
        key, waiting = self._board.named(target, at)
        clock = current_clock()
        pending = self._board.circuits(waiting=waiting).open(key, reason, length, self._board.rules, clock=clock)
        if self._board.shared is not None:
            self._board.set_by_hand(key)
            self._board.own.open(key, reason, length, self._board.rules, clock=clock)
        return self._told(pending, str(target))

    def close(
        self, target: str | Target, *, reason: str = "closed by hand", at: str | None = None
    ) -> Telling[Change | None]:
        """Close a circuit by hand; failures count afresh."""
        key, waiting = self._board.named(target, at)
        clock = current_clock()
        pending = self._board.circuits(waiting=waiting).close(key, reason, self._board.rules, clock=clock)
        if self._board.shared is not None:
            self._board.set_by_hand(key)
            self._board.own.close(key, reason, self._board.rules, clock=clock)
        return self._told(pending, str(target))

    def reset(self, target: str | Target | None = None, *, at: str | None = None) -> Telling[None]:
        """Forget a target's circuit, or every circuit of the store."""
        key = None if target is None else self._board.named(target, at)[0]
        self._board.forget(key)
        return self._board.circuits(waiting=False).reset(key)

    def _told(self, pending: Telling[Change | None], target: str) -> Telling[Change | None]:
        pending.tell(lambda change: self._board.tell(change, target), self._board.lost)
        return pending

    def _rules(self) -> Rules:
        return Rules(
            self.failure_threshold, self.failure_rate, self.min_calls, seconds_of(self.window),
            seconds_of(self.timeout), self.half_open_requests, seconds_of(self.lease),
        )  # fmt: skip

    def __repr__(self) -> str:
        rate = f", failure_rate={self.failure_rate:g}" if self.failure_rate is not None else ""
        return (
            f"Breaker(failure_threshold={self.failure_threshold}, timeout={self.timeout:g}, "
            f"half_open_requests={self.half_open_requests}{rate}, "
            f"scope={'this object' if self.store is None else self.store.scope!r})"
        )
