"""Laws of RateLimit: what is foreseen comes true, and no cancellation leaves anything behind."""

import asyncio
from random import Random

import pytest
from calls import Inner, make_call
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hanzo_agents import RateLimit, Reply, Settled
from hanzo_agents._kernel.reply import Settlement
from hanzo_agents.stores.limits import PERIOD, time_until_fit
from hanzo_agents.testing.clock import FakeClock

AMOUNTS = st.integers(1, 20)


@given(st.lists(st.tuples(st.integers(0, 59), AMOUNTS), max_size=8), st.lists(AMOUNTS, max_size=8), AMOUNTS)
def test_the_foreseen_wait_is_never_longer_than_the_real_one(log, queue, mine):
    """So nobody is refused who could have gone in time. With amounts of one it is exact."""
    limit = 20
    log = sorted(log)
    while sum(amount for _, amount in log) > limit:
        log.pop()
    now = 59.5
    foreseen = time_until_fit(log, sum(amount for _, amount in log), sum(queue), mine, limit, now=now)
    assert foreseen <= real_wait(log, [*queue, mine], limit, now) + 1e-9
    ones = [(at, 1) for at, _ in log]
    exact = time_until_fit(ones, len(ones), len(queue), 1, 3, now=now) if len(ones) <= 3 else None
    if exact is not None:
        assert exact == pytest.approx(real_wait(ones, [1] * (len(queue) + 1), 3, now))


def real_wait(log, queue, limit, now):
    """Let the queue go one after the other, each as soon as it fits."""
    gone, at = list(log), now
    for amount in queue:
        times = sorted({at, *(when + PERIOD for when, _ in gone if when + PERIOD > at)})
        at = next(t for t in times if sum(taken for when, taken in gone if when + PERIOD > t) + amount <= limit)
        gone.append((at, amount))
    return at - now


class Stormy:
    """An upstream that answers, streams or fails after a few turns of the loop."""

    def __init__(self, random, *, streams):
        self.random, self.streams, self.ends = random, streams, []

    async def __call__(self, call):
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        if self.streams and self.random.random() < 0.5:
            end = Settlement()
            self.ends.append(end)
            asyncio.get_running_loop().call_soon(end.settle, Settled())
            return Reply("stream", end=end)
        if self.random.random() < 0.2:
            raise ConnectionError("lost")
        return Reply("answer")


async def cancel_at_random(tasks, random):
    """Many of them twice: before they begin, while they wait, while they run."""
    while not all(task.done() for task in tasks):
        for task in random.sample(tasks, 60):
            for _ in range(random.randrange(3)):
                task.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)


@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinks slowly
@given(st.integers(0, 2**32), st.integers(1, 20), st.booleans())
def test_a_storm_of_cancellations_leaves_nothing_behind(seed, slots, streams):
    random = Random(seed)
    policy = RateLimit(max_concurrent=slots, requests_per_minute=400, tokens_per_minute=10**6, max_queued=2000)
    upstream = Stormy(random, streams=streams)

    async def storm():
        with FakeClock(auto=True):
            await cancel_at_random(
                [asyncio.create_task(policy(make_call(), upstream)) for _ in range(1000)], random
            )
            for end in upstream.ends:
                end.settle(Settled())
            state = policy.state("m")
            assert (state.under_way, state.waiting) == (0, 0)
            assert state.requests <= 400
            # Not in the lane either, and it still lets as many through as ever.
            assert policy._limiter.limits._lanes["target  m"].queue.ahead("", 0.0) == (0, 0)
            still = RateLimit(max_concurrent=slots, max_wait=0)
            object.__setattr__(still, "_limiter", policy._limiter)
            await asyncio.gather(*(still(make_call(), Inner()) for _ in range(slots)))

    asyncio.run(storm())
