"""Money in memory."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from hanzo_agents._kernel.turns import Turns
from hanzo_agents.stores.ledger import (
    DAYS_KEPT,
    EXPIRED_REMEMBERED,
    MARGIN,
    REMEMBERED,
    Account,
    Balance,
    Entry,
    Facts,
    Shortage,
    to_dollars,
    to_units,
)
from hanzo_agents.stores.pending import Done, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents._kernel.journal import Basis
    from hanzo_agents.stores.pending import Telling

__all__ = ["MemoryLedger"]

MOST_GROUPS = 10_000
"""Lines of a day's report; beyond them runs are no longer told apart."""

Group = tuple[str, str, str, str, "Basis"]
State = Literal["reserved", "expired", "settled", "released"]


@dataclass(slots=True)
class _Account:
    """What is in one account, in units."""

    ends: float | None
    spent: int = 0
    reserved: int = 0


@dataclass(slots=True)
class _Op:
    """An operation, and what it booked."""

    state: State
    amount: int = 0
    accounts: Sequence[Account] = ()
    facts: Facts | None = None
    group: Group | None = None


_SETTLED, _RELEASED = _Op("settled"), _Op("released")
"""Of finished operations only the end is remembered."""


@dataclass(slots=True)
class _Sums:
    """One line of the report."""

    calls: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0


@dataclass(slots=True)
class _Books:
    """What there is."""

    accounts: dict[str, _Account] = field(default_factory=dict[str, _Account])
    ops: dict[str, _Op] = field(default_factory=dict[str, _Op])
    usage: dict[str, dict[Group, _Sums]] = field(default_factory=dict[str, "dict[Group, _Sums]"])
    marks: dict[str, float | None] = field(default_factory=dict[str, "float | None"])


