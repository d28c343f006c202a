"""A store in a file, for all processes of one machine. It survives every one of them."""

from __future__ import annotations

import atexit
import os
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet, finalize

from hanzo_agents._kernel.clock import Duration, required_seconds
from hanzo_agents._kernel.fields import check_flag
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.errors import ConfigError
from hanzo_agents.stores.pending import Submitted
from hanzo_agents.stores.sqlite_file import File, Job
from hanzo_agents.stores.store import part

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from hanzo_agents.stores.circuits.sqlite import SQLiteCircuits
    from hanzo_agents.stores.entries.sqlite import SQLiteEntries
    from hanzo_agents.stores.ledger.sqlite import SQLiteLedger
    from hanzo_agents.stores.limits.sqlite import SQLiteLimits
    from hanzo_agents.stores.vectors.sqlite import SQLiteVectors

__all__ = ["SQLiteStore"]

T = TypeVar("T")


class SQLiteStore:
    """State in one SQLite file, for every process that opens it.

    The file is in write-ahead mode: what was written survives the death of a process at any point; a power cut may
    lose the last moments before it (`durable=True` does not). It must lie on a local disk, as SQLite's locks do
    not work over a network. All work is done by one thread a store, in the order in which it was asked for.
    A fork waits for a transaction that is under way; the child opens the file anew.

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
        check_flag("SQLiteStore.durable", durable)
        self.durable = durable
        self._turns = Turns()
        self._file: File | None = None
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

    @part
    def vectors(self) -> SQLiteVectors:
        """Cached answers, by what their questions are like."""
        from hanzo_agents.stores.vectors.sqlite import SQLiteVectors

        return SQLiteVectors(self)

    def submit(self, work: Callable[[sqlite3.Connection], T], *, what: str, writes: bool = True) -> Submitted[T]:
        """Have the store's thread do `work` in one transaction: all of it happens, or nothing.

        Args:
            work: reads and writes, on that thread.
            what: names the work in errors and the log.
            writes: take the write lock first, so that what was read still holds when writing.
        """
        future: Future[T] = Future()
        submitted = Submitted(future, what)
        self._turns.put(self._put, Job(work, future, what, "IMMEDIATE" if writes else "DEFERRED"))
        return submitted

    def _put(self, job: Job) -> None:
        if self._file is None:
            self._file = File(self.path, self.timeout, durable=self.durable)
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
