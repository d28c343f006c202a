"""Money: what is reserved and spent, by whom and on what.

An operation names itself by an id (`op`), so that repeating it changes nothing: a reply that was lost is asked for
again. Its life is: reserved before the send; then settled with what it cost, or released because nothing was sent.
A reservation whose lease ends is what its owner left behind when it died: the send may have happened, so the
reservation counts as spent, in the window it was made for. A late settlement replaces it by the truth.

US dollars are Decimals at this edge and whole billionths of a dollar (`to_units`, rounded up) in every store: sums
of integers are exact, and below 9 million dollars an account they are exact in Redis' Lua too, whose numbers are
doubles. A price of 0.001 dollars per million tokens still makes one unit a token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context, Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents._kernel.journal import Basis
    from hanzo_agents.stores.pending import Pending, Telling

__all__ = [
    "DAYS_KEPT",
    "MOST",
    "Account",
    "Balance",
    "Entry",
    "Facts",
    "Ledger",
    "Shortage",
    "to_dollars",
    "to_units",
]

DAYS_KEPT = 92
"""Days of history: a quarter of a year, and with it every window that can be open."""

MOST = Decimal(9_000_000)
"""US dollars; what one account can hold, and the largest amount of one operation."""

MOST_COUNT = 10**10
"""Tokens or attempts of one operation: of so many, a line of the report adds up hundreds of millions."""

MARGIN = 86_400.0
"""Seconds that an account outlives its window, for what was under way at its end."""

REMEMBERED = 3_600.0
"""Seconds that a finished operation is remembered, so that a repetition of it is recognised."""

EXPIRED_REMEMBERED = 7 * 86_400.0
"""The same for one whose lease ended: its settlement may still come."""

_EXACT = Context(prec=60)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Account:
    """One limit on spending.

    Attributes:
        name: which one, with its window: "default/daily/2026-03-29/UTC".
        limit: US dollars that `spent + reserved` may not pass; None only counts.
        ends: seconds since the epoch at which its window is over; None for never.
    """

    name: str
    limit: Decimal | None = None
    ends: float | None = None
    limit_units: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Reckon the limit in units, once."""
        object.__setattr__(self, "limit_units", None if self.limit is None else to_units(self.limit))


@dataclass(slots=True)
class Balance:
    """What an account holds. Not changed once it is made."""

    name: str
    spent_units: int = 0
    reserved_units: int = 0

    @property
    def spent(self) -> Decimal:
        """US dollars that are gone."""
        return to_dollars(self.spent_units)

    @property
    def reserved(self) -> Decimal:
        """US dollars set aside for what is under way."""
        return to_dollars(self.reserved_units)


@dataclass(frozen=True, slots=True)
class Shortage:
    """An account that cannot pay, of several the one with the least left; nothing was reserved."""

    account: Account
    held: Balance

    @property
    def available(self) -> Decimal:
        """US dollars that could be reserved; never negative."""
        return to_dollars(max(self.left_units, 0))

    @property
    def left_units(self) -> int:
        """The same in units; negative where an account is overdrawn."""
        assert self.account.limit_units is not None
        return self.account.limit_units - self.held.spent_units - self.held.reserved_units


@dataclass(slots=True)
class Facts:
    """What an amount was for, as far as is known. Not changed once it is made; two are made for every call.

    Attributes:
        day: the calendar day it is shown under, as "2026-03-29".
        model: the model's name.
        agent, run: whose call it was; empty when nobody says.
        basis: where the amount comes from.
        attempts: requests that were sent.
    """

    day: str
    model: str
    agent: str = ""
    run: str = ""
    basis: Basis = "estimated"
    attempts: int = 1
    input_tokens: int = 0
    output_tokens: int = 0

    def __post_init__(self) -> None:
        """Keep the counts within what every store can add up."""
        if not (
            0 <= self.attempts <= MOST_COUNT
            and 0 <= self.input_tokens <= MOST_COUNT
            and 0 <= self.output_tokens <= MOST_COUNT
        ):
            self.attempts = _within(self.attempts)
            self.input_tokens = _within(self.input_tokens)
            self.output_tokens = _within(self.output_tokens)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the usage report: calls that have everything in common but their time, summed up."""

    day: str
    model: str
    agent: str
    run: str
    basis: Basis
    calls: int
    attempts: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


class Ledger(Protocol):
    """What every store does with money.

    Operations of one process on one op take effect in the order they were asked for, or end as if they had: a
    settlement or release that overtakes its reservation makes that one do nothing.
    """

    def reserve(
        self,
        op: str,
        amount: Decimal,
        accounts: Sequence[Account],
        facts: Facts,
        *,
        lease: float,
        clock: Clock,
    ) -> Pending[Shortage | None]:
        """Set `amount` aside in all accounts, or in none.

        When the result is there, the reservation is as durable as the store is.

        Args:
            op: the operation's id.
            amount: US dollars, the most it may cost.
            accounts: which must pay.
            facts: what it counts as should its owner die.
            lease: seconds after which the owner is taken for dead.
            clock: the call's.
        """
        ...

    def settle(
        self, op: str, amount: Decimal, accounts: Sequence[Account], facts: Facts, *, clock: Clock
    ) -> Telling[list[Balance]]:
        """Book what the operation cost in place of its reservation, also of one that expired or was never made.

        Returns:
            The accounts as they stand then.
        """
        ...

    def release(self, op: str, *, clock: Clock) -> Telling[None]:
        """Give the reservation back: nothing was sent."""
        ...

    def balances(self, names: Sequence[str], *, clock: Clock) -> Pending[list[Balance]]:
        """What accounts hold; zeros for one that nobody has used."""
        ...

    def entries(self, since: date, until: date, *, clock: Clock) -> Pending[list[Entry]]:
        """The usage of the days from `since` to `until`, both included, in no particular order.

        Reservations under way are not in it. At most `DAYS_KEPT` days are remembered.
        """
        ...

    def mark(self, name: str, ends: float | None, *, clock: Clock) -> Telling[bool]:
        """Whether this is the first mark of that name, in all processes of the store; kept until `ends`."""
        ...


def to_units(dollars: Decimal) -> int:
    """Billionths of a dollar, rounded up; more than `MOST` counts as `MOST`, and less than nothing as nothing."""
    if dollars.is_nan():
        raise ValueError("an amount of money that is no number")
    amount = max(min(dollars, MOST), _ZERO)
    return int(amount.scaleb(9, _EXACT).to_integral_value(ROUND_CEILING))


def _within(count: int) -> int:
    return min(max(count, 0), MOST_COUNT)


def to_dollars(units: int) -> Decimal:
    """The reverse."""
    return Decimal(units).scaleb(-9, _EXACT)
