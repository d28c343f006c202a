"""Breaker, whatever its callers do: nothing is sent through an open circuit, and no probe is ever lost.

What a circuit is, step by step, is held to a model in `tests/stores/test_circuits_machine.py`.
"""

import asyncio
from collections import Counter

from breaking import Wire
from calls import http_error, lost_connection, make_call
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents import Breaker, CircuitOpen, Fallback, Reply, Retry, Stack
from hanzo_agents.testing.clock import FakeClock

LEASE = 60
OUTCOMES = st.sampled_from(
    [
        "ok",
        "ok",
        http_error(503),
        http_error(503),
        lost_connection(),
        http_error(400),
        http_error(429),
        ValueError(),
    ]
)
MOMENTS = st.integers(0, 40)
CALLERS = st.lists(
    st.fixed_dictionaries(
        {
            "at": MOMENTS,
            "queues": st.sampled_from([0, 0, 3]),
            "takes": st.sampled_from([0, 1, 5, 1000]),
            "ends": OUTCOMES,
            "leaves": st.none() | st.integers(0, 8),
        }
    ),
    min_size=1,
    max_size=40,
)


class Upstream:
    """Takes as long, and answers, as each call was told; sees the circuit as it is when something is sent."""

    def __init__(self, breaker):
        self.breaker = breaker
        self.seen = []
        self.probing = Counter()
        self.most = 0

    async def __call__(self, call):
        caller = call.payload
        await call.clock.sleep(caller["queues"])
        await call.pass_guards()
        view = self.breaker.state("m")
        self.seen.append(view)
        # Each time the circuit is half-open has probes of its own; one of an earlier time may hang still.
        self.probing[view.epoch] += view.state == "half_open"
        self.most = max(self.most, self.probing[view.epoch])
        try:
            await call.clock.sleep(caller["takes"])
        finally:
            self.probing[view.epoch] -= view.state == "half_open"
        if isinstance(caller["ends"], Exception):
            raise caller["ends"]
        return Reply(caller["ends"])


async def one(breaker, upstream, clock, caller):
    await clock.sleep(caller["at"])
    call = asyncio.create_task(breaker(make_call(payload=caller), upstream))
    if caller["leaves"] is not None:
        await clock.sleep(caller["leaves"])
        call.cancel()
    return (await asyncio.gather(call, return_exceptions=True))[0]


@given(callers=CALLERS, probes=st.integers(1, 3), threshold=st.integers(1, 4))
def test_nothing_passes_an_open_circuit_and_every_place_comes_back(callers, probes, threshold):
    async def play():
        breaker = Breaker(failure_threshold=threshold, timeout=5, half_open_requests=probes, lease=LEASE)
        with FakeClock() as clock:
            upstream = Upstream(breaker)
            tasks = [asyncio.create_task(one(breaker, upstream, clock, caller)) for caller in callers]
            await clock.run_for(50)
            # No lease has ended yet: never more than so many at once.
            assert upstream.most <= probes
            assert all(view.state != "open" for view in upstream.seen)
            await clock.run_for(1100)
            ended = await asyncio.gather(*tasks)
            assert breaker.state("m").probes == 0
            assert all(one.retry_after is not None for one in ended if isinstance(one, CircuitOpen))
            clock.advance(10)
            # However it went, the target can be reached again.
            for _ in range(probes):
                await breaker(make_call(), Wire("ok"))
            assert breaker.state("m").state == "closed"

    asyncio.run(play())


@given(
    outcomes=st.lists(st.booleans(), max_size=60),
    threshold=st.integers(1, 5),
    pauses=st.lists(st.integers(0, 30), min_size=60, max_size=60),
)
def test_a_chain_with_a_sound_end_always_answers(outcomes, threshold, pauses):
    async def play():
        breaker = Breaker(failure_threshold=threshold, timeout=20)
        steps = iter(outcomes)

        def answer(call):
            return "ok" if str(call.target) == "sound" or next(steps, True) else http_error(500)

        service = Stack(Fallback(to=["sound"]), Retry(attempts=2, base_delay=0), breaker).bind(Wire(answer))
        with FakeClock(auto=True) as clock:
            for pause in pauses[: len(outcomes)]:
                assert (await service(make_call())).value == "ok"
                clock.advance(pause)

    asyncio.run(play())
