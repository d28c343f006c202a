"""Money is the same in a process, a file and a Redis."""

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from hanzo_agents.stores.ledger import MOST, Account, Balance, Entry, Facts, to_dollars, to_units
from hanzo_agents.stores.ledger.redis import RedisLedger
from hanzo_agents.testing.clock import FakeClock

DAY = Account("team/daily/2026-03-29/UTC", Decimal(1), 1_700_086_400.0)
MONTH = Account("team/monthly/2026-03/UTC", Decimal(10), 1_702_000_000.0)
FACTS = Facts("2023-11-14", "gpt-4o", "Assistant", "run_1", "estimated", 1, 100, 50)
TODAY = date(2023, 11, 14)


def usd(text):
    return Decimal(text)


class Desk:
    """A ledger, and what tests say to it."""

    def __init__(self, store, clock):
        self.ledger, self.clock = store.ledger, clock

    def reserve(self, op, amount, *accounts, lease=60.0, facts=FACTS):
        return self.ledger.reserve(op, usd(amount), accounts or (DAY, MONTH), facts, lease=lease, clock=self.clock)

    def settle(self, op, amount, *accounts, **facts):
        facts = replace(FACTS, basis="reported", **facts)
        return self.ledger.settle(op, usd(amount), accounts or (DAY, MONTH), facts, clock=self.clock)

    def release(self, op):
        return self.ledger.release(op, clock=self.clock)

    async def held(self, *accounts):
        """Spent and reserved of each."""
        names = [account.name for account in accounts or (DAY,)]
        return [(b.spent, b.reserved) for b in await self.ledger.balances(names, clock=self.clock)]

    async def entries(self, since=TODAY, until=TODAY):
        return await self.ledger.entries(since, until, clock=self.clock)


def forget_what_redis_would(desk, account):
    """Redis forgets by its own clock, which tests do not turn."""
    if isinstance(desk.ledger, RedisLedger):
        key = f"{desk.ledger._base}account:{account.name}"
        client = desk.ledger._store._client
        assert 0 < client.ttl(key) <= account.ends - 1_700_000_000 + 86_400
        client.delete(key)


@pytest.fixture
def desk(store):
    return Desk(store, FakeClock())


async def test_what_is_reserved_is_settled_with_the_truth(desk):
    assert await desk.reserve("a", "0.30") is None
    assert await desk.held(DAY, MONTH) == [(0, usd("0.3")), (0, usd("0.3"))]
    assert await desk.settle("a", "0.123456789") == [
        Balance(DAY.name, 123_456_789),
        Balance(MONTH.name, 123_456_789),
    ]
    assert await desk.held(DAY, MONTH) == [(usd("0.123456789"), 0)] * 2


async def test_all_accounts_pay_or_none(desk):
    assert await desk.reserve("a", "0.8") is None
    short = await desk.reserve("b", "0.3", MONTH, DAY)
    assert (short.account, short.held) == (DAY, Balance(DAY.name, 0, 800_000_000))
    assert short.available == usd("0.2")
    assert await desk.held(DAY, MONTH) == [(0, usd("0.8"))] * 2
    assert await desk.reserve("c", "0.2") is None  # to the last cent
    assert (await desk.reserve("d", "0.000000001")).available == 0


async def test_of_several_accounts_that_are_short_the_tightest_is_named(desk):
    loose, tight = Account("loose", usd("0.2")), Account("tight", usd("0.1"))
    assert (await desk.reserve("a", "0.5", loose, tight, DAY)).account == tight
    assert (await desk.reserve("b", "0.5", tight, loose)).account == tight


async def test_an_account_without_a_limit_only_counts(desk):
    counts = Account("counts")
    assert await desk.reserve("a", "1000000", counts) is None
    await desk.settle("a", "999999.5", counts)
    assert await desk.held(counts) == [(usd("999999.5"), 0)]


async def test_a_limit_that_comes_later_knows_of_what_was_spent_before(desk):
    await desk.settle("a", "3", Account("m"))
    assert (await desk.reserve("b", "1", Account("m", usd("3.5")))).held.spent == 3


async def test_what_was_released_is_as_if_it_had_never_been(desk):
    await desk.reserve("a", "0.3")
    await desk.release("a")
    assert await desk.held(DAY, MONTH) == [(0, 0)] * 2
    assert await desk.entries() == []


@pytest.mark.parametrize("times", [2, 5])
async def test_repeating_an_operation_changes_nothing(desk, times):
    for _ in range(times):
        assert await desk.reserve("a", "0.6") is None
    assert await desk.held() == [(0, usd("0.6"))]
    for _ in range(times):
        await desk.settle("a", "0.1")
    assert await desk.reserve("a", "0.6") is None
    await desk.release("a")
    assert await desk.held() == [(usd("0.1"), 0)]
    for _ in range(times):
        await desk.reserve("b", "0.2")
    for _ in range(times):
        await desk.release("b")
    assert await desk.held() == [(usd("0.1"), 0)]
    assert [entry.calls for entry in await desk.entries()] == [1]


