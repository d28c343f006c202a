"""Laws of the lanes, in every store: no minute over the limit, first come first served, and nothing is lost."""

import asyncio
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanzo_agents.stores import MemoryStore, RedisStore, SQLiteStore
from hanzo_agents.stores.limits import PERIOD, Need
from hanzo_agents.stores.operations import new_op
from hanzo_agents.testing.clock import FakeClock

EXAMPLES = {"memory": 100, "sqlite": 25, "redis": 25}


@dataclass
class Model:
    """A lane, and what it must look like: every admission with its time and amount, and who waits in which order."""

    limits: object
    need: Need
    clock: FakeClock = field(default_factory=lambda: FakeClock(start=1e6))
    lane: str = field(default_factory=new_op)
    admitted: dict = field(default_factory=dict)
    waiting: dict = field(default_factory=dict)
    under_way: set = field(default_factory=set)

    async def ask(self, op, tokens, patience=math.inf):
        need = self.need._replace(tokens=tokens, patience=patience)
        turn = await self.limits.ask(self.lane, op, need, clock=self.clock)
        if turn.state == "queued":
            self.waiting.setdefault(op, tokens)
        else:
            ahead = self.ahead_of(op)
            self.waiting.pop(op, None)
            if turn.state == "admitted":
                self.admit(op, tokens, ahead)
        return turn

    def admit(self, op, tokens, ahead):
        """It is within the limits, and would be if all those before it went first."""
        self.admitted[op] = [self.clock.now(), tokens]
        self.under_way.add(op)
        used = [amount for at, amount in self.admitted.values() if at + PERIOD > self.clock.now() + 1e-6]
        assert len(used) + len(ahead) <= self.need.requests_limit
        assert sum(used) + sum(ahead) <= self.need.tokens_limit
        assert len(self.under_way) + len(ahead) <= self.need.slots_limit

    def ahead_of(self, op):
        ahead = []
        for name, tokens in self.waiting.items():
            if name == op:
                break
            ahead.append(tokens)
        return ahead

    async def settle(self, op, tokens):
        await self.limits.settle(self.lane, op, tokens, clock=self.clock)
        self.under_way.discard(op)
        if tokens is not None and self.admitted[op][0] + PERIOD > self.clock.now():
            self.admitted[op][1] = tokens

    async def withdraw(self, op):
        await self.limits.withdraw(self.lane, op, clock=self.clock)
        self.waiting.pop(op, None)
        self.admitted.pop(op, None)
        self.under_way.discard(op)

    async def tick(self, seconds):
        """Time passes; whoever waits asks again as often as they promised, and who is under way is renewed."""
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            self.clock.advance(min(1.0, end - self.clock.now()))
            if self.under_way and hasattr(self.limits, "_renew"):
                await self.limits._renew(self.lane, list(self.under_way), self.clock)
            for op, tokens in list(self.waiting.items()):
                await self.ask(op, tokens)


LIMITS = st.builds(
    lambda requests, tokens, slots: Need(0, requests, tokens, slots, 50, math.inf, 0.0),
    st.integers(1, 6), st.integers(10, 60), st.integers(1, 5),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 10)),
        st.tuples(st.just("settle"), st.one_of(st.none(), st.integers(0, 15))),
        st.tuples(st.just("withdraw"), st.integers(0, 5)),
        st.tuples(st.just("withdraw waiting"), st.integers(0, 5)),
        st.tuples(st.just("tick"), st.sampled_from([0.25, 1.0, 7.5, 20.0, 61.0])),
    ),
    max_size=25,
)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def limits(request, tmp_path):
    if request.param == "memory":
        store = MemoryStore()
    elif request.param == "sqlite":
        store = SQLiteStore(tmp_path / "state.db")
    else:
        store = RedisStore(request.getfixturevalue("redis_url"), timeout=5)
    yield request.param, store.limits
    store.close()


def law(limits, strategy, body):
    """Hold `body` to be true, with as many examples as the store is quick."""
    kind, store = limits

    @settings(max_examples=EXAMPLES[kind], suppress_health_check=list(HealthCheck), deadline=None)
    @given(strategy)
    def check(drawn):
        asyncio.run(body(store, *drawn))

    check()


async def play(model, steps):
    for what, how in steps:
        if what == "ask":
            await model.ask(new_op(), how)
        elif what == "tick":
            await model.tick(how)
        elif what == "settle" and model.under_way:
            await model.settle(min(model.under_way), how)
        elif what == "withdraw" and model.under_way:
            await model.withdraw(sorted(model.under_way)[how % len(model.under_way)])
        elif what == "withdraw waiting" and model.waiting:
            await model.withdraw(list(model.waiting)[how % len(model.waiting)])


def test_no_minute_is_over_the_limit_and_nobody_is_overtaken(limits):
    async def body(store, need, steps):
        model = Model(store, need)
        await play(model, steps)
        standing = await store.standing(model.lane, clock=model.clock)
        recent = [tokens for at, tokens in model.admitted.values() if at + PERIOD > model.clock.now() + 1e-6]
        assert standing == (len(recent), sum(recent), len(model.under_way), len(model.waiting))

    law(limits, st.tuples(LIMITS, STEPS), body)


def test_everybody_who_waits_goes_in_the_end_and_nothing_is_left(limits):
    async def body(store, need, steps):
        model = Model(store, need)
        await play(model, steps)
        # Everybody takes at most what they were reckoned at from here on.
        for _ in range(len(steps) + 2):
            for op in list(model.under_way):
                await model.settle(op, None)
            if not model.waiting:
                break
            await model.tick(61)
        assert not model.waiting
        await model.tick(61)
        assert await store.standing(model.lane, clock=model.clock) == (0, 0, 0, 0)

    law(limits, st.tuples(LIMITS, STEPS), body)


def test_every_sliding_minute_is_within_the_limit_when_calls_take_no_more_than_they_reserved(limits):
    """All windows of the whole history, not only those that end with an admission."""

    async def body(store, need, arrivals):
        model = Model(store, need._replace(slots_limit=1000))
        for pause, tokens, taken in arrivals:
            op = new_op()
            await model.ask(op, tokens)
            if op in model.under_way and taken is not None:
                await model.settle(op, min(taken, tokens))
            await model.tick(pause)
        for at, _ in model.admitted.values():
            window = [t for when, t in model.admitted.values() if at - PERIOD + 1e-6 < when <= at]
            assert len(window) <= need.requests_limit
            assert sum(window) <= need.tokens_limit

    pause = st.sampled_from([0.0, 0.5, 3.0, 30.0, 59.5])
    arrivals = st.lists(
        st.tuples(pause, st.integers(0, 10), st.one_of(st.none(), st.integers(0, 10))), max_size=20
    )
    law(limits, st.tuples(LIMITS, arrivals), body)
