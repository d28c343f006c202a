"""Money in SQLite."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from decimal import Decimal

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.sqlite import SQLiteStore

__all__ = ["SCHEMA", "SQLiteLedger"]

SCHEMA: tuple[str, ...] = (
    """
    CREATE TABLE ledger_accounts (
        name TEXT PRIMARY KEY, ends REAL, spent INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    # `due`: until when a reservation is leased, or a finished operation is remembered.
    """
    CREATE TABLE ledger_ops (
        op TEXT PRIMARY KEY, state TEXT NOT NULL, due REAL NOT NULL, amount INTEGER NOT NULL,
        accounts TEXT NOT NULL, facts TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX ledger_ops_due ON ledger_ops (due)",
    """
    CREATE TABLE ledger_usage (
        day TEXT, model TEXT, agent TEXT, run TEXT, basis TEXT, calls INTEGER NOT NULL, attempts INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost INTEGER NOT NULL,
        PRIMARY KEY (day, model, agent, run, basis)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE ledger_marks (name TEXT PRIMARY KEY, ends REAL) WITHOUT ROWID",
)
"""Amounts are in units of a billionth of a dollar, times in seconds since the epoch."""

SWEPT = 200
"""Operations that one transaction cleans up at most, so that none is held up by thousands."""


class SQLiteLedger:
    """Accounts in one file. What was reserved there survives the death of every process."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self._tidied = ""

    def reserve(
        self, op: str, amount: Decimal, accounts: Sequence[Account], facts: Facts, *, lease: float, clock: Clock
    ) -> Submitted[Shortage | None]:
        """Set `amount` aside in all accounts, or in none."""

        def work(db: sqlite3.Connection) -> Shortage | None:
            units, now = to_units(amount), clock.wall()
            _sweep(db, now)
            if _found(db, op) is not None:
                return None
            short = _shortage(db, accounts, units)
            if short is None:
                _add(db, accounts, now, reserved=units)
                _write(db, op, "reserved", now + lease, _what(units, accounts, facts))
            return short

        return self._store.submit(work, what="reserve")

    def settle(
        self, op: str, amount: Decimal, accounts: Sequence[Account], facts: Facts, *, clock: Clock
    ) -> Submitted[list[Balance]]:
        """Book what the operation cost in place of its reservation."""

        def work(db: sqlite3.Connection) -> list[Balance]:
            units, now = to_units(amount), clock.wall()
            known = _found(db, op)
            if known is None or known[0] != "settled":
                _undo(db, known, now)
                _add(db, accounts, now, spent=units)
                _count(db, facts, units, 1)
                _write(db, op, "settled", now + REMEMBERED, _NOTHING)
                self._tidy(db, facts.day, now)
            return [_balance(db, account.name) for account in accounts]

        return self._store.submit(work, what="settle")

    def release(self, op: str, *, clock: Clock) -> Submitted[None]:
        """Give the reservation back."""

        def work(db: sqlite3.Connection) -> None:
            known, now = _found(db, op), clock.wall()
            if known is None or known[0] in {"reserved", "expired"}:
                _undo(db, known, now)
                _write(db, op, "released", now + REMEMBERED, _NOTHING)

        return self._store.submit(work, what="release")

    def balances(self, names: Sequence[str], *, clock: Clock) -> Submitted[list[Balance]]:
        """What accounts hold."""

        def work(db: sqlite3.Connection) -> list[Balance]:
            _sweep(db, clock.wall())
            return [_balance(db, name) for name in names]

        return self._store.submit(work, what="balances")

    def entries(self, since: date, until: date, *, clock: Clock) -> Submitted[list[Entry]]:
        """The usage of some days."""

        def work(db: sqlite3.Connection) -> list[Entry]:
            _sweep(db, clock.wall())
            rows = db.execute(
                "SELECT * FROM ledger_usage WHERE day BETWEEN ? AND ? AND calls",
                (since.isoformat(), until.isoformat()),
            )
            return [_entry(row) for row in rows]

        return self._store.submit(work, what="entries")

    def mark(self, name: str, ends: float | None, *, clock: Clock) -> Submitted[bool]:
        """Whether this is the first mark of that name."""

        def work(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM ledger_marks WHERE ends <= ?", (clock.wall(),))
            return db.execute("INSERT OR IGNORE INTO ledger_marks VALUES (?, ?)", (name, ends)).rowcount == 1

        return self._store.submit(work, what="mark")

    def _tidy(self, db: sqlite3.Connection, day: str, now: float) -> None:
        """Once a day: drop windows and days that are over for long."""
        if day <= self._tidied:
            return
        self._tidied = day
        oldest = date.fromisoformat(day) - timedelta(days=DAYS_KEPT)
        db.execute("DELETE FROM ledger_usage WHERE day < ?", (oldest.isoformat(),))
        db.execute("DELETE FROM ledger_accounts WHERE ends <= ?", (now - MARGIN,))


_Op = tuple[str, int, str, str]
"""State, units, accounts and facts of an operation."""

_NOTHING = (0, "", "")
"""What a finished operation still holds."""


def _found(db: sqlite3.Connection, op: str) -> _Op | None:
    row: _Op | None = db.execute(
        "SELECT state, amount, accounts, facts FROM ledger_ops WHERE op = ?", (op,)
    ).fetchone()
    return row


def _write(db: sqlite3.Connection, op: str, state: str, due: float, what: tuple[int, str, str]) -> None:
    db.execute("INSERT OR REPLACE INTO ledger_ops VALUES (?, ?, ?, ?, ?, ?)", (op, state, due, *what))


def _what(units: int, accounts: Sequence[Account], facts: Facts) -> tuple[int, str, str]:
    held = [(account.name, account.ends) for account in accounts]
    return units, json.dumps(held), json.dumps(_row(facts))


def _row(facts: Facts) -> tuple[Any, ...]:
    return (
        facts.day, facts.model, facts.agent, facts.run, facts.basis,
        facts.attempts, facts.input_tokens, facts.output_tokens,
    )  # fmt: skip


def _shortage(db: sqlite3.Connection, accounts: Sequence[Account], units: int) -> Shortage | None:
    tightest: Shortage | None = None
    for account in accounts:
        if account.limit is None:
            continue
        short = Shortage(account, _balance(db, account.name))
        if units > short.left_units and (tightest is None or short.left_units < tightest.left_units):
            tightest = short
    return tightest


def _entry(row: Any) -> Entry:
    day, model, agent, run, basis, calls, attempts, tokens_in, tokens_out, cost = row
    return Entry(day, model, agent, run, basis, calls, attempts, tokens_in, tokens_out, to_dollars(cost))


def _balance(db: sqlite3.Connection, name: str) -> Balance:
    row = db.execute("SELECT spent, reserved FROM ledger_accounts WHERE name = ?", (name,)).fetchone()
    return Balance(name, *row) if row else Balance(name)


def _add(
    db: sqlite3.Connection, accounts: Sequence[Account], now: float, *, spent: int = 0, reserved: int = 0
) -> None:
    """Change balances, except of an account that is over for long: it would come back without its past."""
    db.executemany(
        "INSERT INTO ledger_accounts VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE "
        "SET spent = spent + excluded.spent, reserved = reserved + excluded.reserved",
        [
            (account.name, account.ends, spent, reserved)
            for account in accounts
            if account.ends is None or account.ends + MARGIN > now
        ],
    )


def _count(db: sqlite3.Connection, facts: Facts, units: int, sign: int) -> None:
    *group, attempts, tokens_in, tokens_out = _row(facts)
    db.execute(
        "INSERT INTO ledger_usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "calls = calls + excluded.calls, attempts = attempts + excluded.attempts, "
        "input_tokens = input_tokens + excluded.input_tokens, "
        "output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost",
        (*group, sign, sign * attempts, sign * tokens_in, sign * tokens_out, sign * units),
    )


def _undo(db: sqlite3.Connection, op: _Op | None, now: float) -> None:
    """Take back what an operation reserved, or booked when it expired."""
    if op is None or op[0] == "released":
        return
    state, units, accounts, facts = op
    held = [Account(name, None, ends) for name, ends in json.loads(accounts)]
    if state == "reserved":
        _add(db, held, now, reserved=-units)
    else:
        _add(db, held, now, spent=-units)
        _count(db, Facts(*json.loads(facts)), units, -1)


def _sweep(db: sqlite3.Connection, now: float) -> None:
    """Count what dead owners left as spent, and forget operations that nobody will repeat."""
    due = db.execute(
        "SELECT op, state, amount, accounts, facts FROM ledger_ops WHERE due <= ? LIMIT ?", (now, SWEPT)
    ).fetchall()
    for op, state, units, accounts, facts in due:
        if state != "reserved":
            db.execute("DELETE FROM ledger_ops WHERE op = ?", (op,))
            continue
        held = [Account(name, None, ends) for name, ends in json.loads(accounts)]
        _add(db, held, now, spent=units, reserved=-units)
        _count(db, Facts(*json.loads(facts)), units, 1)
        db.execute("UPDATE ledger_ops SET state = 'expired', due = ? WHERE op = ?", (now + EXPIRED_REMEMBERED, op))