async def test_a_settlement_that_overtakes_its_reservation_counts_once(desk):
    await desk.settle("a", "0.1")
    assert await desk.reserve("a", "0.6") is None
    assert await desk.held() == [(usd("0.1"), 0)]


async def test_a_release_that_overtakes_its_reservation_counts_too(desk):
    await desk.release("a")
    assert await desk.reserve("a", "0.6") is None
    assert await desk.held() == [(0, 0)]


async def test_what_a_dead_owner_reserved_counts_as_spent(desk):
    await desk.reserve("a", "0.6", lease=60)
    desk.clock.advance(59)
    assert await desk.held() == [(0, usd("0.6"))]
    desk.clock.advance(2)
    assert await desk.held() == [(usd("0.6"), 0)]
    assert (await desk.reserve("b", "0.5")).held.spent == usd("0.6")
    (entry,) = await desk.entries()
    assert entry == Entry(FACTS.day, "gpt-4o", "Assistant", "run_1", "estimated", 1, 1, 100, 50, usd("0.6"))


async def test_the_truth_replaces_the_estimate_of_one_taken_for_dead(desk):
    await desk.reserve("a", "0.6", lease=60)
    desk.clock.advance(61)
    assert await desk.held() == [(usd("0.6"), 0)]
    await desk.settle("a", "0.2", input_tokens=90)
    await desk.settle("a", "0.2", input_tokens=90)
    assert await desk.held() == [(usd("0.2"), 0)]
    (entry,) = await desk.entries()
    assert (entry.basis, entry.cost, entry.input_tokens) == ("reported", usd("0.2"), 90)


async def test_one_taken_for_dead_may_still_say_that_nothing_was_sent(desk):
    await desk.reserve("a", "0.6", lease=60)
    desk.clock.advance(61)
    await desk.held()
    await desk.release("a")
    assert await desk.held() == [(0, 0)]
    assert await desk.entries() == []


async def test_a_settlement_just_after_the_lease_is_right_before_anybody_looked(desk):
    await desk.reserve("a", "0.6", lease=60)
    desk.clock.advance(61)
    await desk.settle("a", "0.2")
    assert await desk.held() == [(usd("0.2"), 0)]


async def test_a_call_belongs_to_the_window_of_its_reservation(desk):
    tomorrow = replace(DAY, name="team/daily/2026-03-30/UTC", ends=DAY.ends + 86_400)
    await desk.reserve("a", "0.6", DAY, lease=10)
    await desk.reserve("b", "0.2", DAY, lease=1e6)
    desk.clock.advance(DAY.ends - desk.clock.wall() + 5)
    assert await desk.reserve("c", "0.9", tomorrow) is None
    await desk.settle("b", "0.1", DAY)
    assert await desk.held(DAY, tomorrow) == [(usd("0.7"), 0), (0, usd("0.9"))]


async def test_windows_that_are_over_for_long_are_forgotten_for_good(desk):
    await desk.reserve("late", "0.2", lease=1e6)
    await desk.settle("a", "0.3")
    desk.clock.advance(DAY.ends - desk.clock.wall() + 2 * 86_400)
    await desk.settle("b", "0.1", MONTH, day="2023-11-17")
    forget_what_redis_would(desk, DAY)
    await desk.settle("late", "0.2", day="2023-11-17")
    assert await desk.held(DAY, MONTH) == [(0, 0), (usd("0.6"), 0)]


async def test_the_report_sums_up_what_is_alike(desk):
    for number in range(3):
        await desk.settle(f"a{number}", "0.1")
    await desk.settle("b", "0.2", model="mini")
    await desk.settle("c", "0.4", agent="", run="", attempts=2)
    await desk.settle("d", "0.8", day="2023-11-15")
    entries = {
        (e.day, e.model, e.agent): (e.calls, e.attempts, e.input_tokens, e.output_tokens, e.cost)
        for e in await desk.entries(TODAY, date(2023, 11, 20))
    }
    assert entries == {
        ("2023-11-14", "gpt-4o", "Assistant"): (3, 3, 300, 150, usd("0.3")),
        ("2023-11-14", "mini", "Assistant"): (1, 1, 100, 50, usd("0.2")),
        ("2023-11-14", "gpt-4o", ""): (1, 2, 100, 50, usd("0.4")),
        ("2023-11-15", "gpt-4o", "Assistant"): (1, 1, 100, 50, usd("0.8")),
    }  # fmt: skip
    assert await desk.entries(date(2023, 11, 1), date(2023, 11, 13)) == []


