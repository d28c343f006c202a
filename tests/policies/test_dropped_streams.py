"""The collector finds dropped streams in the middle of the whole stack's accounts: nothing hangs, nothing stays held."""

import asyncio
import gc
import threading

import pytest
from upstream import HELLO, Upstream, sse, text_chunks

from hanzo_agents import Breaker, Budget, Cache, Hedge, MemoryStore, Price, RateLimit, Retry, run_budget
from hanzo_agents.policies.hedge import Latencies
from hanzo_agents.policies.hedge.allowance import Allowance
from hanzo_agents.stores.circuits.memory import MemoryCircuits
from hanzo_agents.stores.entries.memory import MemoryEntries
from hanzo_agents.stores.ledger.memory import MemoryLedger
from hanzo_agents.stores.limits.memory import MemoryLimits

STEPS = [
    (MemoryLedger, "_add"), (MemoryLedger, "_sweep"), (MemoryLimits, "_new"), (MemoryLimits, "_settle"),
    (MemoryCircuits, "_circuit"), (MemoryEntries, "_drop"), (Allowance, "_earn"),
    (Latencies, "_note"),
]  # fmt: skip


class Reader:
    """Holds a stream, and itself."""

    def __init__(self, stream):
        self.stream, self.me = stream, self


async def calls(client):
    for number in range(8):
        asked = [HELLO, {"role": "user", "content": f"{number}"}]
        stream = await client.chat.completions.create(messages=asked, max_tokens=100, stream=True)
        if number % 2:
            Reader(stream)
        else:
            assert [chunk async for chunk in stream]
        del stream


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0].__name__}.{step[1]}")
def test_streams_that_are_dropped_in_cycles(monkeypatch, step):
    store = MemoryStore()
    limit, upstream = RateLimit(max_concurrent=40), Upstream(sse(*text_chunks("Hello", " there")))
    budget = Budget(daily=10, per_call=1, store=store, prices={"m": Price(input=1, output=10)})
    parts = [budget, limit, Breaker(failure_rate=0.5), Cache(), Hedge(initial=60.0), Retry(attempts=1)]
    owner, name = step
    inner, found = getattr(owner, name), []

    def collecting(*args, **more):
        found.append(gc.collect())
        return inner(*args, **more)

    monkeypatch.setattr(owner, name, collecting)
    done = []

    def work():
        with run_budget(10) as run:
            asyncio.run(calls(upstream.client(policies=parts)))
            gc.collect()
        done.append(run)

    gc.disable()
    gc.collect()
    gc.freeze()  # or each collection would look at all that there is
    try:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(60)
    finally:
        gc.unfreeze()
        gc.enable()
    assert not thread.is_alive(), "it waits for itself"
    (run,) = done
    assert found
    assert run.reserved == 0
    assert run.spent > 0
    assert limit.state("m").under_way == 0
    assert {account.reserved for account in store.ledger._books.accounts.values()} == {0}
