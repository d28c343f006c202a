"""One target's circuit, without clock, lock or store: it is told the time. `LUA` in `scripts.py` is its twin.

Failures are counted in a row, and in slices of a sliding window: a slice is a tenth of the window, and leaves it
whole, so that what is counted is never older than the window, and at least its last nine tenths.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hanzo_agents.stores.circuits import CLOSED, Admission, Change, CircuitView

if TYPE_CHECKING:
    from typing import Self

    from hanzo_agents.stores.circuits import Rules, State, Verdict

__all__ = ["FREELY", "KEPT", "Circuit"]

SLICES = 10

KEPT = 3600.0
"""Seconds after which a circuit that nothing happens to may be forgotten: later than any call can come back."""

REMEMBERED = 64
"""Ids of calls that were counted, so that one told twice is counted once: a repetition follows within seconds."""

JITTER = 1.0
"""Seconds by which the clocks of two machines that take turns may differ."""

FREELY = Admission(admitted=True, epoch=0, probe=False, view=CLOSED)


class Circuit:
    """The state of one circuit, and what changes it.

    Attributes:
        free: the admission of whoever comes while it is closed, made once, without the numbers.
    """

    __slots__ = (
        "counted", "epoch", "failures", "free", "held", "leases", "passed", "reason", "rest", "slices", "state",
        "touched", "until",
    )  # fmt: skip

    def __init__(self) -> None:
        self.free = FREELY
        self.state: State = "closed"
        self.epoch = 0
        self.failures = 0
        self.touched = 0.0
        self.until = 0.0
        self.rest = 0.0
        self.held = False
        self.reason = ""
        self.passed = 0
        self.leases: dict[str, tuple[float, float]] = {}
        self.slices: list[list[float]] = []
        self.counted: list[str] = []

    def admit(self, now: float, by: str, rules: Rules) -> Admission:
        """Let a call through, or not."""
        if self.state == "closed":
            return Admission(admitted=True, epoch=self.epoch, probe=False, view=self.view(now, rules))
        change = None
        if self.state == "open":
            if self.held or now < self._due(now):
                return self._refusal(now, rules)
            change = self._enter("half_open", "the rest is over")
        place = self._place(now, by, rules)
        if place is None:
            return self._refusal(now, rules)
        self.leases.pop(place, None)
        self.leases[by] = now + rules.lease, rules.lease
        return Admission(admitted=True, epoch=self.epoch, probe=True, view=self.view(now, rules), change=change)

    def record(
        self, now: float, by: str, epoch: int, verdict: Verdict, rules: Rules, *, rest: float = 0.0
    ) -> Change | None:
        """Take in what came of a call that was let through in `epoch`."""
        if epoch != self.epoch or self.state == "open":
            return None
        self.leases.pop(by, None)
        if rest > 0:
            return self._open(now, rest, f"asked to be left alone for {rest:g} s")
        if verdict == "neutral" or by in self.counted:
            return None
        if self.state == "half_open":
            return self._probed(now, by, verdict, rules)
        return self._count(now, by, verdict, rules)

    def view(self, now: float, rules: Rules) -> CircuitView:
        """What there is to see."""
        state, after, held = self.state, 0.0, self.held
        if state == "open":
            after = max(self._due(now) - now, 0.0)
            if not held and after == 0.0:
                state = "half_open"
        elif state == "half_open" and self._place(now, "", rules) is None:
            after = max(min(end for end, _ in self.leases.values()) - now, 0.0)
        calls, failed = self._totals(now - rules.window)
        return CircuitView(
            state, self.failures, calls, failed, len(self.leases), self.passed,
            None if held else after, held, self.reason, self.epoch,
        )  # fmt: skip

    def open(self, now: float, reason: str, rest: float | None) -> Change | None:
        """Open by hand; None holds it open."""
        change = self._open(now, rest or 0.0, reason)
        self.held = rest is None
        return change

    def close(self, reason: str) -> Change | None:
        """Close by hand."""
        change = self._enter("closed", reason)
        return change if change.before != "closed" else None

    def adopt(self, now: float, view: CircuitView) -> None:
        """Become what another circuit looks like, in an epoch of our own."""
        if view.state == "closed":
            self.close("")
        else:
            self.open(now, view.reason, None if view.held else view.retry_after or 0.0)

    @property
    def kept_until(self) -> float:
        """Until when it must not be forgotten."""
        return float("inf") if self.held else max(self.touched, self.until) + KEPT

    def dump(self) -> str:
        """As text, for a file. Two that are in the same state are the same text."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name not in ("free", "touched")}
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Self:
        """From what `dump` wrote."""
        circuit = cls()
        for name, value in json.loads(text).items():
            setattr(circuit, name, value)
        return circuit

    def _due(self, now: float) -> float:
        # Wall clocks are set back: nobody waits longer than was meant.
        if self.until > now + self.rest + JITTER:
            self.until = now + self.rest
        return self.until

    def _place(self, now: float, by: str, rules: Rules) -> str | None:
        """Whose lease a probe may take: its own, nobody's (its own as well), or the first that ran out."""
        if by in self.leases or len(self.leases) + self.passed < rules.probes:
            return by
        over = [(end, other) for other, (end, length) in self.leases.items() if _is_over(now, end, length)]
        return min(over)[1] if over else None

    def _refusal(self, now: float, rules: Rules) -> Admission:
        return Admission(admitted=False, epoch=self.epoch, probe=False, view=self.view(now, rules))

    def _probed(self, now: float, by: str, verdict: Verdict, rules: Rules) -> Change | None:
        if verdict == "failure":
            return self._open(now, rules.rest, "a probe failed")
        self._remember(by)
        self.passed += 1
        return self._enter("closed", "the probes succeeded") if self.passed >= rules.probes else None

    def _count(self, now: float, by: str, verdict: Verdict, rules: Rules) -> Change | None:
        failed = verdict == "failure"
        if not failed and not self.failures and rules.rate is None:
            return None
        self._remember(by)
        self.failures = self.failures + 1 if failed else 0
        if rules.rate is not None:
            self._slice(now, rules.window, failed)
        why = self._tripped(rules) if failed else ""
        return self._open(now, rules.rest, why) if why else None

    def _slice(self, now: float, window: float, failed: bool) -> None:
        slices = self.slices
        if slices and not (now - window < slices[0][0] and slices[-1][0] <= now):
            slices = self.slices = [one for one in slices if now - window < one[0] <= now]
        if not slices or now - slices[-1][0] >= window / SLICES:
            slices.append([now, 0, 0])
        last = slices[-1]
        last[1] += 1
        last[2] += failed

    def _remember(self, by: str) -> None:
        self.counted.append(by)
        del self.counted[:-REMEMBERED]

    def _totals(self, since: float) -> tuple[int, int]:
        inside = [one for one in self.slices if one[0] > since]
        return int(sum(one[1] for one in inside)), int(sum(one[2] for one in inside))

    def _tripped(self, rules: Rules) -> str:
        """Why the circuit must open, empty when it need not."""
        if rules.failures is not None and self.failures >= rules.failures:
            return f"{self.failures} failure{'s' if self.failures > 1 else ''} in a row"
        if rules.rate is None:
            return ""
        calls, failed = self._totals(float("-inf"))
        if calls >= rules.least and failed >= rules.rate * calls:
            return f"{failed} of {calls} calls in {rules.window:g} s failed"
        return ""

    def _open(self, now: float, rest: float, reason: str) -> Change | None:
        self.until, self.rest = now + rest, rest
        change = self._enter("open", reason)
        return change if change.before != "open" else None

    def _enter(self, state: State, reason: str) -> Change:
        change = Change(self.state, state, reason)
        self.epoch += 1
        self.state = state
        if state == "closed":
            self.free = Admission(admitted=True, epoch=self.epoch, probe=False, view=CLOSED)
        self.reason = "" if state == "closed" else self.reason if state == "half_open" else reason
        self.held = False
        self.failures = self.passed = 0
        self.leases, self.slices, self.counted = {}, [], []
        return change


def _is_over(now: float, end: float, length: float) -> bool:
    # One that would last longer than ever it was given is of a clock that has been set back since.
    return not now < end <= now + length + JITTER