async def test_history_is_kept_for_a_quarter(desk):
    await desk.settle("a", "0.1")
    desk.clock.advance(93 * 86_400)
    await desk.settle("b", "0.1", day="2024-02-15")
    assert {entry.day for entry in await desk.entries(TODAY, date(2024, 2, 15))} == {"2024-02-15"}


async def test_names_may_hold_anything(desk):
    odd = Account('a:b{c}d|"e"\n\0 é 日本 %', usd("1"))
    await desk.reserve("x:y {z} é", "0.5", odd)
    await desk.settle("x:y {z} é", "0.25", odd, model='m"|:,[x]', agent="日本 é\n", run="r|s")
    assert await desk.held(odd) == [(usd("0.25"), 0)]
    (entry,) = await desk.entries()
    assert (entry.model, entry.agent, entry.run) == ('m"|:,[x]', "日本 é\n", "r|s")


async def test_large_and_small_amounts_are_exact(desk):
    vault = Account("vault", usd("8999999.999999999"))
    await desk.reserve("a", "8999999.999999998", vault)
    assert await desk.reserve("b", "0.000000001", vault) is None
    assert (await desk.reserve("c", "0.000000001", vault)).available == 0
    await desk.settle("a", "8999999.123456789", vault)
    await desk.settle("b", "0.000000001", vault)
    assert await desk.held(vault) == [(usd("8999999.12345679"), 0)]


async def test_a_mark_is_made_once(desk, store):
    ends = desk.clock.wall() + 100
    assert [await desk.ledger.mark("daily 80%", ends, clock=desk.clock) for _ in range(3)] == [True, False, False]
    assert await desk.ledger.mark("daily 90%", ends, clock=desk.clock)
    assert await desk.ledger.mark("run", None, clock=desk.clock)


async def test_callers_at_once_never_pass_the_limit_and_leave_less_than_one_reservation(desk):
    results = await asyncio.gather(*(desk.reserve(f"op{n}", "0.07") for n in range(40)))
    assert sum(result is None for result in results) == 14  # 0.98 of 1.00
    assert await desk.held() == [(0, usd("0.98"))]


async def test_an_operation_begins_when_it_is_called(desk):
    desk.reserve("a", "0.3")
    assert (await desk.held())[0][1] in {0, usd("0.3")}  # Redis may have answered the later question first
    waiting = asyncio.ensure_future(asyncio.wait_for(desk.reserve("b", "0.3"), 10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    for _ in range(200):
        held = await desk.held()
        if held == [(0, usd("0.6"))]:
            break
    assert held == [(0, usd("0.6"))]


async def test_who_does_not_wait_is_told(desk):
    loop = asyncio.get_running_loop()
    told = loop.create_future()
    desk.settle("a", "0.3").tell(
        lambda balances: loop.call_soon_threadsafe(told.set_result, balances),
        lambda error: loop.call_soon_threadsafe(told.set_exception, error),
    )
    assert [balance.spent for balance in await told] == [usd("0.3")] * 2


def test_units_are_billionths_rounded_up():
    assert to_units(Decimal("0.0000000001")) == 1
    assert to_units(Decimal(0)) == 0
    assert to_units(Decimal("1E+30")) == to_units(MOST) == 9_000_000 * 10**9 < 2**53
    assert to_dollars(to_units(Decimal("1.234567891"))) == Decimal("1.234567891")


@pytest.mark.parametrize("count", [1 << 63, 10**30, -5], ids=["over 64 bits", "far more", "negative"])
async def test_counts_that_no_store_can_add_up_do_not_keep_money_from_being_booked(desk, count):
    facts = {"input_tokens": count, "output_tokens": count, "attempts": 1}
    await desk.reserve("a", "0.5", facts=replace(FACTS, **facts))
    for _ in range(3):
        await desk.settle("a", "0.4", **facts)
    await desk.reserve("b", "0.3")
    assert await desk.held() == [(usd("0.4"), usd("0.3"))]
    (entry,) = await desk.entries()
    assert 0 <= entry.input_tokens <= 10**10


async def test_an_amount_below_nothing_books_nothing(desk):
    await desk.reserve("a", "0.5")
    await desk.settle("a", "-3")
    assert await desk.held() == [(0, 0)]


def test_what_is_no_number_is_no_amount():
    with pytest.raises(ValueError, match="no number"):
        to_units(Decimal("NaN"))
    assert to_units(Decimal("Infinity")) == to_units(MOST)


async def test_days_to_come_hide_none_that_were(desk):
    await desk.settle("a", "0.4")
    assert len(await desk.entries(date(2000, 1, 1), date(2100, 1, 1))) == 1
