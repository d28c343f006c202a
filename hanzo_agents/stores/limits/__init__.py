"""Limits: requests and tokens of the last minute, calls under way, and the queue before them.

A lane is what one limit is kept of: a target, or whatever a policy names. Each lane has

- a log of what was admitted, when, and how many tokens it took or is reckoned to take;
- slots, held by the calls under way;
- a queue: who could not be admitted keeps their place and asks again.

`ask` admits a call when in the minute that ends now, and with everybody ahead of it in the queue counted as if
they went now, no limit is passed. So in every sliding minute the log stays within the limits; the order is first
come, first served; and a large call cannot be starved by small ones. Whoever is ahead but does not come back is
dropped.

An operation (`op`) is one call at the limiter. It may be repeated: asking again when admitted changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.limits.bells import Bells
    from hanzo_agents.stores.pending import Pending

__all__ = [
    "ABSENT",
    "ASK_AGAIN",
    "ASK_AGAIN_HELD",
    "ASK_AGAIN_IN_FRONT",
    "LEASE",
    "PERIOD",
    "Limits",
    "Need",
    "Standing",
    "Turn",
    "time_until_fit",
]

PERIOD = 60.0
"""Seconds in the window of requests and tokens."""

ABSENT = 5.0
"""Seconds for which a queued call may be late in asking again; then its place is given up: its process is dead."""

ASK_AGAIN = 1.0
"""Seconds after which whoever waits on a shared store asks again: other processes can ring no bell here."""

ASK_AGAIN_IN_FRONT = 0.1
"""The same for the first in the queue; those behind ask in proportion to their place."""

ASK_AGAIN_HELD = 30.0
"""The same for one on hold."""

LEASE = 30.0
"""Seconds for which a shared store believes that a call is under way unless its process says so again."""


class Need(NamedTuple):
    """What a call asks for, and the limits it goes by.

    Attributes:
        tokens: what it is reckoned to take.
        requests_limit, tokens_limit: most in any minute, None for no limit.
        slots_limit: most calls under way at once.
        queue: most calls that may wait in the lane.
        patience: seconds it may wait; one that would have to wait as long or longer takes no place in the queue.
        hold: seconds in which it must not be admitted, whatever the limits say; nobody behind waits for that.
    """

    tokens: int
    requests_limit: int | None
    tokens_limit: int | None
    slots_limit: int | None
    queue: int
    patience: float
    hold: float


class Turn(NamedTuple):
    """The answer to `ask`.

    Attributes:
        state: "admitted"; "queued": ask again; "late": it would wait longer than its patience; "full": so many
            wait already. The last two leave nothing behind.
        delay: of one that is queued, seconds after which to ask again at the latest.
        wait: seconds until it fits if nothing changes; what waits for others to end is not in it.
        ahead: how many are before it.
        at: when it was admitted, in seconds of the store's clock.
    """

    state: Literal["admitted", "queued", "late", "full"]
    delay: float = 0.0
    wait: float = 0.0
    ahead: int = 0
    at: float = 0.0


class Standing(NamedTuple):
    """A lane at a moment: of the last minute, and now."""

    requests: int
    tokens: int
    slots: int
    waiting: int


class Limits(Protocol):
    """The part of a store that limits stand on."""

    @property
    def bells(self) -> Bells:
        """Wakes those of this process who wait in a lane."""
        ...

    def ask(self, lane: str, op: str, need: Need, *, clock: Clock) -> Pending[Turn]:
        """Admit the call, or give it its place in the queue."""
        ...

    def settle(self, lane: str, op: str, tokens: int | None, *, clock: Clock) -> Pending[None]:
        """An admitted call is over: free its slot, and count the tokens it really took (None: as reckoned)."""
        ...

    def withdraw(self, lane: str, op: str, *, clock: Clock) -> Pending[None]:
        """The call is not sent: give everything back, also what an `ask` under way would still take."""
        ...

    def standing(self, lane: str, *, clock: Clock) -> Pending[Standing]:
        """How the lane stands."""
        ...


def time_until_fit(
    log: Iterable[tuple[float, int]], used: int, ahead: int, mine: int, limit: int, *, now: float
) -> float:
    """Seconds until an amount fits into a sliding window; 0 when it does now.

    What is ahead goes as soon as it fits, and then takes a minute of its own: to know when the amount fits, the
    sequence of log and queue is followed back by one limit, a window each time, until that point lies in the log.

    Args:
        log: times and amounts in the window, oldest first.
        used: their sum.
        ahead: the sum of those who go first.
        mine: the amount, at most `limit`.
        limit: most in a window.
        now: the time that the log ends at.
    """
    excess = used + ahead + mine - limit
    if excess <= 0:
        return 0.0
    windows = -(-max(excess - used, 0) // limit)
    excess -= windows * limit
    if excess <= 0:
        return PERIOD * windows
    passed = 0
    for at, amount in log:
        passed += amount
        if passed >= excess:
            return at + PERIOD * (windows + 1) - now
    raise AssertionError("the log holds less than its sum")
