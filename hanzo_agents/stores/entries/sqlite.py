"""Cached answers in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.stores.entries import Claim
from hanzo_agents.stores.entries.flights import Flights

if TYPE_CHECKING:
    import sqlite3

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.sqlite import SQLiteStore

__all__ = ["SCHEMA", "SQLiteEntries"]

SCHEMA: tuple[str, ...] = (
    """CREATE TABLE entries (
        key BLOB NOT NULL UNIQUE, content BLOB NOT NULL, size INTEGER NOT NULL,
        expires REAL NOT NULL, used REAL NOT NULL, fence INTEGER NOT NULL)""",
    "CREATE INDEX entries_expires ON entries (expires)",
    "CREATE INDEX entries_used ON entries (used)",
    # One row: how much there is, so that nobody has to count it.
    "CREATE TABLE entry_totals (count INTEGER NOT NULL, size INTEGER NOT NULL, fence INTEGER NOT NULL)",
    "INSERT INTO entry_totals VALUES (0, 0, 0)",
    """CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
        UPDATE entry_totals SET count = count + 1, size = size + new.size; END""",
    """CREATE TRIGGER entry_changed AFTER UPDATE OF size ON entries BEGIN
        UPDATE entry_totals SET size = size - old.size + new.size; END""",
    """CREATE TRIGGER entry_dropped AFTER DELETE ON entries BEGIN
        UPDATE entry_totals SET count = count - 1, size = size - old.size; END""",
    """CREATE TABLE entry_leases (
        key BLOB PRIMARY KEY, owner TEXT NOT NULL, fence INTEGER NOT NULL, expires REAL NOT NULL) WITHOUT ROWID""",
)

COARSE = 60.0
"""Seconds within which two uses of an entry count as one: reading it then writes nothing."""

BATCH = 64


class SQLiteEntries:
    """Answers in a file. Each operation is one transaction."""

    shared = True
    bounded = True
    largest = 1 << 28
    """SQLite itself takes a billion bytes."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self.flights = Flights()

    def get(self, key: bytes, *, clock: Clock) -> Submitted[bytes | None]:
        """The answer under `key`, None when there is none or its time is over."""
        now = clock.wall()

        def work(connection: sqlite3.Connection) -> bytes | None:
            found = _found(connection, key, now)
            if found is None:
                return None
            content, used = found
            if now - used > COARSE:
                self._use(key, now)
            return content

        return self._store.submit(work, what="reading a cached answer", writes=False)

    def _use(self, key: bytes, now: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE entries SET used = ? WHERE key = ?", (now, key))

        self._store.submit(work, what="noting the use of a cached answer").tell(_whatever, _whatever)

    def put(
        self, key: bytes, content: bytes, *, ttl: float, bounds: Bounds, fence: int | None, clock: Clock
    ) -> Submitted[bool]:
        """Keep an answer for `ttl` seconds, and give the lease back; what was not used for longest makes room."""
        now = clock.wall()

        def work(connection: sqlite3.Connection) -> bool:
            if fence is not None and _overtaken(connection, key, fence, now):
                return False
            if fence is not None:
                connection.execute("DELETE FROM entry_leases WHERE key = ?", (key,))
            connection.execute("DELETE FROM entries WHERE expires <= ?", (now,))
            connection.execute("DELETE FROM entry_leases WHERE expires <= ?", (now,))
            if len(content) > bounds.size or bounds.entries < 1:
                return False
            connection.execute(
                """INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
                content = excluded.content, size = excluded.size, expires = excluded.expires,
                used = excluded.used, fence = excluded.fence""",
                (key, content, len(content), now + ttl, now, fence or 0),
            )
            _make_room(connection, bounds, key)
            return True

        return self._store.submit(work, what="keeping an answer")

    def remove(self, key: bytes, *, content: bytes, clock: Clock) -> Submitted[None]:
        """Drop the entry under `key` if it still is `content`."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM entries WHERE key = ? AND content = ?", (key, content))

        return self._store.submit(work, what="dropping a cached answer")

    def claim(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Submitted[Claim]:
        """Take the lease on asking for `key`, unless there is an answer or another owner."""
        now = clock.wall()

        def work(connection: sqlite3.Connection) -> Claim:
            if (found := _found(connection, key, now)) is not None:
                return Claim(found[0])
            held = connection.execute(
                "SELECT owner, fence FROM entry_leases WHERE key = ? AND expires > ?", (key, now)
            ).fetchone()
            if held is not None:
                return Claim(fence=held[1] if held[0] == owner else None)
            connection.execute("UPDATE entry_totals SET fence = fence + 1")
            (fence,) = connection.execute("SELECT fence FROM entry_totals").fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO entry_leases VALUES (?, ?, ?, ?)", (key, owner, fence, now + lease)
            )
            return Claim(fence=fence)

        return self._store.submit(work, what="claiming a question")

    def prolong(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Submitted[None]:
        """Let a lease that has not ended last for `lease` seconds from now."""
        now = clock.wall()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE entry_leases SET expires = ? WHERE key = ? AND owner = ? AND expires > ?",
                (now + lease, key, owner, now),
            )

        return self._store.submit(work, what="going on with a question")

    def release(self, key: bytes, *, owner: str, clock: Clock) -> Submitted[None]:
        """Give the lease back without an answer."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM entry_leases WHERE key = ? AND owner = ?", (key, owner))

        return self._store.submit(work, what="leaving a question")

    def clear(self, space: bytes, *, position: str, clock: Clock) -> Submitted[tuple[int, str]]:
        """Drop the entries whose key begins with `space`."""

        def work(connection: sqlite3.Connection) -> tuple[int, str]:
            dropped = connection.execute("DELETE FROM entries WHERE substr(key, 1, ?) = ?", (len(space), space))
            return dropped.rowcount, ""

        return self._store.submit(work, what="clearing cached answers")


def _whatever(_: object) -> None:
    """Of no account: at worst the entry goes a little early."""


def _found(connection: sqlite3.Connection, key: bytes, now: float) -> tuple[bytes, float] | None:
    found: tuple[bytes, float] | None = connection.execute(
        "SELECT content, used FROM entries WHERE key = ? AND expires > ?", (key, now)
    ).fetchone()
    return found


def _overtaken(connection: sqlite3.Connection, key: bytes, fence: int, now: float) -> bool:
    """Whether somebody has asked the same later, and is about to answer or has."""
    newer = connection.execute(
        "SELECT 1 FROM entry_leases WHERE key = ? AND fence > ? "
        "UNION ALL SELECT 1 FROM entries WHERE key = ? AND fence > ? AND expires > ?",
        (key, fence, key, fence, now),
    )
    return newer.fetchone() is not None


def _make_room(connection: sqlite3.Connection, bounds: Bounds, newest: bytes) -> None:
    while True:
        count, size = connection.execute("SELECT count, size FROM entry_totals").fetchone()
        if count <= bounds.entries and size <= bounds.size:
            return
        oldest = connection.execute(
            "SELECT rowid, size FROM entries WHERE key != ? ORDER BY used LIMIT ?", (newest, BATCH)
        ).fetchall()
        for row, bytes_freed in oldest:
            connection.execute("DELETE FROM entries WHERE rowid = ?", (row,))
            count, size = count - 1, size - bytes_freed
            if count <= bounds.entries and size <= bounds.size:
                return
