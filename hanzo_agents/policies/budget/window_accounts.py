"""A budget's accounts in the ledger: those of today and this month, and what is still owed to the store."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from hanzo_agents._kernel.money import EXACT
from hanzo_agents.stores.ledger import Account
from hanzo_agents.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.budget.alerts import Thresholds
    from hanzo_agents.policies.budget.windows import Calendar
    from hanzo_agents.stores.ledger import Balance, Facts, Ledger, Shortage

__all__ = ["Period", "WindowAccounts"]

_logger = logging.getLogger("hanzo_agents")

MOST_OWED = 10_000
"""Operations kept for a store that is away; beyond them reservations are left to their leases."""

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Period:
    """The windows that hold a moment.

    Attributes:
        day: the day's label, under which usage is shown.
        starts: when this period began, seconds since the epoch.
        until: when the next one begins.
        accounts: of the day and of the month.
        kinds: which budget each account name is: "daily" or "monthly".
        limited: whether any of the accounts has a limit.
    """

    day: str
    starts: float
    until: float
    accounts: tuple[Account, ...]
    kinds: Mapping[str, str]
    limited: bool


class WindowAccounts:
    """Reserves and books amounts in a store's ledger, under the accounts of a budget.

    Args:
        ledger: opened when it is first needed.
        name: begins the names of the accounts: budgets of one name share them.
        limits: US dollars of "daily" and "monthly"; None only counts.
        thresholds: told of balances, for alerts.
    """

    def __init__(
        self,
        ledger: Callable[[], Ledger],
        name: str,
        limits: Mapping[str, Decimal | None],
        calendar: Calendar,
        thresholds: Thresholds | None = None,
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._limits = limits
        self._thresholds = thresholds
        self._period = Period("", 0.0, 0.0, (), {}, limited=False)
        self._told: dict[str, Balance] = {}
        self._owed: deque[Callable[[], None]] = deque(maxlen=MOST_OWED)
        self.calendar = calendar
        self.away = False

    def at(self, now: float) -> Period:
        """The period that holds the moment `now`, seconds since the epoch."""
        period = self._period
        if not period.starts <= now < period.until:
            period = self._period = self._turned(now)
        return period

    def _turned(self, now: float) -> Period:
        day, month = self.calendar.day(now), self.calendar.month(now)
        accounts = tuple(
            Account(
                f"{self._name}/{kind}/{window.label}/{self.calendar.timezone}", self._limits[kind], window.ends
            )
            for kind, window in (("daily", day), ("monthly", month))
        )
        kinds = dict(zip((account.name for account in accounts), ("daily", "monthly"), strict=True))
        limited = any(limit is not None for limit in self._limits.values())
        return Period(day.label, day.starts, day.ends, accounts, kinds, limited)

    async def reserve(
        self, op: str, amount: Decimal, period: Period, facts: Facts, *, spare: Decimal, lease: float, clock: Clock
    ) -> Shortage | None:
        """Set an amount aside, and `spare` beyond it must be left; durable when this returns None.

        Raises:
            StoreUnavailable: whether the reservation was made is unknown.
        """
        accounts = period.accounts
        if spare:
            accounts = tuple(_sparing(account, spare) for account in accounts)
        try:
            short = await self._ledger().reserve(op, amount, accounts, facts, lease=lease, clock=clock)
        except StoreUnavailable as error:
            self._gone(error)
            raise
        if self.away or self._owed:
            self._back()
        if short is not None:
            self._told[period.kinds[short.account.name]] = short.held
        return short

    def left(self, now: float) -> dict[str, Decimal]:
        """What "daily" and "monthly" limits leave after the spend that the store last told of. Asks nothing."""
        found: dict[str, Decimal] = {}
        period = self.at(now)
        for account in period.accounts:
            if account.limit is not None:
                told = self._told.get(kind := period.kinds[account.name])
                spent = told.spent if told is not None and told.name == account.name else _ZERO
                found[kind] = max(EXACT.subtract(account.limit, spent), _ZERO)
        return found

    def settle(self, op: str, amount: Decimal, period: Period, facts: Facts, clock: Clock) -> None:
        """Book what was spent. Never waits; what the store does not take now is offered again."""
        again = partial(self.settle, op, amount, period, facts, clock)
        self._ledger().settle(op, amount, period.accounts, facts, clock=clock).tell(
            lambda balances: self._settled(balances, period, clock), lambda error: self._owe(again, error)
        )

    def _settled(self, balances: list[Balance], period: Period, clock: Clock) -> None:
        for balance in balances:
            self._told[period.kinds[balance.name]] = balance
        if self._thresholds is not None:
            self._thresholds.check(balances, period, self._ledger(), clock)
        if self.away or self._owed:
            self._back()

    def release(self, op: str, clock: Clock) -> None:
        """Give a reservation back. As `settle`."""
        again = partial(self.release, op, clock)
        self._ledger().release(op, clock=clock).tell(lambda _: None, lambda error: self._owe(again, error))

    def _owe(self, operation: Callable[[], None], error: BaseException) -> None:
        if not isinstance(error, StoreUnavailable):
            # It would never be taken, and hold up what comes after it: what was reserved is left to its lease.
            _logger.error("the budget's ledger did not take an operation: %s: %s", type(error).__name__, error)
            return
        self._owed.append(operation)
        self._gone(error)

    def _gone(self, error: BaseException) -> None:
        if not self.away:
            self.away = True
            _logger.warning("the budget's ledger is away: %s", error)

    def _back(self) -> None:
        """The store answers: offer it what it missed."""
        if self.away:
            self.away = False
            _logger.warning("the budget's ledger is back")
        for _ in range(len(self._owed)):
            try:
                operation = self._owed.popleft()
            except IndexError:  # another thread was faster
                return
            operation()


def _sparing(account: Account, spare: Decimal) -> Account:
    """The account as it looks to who must leave `spare` in it."""
    if account.limit is None:
        return account
    return replace(account, limit=max(EXACT.subtract(account.limit, spare), _ZERO))
