"""Limits keep the same promises in every store. Their laws are in tests/laws/test_limit_laws.py."""

import math

import pytest

from hanzo_agents.stores.limits import ABSENT, LEASE, Need, Standing
from hanzo_agents.stores.operations import new_op
from hanzo_agents.testing.clock import FakeClock


class Lane:
    """A lane under a clock of its own, asked one operation after the other."""

    def __init__(self, store, **limits):
        self.limits = store.limits
        self.clock = FakeClock(start=1000.0)
        self.name = f"lane {new_op()}"
        self.need = Need(
            tokens=0,
            requests_limit=None,
            tokens_limit=None,
            slots_limit=None,
            queue=100,
            patience=math.inf,
            hold=0.0,
        )._replace(**limits)

    async def ask(self, op, **need):
        return await self.limits.ask(self.name, op, self.need._replace(**need), clock=self.clock)

    async def admitted(self, op, **need):
        return (await self.ask(op, **need)).state == "admitted"

    async def settle(self, op, tokens=None):
        await self.limits.settle(self.name, op, tokens, clock=self.clock)

    async def withdraw(self, op):
        await self.limits.withdraw(self.name, op, clock=self.clock)

    @property
    async def standing(self):
        return await self.limits.standing(self.name, clock=self.clock)


@pytest.fixture
def lane(store):
    return lambda **limits: Lane(store, **limits)


async def test_a_minute_takes_as_many_requests_as_it_may_and_not_one_more(lane):
    lane = lane(requests_limit=2)
    assert await lane.admitted("a")
    lane.clock.advance(10)
    assert await lane.admitted("b")
    turn = await lane.ask("c")
    assert (turn.state, turn.ahead) == ("queued", 0)
    assert turn.wait == pytest.approx(50)
    lane.clock.advance(49)
    assert not await lane.admitted("c")
    lane.clock.advance(1)
    assert await lane.admitted("c")
    for op in "abc":
        await lane.settle(op)
    assert await lane.standing == Standing(requests=2, tokens=0, slots=0, waiting=0)


async def test_a_minute_begins_with_each_request_and_not_with_the_clock(lane):
    """The doubled rate at the edge of two calendar minutes does not happen."""
    lane = lane(requests_limit=10)
    for n in range(10):
        assert await lane.admitted(f"first {n}")
    lane.clock.advance(59.9)
    assert not await lane.admitted("early")
    lane.clock.advance(0.2)
    assert await lane.admitted("early")


async def test_tokens_are_counted_with_requests(lane):
    lane = lane(requests_limit=100, tokens_limit=1000)
    assert await lane.admitted("a", tokens=600)
    assert not await lane.admitted("b", tokens=500)
    await lane.withdraw("b")
    assert await lane.admitted("c", tokens=400)
    assert await lane.standing == Standing(2, 1000, 2, 0)


async def test_what_was_not_used_is_given_back(lane):
    lane = lane(tokens_limit=1000)
    assert await lane.admitted("a", tokens=1000)
    assert not await lane.admitted("b", tokens=300)
    await lane.settle("a", 700)
    assert await lane.admitted("b", tokens=300)


async def test_what_was_used_beyond_the_estimate_is_owed(lane):
    lane = lane(tokens_limit=1000)
    assert await lane.admitted("a", tokens=100)
    await lane.settle("a", 1500)
    turn = await lane.ask("b", tokens=1)
    assert (turn.state, turn.wait) == ("queued", pytest.approx(60))


async def test_settling_twice_or_late_counts_once(lane):
    lane = lane(tokens_limit=1000, slots_limit=1)
    assert await lane.admitted("a", tokens=400)
    await lane.settle("a", 300)
    await lane.settle("a", 300)
    assert await lane.standing == Standing(1, 300, 0, 0)
    lane.clock.advance(60)
    await lane.settle("a", 900)
    assert await lane.standing == Standing(0, 0, 0, 0)


async def test_a_call_that_ends_after_its_minute_frees_its_slot_and_owes_nothing(lane):
    lane = lane(tokens_limit=1000, slots_limit=1)
    assert await lane.admitted("a", tokens=400)
    lane.clock.advance(LEASE - 1)
    assert not await lane.admitted("b")
    await lane.settle("a", 999)
    lane.clock.advance(31)
    await lane.settle("a", 5)
    assert (await lane.standing).tokens == 0


async def test_what_is_withdrawn_was_never_there(lane):
    lane = lane(requests_limit=1, tokens_limit=100, slots_limit=1)
    assert await lane.admitted("a", tokens=100)
    await lane.withdraw("a")
    await lane.withdraw("a")
    assert await lane.standing == Standing(0, 0, 0, 0)
    assert await lane.admitted("b", tokens=100)
    await lane.settle("a", 50)
    assert (await lane.standing).tokens == 100


