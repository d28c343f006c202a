"""The circuits of one breaker: those of its store, and this process's own for as long as the store is away."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.target_keys import call_key, endpoint_of, target_key
from hanzo_agents.stores.circuits import CLOSED
from hanzo_agents.stores.circuits.memory import MemoryCircuits

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.circuits import Change, Circuits, CircuitView, Rules, State
    from hanzo_agents.stores.store import Store

__all__ = ["Board", "CircuitChange"]

MANY = 1024
"""Targets whose last seen state is remembered."""

_logger = logging.getLogger("hanzo_agents")
_WORDS: dict[State, str] = {"open": "opens", "half_open": "half-opens", "closed": "closes"}


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A circuit changed its state.

    Attributes:
        target: the name of the target whose call, or whose name, brought it about.
        before, after: "closed", "open" or "half_open".
        reason: why, for people.
    """

    target: str
    before: State
    after: State
    reason: str


class Board:
    """Where a breaker finds its circuits. Thread-safe and loop-free.

    Attributes:
        own: the circuits of this process: all there are, or what stands in for a store that is away.
        shared: the circuits of a store that other processes share, None without one.
    """

    def __init__(
        self, store: Store | None, rules: Rules, on_change: Callable[[CircuitChange], object] | None
    ) -> None:
        circuits: Circuits = MemoryCircuits() if store is None else store.circuits
        self.own = circuits if isinstance(circuits, MemoryCircuits) else MemoryCircuits()
        self.shared = None if self.own is circuits else circuits
        self.rules = rules
        self._on_change = on_change
        self._seen: dict[str, tuple[float, CircuitView]] = {}
        self._homes: tuple[str, ...] = ()
        self._early = MemoryCircuits()
        self._away = False
        self._turns = Turns()

    def key(self, call: Call) -> str:
        """The key of a call's target."""
        if call.target.base_url is None and call.home not in self._homes:
            self._meet(call.home, call.clock)
        return call_key(call)

    def named(self, target: str | Target, at: str | None) -> tuple[str, bool]:
        """The key of a target that somebody names, and whether it waits for the first call to tell its address.

        Raises:
            ConfigError: it is no target, or it has no address and calls have not told just one.
        """
        target = Target.of(target)
        if target.model is None:
            raise ConfigError("Breaker: target: each model has a circuit of its own; say which one is meant")
        if at is not None and (not isinstance(at, str) or "://" not in at):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError("Breaker: at: expected the base_url of a router, such as https://router.example/v1")
        if at is not None or target.base_url is not None or target.foreign:
            return target_key(target, at or ""), False
        homes = {endpoint_of(home) for home in self._homes}
        if len(homes) > 1:
            raise ConfigError(
                f"Breaker: at: calls to {target} go to {', '.join(sorted(homes))}; say which one is meant"
            )
        if not homes and self.shared is not None:
            raise ConfigError(
                f"Breaker: at: no call has told yet where {target} is; give the base_url of its router"
            )
        return target_key(target, next(iter(homes), "")), not homes

    def circuits(self, *, waiting: bool) -> Circuits:
        """Where to change a circuit by hand."""
        if waiting:
            return self._early
        return self.own if self.shared is None else self.shared

    def view(self, key: str, clock: Clock) -> CircuitView:
        """A circuit as this process knows it: as it is, or as it was last seen in a shared store."""
        seen = self._seen.get(key)
        if self.shared is None or self._away or seen is None:
            return self.own.look(key, self.rules, clock=clock).value
        when, view = seen
        if view.retry_after:
            left = max(view.retry_after - (clock.now() - when), 0.0)
            view = replace(view, retry_after=left, state=view.state if left else "half_open")
        return view

    def planned(self, call: Call) -> CircuitView:
        """The same for a call that is only thought of."""
        key, early = call_key(call), target_key(call.target, "")
        if call.target.base_url is None and call.home not in self._homes:
            view = self._early.look(early, self.rules, clock=call.clock).value
            if view is not CLOSED:
                return view
        return self.view(key, call.clock)

    def early(self, key: str, clock: Clock) -> CircuitView:
        """A circuit that waits for its address."""
        return self._early.look(key, self.rules, clock=clock).value

    def views(self, clock: Clock) -> dict[str, CircuitView]:
        """Every circuit that this process knows, by endpoint and model."""
        known = dict.fromkeys([*self._early.views(self.rules, clock=clock)], CLOSED)
        known = {key: self.early(key, clock) for key in known}
        keys = [*self.own.views(self.rules, clock=clock), *self._seen]
        return {**known, **{key: self.view(key, clock) for key in keys}}

    def see(self, key: str, view: CircuitView, clock: Clock) -> None:
        """A shared store has answered: its circuit looks like this."""
        self._back()
        if view.state != "closed" or key in self._seen:
            with self._turns:
                if len(self._seen) >= MANY and key not in self._seen:
                    del self._seen[next(iter(self._seen))]
                self._seen[key] = clock.now(), view
        self.own.adopt(key, view, clock=clock)

    def forget(self, key: str | None) -> None:
        """Forget what was seen of a circuit, or of all."""
        with self._turns:
            for circuits in (self.own, self._early):
                circuits.reset(key)
            if key is None:
                self._seen.clear()
            else:
                self._seen.pop(key, None)

    def set_by_hand(self, key: str) -> None:
        """What was seen of a circuit before somebody set it is no longer so."""
        with self._turns:
            self._seen.pop(key, None)

    def lost(self, error: BaseException) -> None:
        """The shared store is away. Said once, until it is back. Never waits."""
        self._turns.put(self._lost, error)

    def _lost(self, error: BaseException) -> None:
        first, self._away = not self._away, True
        if first:
            _logger.warning("Breaker: %s; goes on with the state of this process", error)

    def tell(self, change: Change | None, target: str, call: Call | None = None) -> None:
        """Let everybody know that a circuit has changed."""
        if change is None:
            return
        action = _WORDS[change.after]
        level = logging.WARNING if change.after == "open" else logging.INFO
        _logger.log(level, "Breaker: the circuit of %s %s: %s", target, action, change.reason)
        if call is not None:
            call.note("Breaker", action, change.reason, target=target)
        if self._on_change is None:
            return
        try:
            self._on_change(CircuitChange(target, change.before, change.after, change.reason))
        except Exception:
            _logger.exception("Breaker.on_change failed")

    def _back(self) -> None:
        if not self._away:
            return
        with self._turns:
            first, self._away = self._away, False
        if first:
            _logger.info("Breaker: the store answers again")

    def _meet(self, home: str, clock: Clock) -> None:
        """The first call to an address: what was set by hand before holds there."""
        with self._turns:
            if home in self._homes or len(self._homes) >= MANY:
                return
            self._homes = (*self._homes, home)
            waiting = self._early.views(self.rules, clock=clock)
            self._early.reset()
        for key, view in waiting.items():
            self.own.adopt(endpoint_of(home) + key, view, clock=clock)
