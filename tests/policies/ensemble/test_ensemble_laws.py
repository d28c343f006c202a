"""Whatever the models do and whenever the caller leaves: what is spent is the sum of the legs, and nothing stays held."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from panels import Router, ask, votes_for

from hanzo_agents import Blend, Budget, Judge, MemoryStore, Price, RateLimit, Retry, run_budget, track
from hanzo_agents.testing.clock import FakeClock

NAMES = ("a", "b", "c", "m")
PRICES = {name: Price(input=1, output=100 * (number + 1)) for number, name in enumerate(NAMES)}

SAID = st.sampled_from(
    ["It is Paris.", "it is Paris", "It is Lyon, on the Rhone.", "", 503, 400, votes_for("is"), '{"winner": "A"}']
)
TIMES = st.sampled_from([0, 0.5, 1, 1.5, 2, None])
POLICIES = st.sampled_from(
    [
        Blend(["a", "b", "c"]),
        Blend(["a", "b", "c"], quorum=3),
        Blend(["a", "b"], strategy="council", patience=1),
        Blend(["a", "b"], strategy="moa", layers=2, patience=1),
        Blend(["a", "b", "c"], strategy="chain", patience=1),
        Blend(["a"], strategy="self_moa", samples=3, synthesizer="m"),
        Blend(["a", "b", "c"], strategy="best_of"),
        Judge(["a", "b", "c"], judge="m", agreement=0.9),
    ]
)


@given(
    policy=POLICIES,
    says=st.fixed_dictionaries(dict.fromkeys(NAMES, SAID)),
    after=st.fixed_dictionaries(dict.fromkeys(NAMES, TIMES)),
    stream=st.booleans(),
    leaves=st.sampled_from([0, 0.25, 1, 3, 100]),
    limit=st.sampled_from(["0.0004", "0.002", "1"]),
)
@settings(max_examples=120, deadline=None)
def test_spent_is_the_sum_of_the_legs_and_nothing_stays_reserved(policy, says, after, stream, leaves, limit):  # noqa: PLR0917 - hypothesis names them all
    async def main():
        with FakeClock() as clock, track() as journals, run_budget(limit) as run:
            budget = Budget(store=MemoryStore(), prices=PRICES)
            permits = RateLimit(max_concurrent=9)
            router = Router(
                {
                    name: (lambda _, said=said: judged(said, _)) if callable(said) else said
                    for name, said in says.items()
                },
                after=after,
            )
            client = router.client(policies=[policy, Retry(attempts=1), budget, permits])
            task = asyncio.create_task(ask(client, stream=stream, max_tokens=2))
            await clock.run_for(leaves)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await clock.settle()
            (journal,) = journals
            assert journal.ended is not None
            assert run.reserved == 0
            assert run.spent == sum(attempt.cost.amount or 0 for attempt in journal.attempts)
            assert all(attempt.cost.amount is not None for attempt in journal.attempts)
            assert sum(permits.state(name).under_way or 0 for name in NAMES) == 0
            assert router.running == 0
            assert clock.waiting == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}
            if not task.cancelled() and task.exception() is None:
                _, reply = task.result()
                assert reply.cost == run.spent
                assert len(reply.attempts) == len(journal.attempts)

    asyncio.run(main())


def judged(said, body):
    try:
        return said(body)
    except ValueError:  # nothing to vote for
        return "It is Nice."