async def test_asking_again_changes_nothing(lane):
    lane = lane(requests_limit=2, tokens_limit=100)
    first = await lane.ask("a", tokens=50)
    lane.clock.advance(5)
    assert await lane.ask("a", tokens=50) == first
    assert await lane.standing == Standing(1, 50, 1, 0)
    assert await lane.admitted("b", tokens=50)
    for _ in range(3):
        assert not await lane.admitted("c", tokens=1)
    assert (await lane.standing).waiting == 1


async def test_first_come_first_served(lane):
    lane = lane(slots_limit=1)
    assert await lane.admitted("a")
    for op in "bcd":
        assert not await lane.admitted(op)
    await lane.settle("a")
    assert not await lane.admitted("d")
    assert not await lane.admitted("e")
    assert await lane.admitted("b")
    await lane.withdraw("c")
    await lane.settle("b")
    assert not await lane.admitted("e")
    assert await lane.admitted("d")


async def test_a_large_call_is_not_starved_by_small_ones(lane):
    lane = lane(tokens_limit=100)
    assert await lane.admitted("first", tokens=50)
    lane.clock.advance(1)
    assert not await lane.admitted("large", tokens=90)
    for n in range(5):
        assert not await lane.admitted(f"small {n}", tokens=5)
    for _ in range(58):
        lane.clock.advance(1)
        assert not await lane.admitted("large", tokens=90)
        assert not await lane.admitted("small 0", tokens=11)
    lane.clock.advance(1)
    assert not await lane.admitted("small 0", tokens=11)
    assert await lane.admitted("large", tokens=90)


async def test_the_wait_takes_in_those_who_are_ahead(lane):
    lane = lane(requests_limit=2)
    waits = [(await lane.ask(f"{n}")).wait for n in range(7)]
    assert waits == pytest.approx([0, 0, 60, 60, 120, 120, 180])


async def test_a_call_that_would_wait_too_long_takes_no_place(lane):
    lane = lane(requests_limit=1)
    assert await lane.admitted("a")
    turn = await lane.ask("b", patience=60.0)
    assert (turn.state, turn.wait) == ("late", pytest.approx(60))
    assert (await lane.ask("c", patience=60.1)).state == "queued"
    lane.clock.advance(1)
    assert (await lane.ask("c", patience=59)).state == "late"
    assert (await lane.standing).waiting == 0


async def test_without_patience_a_call_goes_at_once_or_not_at_all(lane):
    lane = lane(slots_limit=1)
    assert await lane.admitted("a", patience=0)
    assert (await lane.ask("b", patience=0)).state == "late"


async def test_the_queue_is_bounded(lane):
    lane = lane(slots_limit=1, queue=2)
    assert await lane.admitted("a")
    assert [(await lane.ask(op)).state for op in "bcdbc"] == ["queued", "queued", "full", "queued", "queued"]
    await lane.withdraw("b")
    assert (await lane.ask("d")).state == "queued"
    assert (await lane.ask("e", queue=0)).state == "full"


async def test_who_is_on_hold_keeps_a_place_and_holds_nobody_up(lane):
    lane = lane(slots_limit=1)
    turn = await lane.ask("held", hold=20)
    assert (turn.state, turn.wait) == ("queued", pytest.approx(20))
    assert await lane.admitted("quick")
    lane.clock.advance(20)
    assert not await lane.admitted("held")
    assert not await lane.admitted("next")
    await lane.settle("quick")
    assert not await lane.admitted("next")
    assert await lane.admitted("held")


async def test_who_does_not_come_back_loses_the_place(lane):
    lane = lane(slots_limit=1)
    assert await lane.admitted("a")
    gone = await lane.ask("gone")
    lane.clock.advance(1)
    turn = await lane.ask("b")
    await lane.settle("a")
    assert not await lane.admitted("b")
    lane.clock.advance(max(gone.delay, turn.delay) + ABSENT - 0.9)
    assert await lane.admitted("b")


async def test_lanes_know_nothing_of_each_other(store):
    a, b = Lane(store, requests_limit=1), Lane(store, requests_limit=1)
    assert await a.admitted("x")
    assert await b.admitted("y")


async def test_a_lower_limit_counts_for_who_brings_it(lane):
    lane = lane(requests_limit=10)
    for n in range(5):
        assert await lane.admitted(f"{n}")
    assert (await lane.ask("low", requests_limit=5, patience=0)).state == "late"
    assert await lane.admitted("high")


