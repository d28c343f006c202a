"""A call under way whose event loop was closed never says that it is over: its slot is freed all the same."""

import asyncio
import math
import threading
import time

from hanzo_agents.stores.limits import ABSENT, Need
from hanzo_agents.stores.operations import new_op
from hanzo_agents.testing.clock import FakeClock

ONE = Need(0, None, None, 1, 100, math.inf, 0.0)


def admit(limits, clock, *, then=lambda: None):
    """Have a call admitted on a loop of another thread, which is closed after `then`."""

    async def ask():
        turn = await limits.ask("lane", new_op(), ONE, clock=clock)
        assert turn.state == "admitted"
        then()

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    return thread


async def asked(limits, op, clock):
    return (await limits.ask("lane", op, ONE, clock=clock)).state


async def test_its_slot_goes_to_the_next(store):
    if (leases := getattr(store.limits, "_leases", None)) is not None:
        leases._every = 0.02
    inside, leave = threading.Event(), threading.Event()

    def stay():
        inside.set()
        leave.wait(10)

    with FakeClock(start=1000.0) as clock:
        thread = admit(store.limits, clock, then=stay)
        inside.wait(10)
        op = new_op()
        for _ in range(3):
            assert await asked(store.limits, op, clock) == "queued"
            clock.advance(ABSENT - 1)
        leave.set()
        thread.join()
        until = time.monotonic() + 10
        while (state := await asked(store.limits, op, clock)) == "queued" and time.monotonic() < until:
            clock.advance(1)
            await asyncio.to_thread(time.sleep, 0.02)
        assert state == "admitted"
        assert (await store.limits.standing("lane", clock=clock)).slots == 1
