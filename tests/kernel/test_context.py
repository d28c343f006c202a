"""A stream keeps its context, whichever task reads it, and is cancelled like any other."""

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents._kernel.context import Secluded, run_in
from hanzo_agents.testing.clock import FakeClock

place = ContextVar("place", default="nowhere")


async def spanned(log):
    """As a stream with a span around it: it sets a variable, and puts it back in the end."""
    token = place.set("inside")
    try:
        for number in range(3):
            await asyncio.sleep(0)
            log.append(place.get())
            yield number
    finally:
        place.reset(token)


async def test_a_stream_begun_in_one_task_is_read_in_another():
    log = []
    stream = Secluded(spanned(log))
    first = await asyncio.create_task(anext(stream))
    rest = [number async for number in stream]
    assert ([first, *rest], log) == ([0, 1, 2], ["inside"] * 3)
    assert place.get() == "nowhere"


async def test_without_it_the_end_fails():
    stream = spanned([])
    await asyncio.create_task(anext(stream))
    with pytest.raises(ValueError, match="different Context"):
        async for _ in stream:
            pass


async def test_it_is_closed_in_its_own_context():
    stream = Secluded(spanned([]))
    await asyncio.create_task(anext(stream))
    await stream.aclose()
    await Secluded(aiter_only()).aclose()


def aiter_only():
    class Bare:
        def __aiter__(self):
            return self

        async def __anext__(self):
            return 1

    return Bare()


async def test_cancelling_and_timeouts_reach_inside():
    heard = []

    async def wait():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    task = asyncio.create_task(_await(run_in(copy_context(), wait())))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await run_in(copy_context(), wait())
    assert heard == ["cancelled", "cancelled"]


async def _await(awaitable):
    return await awaitable


async def test_errors_pass_and_values_come_back():
    async def fail():
        await asyncio.sleep(0)
        raise LookupError("no")

    async def give():
        await asyncio.sleep(0)
        return 7

    assert await run_in(copy_context(), give()) == 7
    with pytest.raises(LookupError):
        await run_in(copy_context(), fail())


@pytest.mark.parametrize("auto", [False, True])
async def test_an_alarm_rings_when_its_time_has_come_in_the_context_that_set_it(auto):
    with FakeClock(auto=auto) as clock:
        rung = []
        place.set("here")
        clock.call_at(2.0, lambda: rung.append((clock.now(), place.get())))
        place.set("there")
        clock.call_at(1.0, lambda: rung.append("never")).cancel()
        assert clock.waiting == 1
        await clock.run_for(3)
        assert rung == [(2.0, "here")]
        clock.call_at(1.0, lambda: rung.append("late")).cancel()
        await clock.settle()
        assert rung == [(2.0, "here")]


async def test_an_alarm_of_the_real_clock():
    rung = asyncio.Event()
    late = SYSTEM_CLOCK.call_at(SYSTEM_CLOCK.now() + 3600, rung.set)
    SYSTEM_CLOCK.call_at(SYSTEM_CLOCK.now(), rung.set)
    await rung.wait()
    late.cancel()
    late.cancel()
