"""What an upstream says of tokens and costs that cannot be is not believed, and never costs an account its books."""

import decimal
import logging
from decimal import Decimal

import pytest
from payments import DAY, asks, budget, usd
from payments import Upstream as Paid
from upstream import HELLO, Upstream, completion, sse, text_chunks, value

from hanzo_agents import BudgetExceeded, Cost, Price, Usage, run_budget, track
from hanzo_agents.testing.clock import FakeClock

TEXT = "word " * 500
OWN = {"m": Price(input=1, output=10)}


def told(**usage):
    return {**completion(TEXT), "usage": usage}


async def booked(*replies, stream=False, **create):
    """What one call books in a day, and the usage it has in its journal."""
    with FakeClock():
        policy = budget(daily=100, prices=OWN)
        client = Upstream(*replies).client(policies=[policy])
        with track() as journals:
            reply = await client.chat.completions.create(model="m", messages=[HELLO], stream=stream, **create)
            if stream:
                _ = [event async for event in reply]
        (held,) = await policy.store.ledger.balances([DAY], clock=FakeClock())
    assert held.reserved == 0
    return held.spent, journals[0].attempts[-1].usage


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10**12, "completion_tokens": 1, "total_tokens": 0},
        {"prompt_tokens": 10, "completion_tokens": 10**19, "total_tokens": 0},
        {"prompt_tokens": 10**30, "completion_tokens": 1, "total_tokens": 0},
        {"prompt_tokens": -5, "completion_tokens": -1, "total_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": 10, "total_tokens": 10},
        {"prompt_tokens": 10, "completion_tokens": None, "total_tokens": 10},
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
async def test_counts_that_cannot_be_are_estimated(usage, stream):
    reply = told(**usage)
    if stream:
        last = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [],
            "usage": usage,
        }
        reply = sse(*text_chunks(TEXT, usage=None), last)
    spent, counted = await booked(reply, stream=stream)
    assert counted.basis == "estimated"
    assert 600 <= counted.output_tokens <= 650
    assert counted.input_tokens < 20
    assert usd("0.006") < spent < usd("0.007")


async def test_what_is_not_believed_is_logged(caplog):
    with caplog.at_level(logging.WARNING, "hanzo_agents"):
        await booked(told(prompt_tokens=10**12, completion_tokens=1, total_tokens=0))
    assert "makes no sense" in caplog.text


async def test_embeddings_of_tokens_that_nobody_counted_are_not_free():
    vector = {"object": "embedding", "index": 0, "embedding": [0.1]}
    with FakeClock():
        policy = budget(daily=100, prices=OWN)
        client = Upstream(value({"object": "list", "model": "m", "data": [vector]})).client(policies=[policy])
        with track() as journals:
            await client.embeddings.create(model="m", input=[list(range(1000))])
    assert journals[0].cost == Cost(usd("0.001"), "estimated")


async def test_zero_of_a_whole_answer_is_told_to_the_caller_as_it_is_booked():
    client = Upstream(told(prompt_tokens=0, completion_tokens=0, total_tokens=0)).client(policies=[])
    answer = await client.chat.completions.create(model="m", messages=[HELLO])
    assert answer.usage.completion_tokens > 600
    assert answer.usage.estimated


async def test_nothing_out_of_an_empty_answer_is_nothing():
    empty = completion("")
    empty["usage"] = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}
    spent, counted = await booked(empty)
    assert (spent, counted) == (usd("0.00001"), Usage(10, 0))


@pytest.mark.parametrize(
    "cost", ["1e300", "1e9999999999", "9000001", "200000", "NaN", "Infinity", "-1", "1e-", ""]
)
async def test_a_cost_that_cannot_be_is_not_believed(cost):
    reply = value({**completion(usage=(1000, 100))}, x_litellm_response_cost=cost)
    spent, _ = await booked(reply)
    assert spent == usd("0.002")


@pytest.mark.parametrize("amount", ["1e300", "NaN", "-3", "Infinity"])
async def test_nor_is_one_that_somebody_wrote_into_the_attempt(amount):
    with FakeClock() as clock:
        policy = budget(daily=1)
        upstream = Paid(usage=Usage(0, 100))
        upstream.cost = Cost(Decimal(amount), "reported")
        await policy(call := asks(1000), upstream)
        (held,) = await policy.store.ledger.balances([DAY], clock=clock)
    assert (held.spent, held.reserved) == (usd("0.01"), 0)
    assert call.journal.cost.amount == usd("0.01")


async def test_prices_that_fail_do_not_keep_a_call_from_being_booked():
    class Broken:
        max_output = None

        def most(self, tokens_in, tokens_out):
            return Decimal("0.5")

        def cost(self, usage):
            raise RuntimeError("broken")

    class Prices:
        def known(self, target):
            return Broken()

        async def learn(self, target):
            return Broken()

    with FakeClock() as clock:
        policy = budget(daily=1, prices={})
        await policy(asks(1000, prices=Prices()), Paid(usage=Usage(1, 1)))
        (held,) = await policy.store.ledger.balances([DAY], clock=clock)
    assert (held.spent, held.reserved) == (usd("0.5"), 0)


async def test_money_is_exact_whatever_precision_the_program_has_set():
    with FakeClock(), decimal.localcontext(prec=3):
        policy = budget(daily="0.9")
        with run_budget("0.8") as run:
            await policy(asks(1000), Paid(cost="0.7"))
            for _ in range(9):
                await policy(asks(500), Paid(cost="0.00001"))
            assert run.spent == usd("0.70009")
            assert run.remaining == usd("0.09991")
            with pytest.raises(BudgetExceeded):
                await policy(asks(1000), Paid(cost="0.01"))


async def test_the_ledger_is_exact_too():
    with decimal.localcontext(prec=2):
        reply = value(completion(usage=(10, 10)), x_litellm_response_cost="0.123456789")
        spent, _ = await booked(reply)
    assert spent == usd("0.123456789")
