"""Ensembles with the whole stack around and beneath them: every leg is reserved, billed, and cancelled with the call."""

import asyncio
import gc
import random
from decimal import Decimal

import pytest
from panels import QUESTION, Router, ask, lasting, votes_for
from upstream import HANG, completion, sse, text_chunks

from hanzo_agents import (
    AsyncHanzo,
    Blend,
    Breaker,
    Budget,
    Cache,
    Deadline,
    DeadlineExceeded,
    Judge,
    MemoryStore,
    Price,
    RateLimit,
    Retry,
    Route,
    Target,
    Trace,
    run_budget,
    track,
)
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter

MODELS = ("a", "b", "c", "m", "j")
PRICES = dict.fromkeys(MODELS, Price(input=0, output=1000))
"""Two tokens of an answer cost 0.2 cents."""

SAYS = {"a": "It is Paris.", "b": "Lyon, no doubt.", "c": "Nice, I think.", "m": "Paris.", "j": votes_for("Lyon")}


def stack(policy, **limit):
    return [
        policy,
        Retry(attempts=1),
        Budget(per_call=1, store=MemoryStore(), prices=PRICES),
        Breaker(),
        RateLimit(**{"max_concurrent": 5, **limit}),
    ]


def under_way(policies):
    return sum(policies[-1].state(model).under_way or 0 for model in MODELS)


ENSEMBLES = [
    Blend(["a", "b", "c"]),
    Blend(["a", "b"], strategy="council"),
    Blend(["a", "b"], strategy="moa", layers=2),
    Blend(["a", "b"], strategy="chain"),
    Blend(["a"], strategy="self_moa", samples=3, synthesizer="m"),
    Blend(["a", "b"], strategy="best_of", synthesizer="j"),
    Judge(["a", "b"], judge="j"),
]


def named(policy):
    return getattr(policy, "strategy", "judge")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("policy", ENSEMBLES, ids=named)
async def test_the_reply_costs_what_all_legs_cost(policy, stream):
    policies = stack(policy)
    with track() as journals, run_budget(10) as run:
        router = Router(SAYS)
        _, reply = await ask(router.client(policies=policies), stream=stream, max_tokens=10)
    (journal,) = journals
    assert len(reply.attempts) == len(journal.attempts) == router.hits
    assert reply.cost == journal.cost.amount == sum(attempt.cost.amount for attempt in journal.attempts)
    assert run.spent == reply.cost > 0
    assert run.reserved == 0
    assert under_way(policies) == 0
    assert journal.complete


async def test_one_account_pays_for_all_legs_and_refuses_what_it_cannot():
    # Ten tokens may cost a cent: the account pays for two advisers, and for the answer when those have been settled.
    with FakeClock(auto=True):
        budget = Budget(per_call="0.02", store=MemoryStore(), prices=PRICES)
        router = Router(SAYS, after={"a": 1, "b": 1})
        text, reply = await ask(router.client(policies=[ENSEMBLES[0], budget]), max_tokens=10)
        assert text == "Paris."
        assert sorted(router.models) == ["a", "b", "m"]
        assert "c failed: BudgetExceeded" in reply.routing_reason


@pytest.mark.parametrize("policy", [Blend(["a", "b"], synthesizer="j"), Judge(["a", "b"], judge="j")], ids=named)
async def test_who_let_the_deadline_pass_is_named(policy):
    with FakeClock() as clock:
        router = Router(SAYS, after={"j": None})
        client = router.client(policies=[policy, Deadline(total=9), Retry(attempts=1)])
        with pytest.raises(DeadlineExceeded, match="no answer from j within 9 s"):
            await lasting(clock, ask(client))


async def test_an_open_breaker_takes_one_leg_and_not_the_others():
    policies = stack(ENSEMBLES[0])
    router = Router(SAYS)
    client = router.client(policies=policies)
    await policies[-2].open("b", at=str(client.base_url).rstrip("/"))
    _, reply = await ask(client)
    assert sorted(router.models) == ["a", "c", "m"]
    assert "b failed: CircuitOpen" in reply.routing_reason


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_caller_leaves_and_takes_all_legs_along(stream, times):
    with FakeClock() as clock, track() as journals:
        policies = stack(ENSEMBLES[0])
        router = Router(SAYS, after={"b": None, "c": None})
        with run_budget(1) as run:
            task = asyncio.create_task(ask(router.client(policies=policies), stream=stream, max_tokens=10))
            await clock.settle()
            assert (router.hits, under_way(policies)) == (3, 2)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.gather(task, return_exceptions=True)
            await clock.settle()
        assert (run.reserved, under_way(policies), router.running) == (0, 0, 0)
        assert run.spent > 0
        assert journals[0].ended is not None
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_reader_who_leaves_the_answer_pays_for_all_and_holds_nothing():
    policies = stack(ENSEMBLES[0])
    router = Router({**SAYS, "m": lambda _: sse(*text_chunks("Par", "is.", usage=None)[:2], HANG)})
    with track() as journals, run_budget(1) as run:
        stream = await router.client(policies=policies).chat.completions.create(
            model="m", messages=[QUESTION], max_tokens=10, stream=True
        )
        assert (await anext(stream)) is not None
        await stream.close()
    (journal,) = journals
    assert journal.ended is not None
    assert not journal.complete
    assert run.reserved == 0
    assert run.spent == journal.cost.amount
    assert under_way(policies) == 0


