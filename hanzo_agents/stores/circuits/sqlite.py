"""Circuits in SQLite: the same circuit as in memory, read from its row and written back when it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hanzo_agents.stores.circuits.circuit import Circuit

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.circuits import Admission, Change, CircuitView, Rules, Verdict
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.sqlite import SQLiteStore

__all__ = ["SCHEMA", "SQLiteCircuits"]

SCHEMA: tuple[str, ...] = (
    "CREATE TABLE IF NOT EXISTS circuits (key TEXT PRIMARY KEY, circuit TEXT NOT NULL, kept_until REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS circuits_kept_until ON circuits (kept_until)",
)

T = TypeVar("T")


class SQLiteCircuits:
    """The circuits of a file. A call to a healthy target only reads."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def admit(self, key: str, by: str, rules: Rules, *, clock: Clock) -> Submitted[Admission]:
        """Ask to be let through."""
        now = clock.wall()
        return self._change("circuit: admit", key, now, lambda circuit: circuit.admit(now, by, rules))

    def record(
        self, key: str, by: str, epoch: int, verdict: Verdict, rules: Rules, *, clock: Clock, rest: float = 0.0
    ) -> Submitted[Change | None]:
        """Tell what came of a call that was let through."""
        now = clock.wall()
        return self._change(
            "circuit: record", key, now,
            lambda circuit: circuit.record(now, by, epoch, verdict, rules, rest=rest),
        )  # fmt: skip

    def look(self, key: str, rules: Rules, *, clock: Clock) -> Submitted[CircuitView]:
        """See a circuit without changing it."""
        now = clock.wall()
        return self._store.submit(
            lambda connection: _read(connection, key)[0].view(now, rules), what="circuit: look", writes=False
        )

    def open(
        self, key: str, reason: str, rest: float | None, rules: Rules, *, clock: Clock
    ) -> Submitted[Change | None]:
        """Open by hand."""
        now = clock.wall()
        return self._change("circuit: open", key, now, lambda circuit: circuit.open(now, reason, rest))

    def close(self, key: str, reason: str, rules: Rules, *, clock: Clock) -> Submitted[Change | None]:
        """Close by hand."""
        return self._change("circuit: close", key, clock.wall(), lambda circuit: circuit.close(reason))

    def reset(self, key: str | None = None) -> Submitted[None]:
        """Forget a circuit, or all of them."""

        def forget(connection: sqlite3.Connection) -> None:
            if key is None:
                connection.execute("DELETE FROM circuits")
            else:
                connection.execute("DELETE FROM circuits WHERE key = ?", (key,))

        return self._store.submit(forget, what="circuit: reset")

    def _change(self, what: str, key: str, now: float, act: Callable[[Circuit], T]) -> Submitted[T]:
        def work(connection: sqlite3.Connection) -> T:
            circuit, before = _read(connection, key)
            result = act(circuit)
            if circuit.dump() == before:
                return result
            # Only now is the write lock worth waiting for; what was read may be old by the time it is ours.
            connection.rollback()
            connection.execute("BEGIN IMMEDIATE")
            circuit, _ = _read(connection, key)
            result = act(circuit)
            circuit.touched = now
            _write(connection, key, circuit, now)
            return result

        return self._store.submit(work, what=what, writes=False)


_BLANK = Circuit().dump()


def _read(connection: sqlite3.Connection, key: str) -> tuple[Circuit, str]:
    row = connection.execute("SELECT circuit FROM circuits WHERE key = ?", (key,)).fetchone()
    return (Circuit(), _BLANK) if row is None else (Circuit.load(row[0]), row[0])


def _write(connection: sqlite3.Connection, key: str, circuit: Circuit, now: float) -> None:
    connection.execute("DELETE FROM circuits WHERE kept_until < ?", (now,))
    connection.execute(
        "INSERT OR REPLACE INTO circuits (key, circuit, kept_until) VALUES (?, ?, ?)",
        (key, circuit.dump(), circuit.kept_until),
    )
