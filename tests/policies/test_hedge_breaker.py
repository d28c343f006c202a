"""A target that only ever loses hedges: when that is its fault, and when it is not."""

import asyncio

import pytest
from calls import PlainView, make_call
from legs import Leg, Upstreams

from hanzo_agents import Breaker, Fallback, Hedge, Stack
from hanzo_agents.policies.hedge.policy import SILENT
from hanzo_agents.testing.clock import FakeClock

THRESHOLD = 3


class Guarded(Upstreams):
    """Upstreams that ask the guards before they send, as the wire does."""

    async def _send(self, call, leg):
        await call.pass_guards()
        return await super()._send(call, leg)


class Chain:
    """Fallback, Hedge and Breaker over some upstreams."""

    def __init__(self, legs, *, to=("b",), fallbacks=("b",), **fields):
        self.upstreams = Guarded(legs)
        self.breaker = Breaker(failure_threshold=THRESHOLD, timeout=60)
        self.hedge = Hedge(after=1.0, max_extra_spend=1.0, to=None if to is None else list(to), **fields)
        policies = [self.hedge, self.breaker]
        if fallbacks:
            policies.insert(0, Fallback(to=list(fallbacks)))
        self.send = Stack(*policies).bind(self.upstreams)

    async def ask(self, times=1, **fields):
        for _ in range(times):
            await self.send(make_call("a", view=PlainView(text="x" * 400), **fields))

    @property
    def state(self):
        return self.breaker.state("a").state


async def test_a_target_that_hangs_opens_its_circuit_though_a_hedge_always_answers():
    chain = Chain({"a": Leg(None), "b": Leg(0.5)})
    with FakeClock(auto=True) as clock:
        await chain.ask(SILENT + THRESHOLD - 1)
        assert chain.state == "closed"
        await chain.ask()
        assert chain.state == "open"
        asked, began = chain.upstreams.count("a"), clock.now()
        await chain.ask(5)
        assert clock.now() == began + 5 * 0.5  # nobody waits for it any more
        clock.advance(60)
        await chain.ask(2)  # a probe, which is left as well
        assert chain.upstreams.count("a") == asked + 1
        assert chain.state == "open"


async def test_it_closes_when_the_target_is_back():
    back = [Leg(None)] * (SILENT + THRESHOLD) + [Leg(0.2)]
    chain = Chain({"a": back, "b": Leg(0.5)})
    with FakeClock(auto=True) as clock:
        await chain.ask(SILENT + THRESHOLD)
        clock.advance(60)
        await chain.ask()
        assert chain.state == "closed"
        await chain.ask(SILENT)
        assert chain.breaker.state("a").failures == 0


async def test_one_that_answers_now_and_then_is_slow_and_not_silent():
    legs = [*[Leg(None)] * SILENT, Leg(1.2)] * 4
    chain = Chain({"a": legs, "b": Leg(0.5)})
    with FakeClock(auto=True):
        await chain.ask(len(legs))
        assert chain.breaker.state("a").failures == 0
        assert chain.state == "closed"


@pytest.mark.parametrize(
    "fields", [{"fallbacks": ()}, {"to": None}], ids=["nobody stands by", "it answers itself"]
)
async def test_being_left_does_not_count_where(fields):
    second = [Leg(None), Leg(0.5)] * (2 * SILENT)  # of one target: the first leg hangs, the second answers
    chain = Chain({"a": second if "to" in fields else Leg(None), "b": Leg(0.5)}, **fields)
    with FakeClock(auto=True):
        await chain.ask(2 * SILENT)
        assert (chain.state, chain.breaker.state("a").failures) == ("closed", 0)


async def test_a_caller_that_leaves_a_silent_target_says_nothing():
    chain = Chain({"a": Leg(None), "b": [*[Leg(0.5)] * SILENT, Leg(None)]})
    with FakeClock(auto=True) as clock:
        await chain.ask(SILENT)
        clock.auto = False
        for _ in range(THRESHOLD):
            task = asyncio.create_task(chain.ask())
            await clock.settle()
            clock.advance(3)
            await clock.settle()
            task.cancel()
            await asyncio.wait([task])
        assert chain.breaker.state("a").failures == 0