class MemoryLedger:
    """Accounts of one process. Every operation is over when it returns.

    Except those that end a reservation, where they come in the middle of another: they are done right after it.
    """

    def __init__(self) -> None:
        self._turns = Turns()
        self._books = _Books()
        self._leases: list[tuple[float, str]] = []
        self._finished: deque[tuple[float, str]] = deque()
        self._expired: deque[tuple[float, str]] = deque()
        self._tidied = ""

    def reserve(
        self, op: str, amount: Decimal, accounts: Sequence[Account], facts: Facts, *, lease: float, clock: Clock
    ) -> Done[Shortage | None]:
        """Set `amount` aside in all accounts, or in none."""
        units, now = to_units(amount), clock.now()
        with self._turns:
            self._sweep(now, clock)
            if op in self._books.ops:
                return Done(None)
            short = self._shortage(accounts, units)
            if short is not None:
                return Done(short)
            self._add(accounts, clock.wall(), reserved=units)
            self._books.ops[op] = _Op("reserved", units, accounts, facts)
            heapq.heappush(self._leases, (now + lease, op))
        return Done(None)

    def settle(
        self, op: str, amount: Decimal, accounts: Sequence[Account], facts: Facts, *, clock: Clock
    ) -> Telling[list[Balance]]:
        """Book what the operation cost in place of its reservation. Never waits."""
        spent = _Op("settled", to_units(amount), accounts, facts)
        now, wall = clock.now(), clock.wall()
        return in_turn(self._turns, lambda: self._settle(op, spent, facts.day, now, wall), "Ledger.settle")

    def release(self, op: str, *, clock: Clock) -> Done[None]:
        """Give the reservation back. Never waits."""
        self._turns.put(self._release, op, clock.now(), clock.wall())
        return Done(None)

    def balances(self, names: Sequence[str], *, clock: Clock) -> Done[list[Balance]]:
        """What accounts hold."""
        with self._turns:
            self._sweep(clock.now(), clock)
            return Done([self._balance(name) for name in names])

    def entries(self, since: date, until: date, *, clock: Clock) -> Done[list[Entry]]:
        """The usage of some days."""
        first, last = since.isoformat(), until.isoformat()
        with self._turns:
            self._sweep(clock.now(), clock)
            days = [groups for day, groups in self._books.usage.items() if first <= day <= last]
            return Done([_entry(group, sums) for groups in days for group, sums in groups.items() if sums.calls])

    def mark(self, name: str, ends: float | None, *, clock: Clock) -> Telling[bool]:
        """Whether this is the first mark of that name. Never waits."""
        now = clock.wall()
        return in_turn(self._turns, lambda: self._mark(name, ends, now), "Ledger.mark")

    def _settle(self, op: str, spent: _Op, day: str, now: float, wall: float) -> list[Balance]:
        known = self._books.ops.get(op)
        if known is not _SETTLED:
            self._undo(known, wall)
            self._book(spent, wall)
            self._books.ops[op] = _SETTLED
            self._finished.append((now + REMEMBERED, op))
            self._tidy(day, wall)
        return [self._balance(account.name) for account in spent.accounts]

    def _release(self, op: str, now: float, wall: float) -> None:
        known = self._books.ops.get(op)
        if known is None or known.state in {"reserved", "expired"}:
            self._undo(known, wall)
            self._books.ops[op] = _RELEASED
            self._finished.append((now + REMEMBERED, op))

    def _mark(self, name: str, ends: float | None, now: float) -> bool:
        marks = self._books.marks
        for over in [other for other, end in marks.items() if end is not None and end <= now]:
            del marks[over]
        first = name not in marks
        marks[name] = ends
        return first

    def _shortage(self, accounts: Iterable[Account], units: int) -> Shortage | None:
        tightest: Shortage | None = None
        for account in accounts:
            limit = account.limit_units
            if limit is None:
                continue
            found = self._books.accounts.get(account.name)
            if (found.spent + found.reserved if found else 0) + units > limit:
                short = Shortage(account, self._balance(account.name))
                if tightest is None or short.left_units < tightest.left_units:
                    tightest = short
        return tightest

    def _add(self, accounts: Iterable[Account], now: float, *, spent: int = 0, reserved: int = 0) -> None:
        """Change balances, except of an account that is over for long: it would come back without its past."""
        known = self._books.accounts
        for account in accounts:
            name, ends = account.name, account.ends
            if ends is None or ends + MARGIN > now:
                held = known.get(name)
                if held is None:
                    held = known[name] = _Account(ends)
                held.spent += spent
                held.reserved += reserved

    def _balance(self, name: str) -> Balance:
        found = self._books.accounts.get(name)
        return Balance(name, found.spent, found.reserved) if found else Balance(name)

    def _book(self, op: _Op, now: float) -> None:
        """Count an operation as spent."""
        self._add(op.accounts, now, spent=op.amount)
        facts = op.facts
        assert facts is not None
        groups = self._books.usage.setdefault(facts.day, {})
        group: Group = (facts.day, facts.model, facts.agent, facts.run, facts.basis)
        if group not in groups and len(groups) >= MOST_GROUPS:
            group = (facts.day, facts.model, facts.agent, "", facts.basis)
        op.group = group
        self._count(op, group, 1)

    def _undo(self, op: _Op | None, now: float) -> None:
        """Take back what an operation reserved, or booked when it expired."""
        if op is None or op.state == "released":
            return
        if op.state == "reserved":
            self._add(op.accounts, now, reserved=-op.amount)
        else:
            self._add(op.accounts, now, spent=-op.amount)
        if op.group is not None:
            self._count(op, op.group, -1)

    def _count(self, op: _Op, group: Group, sign: int) -> None:
        facts = op.facts
        assert facts is not None
        groups = self._books.usage.setdefault(facts.day, {})
        sums = groups.get(group)
        if sums is None:
            sums = groups[group] = _Sums()
        sums.calls += sign
        sums.attempts += sign * facts.attempts
        sums.input_tokens += sign * facts.input_tokens
        sums.output_tokens += sign * facts.output_tokens
        sums.cost += sign * op.amount

    def _sweep(self, now: float, clock: Clock) -> None:
        """Count what dead owners left as spent, and forget operations that nobody will repeat."""
        while self._leases and self._leases[0][0] <= now:
            _, op = heapq.heappop(self._leases)
            left = self._books.ops.get(op)
            if left is not None and left.state == "reserved":
                wall = clock.wall()
                self._undo(left, wall)
                left.state = "expired"
                self._book(left, wall)
                self._expired.append((now + EXPIRED_REMEMBERED, op))
        for queue in (self._finished, self._expired):
            while queue and queue[0][0] <= now:
                self._books.ops.pop(queue.popleft()[1], None)

    def _tidy(self, day: str, now: float) -> None:
        """Once a day: drop windows and days that are over for long."""
        if day <= self._tidied:
            return
        self._tidied = day
        # No timedelta: this may run while the interpreter ends, and CPython 3.13 crashes when one is made there.
        oldest = date.fromordinal(date.fromisoformat(day).toordinal() - DAYS_KEPT).isoformat()
        for old in [kept for kept in self._books.usage if kept < oldest]:
            del self._books.usage[old]
        accounts = self._books.accounts
        for name in [n for n, a in accounts.items() if a.ends is not None and a.ends + MARGIN <= now]:
            del accounts[name]


def _entry(group: Group, sums: _Sums) -> Entry:
    return Entry(*group, sums.calls, sums.attempts, sums.input_tokens, sums.output_tokens, to_dollars(sums.cost))
