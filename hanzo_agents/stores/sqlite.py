"""A store in a file, for all processes of one machine. It survives every one of them."""

from __future__ import annotations

import atexit
import os
import sqlite3
import sys
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, finalize

from hanzo_agents._kernel.clock import Duration, required_seconds
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.errors import ConfigError
from hanzo_agents.stores.pending import Submitted
from hanzo_agents.stores.store import StoreUnavailable, part
from hanzo_agents.stores.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents.stores.circuits.sqlite import SQLiteCircuits
    from hanzo_agents.stores.entries.sqlite import SQLiteEntries
    from hanzo_agents.stores.ledger.sqlite import SQLiteLedger
    from hanzo_agents.stores.limits.sqlite import SQLiteLimits

__all__ = ["SQLiteStore"]

T = TypeVar("T")

SCHEMA_VERSION = 1


class SQLiteStore:
    """State in one SQLite file, for every process that opens it.

    The file is in write-ahead mode: what was written survives the death of a process at any point; a power cut may
    lose the last moments before it (`durable=True` does not). It must lie on a local disk, as SQLite's locks do
    not work over a network. All work is done by one thread a store, in the order in which it was asked for.

    Args:
        path: the file; made, with its folder, when it is first used.
        timeout: seconds an operation may wait for another process to finish writing.
        durable: have every write reach the disk before it counts (`synchronous=FULL`); some milliseconds each.

    Raises:
        ConfigError: `path` is a folder, or the file was written by a later version.
        StoreUnavailable: from an operation: the file cannot be read or written, or stayed locked for `timeout`.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: Duration = 2.0, durable: bool = False) -> None:
        if not isinstance(path, str | os.PathLike) or not str(path):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"SQLiteStore.path: expected the path of a file, got {path!r}")
        self.path = Path(path).expanduser().absolute()
        if self.path.is_dir():
            raise ConfigError(f"SQLiteStore.path: expected a file, got the folder {self.path}")
        self.timeout = required_seconds("SQLiteStore.timeout", timeout)
        self.durable = durable
        self._turns = Turns()
        self._file: _File | None = None
        _open_stores.add(self)

    @property
    def scope(self) -> str:
        """The file."""
        return f"file {self.path}"

    @part
    def ledger(self) -> SQLiteLedger:
        """Money: reserved, spent, by whom and on what."""
        from hanzo_agents.stores.ledger.sqlite import SQLiteLedger

        return SQLiteLedger(self)

    @part
    def limits(self) -> SQLiteLimits:
        """Requests and tokens in the last minute, and calls under way."""
        from hanzo_agents.stores.limits.sqlite import SQLiteLimits

        return SQLiteLimits(self)

    @part
    def circuits(self) -> SQLiteCircuits:
        """Which targets are failing."""
        from hanzo_agents.stores.circuits.sqlite import SQLiteCircuits

        return SQLiteCircuits(self)

    @part
    def entries(self) -> SQLiteEntries:
        """Cached answers."""
        from hanzo_agents.stores.entries.sqlite import SQLiteEntries

        return SQLiteEntries(self)

    def submit(self, work: Callable[[sqlite3.Connection], T], *, what: str, writes: bool = True) -> Submitted[T]:
        """Have the store's thread do `work` in one transaction: all of it happens, or nothing.

        Args:
            work: reads and writes, on that thread.
            what: names the work in errors and the log.
            writes: take the write lock first, so that what was read still holds when writing.
        """
        future: Future[T] = Future()
        submitted = Submitted(future, what)
        self._turns.put(self._put, _Job(work, future, what, "IMMEDIATE" if writes else "DEFERRED"))
        return submitted

    def _put(self, job: _Job) -> None:
        if self._file is None:
            self._file = _File(self.path, self.timeout, durable=self.durable)
            finalize(self, self._file.workers.dismiss)
        try:
            self._file.put(job)
        except RuntimeError as error:  # the process ends: what was reserved is left to its lease
            job.fail(error)

    def close(self) -> None:
        """Finish what was asked for and close the file. The store opens it again when it is used again."""
        with self._turns:
            file, self._file = self._file, None
        if file is not None:
            file.workers.finish(self.timeout + 1)

    def forked(self) -> None:
        """Start afresh in a child process: the thread and its connection stayed with the parent."""
        self._turns = Turns()
        self._file = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, scope='this file')"


class _Job:
    """One transaction."""

    __slots__ = ("future", "mode", "what", "work")

    def __init__(
        self, work: Callable[[sqlite3.Connection], Any], future: Future[Any], what: str, mode: str
    ) -> None:
        self.work, self.future, self.what, self.mode = work, future, what, mode

    def run(self, connection: sqlite3.Connection) -> None:
        """Do it, and complete its future."""
        try:
            connection.execute(f"BEGIN {self.mode}")
            try:
                result = self.work(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        except sqlite3.Error as error:
            self.fail(error)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Complete the future: the file does not serve."""
        unavailable = StoreUnavailable(f"{self.what}: {error}", code="store_unavailable")
        unavailable.__cause__ = error
        self.future.set_exception(unavailable)


class _File:
    """The open file, on the one thread that may touch it. It does not hold the store."""

    def __init__(self, path: Path, timeout: float, *, durable: bool) -> None:
        self._path, self._timeout, self._durable = path, timeout, durable
        self._connection: sqlite3.Connection | None = None
        self.workers = Workers("hanzo-agents-sqlite", leave=self._close)

    def put(self, job: _Job) -> None:
        """Queue a transaction."""
        self.workers.put(partial(self._run, job))

    def _run(self, job: _Job) -> None:
        try:
            if self._connection is None:
                self._connection = _opened(self._path, self._timeout, durable=self._durable)
        except ConfigError as error:
            job.future.set_exception(error)
        except (sqlite3.Error, OSError) as error:
            job.fail(error)
        else:
            job.run(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _opened(path: Path, timeout: float, *, durable: bool) -> sqlite3.Connection:
    """The file, with every table in it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # For its owner's eyes only; SQLite gives the files beside it the same mode. One that exists is not opened for
    # this: closing it would take away the locks that this process has on it.
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        _bring_up_to_date(connection, path)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise ConfigError(f"SQLiteStore.path: {path} has schema {version}; this version knows {SCHEMA_VERSION}")
    if version < SCHEMA_VERSION:
        for statement in _schema():
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _schema() -> list[str]:
    from hanzo_agents.stores.circuits.sqlite import SCHEMA as CIRCUITS
    from hanzo_agents.stores.entries.sqlite import SCHEMA as ENTRIES
    from hanzo_agents.stores.ledger.sqlite import SCHEMA as LEDGER
    from hanzo_agents.stores.limits.sqlite import SCHEMA as LIMITS

    return [*LEDGER, *LIMITS, *CIRCUITS, *ENTRIES]


_open_stores: WeakSet[SQLiteStore] = WeakSet()


def _close_all() -> None:
    for store in list(_open_stores):
        store.close()


def _forked() -> None:
    for store in list(_open_stores):
        store.forked()


atexit.register(_close_all)
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)
