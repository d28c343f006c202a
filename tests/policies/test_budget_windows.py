"""Days and months are the calendar's, in the zone that was named."""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from calls import Inner, PlainView, make_call

from hanzo_agents import ConfigError, Price
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents.errors import BudgetExceeded
from hanzo_agents.policies.budget import Budget
from hanzo_agents.policies.budget.windows import Calendar
from hanzo_agents.stores import MemoryStore
from hanzo_agents.testing.clock import FakeClock

PRICES = {"m": Price(input=0, output=100)}


def at(zone, *parts, fold=0):
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def hours(window):
    return (window.ends - window.starts) / 3600


@pytest.mark.parametrize(
    ("zone", "moment", "label", "length"),
    [
        ("UTC", (2026, 3, 29, 12), "2026-03-29", 24),
        ("Europe/Berlin", (2026, 3, 29, 12), "2026-03-29", 23),
        ("Europe/Berlin", (2026, 10, 25, 0, 30), "2026-10-25", 25),
        ("America/New_York", (2026, 3, 8, 1), "2026-03-08", 23),
        ("Australia/Lord_Howe", (2026, 4, 5, 12), "2026-04-05", 24.5),  # moves its clocks by half an hour
        ("Africa/Cairo", (2026, 4, 24, 12), "2026-04-24", 23),  # midnight is skipped
        ("America/Havana", (2026, 11, 1, 12), "2026-11-01", 25),  # midnight comes twice
        ("Pacific/Apia", (2011, 12, 29, 12), "2011-12-29", 24),  # the day after is left out
        ("Pacific/Apia", (2011, 12, 31, 12), "2011-12-31", 24),
    ],
)
def test_a_day_is_as_long_as_its_zones_clocks_say(zone, moment, label, length):
    window = Calendar(zone).day(at(zone, *moment))
    assert (window.label, hours(window)) == (label, length)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Africa/Cairo", "America/Havana", "Asia/Kathmandu", "America/Santiago"]
)
def test_days_follow_one_another_without_a_gap_for_years(zone):
    calendar, moment = Calendar(zone), at(zone, 2024, 1, 1)
    for _ in range(3 * 366):
        window = calendar.day(moment)
        assert window.starts == moment
        assert Calendar(zone).day(window.ends - 1) == window
        assert 22 < hours(window) < 26
        moment = window.ends
    assert datetime.fromtimestamp(moment, ZoneInfo(zone)).year == 2027


@pytest.mark.parametrize(
    ("moment", "label", "days"),
    [
        ((2026, 2, 28, 23), "2026-02", 28),
        ((2028, 2, 29), "2028-02", 29),
        ((2026, 12, 31, 23, 59), "2026-12", 31),
        ((2026, 4, 1), "2026-04", 30),
    ],
)
def test_months_have_their_days(moment, label, days):
    window = Calendar("Asia/Tokyo").month(at("Asia/Tokyo", *moment))
    assert (window.label, hours(window) / 24) == (label, days)


def test_a_moment_belongs_to_the_zones_day_not_to_ours():
    moment = at("UTC", 2026, 3, 29, 23, 30)
    assert Calendar("UTC").day(moment).label == "2026-03-29"
    assert Calendar("Asia/Tokyo").day(moment).label == "2026-03-30"
    assert Calendar("America/Los_Angeles").month(at("UTC", 2026, 4, 1, 3)).label == "2026-03"


def test_time_may_go_backwards():
    calendar = Calendar("UTC")
    later = calendar.day(at("UTC", 2026, 3, 30))
    assert calendar.day(at("UTC", 2026, 3, 29, 23)).label == "2026-03-29"
    assert calendar.day(later.starts) == later


def test_a_zone_must_exist():
    with pytest.raises(ConfigError, match=r"Budget\.timezone: expected a time zone"):
        Calendar("Europe/Atlantis", "Budget.timezone")


def asks(tokens=1000):
    return make_call(view=PlainView(text="", max_output=tokens))


class Streams:
    """Answers that end when the test says so."""

    def __init__(self):
        self.ends = []

    async def __call__(self, call):
        self.ends.append(Settlement())
        return Reply("x", end=self.ends[-1])


async def spent(store, *names):
    return [(b.spent, b.reserved) for b in await store.ledger.balances(names, clock=make_call().clock)]


async def test_a_new_day_has_a_new_budget_and_the_month_goes_on():
    store = MemoryStore()
    with FakeClock(wall=datetime(2026, 3, 30, 21, 30, tzinfo=ZoneInfo("Europe/Berlin"))) as clock:
        policy = Budget(daily="0.1", monthly="0.15", store=store, prices=PRICES, timezone="Europe/Berlin")
        await policy(asks(), Inner())
        with pytest.raises(BudgetExceeded) as refused:
            await policy(asks(), Inner())
        assert refused.value.budget_type == "daily"
        assert refused.value.resets_at == at("Europe/Berlin", 2026, 3, 31)
        assert str(refused.value).endswith("it starts afresh on 2026-03-31 00:00 Europe/Berlin")
        clock.advance(timedelta(hours=3))
        with pytest.raises(BudgetExceeded) as refused:
            await policy(asks(), Inner())
        assert (refused.value.budget_type, refused.value.spent) == ("monthly", Decimal("0.1"))
        clock.advance(timedelta(days=1))
        await policy(asks(), Inner())


async def test_a_call_under_way_at_midnight_is_paid_by_the_day_it_began_in():
    store, upstream = MemoryStore(), Streams()
    with FakeClock(wall=datetime(2026, 3, 28, 23, 59, tzinfo=ZoneInfo("Europe/Berlin"))) as clock:
        policy = Budget(daily="0.1", store=store, prices=PRICES, timezone="Europe/Berlin")
        await policy(asks(), upstream)
        clock.advance(120)
        await policy(asks(), upstream)  # its own day can pay
        upstream.ends[0].settle(Settled())
        days = ["default/daily/2026-03-28/Europe/Berlin", "default/daily/2026-03-29/Europe/Berlin"]
        assert await spent(store, *days) == [(Decimal("0.1"), 0), (0, Decimal("0.1"))]


async def test_the_day_that_lacks_an_hour_ends_an_hour_sooner():
    with FakeClock(wall=datetime(2026, 3, 29, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))) as clock:
        policy = Budget(daily="0.1", store=MemoryStore(), prices=PRICES, timezone="Europe/Berlin")
        await policy(asks(), Inner())
        clock.advance(timedelta(hours=22, minutes=59))
        with pytest.raises(BudgetExceeded):
            await policy(asks(), Inner())
        clock.advance(timedelta(minutes=1))
        await policy(asks(), Inner())