@pytest.mark.parametrize("policy", [ENSEMBLES[0], ENSEMBLES[5]], ids=named)
async def test_a_stream_that_nobody_reads_is_settled_when_it_is_dropped(policy):
    policies = stack(policy)
    with track() as journals, run_budget(1) as run:
        client = Router(SAYS).client(policies=policies)
        gc.disable()
        try:
            stream = await client.chat.completions.create(
                model="m", messages=[QUESTION], max_tokens=10, stream=True
            )
            del stream
            assert journals[0].ended is not None
            assert run.reserved == 0
            assert under_way(policies) == 0
        finally:
            gc.enable()


async def test_agreement_cancels_and_bills_the_rest():
    same = "The capital of France is Paris."
    with FakeClock(auto=True), track() as journals:
        policies = stack(Blend(["a", "b", "c"]))
        router = Router({**SAYS, "a": same, "b": same}, after={"c": 60})
        with run_budget(1) as run:
            await ask(router.client(policies=policies), max_tokens=10)
        (left,) = [attempt for attempt in journals[0].attempts if attempt.target == "c"]
        assert left.cost.amount == Decimal("0.01")  # all that it may have written
        assert run.reserved == 0
        assert run.spent == journals[0].cost.amount
        assert under_way(policies) == 0


@pytest.mark.parametrize("seed", range(2))
async def test_a_storm_of_cancellations_gives_everything_back(seed):
    chance = random.Random(seed)
    with FakeClock() as clock, run_budget(1000) as run:
        policies = stack(ENSEMBLES[0], max_concurrent=500)
        clients = []

        async def one(number):
            router = Router(
                {name: chance.choice([said, said, 503]) if name != "m" else said for name, said in SAYS.items()},
                after={name: chance.choice([0, 0.5, 1, None]) for name in SAYS},
            )
            clients.append(router)
            policy = ENSEMBLES[number % len(ENSEMBLES)]
            await ask(router.client(policies=[policy, *policies[1:]]), stream=chance.random() < 0.5, max_tokens=10)

        tasks = [asyncio.create_task(one(number)) for number in range(70)]
        alive = tasks
        while alive:
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
            for task in chance.sample(alive, min(len(alive), 6)):
                task.cancel()
                if chance.random() < 0.5:
                    for _ in range(chance.randrange(3)):
                        await asyncio.sleep(0)
                    task.cancel()
            clock.advance(0.25)
            alive = [task for task in tasks if not task.done()]
        await asyncio.gather(*tasks, return_exceptions=True)
        await clock.settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert clock.waiting == 0
        assert sum(router.running for router in clients) == 0
        assert run.reserved == 0
        assert under_way(policies) == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("policy", [ENSEMBLES[0], ENSEMBLES[4], ENSEMBLES[6]], ids=named)
async def test_a_cache_above_keeps_the_answer(policy, stream):
    router = Router(SAYS)
    cache = Cache()
    client = router.client(policies=[policy, cache])
    first, _ = await ask(client, stream=stream)
    asked = router.hits
    second, reply = await ask(client, stream=stream)
    assert (second, router.hits) == (first, asked)
    assert reply.from_cache
    # Another ensemble is another question.
    for other in (
        Blend(["a", "c"]),
        Judge(["a", "b"], judge="j", criteria=["Short."]),
        Blend(["a", "b"], quorum=2),
    ):
        before = router.hits
        await ask(router.client(policies=[other, cache]))
        assert router.hits > before


async def test_a_substitute_for_the_one_who_answers_is_not_kept():
    from hanzo_agents import Fallback

    router = Router({**SAYS, "m": 503, "spare": "A spare answer."})
    client = router.client(policies=[ENSEMBLES[0], Cache(), Retry(attempts=1), Fallback(to=["spare"])])
    await ask(client)
    asked = router.hits
    await ask(client)
    assert router.hits == 2 * asked


