"""Whatever the legs do and whenever the caller leaves: one reply, nothing left running, and no more than their share."""

import asyncio
import random

import pytest
from calls import PlainView, http_error, make_call
from hypothesis import given, settings
from hypothesis import strategies as st
from legs import ONE, Leg, Upstreams

from hanzo_agents import Hedge
from hanzo_agents.testing.clock import FakeClock

TEXT = PlainView(text="x" * 4 * ONE.input_tokens)
TIMES = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])


class Failures(list):
    """What the loop is told that nobody else heard of: tasks whose exception was never retrieved, and the like."""

    def __enter__(self):
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.append(context))
        return self

    def __exit__(self, *_):
        asyncio.get_running_loop().set_exception_handler(None)


def legs_of(takes, fails, *, streams):
    answer = http_error(503) if fails else ["x", "y", "z"]
    return Leg(takes, answer, streams=streams and not fails, cleanup=int(takes))


@given(first=TIMES, second=TIMES, fails=st.tuples(st.booleans(), st.booleans()), streams=st.booleans())
@settings(max_examples=150)
def test_the_leg_that_is_accepted_first_answers_and_the_other_leaves_nothing(first, second, fails, streams):
    async def main():
        with FakeClock(auto=True) as clock, Failures() as failures:
            upstreams = Upstreams(
                {"a": legs_of(first, fails[0], streams=streams), "b": legs_of(second, fails[1], streams=streams)}
            )
            call = make_call("a", view=TEXT)
            reply = error = None
            try:
                reply = await Hedge(after=1.0, to=["b"], max_extra_spend=1.0)(call, upstreams)
            except Exception as raised:
                error = raised
            # A second leg when the first has not ended by then; at the very moment, either is right.
            assert upstreams.count("b") == (first > 1.0) or first == 1.0
            ends = [(first, fails[0])] + [(1.0 + second, fails[1])] * upstreams.count("b")
            good = [when for when, failed in ends if not failed]
            assert clock.now() == (min(good) if good else max(when for when, _ in ends))
            assert (reply is None) == (not good)
            assert (error is None) == bool(good)
            assert upstreams.running == 0
            if streams and reply is not None:
                assert upstreams.opened - upstreams.closed == 1
                assert [event async for event in reply.value] == ["x", "y", "z"]
            assert upstreams.opened == upstreams.closed
            assert all(attempt.ended is not None for attempt in call.journal.attempts)
            assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not failures

    asyncio.run(main())


class Permits:
    """A limiter beneath: what was taken must be given back."""

    def __init__(self, inner):
        self.inner = inner
        self.taken = 0

    async def __call__(self, call):
        self.taken += 1
        try:
            await asyncio.sleep(0)
            reply = await self.inner(call)
        except BaseException:
            self.taken -= 1
            raise
        reply.on_settled(lambda _: self.give_back())
        return reply

    def give_back(self):
        self.taken -= 1


async def storm(tasks, clock, chance):
    """Cancel tasks at random moments, many of them twice, until all have ended."""
    alive = tasks
    while alive:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        for task in chance.sample(alive, min(len(alive), 20)):
            task.cancel()
            if chance.random() < 0.5:
                # The SDK cancels twice, the second time while the first is being cleaned up.
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
                task.cancel()
        clock.advance(0.1)
        alive = [task for task in tasks if not task.done()]
    return await asyncio.gather(*tasks, return_exceptions=True)


def any_leg(chance):
    fails = chance.random() < 0.2
    return Leg(
        chance.choice([None, 0.5, 1.0, 1.5, 2.0, 2.001, 3.0]),
        http_error(503) if fails else ["x"] * 5,
        streams=not fails,
        cleanup=chance.randrange(6),
        queued=chance.choice([0, 0, 0.7]),
    )


@pytest.mark.parametrize("seed", range(2))
async def test_a_storm_of_cancellations_leaves_nothing_behind(seed):
    chance = random.Random(seed)
    with FakeClock() as clock, Failures() as failures:
        everything = []

        async def one():
            upstreams = Upstreams({"a": any_leg(chance), "b": any_leg(chance)})
            permits = Permits(upstreams)
            everything.append((upstreams, permits))
            # One for each call: shared, it would soon have had its share.
            hedge = Hedge(after=1.0, to=["b"], max_extra_spend=1.0)
            reply = await hedge(make_call("a", view=TEXT), permits)
            async for _ in reply.value:
                if chance.random() < 0.1:
                    break
            await reply.value.aclose()

        outcomes = await storm([asyncio.create_task(one()) for _ in range(1000)], clock, chance)
        await clock.settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert clock.waiting == 0
        assert {type(o).__name__ for o in outcomes} == {"NoneType", "CancelledError", "InternalServerError"}
        assert sum(upstreams.count("b") for upstreams, _ in everything) > 200
        for upstreams, permits in everything:
            assert (upstreams.running, permits.taken) == (0, 0)
            assert upstreams.opened == upstreams.closed
    assert not failures


@given(
    share=st.sampled_from([0.05, 0.1, 0.3, 1.0]),
    calls=st.lists(st.tuples(TIMES, TIMES, st.booleans(), st.booleans()), min_size=1, max_size=60),
)
@settings(max_examples=100)
def test_second_legs_never_have_more_than_their_share(share, calls):
    """At every step: what second legs took, or may yet be billed, against what first legs did."""

    async def main():
        hedge = Hedge(after=1.0, to=["b"], max_extra_spend=share)
        firsts = seconds = 0
        with FakeClock(auto=True):
            for first, second, first_fails, second_fails in calls:
                upstreams = Upstreams({"a": legs_of(first, first_fails, streams=False),
                                       "b": legs_of(second, second_fails, streams=False)})  # fmt: skip
                answered = True
                try:
                    await hedge(make_call("a", view=PlainView(text="x" * 400, max_output=100)), upstreams)
                except Exception:
                    answered = False
                # A first leg that failed early did nothing; a second leg that failed counts all the same.
                firsts += answered or upstreams.count("b")
                seconds += upstreams.count("b")
                assert seconds <= share * firsts + 1e-9

    asyncio.run(main())


async def test_in_a_brownout_the_share_holds_while_the_percentile_adapts():
    """Everything is suddenly ten times slower: hedges stay within their share, and soon are not wanted at all."""
    chance = random.Random(7)
    with FakeClock(auto=True):
        hedge = Hedge(after="p95", to=["b"], max_extra_spend=0.05)
        hedged = {1: 0, 10: 0}
        for slowness, calls in ((1, 500), (10, 500)):
            for _ in range(calls):
                upstreams = Upstreams({name: Leg(slowness * chance.uniform(0.5, 1.5)) for name in "ab"})
                await hedge(make_call("a", view=TEXT), upstreams)
                hedged[slowness] += upstreams.count("b")
        assert 0 < hedged[1] <= 25
        assert 0 < hedged[10] <= 25 + 10
