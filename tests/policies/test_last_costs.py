"""What a policy writes into an attempt at the end of a reply is seen by those who watch: the journal closes last."""

import asyncio
import gc
from decimal import Decimal

import pytest
from payments import Upstream, asks, budget, usd
from prometheus_client import CollectorRegistry
from upstream import HELLO, completion
from upstream import Upstream as Router

from hanzo_agents import Cost, Hedge, Settled, Trace, track
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.reply import Reply, Settlement
from hanzo_agents._kernel.tracking import open_journal, tracked
from hanzo_agents.observe import Metrics
from hanzo_agents.testing.clock import FakeClock


class Closing:
    """An observer that looks at the cost when the call ends."""

    def __init__(self):
        self.costs = []

    def attempt_started(self, journal, attempt): ...

    def attempt_ended(self, journal, attempt): ...

    def decided(self, journal, decision): ...

    def call_ended(self, journal):
        self.costs.append(journal.cost)


def sample(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, {"target": "m", "model": "m", **labels})


def estimated(metrics):
    return sample(metrics, "hanzo_cost_dollars_total", basis="estimated")


async def streamed(policy, upstream, *observers):
    """A call that is answered by a stream, as a client makes it."""
    trace = Trace(to=list(observers))

    async def service(call):
        return await trace(call, lambda call: policy(call, upstream))

    call = asks()
    call = call.but(journal=open_journal(call.clock.now(), "chat"))
    return await tracked(service, call)


async def test_a_cost_that_only_the_budget_knows_is_in_the_metrics_of_a_stream():
    with Metrics(CollectorRegistry()) as metrics, track() as journals:
        upstream, closing = Upstream(stream=True), Closing()
        reply = await streamed(budget(daily=1), upstream, metrics, closing)
        assert closing.costs == []
        reply.attempt.ended = reply.attempt.accepted
        upstream.ends.pop().settle(Settled())
        assert closing.costs == [Cost(usd("0.1"), "estimated")]
        assert estimated(metrics) == 0.1
        assert sample(metrics, "hanzo_unpriced_attempts_total") is None
        (journal,) = journals
        assert journal.cost.amount == Decimal("0.1")


async def test_and_of_one_that_nobody_reads():
    class Stream:
        def __init__(self, end):
            self.end, self.me = end, self

        def __del__(self):
            self.end.settle(Settled(complete=False))

    with Metrics(CollectorRegistry()) as metrics:
        upstream = Upstream(stream=True)
        reply = await streamed(budget(daily=1), upstream, metrics)
        reply.attempt.ended = reply.attempt.accepted
        Stream(upstream.ends.pop())
        del reply
        gc.collect()
        assert estimated(metrics) == 0.1


def test_a_last_hook_runs_after_all_that_were_there_before_it():
    log = []
    reply = Reply("stream", end=(end := Settlement()))
    reply.on_settled(lambda _: log.append("first"))
    reply.on_settled(lambda _: log.append("last"), last=True)
    reply.on_settled(lambda _: log.append("second"))
    end.settle(Settled())
    assert log == ["second", "first", "last"]
    reply.on_settled(lambda _: log.append("late"), last=True)
    assert log[-1] == "late"


@pytest.mark.parametrize("loser", ["gpt-4o", "gpt-4o-mini"])
async def test_what_the_loser_of_a_hedge_may_cost_is_counted_without_a_budget(loser):
    """It is written when the leg has been left, after the attempt's end and before the call's."""

    async def answer(request):
        model = router.bodies[-1]["model"]
        if model == loser:
            await asyncio.Event().wait()
        if model == "gpt-4o":
            await current_clock().sleep(5)
        return completion("Hi")

    with FakeClock(auto=True), Metrics(CollectorRegistry()) as metrics:
        closing, router = Closing(), Router(answer)
        hedge = Hedge(after=1.0, to=["gpt-4o-mini"], max_extra_spend=1.0)
        client = router.client(model="gpt-4o", policies=[Trace(to=[metrics, closing]), hedge])
        await client.chat.completions.create(messages=[HELLO], max_tokens=100)
        lost = metrics.registry.get_sample_value(
            "hanzo_cost_dollars_total", {"target": loser, "model": loser, "basis": "estimated"}
        )
        assert lost > 0
        (cost,) = closing.costs
        assert cost.amount > Decimal(str(lost)) > 0
