"""Circuits: which targets are failing, and who may try one that was. What every store does.

A circuit is *closed* while calls pass, *open* while none does, and *half-open* while a few probes find out whether
it may close. Every change of state begins a new *epoch*; what comes back from a call of an earlier one says
nothing about the present, and is ignored. A probe holds a *lease*: when it has not come back by the end of it,
because it hangs or its process is dead, its place goes to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.pending import Telling

__all__ = ["CLOSED", "Admission", "Change", "CircuitView", "Circuits", "Rules", "State", "Verdict"]

State = Literal["closed", "open", "half_open"]

Verdict = Literal["success", "failure", "neutral"]
"""What a call says about its target; neutral is nothing, but that it is over."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a circuit opens, and how it closes again.

    Attributes:
        failures: how many in a row open it; None: any number may.
        rate: the share of failures in `window` that opens it; None: any share may.
        least: calls there must have been in `window` before the rate counts.
        window: seconds.
        rest: seconds that it stays open.
        probes: calls let through when it is half-open; all of them must succeed to close it.
        lease: seconds a probe may take before its place goes to another.
    """

    failures: int | None = 5
    rate: float | None = None
    least: int = 20
    window: float = 60.0
    rest: float = 60.0
    probes: int = 1
    lease: float = 60.0


@dataclass(frozen=True, slots=True)
class CircuitView:
    """A circuit, as somebody looked at it.

    Attributes:
        state: "closed", "open" or "half_open".
        failures: how many in a row, while closed.
        calls, failed: in the window, where a failure rate counts.
        probes: under way, while half-open.
        passed: probes that succeeded, while half-open.
        retry_after: seconds until a call can be let through; 0 when one can be now, None when nobody knows.
        held: opened by hand, to stay so until it is closed by hand.
        reason: why it is not closed; empty when it is.
        epoch: counts the changes of state.
    """

    state: State = "closed"
    failures: int = 0
    calls: int = 0
    failed: int = 0
    probes: int = 0
    passed: int = 0
    retry_after: float | None = 0.0
    held: bool = False
    reason: str = ""
    epoch: int = 0

    @property
    def admits(self) -> bool:
        """Whether a call would be let through."""
        return self.retry_after == 0.0 and not self.held


CLOSED = CircuitView()


@dataclass(frozen=True, slots=True)
class Change:
    """A circuit changed its state."""

    before: State
    after: State
    reason: str


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a call that asked to be let through.

    Attributes:
        admitted: whether it is.
        epoch: hand it back with the verdict.
        probe: whether it holds a lease.
        view: the circuit, afterwards.
        change: the change of state that asking brought about.
    """

    admitted: bool
    epoch: int
    probe: bool
    view: CircuitView
    change: Change | None = None


class Circuits(Protocol):
    """The circuits of a store, by key. A key that nobody has written is a closed circuit."""

    def admit(self, key: str, by: str, rules: Rules, *, clock: Clock) -> Telling[Admission]:
        """Ask to be let through.

        Args:
            key: of the circuit.
            by: an id of the call. One that holds a lease and asks again has it renewed.
            rules: of whoever asks.
            clock: of the call.
        """
        ...

    def record(
        self, key: str, by: str, epoch: int, verdict: Verdict, rules: Rules, *, clock: Clock, rest: float = 0.0
    ) -> Telling[Change | None]:
        """Tell what came of a call that was let through. Telling it twice changes nothing.

        Args:
            key: of the circuit.
            by: the id it was let through with.
            epoch: as the admission said; a verdict of another epoch is ignored.
            verdict: what it says about the target.
            rules: of whoever tells.
            clock: of the call.
            rest: seconds the target asked to be left alone; the circuit opens at once for so long.
        """
        ...

    def look(self, key: str, rules: Rules, *, clock: Clock) -> Telling[CircuitView]:
        """See a circuit without changing it."""
        ...

    def open(
        self, key: str, reason: str, rest: float | None, rules: Rules, *, clock: Clock
    ) -> Telling[Change | None]:
        """Open by hand, for `rest` seconds, or until it is closed by hand (None)."""
        ...

    def close(self, key: str, reason: str, rules: Rules, *, clock: Clock) -> Telling[Change | None]:
        """Close by hand; failures begin to count afresh."""
        ...

    def reset(self, key: str | None = None) -> Telling[None]:
        """Forget a circuit, or all of them."""
        ...
