"""Threads that do a store's work in turn, for callers that wait on any loop, or not at all.

They are daemons, so that a store never keeps a process alive; at exit it is given a moment to finish what it was
asked. A process that forks leaves them with the parent.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING

from hanzo_agents._kernel.daemons import daemon

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
        self._leave = leave
        self._process = os.getpid()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # A call may end in the middle of this thread's own doing (garbage collection), and then puts a job too. So
        # there is no lock: to take from a deque is one step, and who finds it empty knows so.
        self._startable = deque([None] * most)
        self._idle: deque[None] = deque(maxlen=most)
        self._threads: list[threading.Thread] = []

    @property
    def ours(self) -> bool:
        """Whether the threads run in this process, and not in the one that forked it."""
        return self._process == os.getpid()

    @property
    def here(self) -> bool:
        """Whether this is one of the threads."""
        return threading.current_thread() in self._threads

    def put(self, job: Callable[[], None]) -> None:
        """Have `job` done; it must not raise. One thread does its jobs in the order in which they came.

        Raises:
            RuntimeError: the interpreter ends, and starts no thread any more.
        """
        if not _taken(self._idle) and _taken(self._startable):
            self._start()
        self._jobs.put(job)

    def _start(self) -> None:
        try:
            self._threads.append(daemon(self._name, self._work))
        except RuntimeError:
            self._startable.append(None)
            raise

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
            self._idle.append(None)
        if self._leave is not None:
            self._leave()


def _taken(these: deque[None]) -> bool:
    """Take one of them, if there is one."""
    try:
        these.pop()
    except IndexError:
        return False
    return True
