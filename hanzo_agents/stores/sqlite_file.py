"""The file of a SQLite store: open on one thread, and closed while the process forks.

What SQLite knows of its open files and their locks belongs to the process. A child would take it over without
having the locks, so that no connection may be open when it is made.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from hanzo_agents.errors import ConfigError
from hanzo_agents.stores.store import StoreUnavailable
from hanzo_agents.stores.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

__all__ = ["File", "Job"]

SCHEMA_VERSION = 2


class Job:
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


class File:
    """The open file, on the one thread that may touch it. It does not hold the store."""

    def __init__(self, path: Path, timeout: float, *, durable: bool) -> None:
        self._path, self._timeout, self._durable = path, timeout, durable
        self._connection: sqlite3.Connection | None = None
        self._turn = threading.Lock()
        self.workers = Workers("hanzo-agents-sqlite", leave=self._leave)
        _open_files[id(self)] = self

    def put(self, job: Job) -> None:
        """Queue a transaction."""
        self.workers.put(partial(self._run, job))

    def lay_down(self) -> bool:
        """Close the file between two transactions, and keep it closed until `take_up`.

        False when it could not be done: on the file's own thread, or while a transaction takes too long.
        """
        if self.workers.here or not self._turn.acquire(timeout=self._timeout + 1):
            return False
        try:
            self._close()
        except sqlite3.Error:
            self._turn.release()
            return False
        return True

    def take_up(self) -> None:
        """Go on."""
        self._turn.release()

    def _run(self, job: Job) -> None:
        _going.wait()
        with self._turn:
            self._do(job)

    def _do(self, job: Job) -> None:
        try:
            if self._connection is None:
                self._connection = _opened(self._path, self._timeout, durable=self._durable)
        except ConfigError as error:
            job.future.set_exception(error)
        except (sqlite3.Error, OSError) as error:
            job.fail(error)
        else:
            job.run(self._connection)

    def _leave(self) -> None:
        with self._turn:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


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
        for statement in _schema(version):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _schema(version: int) -> list[str]:
    """What a file of that version lacks; 0 is a new one."""
    from hanzo_agents.stores.circuits.sqlite import SCHEMA as CIRCUITS
    from hanzo_agents.stores.entries.sqlite import SCHEMA as ENTRIES
    from hanzo_agents.stores.ledger.sqlite import SCHEMA as LEDGER
    from hanzo_agents.stores.limits.sqlite import SCHEMA as LIMITS
    from hanzo_agents.stores.vectors.sqlite import SCHEMA as VECTORS

    first = [*LEDGER, *LIMITS, *CIRCUITS, *ENTRIES]
    return [*(first if version < 1 else ()), *VECTORS]


_open_files: WeakValueDictionary[int, File] = WeakValueDictionary()

_forking = threading.Lock()
_going = threading.Event()
"""Not set while a fork is being made: no transaction begins then."""
_going.set()
_laid_down: list[File] = []
_parents: list[File] = []
"""Files that could not be closed before a fork. The child leaves them as they are."""


def _fork_begins() -> None:
    _forking.acquire()
    _going.clear()
    for found in _open_files.valuerefs():
        if (file := found()) is not None:
            (_laid_down if file.lay_down() else _parents).append(file)


def _fork_is_over() -> None:
    for file in _laid_down:
        file.take_up()
    _laid_down.clear()
    _parents.clear()
    _going.set()
    _forking.release()


def _forked() -> None:
    global _forking, _going  # the parent's threads wait at the old ones
    _forking, _going = threading.Lock(), threading.Event()
    _going.set()
    _laid_down.clear()
    _open_files.clear()


if sys.platform != "win32":
    os.register_at_fork(before=_fork_begins, after_in_parent=_fork_is_over, after_in_child=_forked)
