"""Threads that do a store's work in turn, for callers that wait on any loop, or not at all.

They are daemons, so that a store never keeps a process alive; at exit it is given a moment to finish what it was
asked. A process that forks leaves them with the parent.
"""

from __future__ import annotations

import os
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Workers"]


class Workers:
    """Up to `most` threads, started as they are needed.

    Args:
        name: of the threads.
        leave: called by each thread when it ends.
    """

    def __init__(self, name: str, *, most: int = 1, leave: Callable[[], None] | None = None) -> None:
        self._name = name
        self._most = most
        self._leave = leave
        self._process = os.getpid()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # A call may end in the middle of this thread's own doing (garbage collection), and then puts a job too.
        self._lock = threading.RLock()
        self._idle = 0
        self._started = 0
        self._threads: list[threading.Thread] = []

    @property
    def ours(self) -> bool:
        """Whether the threads run in this process, and not in the one that forked it."""
        return self._process == os.getpid()

    def put(self, job: Callable[[], None]) -> None:
        """Have `job` done; it must not raise. One thread does its jobs in the order in which they came.

        Raises:
            RuntimeError: the interpreter ends, and starts no thread any more.
        """
        with self._lock:
            if self._idle <= 0 and self._started < self._most:
                self._started += 1
                self._start()
            else:
                self._idle -= 1
            self._jobs.put(job)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._started -= 1
            raise
        self._threads.append(thread)

    def finish(self, timeout: float) -> None:
        """Let the threads do what is queued and end; wait that long for each. Nothing may be put after it."""
        self.dismiss()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout)

    def dismiss(self) -> None:
        """The same, without waiting."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # or its result would live until the next
            with self._lock:
                self._idle += 1
        if self._leave is not None:
            self._leave()
