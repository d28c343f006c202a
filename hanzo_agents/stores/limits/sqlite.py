"""Limits in SQLite, for all processes of one machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hanzo_agents.stores.limits import (
    ABSENT,
    ASK_AGAIN,
    ASK_AGAIN_HELD,
    ASK_AGAIN_IN_FRONT,
    LEASE,
    PERIOD,
    Need,
    Standing,
    Turn,
    time_until_fit,
)
from hanzo_agents.stores.limits.bells import Bells
from hanzo_agents.stores.limits.leases import Leases, left_to_its_lease

if TYPE_CHECKING:
    import sqlite3
    from concurrent.futures import Future

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.sqlite import SQLiteStore

__all__ = ["SCHEMA", "SQLiteLimits"]

SCHEMA: tuple[str, ...] = (
    """CREATE TABLE limit_calls (
        op TEXT PRIMARY KEY, lane TEXT NOT NULL, at REAL NOT NULL, tokens INTEGER NOT NULL,
        lease REAL -- until when the call is believed to be under way; NULL when it is over
    ) WITHOUT ROWID""",
    "CREATE INDEX limit_calls_by_lane ON limit_calls (lane, at)",
    "CREATE INDEX limit_calls_by_time ON limit_calls (at)",
    """CREATE TABLE limit_queue (
        number INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT NOT NULL UNIQUE, lane TEXT NOT NULL,
        tokens INTEGER NOT NULL, held_until REAL NOT NULL, kept_until REAL NOT NULL
    )""",
    "CREATE INDEX limit_queue_by_lane ON limit_queue (lane, number)",
    "CREATE TABLE limit_time (seen REAL NOT NULL)",
    "INSERT INTO limit_time VALUES (0)",
)


class SQLiteLimits:
    """Lanes in a file.

    They count by the monotonic clock, which all processes of a machine share: who sets the wall clock changes
    nothing.
    """

    def __init__(self, store: SQLiteStore) -> None:
        self.bells = Bells()
        self._store = store
        self._leases = Leases(self._renew, self._lost)

    def ask(self, lane: str, op: str, need: Need, *, clock: Clock) -> Submitted[Turn]:
        """Admit the call, or give it its place in the queue."""

        def answered(future: Future[Turn]) -> None:
            if future.exception() is None and future.result().state in {"late", "full"}:
                self._leases.drop(op)

        self._leases.hold(lane, op, clock)
        submitted = self._store.submit(
            lambda connection: _Lane(connection, lane, clock).ask(op, need), what="RateLimit ask"
        )
        submitted.future.add_done_callback(answered)
        return submitted

    def settle(self, lane: str, op: str, tokens: int | None, *, clock: Clock) -> Submitted[None]:
        """The call is over: free its slot, and count the tokens it really took."""
        self._leases.drop(op)
        return left_to_its_lease(self._store.submit(partial(_settle, op, tokens), what="RateLimit settle"))

    def withdraw(self, lane: str, op: str, *, clock: Clock) -> Submitted[None]:
        """The call is not sent: give everything back."""
        self._leases.drop(op)
        return left_to_its_lease(self._store.submit(partial(_withdraw, op), what="RateLimit withdraw"))

    def standing(self, lane: str, *, clock: Clock) -> Submitted[Standing]:
        """How the lane stands."""
        return self._store.submit(
            lambda connection: _Lane(connection, lane, clock).standing(), what="RateLimit standing"
        )

    def _lost(self, lane: str, op: str, clock: Clock) -> None:
        self.settle(lane, op, None, clock=clock)
        self.bells.ring(lane)

    def _renew(self, lane: str, ops: list[str], clock: Clock) -> Submitted[None]:
        def work(connection: sqlite3.Connection) -> None:
            rows = [(clock.now() + LEASE, op) for op in ops]
            connection.executemany("UPDATE limit_calls SET lease = ? WHERE op = ? AND lease IS NOT NULL", rows)

        return left_to_its_lease(self._store.submit(work, what="RateLimit renew"))


class _Lane:
    """A lane in a transaction."""

    __slots__ = ("_connection", "_name", "_now")

    def __init__(self, connection: sqlite3.Connection, name: str, clock: Clock) -> None:
        self._connection = connection
        self._name = name
        self._now = _tidied(connection, clock.now())

    def ask(self, op: str, need: Need) -> Turn:
        execute, now = self._connection.execute, self._now
        known = execute("SELECT at FROM limit_calls WHERE op = ?", (op,)).fetchone()
        if known is not None:
            return Turn("admitted", at=known[0])
        place = execute("SELECT number FROM limit_queue WHERE op = ?", (op,)).fetchone()
        turn = self._judge(need, None if place is None else place[0])
        if turn.state == "queued":
            execute(
                "INSERT INTO limit_queue (op, lane, tokens, held_until, kept_until) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (op) DO UPDATE"
                " SET held_until = excluded.held_until, kept_until = excluded.kept_until",
                (op, self._name, need.tokens, now + need.hold, now + turn.delay + ABSENT),
            )
            return turn
        if place is not None:
            execute("DELETE FROM limit_queue WHERE op = ?", (op,))
        if turn.state == "admitted":
            execute(
                "INSERT INTO limit_calls VALUES (?, ?, ?, ?, ?)", (op, self._name, now, need.tokens, now + LEASE)
            )
        return turn

    def _judge(self, need: Need, place: int | None) -> Turn:
        """What a call is told; `place` is its number in the queue, if it stands there."""
        requests, tokens, slots, waiting = self.standing()
        ahead, tokens_ahead = self._ahead(place)
        wait = max(
            need.hold,
            self._wait("1", need.requests_limit, requests, ahead, 1),
            self._wait("tokens", need.tokens_limit, tokens, tokens_ahead, need.tokens),
        )
        free = need.slots_limit is None or slots + ahead < need.slots_limit
        if free and wait <= 0:
            return Turn("admitted", at=self._now)
        if wait >= need.patience:
            return Turn("late", wait=wait, ahead=ahead)
        if place is None and waiting >= need.queue:
            return Turn("full", wait=wait, ahead=ahead)
        delay = min(ASK_AGAIN, ASK_AGAIN_IN_FRONT * (ahead + 1))
        if need.hold > 0:
            delay = min(need.hold, ASK_AGAIN_HELD)
        elif wait > 0:
            delay = min(wait, delay)
        return Turn("queued", delay, wait, ahead)

    def _ahead(self, place: int | None) -> tuple[int, int]:
        """How many go first, and their tokens."""
        found: tuple[int, int] = self._connection.execute(
            "SELECT count(*), coalesce(sum(tokens), 0) FROM limit_queue"
            " WHERE lane = ? AND held_until <= ? AND (? IS NULL OR number < ?)",
            (self._name, self._now, place, place),
        ).fetchone()
        return found

    def _wait(self, column: str, limit: int | None, used: int, ahead: int, mine: int) -> float:
        if limit is None or used + ahead + mine <= limit:
            return 0.0
        log = self._connection.execute(
            f"SELECT at, {column} FROM limit_calls WHERE lane = ? AND at + ? > ? ORDER BY at",  # noqa: S608 - ours
            (self._name, PERIOD, self._now),
        )
        return time_until_fit(log, used, ahead, mine, limit, now=self._now)

    def standing(self) -> Standing:
        execute, name, now = self._connection.execute, self._name, self._now
        requests, tokens = execute(
            "SELECT count(*), coalesce(sum(tokens), 0) FROM limit_calls WHERE lane = ? AND at + ? > ?",
            (name, PERIOD, now),
        ).fetchone()
        (slots,) = execute("SELECT count(*) FROM limit_calls WHERE lane = ? AND lease > ?", (name, now)).fetchone()
        (waiting,) = execute("SELECT count(*) FROM limit_queue WHERE lane = ?", (name,)).fetchone()
        return Standing(requests, tokens, slots, waiting)


def _tidied(connection: sqlite3.Connection, now: float) -> float:
    """The time, after letting go of what it has made meaningless."""
    (seen,) = connection.execute("SELECT seen FROM limit_time").fetchone()
    if now < seen <= now + 1:
        now = seen
    elif now < seen:
        # The machine has started anew. Nobody is under way or waits; what was sent counts as if sent now.
        connection.execute("DELETE FROM limit_queue")
        connection.execute("UPDATE limit_calls SET at = ?, lease = NULL", (now,))
    connection.execute("UPDATE limit_time SET seen = ?", (now,))
    connection.execute(
        "DELETE FROM limit_calls WHERE at + ? <= ? AND (lease IS NULL OR lease <= ?)", (PERIOD, now, now)
    )
    connection.execute("DELETE FROM limit_queue WHERE kept_until < ?", (now,))
    return now


def _settle(op: str, tokens: int | None, connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE limit_calls SET lease = NULL, tokens = coalesce(?, tokens) WHERE op = ? AND lease IS NOT NULL",
        (tokens, op),
    )


def _withdraw(op: str, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM limit_queue WHERE op = ?", (op,))
    connection.execute("DELETE FROM limit_calls WHERE op = ?", (op,))
