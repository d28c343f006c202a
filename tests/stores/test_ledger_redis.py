"""A ledger in Redis keeps its keys in bounds, and a budget whose Redis is away pays nothing."""

import asyncio
import logging
import time
from datetime import date
from decimal import Decimal

import pytest
import redis
from calls import Inner, PlainView, make_call

from hanzo_agents import Budget, BudgetExceeded, Price, RedisStore, Unaccountable
from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.stores.ledger import Account, Facts
from hanzo_agents.stores.ledger import redis as keeping
from hanzo_agents.stores.store import StoreUnavailable

PRICES = {"m": Price(input=0, output=100), "free": Price(input=0, output=0)}
FACTS = Facts("2026-03-29", "m")
PATIENCE = 10.0


def asks(target="m"):
    return make_call(target, view=PlainView(text="", max_output=1000))


async def test_a_mark_whose_reply_was_lost_is_still_the_first(redis_url, monkeypatch):
    """An alert is told once; one that nobody tells, because each thinks that another does, is worse."""
    store = RedisStore(redis_url, timeout=5)
    await store.ledger.mark("other", None, clock=SYSTEM_CLOCK)
    ask = store._client.evalsha

    def lost(*args):
        ask(*args)
        raise redis.ConnectionError("reset")

    monkeypatch.setattr(store._client, "evalsha", lost)
    assert await store.ledger.mark("80 %", None, clock=SYSTEM_CLOCK)
    assert not await store.ledger.mark("80 %", None, clock=SYSTEM_CLOCK)
    monkeypatch.undo()
    assert not await store.ledger.mark("80 %", None, clock=SYSTEM_CLOCK)
    store.close()


def opened(server, **fields):
    return RedisStore(server.url, **{"timeout": 0.3, "retry_in": 0.05, **fields})


async def eventually(check):
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await check()
        except (AssertionError, Unaccountable):
            if time.monotonic() > until:
                raise
        await asyncio.sleep(0.02)


async def test_every_key_expires_but_what_is_under_way(redis_url):
    store = RedisStore(redis_url, timeout=5)
    ledger = store.ledger
    ends = time.time() + 3600
    accounts = [Account("day", Decimal(1), ends), Account("month", None, ends)]
    for op in ("reserved", "settled", "released"):
        await ledger.reserve(op, Decimal("0.1"), accounts, FACTS, lease=60, clock=SYSTEM_CLOCK)
    await ledger.settle("settled", Decimal("0.05"), accounts, FACTS, clock=SYSTEM_CLOCK)
    await ledger.release("released", clock=SYSTEM_CLOCK)
    await ledger.mark("m", ends, clock=SYSTEM_CLOCK)
    await ledger.mark("n", None, clock=SYSTEM_CLOCK)
    client = redis.Redis.from_url(redis_url)
    keys = {key.decode().removeprefix("{hanzo}:ledger:"): client.ttl(key) for key in client.scan_iter()}
    assert {key.split(":")[0] for key in keys} == {"account", "op", "usage", "mark", "due"}
    assert [key for key, ttl in keys.items() if ttl < 0] == ["due"]
    assert client.zrange("{hanzo}:ledger:due", 0, -1) == [b"reserved"]
    client.close()
    store.close()


async def test_a_days_report_has_an_end(redis_url, monkeypatch):
    monkeypatch.setattr(keeping, "_TIMES", keeping._TIMES.replace('"groups": 2000', '"groups": 3'))
    store = RedisStore(redis_url, timeout=5)
    from dataclasses import replace
    from datetime import date

    for number in range(9):
        facts = replace(FACTS, run=f"run {number}", basis="reported")
        await store.ledger.settle(f"op{number}", Decimal("0.1"), [], facts, clock=SYSTEM_CLOCK)
    entries = await store.ledger.entries(date(2026, 3, 29), date(2026, 3, 29), clock=SYSTEM_CLOCK)
    assert sorted((entry.run, entry.calls) for entry in entries) == [
        ("", 6),
        ("run 0", 1),
        ("run 1", 1),
        ("run 2", 1),
    ]
    store.close()


async def test_forgotten_scripts_are_sent_again(own_redis):
    store = opened(own_redis, timeout=5)
    policy = Budget(daily=1, store=store, prices=PRICES)
    await policy(asks(), Inner())
    with own_redis.client() as client:
        client.script_flush()
    await policy(asks(), Inner())
    store.close()


