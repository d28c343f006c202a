"""Deadline: one for the whole logical call, attempts, waits, fallbacks and the stream together."""

import asyncio
from datetime import timedelta

import pytest
from calls import Inner, Script, http_error, make_call, read

from hanzo_agents import (
    Breaker,
    Cache,
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Fallback,
    RateLimit,
    RedisStore,
    Reply,
    Retry,
    Settled,
    SQLiteStore,
    Stack,
)
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Settlement
from hanzo_agents.testing.clock import FakeClock


async def hang(_call):
    await asyncio.Event().wait()


async def outcome(clock, awaitable, seconds):
    """Run something while time passes; what it returned or raised, and when."""
    ended = []

    async def run():
        try:
            return await awaitable
        finally:
            ended.append(clock.now())

    task = asyncio.create_task(run())
    await clock.run_for(seconds)
    assert task.done(), f"still running after {seconds} s"
    return (await asyncio.gather(task, return_exceptions=True))[0], ended[0]


@pytest.mark.parametrize("total", [5, 5.0, timedelta(seconds=5)])
async def test_a_call_that_hangs_ends_at_the_deadline(total):
    with FakeClock() as clock:
        error, when = await outcome(clock, Deadline(total=total)(make_call(), Inner(hang)), 60)
    assert isinstance(error, DeadlineExceeded)
    assert isinstance(error, TimeoutError)
    assert "no answer from m within 5 s" in str(error)
    assert when == 5


async def test_it_covers_attempts_waits_and_fallbacks_together():
    async def slow(call):
        await call.clock.sleep(3)
        return http_error(503)

    inner = Inner(slow)
    stack = Stack(
        Deadline(total=10), Fallback(to=["b"]), Retry(attempts=2, base_delay=2, jitter=lambda: 0.5, budget=None)
    )
    with FakeClock() as clock:
        error, when = await outcome(clock, stack.bind(inner)(make_call()), 60)
    # m fails at 3 and b at 6; b is the last target, so it is waited for: its second try runs from 7 to the deadline.
    assert isinstance(error, DeadlineExceeded)
    assert when == 10
    assert inner.targets == ["m", "b", "b"]


async def test_the_earlier_of_the_callers_deadline_and_ours_counts():
    for callers, when in ((3, 3), (30, 5)):
        with FakeClock() as clock:
            error, ended = await outcome(clock, Deadline(total=5)(make_call(deadline=callers), Inner(hang)), 60)
        assert isinstance(error, DeadlineExceeded)
        assert ended == when


async def test_the_first_event_has_a_deadline_of_its_own_and_the_stream_keeps_the_total():
    seen = []

    async def send(call):
        seen.append(call.deadline)
        return Reply(None, bound=lambda until, idle: seen.append((until, idle)))

    with FakeClock():
        await Deadline(total=100, first_event=5, idle=7)(make_call(), send)
    assert seen == [5, (100, 7)]


async def test_first_event_expires_across_attempts():
    with FakeClock() as clock:
        error, when = await outcome(clock, Deadline(total=100, first_event=5)(make_call(), Inner(hang)), 60)
    assert isinstance(error, DeadlineExceeded)
    assert when == 5


class Paced:
    """A stream with a pause before each event."""

    def __init__(self, *pauses):
        self.pauses = pauses
        self.settled = []

    async def __call__(self, call):
        async def batches():
            for number, pause in enumerate(self.pauses):
                if pause is None:
                    await asyncio.Event().wait()
                await call.clock.sleep(pause)
                yield True, [number]

        end = Settlement()
        source = batches()
        primed = Primed(
            source,
            close=source.aclose,
            finished=lambda error, complete: end.settle(Settled(error=error, complete=complete)),
            clock=call.clock,
        )
        end.on_settled(self.settled.append)
        await primed.prime()
        return Reply(primed, end=end, bound=primed.bound)


async def test_a_stream_that_runs_past_the_total_is_ended():
    inner = Paced(1, 4, 4, 4, 4)

    async def run():
        return await read((await Deadline(total=10, idle=None)(make_call(), inner)).value)

    with FakeClock() as clock:
        (events, error), when = await outcome(clock, run(), 60)
    assert events == [0, 1, 2]
    assert isinstance(error, DeadlineExceeded)
    assert when == 10
    assert [settled.error for settled in inner.settled] == [error]


async def test_a_stream_that_stalls_is_ended_and_one_that_flows_is_not():
    async def run(inner):
        return await read((await Deadline(total=1000, idle=5)(make_call(), inner)).value)

    with FakeClock() as clock:
        (events, error), when = await outcome(clock, run(Paced(1, 4.9, 4.9, None)), 60)
    assert events == [0, 1, 2]
    assert isinstance(error, DeadlineExceeded)
    assert "5 s without an event" in str(error)
    assert when == pytest.approx(1 + 4.9 + 4.9 + 5)

    with FakeClock() as clock:
        (events, error), _ = await outcome(clock, run(Paced(1, 4.9, 4.9, 4.9)), 60)
    assert (events, error) == ([0, 1, 2, 3], None)


async def test_a_slow_reader_is_not_an_idle_stream():
    """Only the time that we wait for the upstream counts."""
    with FakeClock(auto=True) as clock:
        reply = await Deadline(total=1000, idle=5)(make_call(), Paced(1, 1, 1))
        got = []
        async for event in reply.value:
            got.append(event)
            await clock.sleep(50)
    assert got == [0, 1, 2]


async def test_a_timeout_of_the_model_itself_is_not_called_our_deadline():
    own = TimeoutError("mine")
    with FakeClock(), pytest.raises(TimeoutError) as caught:
        await Deadline(total=5)(make_call(), Inner(own))
    assert caught.value is own


async def test_cancellation_passes_through():
    with FakeClock() as clock:
        task = asyncio.create_task(Deadline(total=5)(make_call(), Inner(hang)))
        await clock.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_giving_up_is_a_decision_that_observers_see():
    with FakeClock() as clock:
        call = make_call()
        await outcome(clock, Deadline(total=5)(call, Inner(hang)), 60)
    assert [(d.policy, d.action) for d in call.journal.decisions] == [("Deadline", "gives up")]


async def test_a_stream_that_ends_in_time_ends_well():
    with FakeClock(auto=True):
        reply = await Deadline()(make_call(), lambda call: Script([("a", True)]).open(call.clock))
        assert await read(reply.value) == (["a"], None)


@pytest.mark.parametrize("field", ["total", "first_event", "idle"])
@pytest.mark.parametrize("junk", [0, -1, float("nan"), float("inf"), "5", True])
def test_junk_is_refused_by_name(field, junk):
    with pytest.raises(ConfigError, match=rf"Deadline\.{field}: expected"):
        Deadline(**{field: junk})


@pytest.mark.parametrize("forever", [1e15, 1e308, 10**400, timedelta.max], ids=str)
def test_for_ever_is_no_duration(forever):
    """Beyond it, clocks, sockets and Redis have bounds of their own, which a call would run into."""
    made = (
        lambda: Deadline(total=forever),
        lambda: Retry(base_delay=forever),
        lambda: Cache(ttl=forever),
        lambda: Breaker(timeout=forever),
        lambda: RateLimit(requests_per_minute=1, max_wait=forever),
        lambda: RedisStore("redis://localhost", timeout=forever),
        lambda: SQLiteStore("x.db", timeout=forever),
    )
    for make in made:
        with pytest.raises(ConfigError, match="a hundred years at most"):
            make()
