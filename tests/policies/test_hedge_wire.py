"""Hedges with the whole stack beneath them: who loses is billed, and gives back what it held."""

import asyncio
from decimal import Decimal

import pytest
from upstream import HELLO, URL, Upstream, completion, sse, text_chunks

from hanzo_agents import Budget, Hedge, MemoryStore, Price, RateLimit, run_budget, track
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents.policies.breaker import Breaker
from hanzo_agents.testing.clock import FakeClock

PRICES = {"slow": Price(input=1, output=10), "quick": Price(input=1, output=10)}


def hang(_request):
    return asyncio.Event().wait()


async def late(_request):
    """After five seconds, of the test's clock."""
    await current_clock().sleep(5)
    return completion("slow")


class Router(Upstream):
    def __init__(self, *, stream, slow=hang, quick=None):
        def reply(request):
            act = {"slow": slow, "quick": quick}[self.bodies[-1]["model"]]
            if act is not None:
                return act(request)
            return sse(*text_chunks("quick")) if stream else completion("quick")

        super().__init__(reply)


def full_stack(**limit):
    return [
        Hedge(after=1.0, to=["quick"], max_extra_spend=1.0),
        Budget(per_call=1, store=MemoryStore(), prices=PRICES),
        Breaker(),
        RateLimit(**{"max_concurrent": 5, **limit}),
    ]


async def ask(client, *, stream=False):
    answer = await client.chat.completions.create(model="slow", messages=[HELLO], max_tokens=1000, stream=stream)
    if not stream:
        return answer.choices[0].message.content
    return "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices])


def under_way(policies):
    """Permits that are taken."""
    return sum(policies[3].state(model).under_way or 0 for model in ("slow", "quick"))


@pytest.mark.parametrize("stream", [False, True])
async def test_both_legs_are_paid_and_nothing_stays_held(stream):
    with FakeClock(auto=True), track() as journals:
        policies = full_stack()
        client = Router(stream=stream).client(policies=policies)
        with run_budget(1) as run:
            assert await ask(client, stream=stream) == "quick"
        (journal,) = journals
        lost, won = journal.attempts
        assert (lost.target, won.target) == ("slow", "quick")
        # The winner's price is that of its tokens; the loser may have worked, and is billed as an estimate.
        assert won.cost.amount == Decimal("0.000023")
        assert lost.cost.amount > 0
        assert run.spent == journal.cost.amount == lost.cost.amount + won.cost.amount
        assert run.reserved == 0
        assert under_way(policies) == 0


async def test_the_caller_leaves_and_everything_is_given_back():
    for times in (1, 2):
        with FakeClock() as clock:
            policies = full_stack()
            router = Router(stream=False, quick=hang)
            with run_budget(1) as run:
                task = asyncio.create_task(ask(router.client(policies=policies)))
                await clock.run_for(5)
                assert (router.hits, under_way(policies)) == (2, 2)
                for _ in range(times):
                    task.cancel()
                    await asyncio.sleep(0)
                await asyncio.gather(task, return_exceptions=True)
                await clock.settle()
            assert (run.reserved, under_way(policies)) == (0, 0)
            assert run.spent > 0
            assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_open_breaker_of_the_second_target_gets_no_leg():
    with FakeClock(auto=True), track() as journals:
        policies = full_stack()
        await policies[2].open("quick", at=URL)
        router = Router(stream=False, slow=late)
        assert await ask(router.client(policies=policies)) == "slow"
        assert [body["model"] for body in router.bodies] == ["slow"]
        assert ("Hedge", "goes on alone") in [(d.policy, d.action) for d in journals[0].decisions]


async def test_a_second_leg_does_not_wait_for_a_limit():
    with FakeClock(auto=True):
        policies = full_stack(requests_per_minute=1)
        router = Router(stream=False, slow=late)
        client = router.client(policies=policies)
        assert await client.chat.completions.create(model="quick", messages=[HELLO], max_tokens=10)
        assert await ask(client) == "slow"
        assert [body["model"] for body in router.bodies] == ["quick", "slow"]


async def test_a_second_leg_does_not_take_the_last_of_a_budget():
    with FakeClock(auto=True):
        router = Router(stream=False, slow=late)
        with run_budget("0.025") as run:  # each leg may cost a little more than 0.01
            assert await ask(router.client(policies=full_stack())) == "slow"
        assert [body["model"] for body in router.bodies] == ["slow"]
        assert run.reserved == 0
