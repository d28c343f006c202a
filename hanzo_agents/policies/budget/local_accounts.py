"""Accounts that live as long as a call or a run: in this process, whatever the store."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.money import EXACT, added
from hanzo_agents._kernel.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LocalAccount", "NamedAccounts", "reserve_in", "settle_in"]

_turns = Turns()
"""One for all local accounts: a reservation is made in several of them at once."""

MOST_RUNS = 10_000
"""Runs that are remembered in any case; nobody says when a run is over."""

QUIET = 3600.0
"""Seconds since its last call for which a run is remembered, however many others there are."""

ZERO = Decimal(0)


class LocalAccount:
    """What one call or run has spent and reserved, in US dollars.

    Args:
        kind: "per_call" or "per_run".
        limit: None only counts.
    """

    __slots__ = ("__weakref__", "kind", "limit", "reserved", "spent", "used")

    def __init__(self, kind: str, limit: Decimal | None) -> None:
        self.kind = kind
        self.limit = limit
        self.spent = ZERO
        self.reserved = ZERO
        self.used = 0.0

    @property
    def available(self) -> Decimal | None:
        """What could still be reserved, None without a limit; never negative."""
        return None if self.limit is None else max(_left(self, self.limit), ZERO)

    def __repr__(self) -> str:
        return f"LocalAccount({self.kind}, limit={self.limit}, spent={self.spent}, reserved={self.reserved})"


class NamedAccounts:
    """The accounts of runs that are known by a name."""

    def __init__(self, kind: str, limit: Decimal) -> None:
        self._kind, self._limit = kind, limit
        self._named: OrderedDict[str, LocalAccount] = OrderedDict()

    def get(self, name: str) -> LocalAccount | None:
        """The account of a run that was heard of."""
        return self._named.get(name)

    def __getitem__(self, name: str) -> LocalAccount:
        now = current_clock().now()
        with _turns:
            account = self._named.get(name)
            if account is None:
                account = self._named[name] = LocalAccount(self._kind, self._limit)
            self._use(name, account, now)
            if len(self._named) > MOST_RUNS:
                self._forget(now)
            return account

    def _use(self, name: str, account: LocalAccount, now: float) -> None:
        account.used = now
        self._named.move_to_end(name)

    def _forget(self, now: float) -> None:
        """Drop the runs that were quiet for longest, as far as nothing of them is under way."""
        while len(self._named) > MOST_RUNS:
            name, oldest = next(iter(self._named.items()))
            if now - oldest.used < QUIET:
                return
            if oldest.reserved:
                self._use(name, oldest, now)
            else:
                del self._named[name]


def reserve_in(accounts: Sequence[LocalAccount], amount: Decimal, *, spare: Decimal = ZERO) -> LocalAccount | None:
    """Set `amount` aside in all accounts, or in none.

    Args:
        accounts: which must pay.
        amount: US dollars.
        spare: what must be left afterwards.

    Returns:
        None, or the account with the least left of those that are short.
    """
    needed = added((amount, spare))
    with _turns:
        tightest: LocalAccount | None = None
        least: Decimal | None = None
        for account in accounts:
            if account.limit is None:
                continue
            left = _left(account, account.limit)
            if left < needed and (least is None or left < least):
                tightest, least = account, left
        if tightest is None:
            for account in accounts:
                account.reserved = EXACT.add(account.reserved, amount)
        return tightest


def settle_in(accounts: Sequence[LocalAccount], reserved: Decimal, spent: Decimal) -> None:
    """Give back what was reserved, and count what was spent. Never waits."""
    _turns.put(_book, accounts, reserved, spent)


def _book(accounts: Sequence[LocalAccount], reserved: Decimal, spent: Decimal) -> None:
    for account in accounts:
        account.reserved = EXACT.subtract(account.reserved, reserved)
        account.spent = EXACT.add(account.spent, spent)


def _left(account: LocalAccount, limit: Decimal) -> Decimal:
    return EXACT.subtract(EXACT.subtract(limit, account.spent), account.reserved)
