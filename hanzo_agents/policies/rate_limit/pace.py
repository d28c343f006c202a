"""What we have learned of one target's own limits, and how fast we therefore go.

Two sources: what the upstream says in its headers (it still takes so many, until then), and its refusals (429).
What it says is obeyed: so many are sent and no more, until the reset. After a refusal the rate and the concurrency
are halved, and come back little by little (additive increase, multiplicative decrease, as TCP does), never beyond
what was configured. A Retry-After is waited for by all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hanzo_agents._kernel.turns import Turns
from hanzo_agents.policies.rate_limit.headroom import Kind, headroom

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._kernel.clock import Clock

__all__ = ["Mark", "Pace", "Paces", "part_of"]

MANY_TARGETS = 256
"""Targets above which those of which nothing is to be remembered are forgotten."""

CUT = 0.5
LEAST_SHARE = 0.05
"""Of the configured rate: slower than that, nothing would be heard of a recovery."""

RECOVERY = 0.1
"""Of the configured rate, a minute: from half to the whole in five."""


def part_of(limit: int | None, share: float) -> int | None:
    """A share of a limit, at least 1."""
    # A hair's breadth: sums of tenths fall just short of a whole.
    return None if limit is None else max(1, int(limit * share + 1e-9))


class Mark(NamedTuple):
    """When a call went, and what had gone by then, itself included."""

    at: float
    requests: int
    tokens: int


class _Left:
    """What the upstream still takes until `until`, less what has gone since it said so."""

    __slots__ = ("mark", "remaining", "until")

    def __init__(self, remaining: int, until: float, mark: Mark) -> None:
        self.remaining, self.until, self.mark = remaining, until, mark


class Pace:
    """The pace of one target. Thread-safe, and never waits.

    Args:
        slots: the configured concurrency, None for no limit.
    """

    __slots__ = (
        "_cut_at", "_grown_at", "_left", "_most_slots", "_requests", "_tokens", "_turns", "held_until", "share",
        "slots",
    )  # fmt: skip

    def __init__(self, slots: int | None) -> None:
        self.share = 1.0
        self.slots: float | None = slots
        self.held_until = float("-inf")
        self._most_slots = slots
        self._cut_at = self._grown_at = float("-inf")
        self._requests = self._tokens = 0
        self._left: dict[Kind, _Left] = {}
        self._turns = Turns()

    def hold(self, now: float, tokens: int) -> float:
        """Seconds for which the upstream takes no call of so many tokens."""
        hold = self.held_until - now
        if self._left:
            with self._turns:
                for kind, left in self._left.items():
                    if left.until > now and self._remaining(kind, left) < (
                        1 if kind == "requests" else max(tokens, 1)
                    ):
                        hold = max(hold, left.until - now)
        return max(hold, 0.0)

    @property
    def whole(self) -> bool:
        """Whether the pace is what was configured."""
        return self.share >= 1.0 and self.slots == self._most_slots

    def rate(self, limit: int | None) -> int | None:
        """A limit a minute, as it is now."""
        return part_of(limit, self.share)

    def concurrency(self) -> int | None:
        """The calls at once, as it is now."""
        return None if self.slots is None else int(self.slots)

    def went(self, now: float, tokens: int) -> Mark:
        """A call is sent."""
        with self._turns:
            self._requests += 1
            self._tokens += tokens
            return Mark(now, self._requests, self._tokens)

    def stayed(self, tokens: int) -> None:
        """A call that was to be sent was not."""
        self._turns.put(self._take_back, tokens)

    def heard(self, headers: Any, mark: Mark, clock: Clock) -> None:
        """A reply to a call came with these headers."""
        told = headroom(headers, wall=clock.wall())
        if not told:
            return
        now = clock.now()
        with self._turns:
            for kind, room in told.items():
                known = self._left.get(kind)
                # Replies overtake each other: what a later call was told is newer.
                if known is None or known.until <= now or known.mark.requests <= mark.requests:
                    self._left[kind] = _Left(room.remaining, now + room.resets_in, mark)

    def accepted(self, now: float) -> None:
        """A call was accepted."""
        if self.whole:
            return
        with self._turns:
            self.share = min(1.0, self.share + RECOVERY * max(now - self._grown_at, 0.0) / 60)
            self._grown_at = max(self._grown_at, now)
            if self.slots is not None and self._most_slots is not None:
                self.slots = min(self._most_slots, self.slots + 1 / self.slots)

    def refused(self, retry_after: float | None, mark: Mark, now: float) -> bool:
        """A call was refused by the upstream (429). Whether the pace was cut: once for the calls of one moment."""
        with self._turns:
            if retry_after is not None:
                self.held_until = max(self.held_until, now + retry_after)
            if mark.at <= self._cut_at:
                return False
            self.share = max(LEAST_SHARE, self.share * CUT)
            if self.slots is not None:
                self.slots = max(1.0, self.slots * CUT)
            self._cut_at = self._grown_at = now
            return True

    def remaining(self, now: float) -> Mapping[str, int]:
        """What the upstream still takes, by its own word."""
        with self._turns:
            return {kind: self._remaining(kind, left) for kind, left in self._left.items() if left.until > now}

    def at_rest(self, now: float) -> bool:
        """Whether there is nothing to remember."""
        return self.whole and self.hold(now, 0) <= 0

    def _take_back(self, tokens: int) -> None:
        self._requests -= 1
        self._tokens -= tokens

    def _remaining(self, kind: Kind, left: _Left) -> int:
        gone = self._requests - left.mark.requests if kind == "requests" else self._tokens - left.mark.tokens
        return max(0, left.remaining - max(0, gone))


class Paces:
    """The pace of each target that one policy has seen."""

    __slots__ = ("_paces", "_slots", "_sweep_at", "_turns")

    def __init__(self, slots: int | None) -> None:
        self._slots = slots
        self._paces: dict[str, Pace] = {}
        self._sweep_at = MANY_TARGETS
        self._turns = Turns()

    def of(self, target: str, now: float) -> Pace:
        """The pace of a target."""
        pace = self._paces.get(target)
        if pace is None:
            with self._turns:
                if len(self._paces) >= self._sweep_at:
                    self._paces = {name: pace for name, pace in self._paces.items() if not pace.at_rest(now)}
                    self._sweep_at = max(MANY_TARGETS, 2 * len(self._paces))
                pace = self._paces.setdefault(target, Pace(self._slots))
        return pace

    def known(self, target: str) -> Pace:
        """The same, without remembering it."""
        return self._paces.get(target) or Pace(self._slots)

    def named(self, model: str) -> list[str]:
        """The targets seen that have this model."""
        return [target for target in list(self._paces) if target.endswith(f" {model}")]

    def __len__(self) -> int:
        return len(self._paces)
