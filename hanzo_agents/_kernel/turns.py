"""One at a time, also where the garbage collector cuts in.

What hangs on the end of a reply runs wherever the collector finds a stream that nobody reads: in the middle of
anything, also of the very state it wants to write to. A lock would be waited for by the thread that holds it; a
reentrant one would let it write into the middle of what is being written; and two threads that hold one each might
wait for each other's. So what is told there never waits: it is laid down, and whoever has the turn sees to it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Turns"]

_logger = logging.getLogger("hanzo_agents")


class Turns:
    """The turns of those who use one state, on any thread.

    `with turns:` waits for its turn, and finds done all that was put before. It is for whoever needs an answer;
    within a turn of the same thread it begins at once. What may be called at the end of a reply uses `put`, or
    `enter` and `leave`.

    Args:
        failed: what the log says of a job that raises.
    """

    __slots__ = ("__weakref__", "_depth", "_failed", "_later", "_lock")

    def __init__(self, failed: str = "what was told at the end of a call could not be written down") -> None:
        self._failed = failed
        self._lock = threading.RLock()
        self._depth = 0
        self._later: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        _all.add(self)

    def put(self, job: Callable[..., object], *args: Any) -> None:
        """Have `job(*args)` done: now if nobody has the turn, else by whoever has it, before it ends. Never waits.

        Jobs are done in the order in which they were put. What one raises is logged and dropped.
        """
        lock = self._lock
        if self._later or not lock.acquire(False):
            self._put_off(job, args)
            return
        if self._depth:
            lock.release()
            self._put_off(job, args)
            return
        self._depth = 1
        try:
            job(*args)
        except Exception:
            _logger.exception(self._failed)
        finally:
            self._depth = 0
            lock.release()
            if self._later:
                self._catch_up()

    def enter(self) -> bool:
        """Take the turn if it is free, without waiting; who got it must `leave`."""
        if not self._lock.acquire(blocking=False):
            return False
        if self._depth:  # this thread's own, interrupted
            self._lock.release()
            return False
        self._depth = 1
        if self._later:
            self._see_to_them()
        return True

    def leave(self) -> None:
        """End the turn, and see to what was put meanwhile."""
        self._depth -= 1
        self._lock.release()
        if self._later:
            self._catch_up()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1
        if self._later and self._depth == 1:
            self._see_to_them()

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        self._lock.release()
        if self._later:
            self._catch_up()

    def forked(self) -> None:
        """Start afresh in a child process: who had the turn stayed with the parent."""
        self._lock = threading.RLock()
        self._depth = 0

    def _leave(self) -> None:
        self._depth -= 1
        self._lock.release()

    def _put_off(self, job: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._later.append((job, args))
        self._catch_up()

    def _catch_up(self) -> None:
        # Looked at again after each turn: another job may have come while its sender found the turn taken.
        while self._later and self.enter():
            self._leave()

    def _see_to_them(self) -> None:
        while self._later:
            job, args = self._later.popleft()
            try:
                job(*args)
            except Exception:
                _logger.exception(self._failed)
            except BaseException:
                self._leave()
                raise


_all: WeakSet[Turns] = WeakSet()


def _forked() -> None:
    for turns in list(_all):
        turns.forked()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)
