"""Keeping the slots of this process's calls alive in a store that outlives it.

A shared store frees the slot of a call that it has not heard of for `LEASE` seconds, so that a process that dies
takes no slot with it. While calls are under way, one daemon thread says so for all of them. It also finds those
that will never end: their event loop was closed.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from hanzo_agents._kernel.daemons import daemon
from hanzo_agents.stores.limits import LEASE

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.pending import Submitted

__all__ = ["Leases", "left_to_its_lease", "running_loop"]

T = TypeVar("T")

RENEW_EVERY = LEASE / 3
"""Seconds: two renewals may fail before a lease ends."""


class Leases:
    """The calls of this process that hold a slot.

    Args:
        renew: prolongs the leases of some calls of one lane; called on the thread, and must not raise.
        lost: ends a call whose event loop was closed; called likewise.
        every: seconds between two renewals.
    """

    __slots__ = ("_changed", "_every", "_held", "_lost", "_process", "_renew", "_thread")

    def __init__(
        self,
        renew: Callable[[str, list[str], Clock], object],
        lost: Callable[[str, str, Clock], object],
        *,
        every: float = RENEW_EVERY,
    ) -> None:
        self._renew = renew
        self._lost = lost
        self._every = every
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._held: dict[str, tuple[str, Clock, asyncio.AbstractEventLoop | None]] = {}
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def hold(self, lane: str, op: str, clock: Clock) -> None:
        """Renew this call's lease until it is dropped."""
        if self._process != os.getpid():
            # A fork: the calls that were under way are the parent's, and so is the thread.
            self._begin()
        with self._changed:
            self._held[op] = lane, clock, running_loop()
            if self._thread is None:
                try:
                    self._thread = daemon("hanzo-agents-leases", self._keep)
                except RuntimeError:  # the process ends, and the lease soon after
                    return

    def drop(self, op: str) -> None:
        """The call is over."""
        if self._process == os.getpid():
            self._held.pop(op, None)

    def close(self) -> None:
        """Renew nothing any more."""
        with self._changed:
            self._held.clear()
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._held)

    def _keep(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._every)
                if not self._held:
                    self._thread = None
                    return
                held = list(self._held.items())
            groups: defaultdict[tuple[str, Clock], list[str]] = defaultdict(list)
            for op, (lane, clock, loop) in held:
                if loop is not None and loop.is_closed():
                    self.drop(op)
                    self._lost(lane, op, clock)
                else:
                    groups[lane, clock].append(op)
            for (lane, clock), ops in groups.items():
                self._renew(lane, ops, clock)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop on which a call is made; None outside of any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def left_to_its_lease(submitted: Submitted[T]) -> Submitted[T]:
    """An operation that need not succeed: what it would have given back, the store frees by itself in a while.

    That a store is away is told by the next call that asks it, not by each that ends meanwhile.
    """
    submitted.tell(lambda _: None, lambda _: None)
    return submitted