async def test_what_a_hit_saves_is_what_all_legs_cost():
    cache = Cache()
    policies = [ENSEMBLES[0], cache, Budget(per_call=1, store=MemoryStore(), prices=PRICES)]
    client = Router(SAYS).client(policies=policies)
    _, first = await ask(client, max_tokens=10)
    await ask(client, max_tokens=10)
    assert cache.stats().saved == first.cost


async def test_a_plan_has_every_leg_and_what_it_costs():
    client = Router(SAYS).client(policies=stack(ENSEMBLES[0]))
    plan = await client.explain(model="m", messages=[QUESTION], max_tokens=10)
    assert [leg.target for leg in plan.legs] == ["a", "b", "c", "m"]
    assert all(leg.most == Decimal("0.01") for leg in plan.legs)
    assert plan.legs[-1].tokens_in > plan.legs[0].tokens_in + 20
    assert "Blend" in str(plan)
    assert "asks: a, b, c (consensus), then m answers" in str(plan)


@pytest.mark.parametrize(
    ("policy", "targets"),
    [
        (ENSEMBLES[1], ["a", "b", "a", "b", "m"]),
        (ENSEMBLES[2], ["a", "b", "a", "b", "m"]),
        (ENSEMBLES[3], ["a", "b", "m"]),
        (ENSEMBLES[4], ["a", "a", "a", "m"]),
        (ENSEMBLES[5], ["a", "b", "j"]),
        (ENSEMBLES[6], ["a", "b", "j"]),
    ],
    ids=lambda given: named(given) if not isinstance(given, list) else "",
)
async def test_a_plan_is_what_happens(policy, targets):
    router = Router(SAYS)
    client = router.client(policies=stack(policy))
    plan = await client.explain(model="m", messages=[QUESTION])
    assert [leg.target for leg in plan.legs] == targets
    await ask(client)
    assert sorted(router.models) == sorted(targets)


async def test_a_plan_says_what_is_passed_on():
    client = Router(SAYS).client(policies=[ENSEMBLES[0]])
    looping = [
        QUESTION,
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "content": "x", "tool_call_id": "1"},
    ]
    plan = await client.explain(model="m", messages=looping)
    assert [leg.target for leg in plan.legs] == ["m"]
    assert "asks one alone: m: tools have answered" in str(plan)
    plan = await client.explain(model="m", input="x", previous_response_id="r")
    assert [leg.target for leg in plan.legs] == ["m"]
    assert "passes on: the call leans on state" in str(plan)


async def test_what_must_stay_here_is_told_to_nobody_else():
    here = Target("here", "http://127.0.0.1:9/v1", "k", label="here")
    route = Route(to=[here, "m"], local=[here], local_for=lambda text: "secret" in text)
    router = Router({**SAYS, "here": completion("Mine.")})
    client = router.client(policies=[route, Retry(attempts=1), Blend(["a", "b"])])
    with pytest.raises(Exception, match="must stay on this machine"):
        await ask(client, messages=[{"role": "user", "content": "A secret."}])
    assert router.hits == 0


class Watcher:
    def __init__(self):
        self.started, self.ended, self.decided_by = [], [], []

    def attempt_started(self, journal, attempt):
        self.started.append(attempt.target)

    def attempt_ended(self, journal, attempt):
        self.ended.append((attempt.target, attempt.error is None))

    def decided(self, journal, decision):
        self.decided_by.append(decision.policy)

    def call_ended(self, journal):
        self.ended.append("call")


async def test_observers_see_each_leg_as_an_attempt():
    same = "The capital of France is Paris."
    watcher = Watcher()
    with FakeClock(auto=True):
        router = Router({**SAYS, "a": same, "b": same}, after={"c": 60})
        client = router.client(policies=[ENSEMBLES[0], Trace(to=[watcher])])
        await ask(client)
    assert watcher.started == ["a", "b", "c", "m"]
    assert watcher.ended == [("a", True), ("b", True), ("c", False), ("m", True), "call"]
    assert set(watcher.decided_by) == {"Blend"}


@pytest.mark.parametrize("stream", [False, True])
async def test_over_real_connections(stream):
    def reply(request):
        return {"a": "It is Paris.", "b": "Lyon, no doubt.", "m": "Paris."}[request.model]

    with ScriptedRouter(reply) as router:
        client = AsyncHanzo(router.base_url, "k", model="m", policies=[Blend(["a", "b"])])
        text, answer = await ask(client, stream=stream)
        assert text == "Paris."
        assert len(answer.attempts) == 3
        assert sorted(request.model for request in router.requests) == ["a", "b", "m"]
        await client.close()