@pytest.mark.parametrize("store", ["sqlite", "redis"], indirect=True)
async def test_the_slot_of_a_process_that_died_is_freed(lane):
    lane = lane(slots_limit=1)
    assert await lane.admitted("dead")
    lane.clock.advance(LEASE - 0.1)
    assert not await lane.admitted("b")
    lane.clock.advance(0.1)
    assert await lane.admitted("b")


@pytest.mark.parametrize("store", ["sqlite", "redis"], indirect=True)
async def test_the_slot_of_a_process_that_lives_is_kept(lane):
    lane = lane(slots_limit=1)
    assert await lane.admitted("alive")
    for _ in range(5):
        lane.clock.advance(LEASE - 1)
        await lane.limits._renew(lane.name, ["alive", "unknown"], lane.clock)
        assert (await lane.standing).slots == 1
    await lane.settle("alive")
    await lane.limits._renew(lane.name, ["alive"], lane.clock)
    assert (await lane.standing).slots == 0


async def test_a_machine_that_started_anew_counts_what_was_sent_as_sent_now(tmp_path):
    from hanzo_agents.stores import SQLiteStore

    store = SQLiteStore(tmp_path / "state.db")
    lane = Lane(store, requests_limit=1, slots_limit=1)
    assert await lane.admitted("a")
    assert not await lane.admitted("b")
    lane.clock = FakeClock(start=5.0)
    assert await lane.standing == Standing(1, 0, 0, 0)
    assert (await lane.ask("c")).wait == pytest.approx(60)
    lane.clock.advance(60)
    assert await lane.admitted("c")
    store.close()


async def test_a_redis_whose_clock_is_set_back_blocks_nobody_for_longer_than_a_minute(redis_url):
    from hanzo_agents.stores import RedisStore

    store = RedisStore(redis_url, timeout=5)
    lane = Lane(store, requests_limit=1, slots_limit=2)
    assert await lane.admitted("a")
    assert not await lane.admitted("b")
    lane.clock = FakeClock(wall=1_700_000_000.0 - 3600)
    assert (await lane.ask("b")).wait == pytest.approx(60)
    lane.clock.advance(60)
    assert await lane.admitted("b")
    assert await lane.standing == Standing(1, 0, 1, 0)
    store.close()


async def test_nothing_is_left_of_a_lane_that_is_quiet(redis_url, shared_redis):
    from hanzo_agents.stores import RedisStore

    store = RedisStore(redis_url, timeout=5)
    lane = Lane(store, requests_limit=1, tokens_limit=10)
    for op in "abc":
        await lane.ask(op, tokens=5)
        await lane.ask(op, tokens=5, hold=10)
    await lane.withdraw("c")
    with shared_redis.client() as client:
        left = {key: client.pttl(key) for key in client.keys("*")}
    assert left
    assert all(0 < ttl <= 120_000 for ttl in left.values()), left
    store.close()


async def test_an_ask_that_arrives_after_it_was_withdrawn_takes_nothing(redis_url):
    """Two connections: the second may be faster."""
    from hanzo_agents.stores import RedisStore

    store = RedisStore(redis_url, timeout=5)
    lane = Lane(store, slots_limit=1)
    await lane.withdraw("a")
    assert (await lane.ask("a")).state == "late"
    assert await lane.standing == Standing(0, 0, 0, 0)
    assert len(store.limits._leases) == 0
    store.close()


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_time_never_runs_backwards_in_a_lane(lane):
    """Calls under two clocks of two tests, say."""
    lane = lane(requests_limit=1)
    assert await lane.admitted("a")
    lane.clock = FakeClock(start=0.0)
    turn = await lane.ask("b")
    assert (turn.state, turn.wait) == ("queued", pytest.approx(60))


async def test_ends_of_calls_that_nobody_knows_change_nothing(lane):
    lane = lane(requests_limit=1)
    await lane.settle("unknown", 5)
    await lane.withdraw("unknown")
    assert await lane.admitted("a")
    await lane.settle("unknown", 5)
    assert await lane.standing == Standing(1, 0, 1, 0)


def test_idle_lanes_in_memory_are_dropped():
    from hanzo_agents.stores.limits.memory import FEW_LANES, MemoryLimits

    limits, clock = MemoryLimits(), FakeClock()
    need = Need(1, 10, None, None, 10, math.inf, 0.0)
    for n in range(10_000):
        limits.ask(f"user {n}", f"op {n}", need, clock=clock)
        limits.settle(f"user {n}", f"op {n}", None, clock=clock)
        clock.advance(1)
    assert len(limits) <= 2 * 61 + FEW_LANES
