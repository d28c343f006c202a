"""Circuits in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.turns import Turns
from hanzo_agents.stores.circuits import CLOSED
from hanzo_agents.stores.circuits.circuit import FREELY, Circuit
from hanzo_agents.stores.pending import Done, in_turn

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.circuits import Admission, Change, CircuitView, Rules, Verdict
    from hanzo_agents.stores.pending import Telling

__all__ = ["MemoryCircuits"]

MANY = 1024
"""Circuits from which on those that nothing has happened to for long are looked for, and forgotten."""

_LET_THROUGH: Done[Admission] = Done(FREELY)
_NO_CHANGE: Done[Change | None] = Done(None)
_NOTHING_TO_SEE: Done[CircuitView] = Done(CLOSED)


class MemoryCircuits:
    """The circuits of this process. A target that never failed has none."""

    def __init__(self) -> None:
        self._circuits: dict[str, Circuit] = {}
        self._many = MANY
        self._turns = Turns()

    def admit(self, key: str, by: str, rules: Rules, *, clock: Clock) -> Done[Admission]:
        """Ask to be let through."""
        circuit = self._circuits.get(key)
        if circuit is None:
            return _LET_THROUGH
        with self._turns:
            if circuit.state == "closed":
                return Done(circuit.free)
            return Done(circuit.admit(clock.now(), by, rules))

    def record(
        self, key: str, by: str, epoch: int, verdict: Verdict, rules: Rules, *, clock: Clock, rest: float = 0.0
    ) -> Telling[Change | None]:
        """Tell what came of a call that was let through. Never waits."""
        if key not in self._circuits and rest <= 0 and verdict != "failure" and rules.rate is None:
            return _NO_CHANGE
        now = clock.now()
        return in_turn(
            self._turns,
            lambda: self._circuit(key, now).record(now, by, epoch, verdict, rules, rest=rest),
            "Circuits.record",
        )

    def look(self, key: str, rules: Rules, *, clock: Clock) -> Done[CircuitView]:
        """See a circuit without changing it."""
        circuit = self._circuits.get(key)
        if circuit is None:
            return _NOTHING_TO_SEE
        with self._turns:
            return Done(circuit.view(clock.now(), rules))

    def open(
        self, key: str, reason: str, rest: float | None, rules: Rules, *, clock: Clock
    ) -> Done[Change | None]:
        """Open by hand."""
        with self._turns:
            now = clock.now()
            return Done(self._circuit(key, now).open(now, reason, rest))

    def close(self, key: str, reason: str, rules: Rules, *, clock: Clock) -> Done[Change | None]:
        """Close by hand."""
        with self._turns:
            circuit = self._circuits.get(key)
            return Done(None if circuit is None else circuit.close(reason))

    def reset(self, key: str | None = None) -> Done[None]:
        """Forget a circuit, or all of them."""
        with self._turns:
            if key is None:
                self._circuits.clear()
            else:
                self._circuits.pop(key, None)
        return Done(None)

    def adopt(self, key: str, view: CircuitView, *, clock: Clock) -> None:
        """Make a circuit look like one of another store."""
        if view.state == "closed" and key not in self._circuits:
            return
        with self._turns:
            now = clock.now()
            circuit = self._circuit(key, now)
            if view.state != "closed" or circuit.state != "closed":
                circuit.adopt(now, view)

    def views(self, rules: Rules, *, clock: Clock) -> dict[str, CircuitView]:
        """Every circuit there is, by key."""
        with self._turns:
            now = clock.now()
            return {key: circuit.view(now, rules) for key, circuit in self._circuits.items()}

    def _circuit(self, key: str, now: float) -> Circuit:
        circuit = self._circuits.get(key)
        if circuit is None:
            if len(self._circuits) >= self._many:
                self._forget(now)
            circuit = self._circuits[key] = Circuit()
        circuit.touched = now
        return circuit

    def _forget(self, now: float) -> None:
        kept = {key: circuit for key, circuit in self._circuits.items() if circuit.kept_until >= now}
        self._circuits = kept
        # Twice as many may come before it is looked again: looking costs a little for each.
        self._many = max(MANY, 2 * len(kept))
