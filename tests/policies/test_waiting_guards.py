"""A call that is cancelled, or refused, while a guard has it wait was never sent: everything is given back."""

import asyncio
from decimal import Decimal

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message
from payments import DAY
from upstream import HELLO, Upstream, completion, sse, text_chunks

from hanzo_agents import Budget, Cost, MemoryStore, Price, RateLimit, Retry, run_budget, track, wrap
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents.testing.clock import FakeClock

PRICES = dict.fromkeys(("m", "ScriptedModel"), Price(input=1, output=10))


class Door:
    """A policy whose guard waits, and then lets pass, fails, or is never heard of again."""

    def __init__(self, error=None):
        self.error = error
        self.reached = asyncio.Event()

    async def __call__(self, call, send):
        return await send(call.guard(self.check))

    async def check(self, call):
        self.reached.set()
        if self.error is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        raise self.error


def policies(door):
    store = MemoryStore()
    return [
        Budget(daily=1, per_call=1, store=store, prices=PRICES),
        RateLimit(max_concurrent=1, tokens_per_minute=10_000),
        Retry(attempts=1),
        door,
    ], store


async def by_the_wire(parts, stream):
    upstream = Upstream(sse(*text_chunks("Hi")) if stream else completion("Hi"))
    client = upstream.client(model="m", policies=parts)
    try:
        await client.chat.completions.create(messages=[HELLO], max_tokens=1000, stream=stream)
    finally:
        assert upstream.hits == 0


async def by_the_model(parts, stream):
    scripted = ScriptedModel([[assistant_message("Hi")]])
    model = wrap(scripted, *parts)
    agent = Agent("a", model=model)
    if not stream:
        await Runner.run(agent, "Hello!", run_config=RunConfig(tracing_disabled=True))
        return
    result = Runner.run_streamed(agent, "Hello!", run_config=RunConfig(tracing_disabled=True))
    async for _ in result.stream_events():
        pass


MODELS = {by_the_wire: "m", by_the_model: "ScriptedModel"}
seams = pytest.mark.parametrize("ask", [by_the_wire, by_the_model])
both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


async def nothing_is_held(model, parts, store, run, journals):
    (balance,) = await store.ledger.balances([DAY], clock=current_clock())
    assert (balance.spent, balance.reserved) == (0, 0)
    assert (run.spent, run.reserved) == (0, 0)
    limit = parts[1].state(model)
    assert (limit.under_way, limit.tokens) == (0, 0)
    (journal,) = journals
    (attempt,) = journal.attempts
    assert not attempt.sent
    assert attempt.cost == Cost(Decimal(0), "reported")
    assert journal.cost == Cost(Decimal(0), "reported")


@seams
@both
async def test_cancelled_while_a_guard_waits(ask, stream):
    with FakeClock(), track() as journals, run_budget(1) as run:
        parts, store = policies(door := Door())
        asking = asyncio.ensure_future(ask(parts, stream))
        reached = asyncio.ensure_future(door.reached.wait())
        await asyncio.wait({asking, reached}, return_when=asyncio.FIRST_COMPLETED)
        assert reached.done()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await nothing_is_held(MODELS[ask], parts, store, run.account, journals)


@seams
@both
async def test_a_guard_that_fails(ask, stream):
    """Not one of ours: a bug in somebody's check."""
    with FakeClock(), track() as journals, run_budget(1) as run:
        parts, store = policies(Door(ValueError("a bug")))
        with pytest.raises(ValueError, match="a bug"):
            await ask(parts, stream)
        await nothing_is_held(MODELS[ask], parts, store, run.account, journals)