@pytest.mark.parametrize("how", ["killed", "frozen", "read-only", "full", "never there"])
async def test_while_redis_is_away_nothing_is_paid_and_then_it_goes_on(own_redis, how, caplog):
    caplog.set_level(logging.INFO, "hanzo_agents")
    store = opened(own_redis)
    closed = Budget(daily=1, store=store, prices=PRICES)
    open_ = Budget(daily=1, store=store, prices=PRICES, name="open", on_store_unavailable="allow")
    if how != "never there":
        await eventually(lambda: closed(asks(), Inner()))
    away, back = {
        "killed": (own_redis.kill, own_redis.start),
        "never there": (own_redis.kill, own_redis.start),
        "frozen": (own_redis.freeze, own_redis.thaw),
        "read-only": (
            lambda: configure(own_redis, "min-replicas-to-write", 1),
            lambda: configure(own_redis, "min-replicas-to-write", 0),
        ),
        "full": (lambda: configure(own_redis, "maxmemory", 1), lambda: configure(own_redis, "maxmemory", 0)),
    }[how]
    caplog.clear()
    away()
    inner = Inner()
    for _ in range(3):
        with pytest.raises(Unaccountable, match="the budget's ledger is away") as refused:
            await closed(asks(), inner)
        assert refused.value.code == "store_unavailable"
    assert not inner.calls
    await closed(asks("free"), inner)
    await open_(call := asks(), inner)
    assert [decision.action for decision in call.journal.decisions] == ["allows"]
    assert len(inner.calls) == 2
    assert caplog.text.count("the budget's ledger is away") == 2  # once an outage and budget

    back()
    await eventually(lambda: closed(asks(), Inner()))
    await eventually(lambda: open_(asks(), Inner()))
    names = [policy._enforcer.windows.at(SYSTEM_CLOCK.wall()).accounts[0].name for policy in (closed, open_)]

    async def settled():
        shut, left_open = await store.ledger.balances(names, clock=SYSTEM_CLOCK)
        assert shut.reserved == left_open.reserved == 0  # what was reserved without an answer was given back
        assert left_open.spent == Decimal("0.2")  # and what passed meanwhile was booked

    await eventually(settled)
    assert caplog.text.count("the budget's ledger is back") == 2
    store.close()


def configure(server, name, value):
    with server.client() as client:
        client.config_set(name, value)


async def test_a_limit_is_one_for_all_who_name_the_same_redis(redis_url):
    stores = [RedisStore(redis_url, timeout=5) for _ in range(2)]
    first, second = (Budget(daily="0.15", store=store, prices=PRICES) for store in stores)
    await first(asks(), Inner())
    with pytest.raises(BudgetExceeded):
        await second(asks(), Inner())
    other = RedisStore(redis_url, prefix="other", timeout=5)
    await Budget(daily="0.15", store=other, prices=PRICES)(asks(), Inner())
    for store in (*stores, other):
        store.close()


async def test_a_script_looks_at_what_it_is_given_before_it_writes(own_redis):
    """Redis does not undo a script that fails half-way, and each repetition would book anew."""
    store = opened(own_redis)
    account = Account("a/daily", Decimal(10))
    ledger = store.ledger
    await ledger.reserve("op", Decimal(1), [account], FACTS, lease=60, clock=SYSTEM_CLOCK)
    bad = Facts("2026-03-29", "m")
    bad.input_tokens = 10**30
    for _ in range(2):
        with pytest.raises(ValueError, match="out of range"):
            await ledger.settle("op", Decimal(1), [account], bad, clock=SYSTEM_CLOCK)
    (held,) = await ledger.balances([account.name], clock=SYSTEM_CLOCK)
    assert (held.spent, held.reserved) == (0, 1), "neither booked nor taken for away"
    await ledger.settle("op", Decimal(1), [account], FACTS, clock=SYSTEM_CLOCK)
    (held,) = await ledger.balances([account.name], clock=SYSTEM_CLOCK)
    assert (held.spent, held.reserved) == (1, 0)


async def test_what_a_ledger_never_takes_is_not_offered_for_ever(own_redis, caplog):
    store = opened(own_redis)
    book = Budget(daily=1, store=store, prices=PRICES)._enforcer.windows
    page = book.at(SYSTEM_CLOCK.wall())
    bad = Facts(page.day, "m")
    bad.output_tokens = 10**30
    book.settle("op", Decimal("0.1"), page, bad, SYSTEM_CLOCK)

    async def said():
        assert "did not take an operation" in caplog.text

    await eventually(said)
    assert not book.away
    assert not book._owed


async def test_a_report_that_cannot_be_read_says_so_once(caplog):
    store = RedisStore("redis://127.0.0.1:1", timeout=1)
    with pytest.raises(StoreUnavailable):
        await store.ledger.entries(date(2026, 3, 1), date(2026, 3, 31), clock=SYSTEM_CLOCK)
    assert not caplog.records


async def test_a_report_of_no_day_is_empty(redis_url):
    ledger = RedisStore(redis_url).ledger
    assert await ledger.entries(date(2026, 3, 2), date(2026, 3, 1), clock=SYSTEM_CLOCK) == []
