"""Answers by likeness, in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.stores.vectors import Near
from hanzo_agents.stores.vectors.mirror import Mirror

if TYPE_CHECKING:
    import sqlite3

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.sqlite import SQLiteStore

__all__ = ["SCHEMA", "SQLiteVectors"]

SCHEMA: tuple[str, ...] = (
    """CREATE TABLE vectors (
        id INTEGER PRIMARY KEY AUTOINCREMENT, space BLOB NOT NULL, vector BLOB NOT NULL, content BLOB NOT NULL,
        size INTEGER NOT NULL, expires REAL NOT NULL, used REAL NOT NULL)""",
    "CREATE INDEX vectors_space ON vectors (space, id)",
    "CREATE INDEX vectors_expires ON vectors (expires)",
    "CREATE INDEX vectors_used ON vectors (used)",
    "CREATE TABLE vector_totals (count INTEGER NOT NULL, size INTEGER NOT NULL)",
    "INSERT INTO vector_totals VALUES (0, 0)",
    """CREATE TRIGGER vector_added AFTER INSERT ON vectors BEGIN
        UPDATE vector_totals SET count = count + 1, size = size + new.size; END""",
    """CREATE TRIGGER vector_dropped AFTER DELETE ON vectors BEGIN
        UPDATE vector_totals SET count = count - 1, size = size - old.size; END""",
)

COARSE = 60.0
"""Seconds within which two uses of an answer count as one: finding it then writes nothing."""

BATCH = 64


class SQLiteVectors:
    """Contents in a file, their vectors mirrored in this process. Comparing is done on the store's thread."""

    largest = 1 << 28

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store
        self._mirror = Mirror()

    async def nearest(self, space: bytes, vector: bytes, *, least: float, most: int, clock: Clock) -> list[Near]:
        """Up to `most` contents of the space, the most similar first."""
        now, mirror = clock.wall(), self._mirror

        def work(connection: sqlite3.Connection) -> tuple[list[Near], list[int]]:
            newer = connection.execute(
                "SELECT id, vector FROM vectors WHERE space = ? AND id > ? AND expires > ? ORDER BY id",
                (space, mirror.last(space), now),
            )
            mirror.add(space, newer)
            while True:
                close = mirror.nearest(space, vector, least=least, most=most)
                rows = {entry: _found(connection, entry, now) for entry, _ in close}
                gone = [entry for entry, row in rows.items() if row is None]
                mirror.drop(space, gone)
                if not gone:
                    break
            found = [
                Near(entry, similarity, row[0], row[1])
                for entry, similarity in close
                if (row := rows[entry]) is not None
            ]
            return found, [entry for entry, row in rows.items() if row is not None and now - row[2] > COARSE]

        found, stale = await self._store.submit(work, what="looking for similar questions", writes=False)
        if stale:
            self._use(stale, now)
        return found

    def _use(self, entries: list[int], now: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("UPDATE vectors SET used = ? WHERE id = ?", [(now, one) for one in entries])

        self._store.submit(work, what="noting the use of cached answers").tell(_whatever, _whatever)

    def put(
        self, space: bytes, vector: bytes, content: bytes, *, ttl: float, bounds: Bounds, clock: Clock
    ) -> Submitted[bool]:
        """Keep a content for `ttl` seconds; what was not used for longest makes room."""
        now, size = clock.wall(), len(vector) + len(content)

        def work(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM vectors WHERE expires <= ?", (now,))
            if size > bounds.size or bounds.entries < 1:
                return False
            added = connection.execute(
                "INSERT INTO vectors (space, vector, content, size, expires, used) VALUES (?, ?, ?, ?, ?, ?)",
                (space, vector, content, size, now + ttl, now),
            )
            _make_room(connection, bounds, added.lastrowid or 0)
            return True

        return self._store.submit(work, what="keeping an answer")

    def remove(self, near: Near, *, clock: Clock) -> Submitted[None]:
        """Drop one that was found."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM vectors WHERE id = ?", (near.id,))

        return self._store.submit(work, what="dropping a cached answer")

    def clear(self, *, clock: Clock) -> Submitted[int]:
        """Drop all."""

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM vectors").rowcount

        self._mirror.clear()
        return self._store.submit(work, what="clearing cached answers")


def _whatever(_: object) -> None:
    """Of no account: at worst the answer goes a little early."""


def _found(connection: sqlite3.Connection, entry: int, now: float) -> tuple[bytes, bytes, float] | None:
    found: tuple[bytes, bytes, float] | None = connection.execute(
        "SELECT vector, content, used FROM vectors WHERE id = ? AND expires > ?", (entry, now)
    ).fetchone()
    return found


def _make_room(connection: sqlite3.Connection, bounds: Bounds, newest: int) -> None:
    while True:
        count, size = connection.execute("SELECT count, size FROM vector_totals").fetchone()
        if count <= bounds.entries and size <= bounds.size:
            return
        oldest = connection.execute(
            "SELECT id, size FROM vectors WHERE id != ? ORDER BY used LIMIT ?", (newest, BATCH)
        ).fetchall()
        for entry, freed in oldest:
            connection.execute("DELETE FROM vectors WHERE id = ?", (entry,))
            count, size = count - 1, size - freed
            if count <= bounds.entries and size <= bounds.size:
                return
