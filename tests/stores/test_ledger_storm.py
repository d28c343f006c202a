"""A thousand calls cancelled anywhere leave nothing reserved."""

import asyncio
import random
from decimal import Decimal

import pytest
from calls import PlainView, make_call

from hanzo_agents import Attempt, Budget, Cost, MemoryStore, Price
from hanzo_agents._kernel.reply import Reply, Settled, Settlement

PRICES = {"m": Price(input=0, output=100)}
CENT = Decimal("0.01")


@pytest.mark.parametrize("seed", range(3))
async def test_a_storm_of_cancellations_leaves_nothing_reserved(store, seed):
    """1000 calls cancelled anywhere, some twice: while they reserve, wait, send, stream or clean up."""
    count = 1000 if isinstance(store, MemoryStore) else 334
    chance = random.Random(seed)
    policy = Budget(store=store, prices=PRICES, daily=1000, per_call=1)
    ends = []

    async def send(call):
        await asyncio.sleep(chance.random() * 0.01)
        attempt = Attempt(1, "m", call.clock.now(), model="m")
        call.begin(attempt)
        try:
            await asyncio.sleep(chance.random() * 0.02)
        except asyncio.CancelledError as error:
            attempt.error = error
            await asyncio.sleep(0)
            raise
        attempt.cost, attempt.accepted = Cost(CENT, "reported"), call.clock.now()
        end = Settlement()
        ends.append(end)
        return Reply("x", attempt, end=end)

    async def one():
        reply = await policy(make_call(view=PlainView(text="", max_output=1000)), send)
        try:
            await asyncio.sleep(chance.random() * 0.01)
        finally:
            ends[-1].settle(Settled(cost=reply.attempt.cost))
            for end in ends:
                end.settle(Settled(cost=Cost(CENT, "reported"), complete=False))

    tasks = [asyncio.ensure_future(one()) for _ in range(count)]
    for task in tasks:
        if chance.random() < 0.7:
            asyncio.get_running_loop().call_later(chance.random() * 0.03, task.cancel)
            asyncio.get_running_loop().call_later(chance.random() * 0.04, task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    call = make_call()
    page = policy._enforcer.windows.at(call.clock.wall())
    names = [account.name for account in page.accounts]
    for _ in range(2000):
        balances = await store.ledger.balances(names, clock=call.clock)
        if not any(balance.reserved for balance in balances):
            break
        await asyncio.sleep(0.002)
    assert [balance.reserved for balance in balances] == [0, 0]
    assert balances[0].spent == balances[1].spent > 0
