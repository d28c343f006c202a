"""Identical questions asked at once: one is asked, the others wait for its answer.

Nothing here is bound to an event loop or a thread; only who waits does so on its own loop. The garbage collector
may end a flight from anywhere, also in the middle of any of this (see `Turns`).
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, Final

from hanzo_agents._kernel.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.clock import Clock

__all__ = ["ALONE", "PATIENCE", "Flights", "Lead", "Waiter"]

PATIENCE = 2.0
"""Seconds without an event after which nobody waits any longer for a stream that somebody else reads; and between
two looks of those who wait whether who asks is still there."""


class _Alone:
    """The outcome of waiting: there is no answer to share, ask yourself."""


ALONE: Final = _Alone()


class _Flight:
    """A question that is being asked."""

    __slots__ = ("closed", "events", "failures", "leads", "streams", "waiting")

    def __init__(self) -> None:
        self.leads: set[Lead] = set()
        self.failures = 0
        self.waiting: deque[Waiter] = deque()
        self.streams = False
        self.events = 0
        self.closed = False


class Flights:
    """The questions of one process that are being asked just now."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._flights: dict[bytes, _Flight] = {}
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self._flights)

    def board(self, key: bytes) -> Lead | Waiter:
        """Lead, if nobody is asking; otherwise wait for who does."""
        if self._process != os.getpid():
            # A fork took nobody along who asks or waits.
            self._flights, self._process = {}, os.getpid()
        with self._turns:
            while (flight := self._flights.get(key)) is not None:
                self._take_over(key, flight, idle=False)
                if flight.closed:
                    continue
                waiter = Waiter(self, key, flight)
                flight.waiting.append(waiter)
                if not flight.closed:
                    return waiter
                flight.waiting.remove(waiter)
            flight = self._flights[key] = _Flight()
            return _lead(self, key, flight, _running())

    def landed(self, key: bytes, flight: _Flight, answer: bytes | None) -> None:
        """Give everybody the answer, or let everybody ask. Never waits."""
        self._turns.put(self._landed, key, flight, answer)

    def _landed(self, key: bytes, flight: _Flight, answer: bytes | None) -> None:
        if flight.closed:
            return
        self._close(key, flight)
        flight.leads.clear()
        waiting, flight.waiting = flight.waiting, deque()
        for waiter in waiting:
            waiter.deliver(ALONE if answer is None else answer)

    def failed(self, lead: Lead, key: bytes, flight: _Flight, *, harmless: bool) -> None:
        """Hand over to somebody who waits.

        After a second failure in a row to two, so that an upstream that is down keeps nobody for long. It never
        waits.
        """
        self._turns.put(self._failed, lead, key, flight, harmless)

    def _failed(self, lead: Lead, key: bytes, flight: _Flight, harmless: bool) -> None:
        flight.leads.discard(lead)
        flight.streams = False
        if not harmless:
            flight.failures += 1
        heirs = 2 if flight.failures > 1 and not harmless else 1
        while heirs and not flight.closed and flight.waiting:
            waiter = flight.waiting.popleft()
            heir = _lead(self, key, flight, waiter.loop)
            if waiter.deliver(heir):
                heirs -= 1
            else:
                flight.leads.discard(heir)
        if not flight.leads and not flight.waiting and not flight.closed:
            self._close(key, flight)

    def take_over(self, key: bytes, flight: _Flight) -> None:
        """Hand over what is asked on loops that do not run: nobody else will say that it has ended."""
        with self._turns:
            self._take_over(key, flight, idle=True)

    def _take_over(self, key: bytes, flight: _Flight, *, idle: bool) -> None:
        for lead in [lead for lead in flight.leads if lead.lost(idle=idle)]:
            lead.resign()
            self._failed(lead, key, flight, harmless=True)

    def leave(self, waiter: Waiter, flight: _Flight) -> bytes | Lead | _Alone | None:
        """Stop waiting. What has just been delivered comes back."""
        with self._turns:
            waiter.gone = waiter.outcome is None
            # Not there when it is dropped in the middle of being called: then nothing is delivered to it.
            if waiter.gone and waiter in flight.waiting:
                flight.waiting.remove(waiter)
            return waiter.outcome

    def _close(self, key: bytes, flight: _Flight) -> None:
        flight.closed = True
        if self._flights.get(key) is flight:
            del self._flights[key]


class Lead:
    """Whose turn it is to ask. It must end in `landed` or `failed`; only the first of these counts."""

    __slots__ = ("_flight", "_flights", "_key", "_loop", "_over", "_owed")

    def __init__(
        self, flights: Flights, key: bytes, flight: _Flight, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self._flights = flights
        self._key = key
        self._flight = flight
        self._loop = loop
        self._over = False
        self._owed: Callable[[], object] | None = None

    def owes(self, give_back: Callable[[], object]) -> None:
        """Have `give_back` called when this is taken for lost: who holds it cannot do so any more."""
        self._owed = give_back

    def lost(self, *, idle: bool) -> bool:
        """Whether its loop is closed, so that it never ends; or, `idle`, does not run, so that it may not."""
        loop = self._loop
        return loop is not None and (loop.is_closed() or (idle and not loop.is_running()))

    def streams(self) -> None:
        """The answer has begun, and comes as fast as somebody reads it."""
        self._flight.streams = True

    def moved(self) -> None:
        """Another part of the answer has been read."""
        self._flight.events += 1

    def landed(self, answer: bytes | None) -> None:
        """The answer is there, and shared; None when it is not one to share."""
        if not self._over:
            self._over = True
            self._flights.landed(self._key, self._flight, answer)

    def failed(self, *, harmless: bool = False) -> None:
        """There is no answer.

        Args:
            harmless: it was not for the upstream's sake: who asked has left.
        """
        if not self._over:
            self._over = True
            self._flights.failed(self, self._key, self._flight, harmless=harmless)

    def resign(self) -> None:
        """End it for one that is lost, and give back what it owes."""
        if not self._over:
            self._over = True
            if self._owed is not None:
                self._owed()


def _lead(flights: Flights, key: bytes, flight: _Flight, loop: asyncio.AbstractEventLoop | None) -> Lead:
    lead = Lead(flights, key, flight, loop)
    flight.leads.add(lead)
    return lead


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Waiter:
    """One who waits, on a loop of its own."""

    __slots__ = ("_flight", "_flights", "_key", "_woken", "gone", "loop", "outcome")

    def __init__(self, flights: Flights, key: bytes, flight: _Flight) -> None:
        self.outcome: bytes | Lead | _Alone | None = None
        self.gone = False
        self._flights = flights
        self._key = key
        self._flight = flight
        self.loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self.loop.create_future()

    def deliver(self, outcome: bytes | Lead | _Alone) -> bool:
        """Say how it ended, from any thread. False when nobody is there any more."""
        if self.gone:
            return False
        self.outcome = outcome
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    async def wait(self, clock: Clock) -> bytes | Lead | _Alone:
        """The answer; or the lead, when who had it gave it up; or ALONE, when there is nothing to wait for."""
        try:
            while self.outcome is None:
                events = self._flight.events
                try:
                    async with clock.timeout_at(clock.now() + PATIENCE):
                        await self._woken
                except TimeoutError:
                    self._woken = self.loop.create_future()
                    self._flights.take_over(self._key, self._flight)
                    if self.outcome is None and self._flight.streams and self._flight.events == events:
                        return self._flights.leave(self, self._flight) or ALONE
        except BaseException:
            if isinstance(outcome := self._flights.leave(self, self._flight), Lead):
                outcome.failed(harmless=True)
            raise
        return self.outcome
