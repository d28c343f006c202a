"""Facts on their way to one handler: never two at once, and nobody waits.

Observers are told wherever a stream that nobody reads is finalised: by the garbage collector, in the middle of
anything, also of the handler itself on the same thread. An ordinary lock would never be released there. So a fact
is laid down first, and whoever has the handler sees to it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Inbox"]

_logger = logging.getLogger("hanzo_agents")


class Inbox:
    """Hands facts to `handle`, one after the other, from any thread.

    Args:
        handle: called with what was put; what it raises is logged and dropped.
    """

    __slots__ = ("__weakref__", "_facts", "_handle", "_lock")

    def __init__(self, handle: Callable[..., None]) -> None:
        self._handle = handle
        self._facts: deque[tuple[Any, ...]] = deque()
        self._lock = threading.Lock()
        _inboxes.add(self)

    def put(self, *fact: Any) -> None:
        """Lay a fact down, and see to all there are unless somebody does already. Never waits."""
        self._facts.append(fact)
        # Looked at again after the release: a fact may have come while its sender found the lock taken.
        while self._facts and self._lock.acquire(blocking=False):
            try:
                self._see_to_them()
            finally:
                self._lock.release()

    @contextmanager
    def settled(self) -> Generator[None]:
        """Everything put so far is handled, and nothing more is while the block runs."""
        with self._lock:
            self._see_to_them()
            yield

    def forked(self) -> None:
        """Start afresh in a child process: who held the lock stayed with the parent."""
        self._lock = threading.Lock()

    def _see_to_them(self) -> None:
        while self._facts:
            fact = self._facts.popleft()
            try:
                self._handle(*fact)
            except Exception:
                _logger.exception("an observer failed")


_inboxes: WeakSet[Inbox] = WeakSet()


def _forked() -> None:
    for inbox in list(_inboxes):
        inbox.forked()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)
