"""Limits that processes share, and what a policy does while the store is away."""

import asyncio
import json
import logging
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from calls import Inner, make_call

from hanzo_agents import RateLimit
from hanzo_agents._kernel.clock import SYSTEM_CLOCK, SystemClock
from hanzo_agents.errors import RateLimited
from hanzo_agents.stores import RedisStore, SQLiteStore
from hanzo_agents.stores.limits import ABSENT, PERIOD, Need, Turn
from hanzo_agents.stores.operations import new_op
from hanzo_agents.testing.clock import FakeClock

SOON = 20.0
PROCESSES = 8


class Quick(SystemClock):
    """A clock that runs faster than time, the same in all processes of the machine."""

    def __init__(self, speed):
        self.speed = speed

    def now(self):
        return time.monotonic() * self.speed

    def wall(self):
        return time.monotonic() * self.speed

    async def sleep(self, delay):
        await asyncio.sleep(delay / self.speed)


def open_store(where):
    return RedisStore(where, timeout=5) if where.startswith("redis") else SQLiteStore(where, timeout=10)


async def through_the_lane(where, speed, until):
    """One process: one call after the other, until a time. When each was admitted, and its tokens."""
    store, clock, admitted = open_store(where), Quick(speed), []
    counting = SYSTEM_CLOCK if where.startswith("redis") else clock
    while clock.now() < until:
        op, tokens = new_op(), 1 + len(admitted) % 7
        turn = Turn("queued")
        while turn.state == "queued" and clock.now() < until:
            need = Need(tokens, 20, 60, 4, 100, math.inf, 0.0)
            turn = await store.limits.ask("lane", op, need, clock=counting)
            await clock.sleep(min(turn.delay, 1.0))
        if turn.state == "admitted":
            admitted.append((turn.at, tokens))
        await store.limits.settle("lane", op, None, clock=counting)
    store.close()
    return admitted


def quicken_the_server(speed):
    """Have the scripts see a server whose time runs fast: its own time is what counts, and no client's."""
    from hanzo_agents.stores import redis

    redis._NOW += f"now = (now % 1000000) * {speed}\n"


def herd(where, speed, results):
    """A process that has everything imported, and becomes eight."""
    quicken_the_server(speed)
    open_store(where).close()
    until = Quick(speed).now() + 3 * PERIOD
    for number in range(PROCESSES):
        if os.fork() == 0:
            admitted = asyncio.run(through_the_lane(where, speed, until))
            Path(f"{results}/{number}.json").write_text(json.dumps(admitted))
            return
    for _ in range(PROCESSES):
        os.wait()


def hold_slots(where, speed, told):
    """A process that takes four slots, says so, and never gives them back."""

    async def hold():
        store, clock = open_store(where), Quick(speed)
        for _ in range(4):
            turn = await store.limits.ask("lane", new_op(), Need(0, None, None, 4, 9, 0, 0.0), clock=clock)
            assert turn.state == "admitted"
        return store

    store = asyncio.run(hold())
    Path(told).touch()
    time.sleep(60)
    store.close()


def forks(where):
    """A process with a call under way, whose child makes calls of its own."""

    async def one_call(store, op):
        return await store.limits.ask("lane", op, Need(0, None, None, 4, 9, 0, 0.0), clock=SYSTEM_CLOCK)

    store = open_store(where)
    assert asyncio.run(one_call(store, "parent")).state == "admitted"
    child = os.fork()
    assert asyncio.run(one_call(store, "child" if child == 0 else "another")).state == "admitted"
    assert len(store.limits._leases) == (1 if child == 0 else 2)
    store.close()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def start(function, *args):
    code = f"import test_limits_shared as t; t.{function}(*{args!r})"
    here = Path(__file__).parent
    return subprocess.Popen([sys.executable, "-c", code], cwd=here, env={"PYTHONPATH": f"{here}:{here.parent}"})


async def happens(check):
    """Look again and again until it is so, but not for ever."""
    until = time.monotonic() + SOON
    while not await check():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


@pytest.fixture(params=["sqlite", "redis"])
def where(request, tmp_path):
    return str(tmp_path / "state.db") if request.param == "sqlite" else request.getfixturevalue("redis_url")


def test_eight_processes_are_never_over_the_limit_in_any_minute(where, tmp_path):
    assert start("herd", where, 40.0, str(tmp_path)).wait(60) == 0
    results = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert len(results) == PROCESSES
    admitted = sorted(tuple(entry) for result in results for entry in result)
    assert len(admitted) > 20
    for at, _ in admitted:
        window = [tokens for when, tokens in admitted if at - PERIOD + 1e-4 < when <= at]
        assert len(window) <= 20
        assert sum(window) <= 60


async def test_the_slots_of_a_process_that_was_killed_are_free_again(where, tmp_path):
    speed, told = 20.0, tmp_path / "holding"
    process = start("hold_slots", where, speed, str(told))

    async def holding():
        return told.exists()

    async def admitted():
        return (await store.limits.ask("lane", "next", need, clock=clock)).state == "admitted"

    await happens(holding)
    store, clock = open_store(where), Quick(speed)
    need = Need(0, None, None, 4, 9, math.inf, 0.0)
    assert not await admitted()
    process.kill()
    process.wait()
    await happens(admitted)
    await store.limits.settle("lane", "next", None, clock=clock)
    store.close()


async def test_slots_of_calls_that_go_on_are_renewed_by_themselves(where):
    store, clock = open_store(where), FakeClock()
    store.limits._leases._every = 0.02
    need = Need(0, None, None, 1, 9, 0, 0.0)

    async def renewed():
        return await lease_of(store, where, "long") > clock_of(where, clock) + 29

    async def quiet():
        return store.limits._leases._thread is None

    assert (await store.limits.ask("lane", "long", need, clock=clock)).state == "admitted"
    for _ in range(5):
        clock.advance(20)
        await happens(renewed)
    assert (await store.limits.standing("lane", clock=clock)).slots == 1
    await store.limits.settle("lane", "long", None, clock=clock)
    await happens(quiet)
    store.close()


def clock_of(where, clock):
    return clock.wall() if where.startswith("redis") else clock.now()


async def lease_of(store, where, op):
    if where.startswith("redis"):
        return store._client.zscore(store.key("limits", "lane", "slots"), op) / 1e6
    query = "SELECT lease FROM limit_calls WHERE op = ?"
    return (await store.submit(lambda connection: connection.execute(query, (op,)).fetchone(), what="test"))[0]


async def refused(policy, call):
    with pytest.raises(RateLimited) as caught:
        await policy(call, Inner())
    return caught.value


async def test_two_policies_on_one_store_share_the_limit(where):
    stores = [open_store(where) for _ in range(2)]
    one, two = (RateLimit(requests_per_minute=2, max_wait=0, store=store) for store in stores)
    await one(make_call(), Inner())
    await two(make_call(), Inner())
    error = await refused(one, make_call())
    assert 0 < error.retry_after <= 60
    await one(make_call("another"), Inner())
    for store in stores:
        store.close()


async def test_a_call_waits_for_a_slot_that_another_process_gives_back(where):
    stores = [open_store(where) for _ in range(2)]
    one, two = (RateLimit(max_concurrent=1, store=store) for store in stores)
    inside = asyncio.Event()
    leave = asyncio.Event()

    async def slow(call):
        inside.set()
        await leave.wait()
        return await Inner()(call)

    first = asyncio.create_task(one(make_call(), slow))
    await inside.wait()
    second = asyncio.create_task(two(make_call(), Inner()))

    async def waits():
        return (await stores[0].limits.standing("target  m", clock=SYSTEM_CLOCK)).waiting

    await happens(waits)
    leave.set()
    await asyncio.wait_for(asyncio.gather(first, second), SOON)
    for store in stores:
        store.close()


async def test_cancelled_calls_give_back_what_they_took_or_were_about_to_take(where):
    store = open_store(where)
    policy = RateLimit(max_concurrent=2, requests_per_minute=1000, store=store)
    for turns in range(30):
        tasks = [asyncio.create_task(policy(make_call(), Inner())) for _ in range(5)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def nothing_is_left():
        standing = await store.limits.standing("target  m", clock=SYSTEM_CLOCK)
        return not (standing.slots or standing.waiting)

    await happens(nothing_is_left)
    assert len(store.limits._leases) == 0
    store.close()


# While the store is away


async def test_a_share_of_the_limit_goes_on_while_redis_is_away(own_redis, caplog):
    store = RedisStore(own_redis.url, timeout=5, retry_in=0)
    policy = RateLimit(requests_per_minute=8, max_wait=0, local_share=0.25, store=store)
    await policy(make_call(), Inner())
    own_redis.kill()
    with caplog.at_level(logging.WARNING, "hanzo_agents"):
        calls = [make_call() for _ in range(2)]
        for call in calls:
            await policy(call, Inner())
        await refused(policy, make_call())
        own_redis.start()
        for _ in range(8):
            await policy(make_call(), Inner())
        await refused(policy, make_call())
    assert [(d.policy, d.action, d.data) for d in calls[0].journal.decisions] == [
        ("RateLimit", "goes on alone", {"share": 0.25})
    ]
    away, back = [record.getMessage() for record in caplog.records]
    assert "until it is back, this process goes by 0.25 of the limits" in away
    assert back == "RateLimit: the store is back; limits are shared again"
    store.close()


async def test_calls_wait_for_their_turn_in_the_share_too(tmp_path):
    (tmp_path / "folder").write_text("in the way")
    store = SQLiteStore(tmp_path / "folder" / "state.db")
    policy = RateLimit(max_concurrent=4, store=store)
    inside = []

    async def slow(call):
        inside.append(call)
        assert len(inside) == 1
        await asyncio.sleep(0.01)
        inside.remove(call)
        return await Inner()(call)

    await asyncio.wait_for(asyncio.gather(*(policy(make_call(), slow) for _ in range(5))), SOON)
    store.close()


def test_a_child_that_forks_does_not_keep_its_parents_calls_alive(tmp_path):
    assert start("forks", str(tmp_path / "state.db")).wait(60) == 0


async def test_a_redis_that_hangs_holds_no_call_up_for_long(own_redis):
    store = RedisStore(own_redis.url, timeout=0.1, retry_in=60)
    policy = RateLimit(max_concurrent=4, store=store, local_share=1.0)
    await policy(make_call(), Inner())
    own_redis.freeze()
    await asyncio.wait_for(asyncio.gather(*(policy(make_call(), Inner()) for _ in range(50))), SOON)
    assert policy._limiter._alone.standing("target  m", clock=SYSTEM_CLOCK).value.slots == 0
    own_redis.thaw()
    store.close()


async def test_who_waits_when_the_store_goes_away_goes_on_waiting_here(own_redis):
    store = RedisStore(own_redis.url, timeout=5, retry_in=60)
    policy = RateLimit(max_concurrent=1, store=store)
    inside, leave = asyncio.Event(), asyncio.Event()

    async def slow(call):
        inside.set()
        await leave.wait()
        return await Inner()(call)

    first = asyncio.create_task(policy(make_call(), slow))
    await inside.wait()
    second = asyncio.create_task(policy(make_call(), Inner()))

    async def waits():
        return policy._limiter.limits.bells.waiting("target  m")

    await happens(waits)
    own_redis.kill()
    await asyncio.wait_for(second, SOON)
    leave.set()
    await first
    own_redis.start()
    store.close()


async def test_scripts_that_the_server_forgot_are_no_outage(redis_url, shared_redis):
    store = RedisStore(redis_url, timeout=5)
    policy = RateLimit(requests_per_minute=3, max_wait=0, store=store)
    for _ in range(3):
        call = make_call()
        await policy(call, Inner())
        assert call.journal.decisions == []
        with shared_redis.client() as client:
            client.script_flush()
    await refused(policy, make_call())
    store.close()


async def test_a_reply_that_was_lost_counts_once(redis_url):
    """Whether it was done is unknown, so it is asked again under the same name."""
    store, clock = RedisStore(redis_url, timeout=5), FakeClock()
    need = Need(10, 5, 100, 5, 9, 0, 0.0)
    for _ in range(3):
        assert (await store.limits.ask("lane", "op", need, clock=clock)).state == "admitted"
        await store.limits.settle("lane", "op", 7, clock=clock)
    assert await store.limits.standing("lane", clock=clock) == (1, 7, 0, 0)
    for _ in range(2):
        await store.limits.withdraw("lane", "op", clock=clock)
    assert await store.limits.standing("lane", clock=clock) == (0, 0, 0, 0)
    store.close()


async def test_a_full_server_still_counts(own_redis):
    """Redis lets a script finish that began by letting go of something, however full it is."""
    with own_redis.client() as client:
        client.config_set("maxmemory", 1)
    store = RedisStore(own_redis.url, timeout=5)
    limit = RateLimit(requests_per_minute=1, store=store)
    await limit(call := make_call(), Inner())
    assert call.journal.decisions == []
    with pytest.raises(RateLimited):
        await limit(make_call(deadline=SYSTEM_CLOCK.now() + 10), Inner())
    store.close()


async def test_a_replica_that_takes_no_writes_is_an_outage(own_redis):
    with own_redis.client() as client:
        client.replicaof("127.0.0.1", 1)
    store = RedisStore(own_redis.url, timeout=5)
    call = make_call()
    await RateLimit(requests_per_minute=8, store=store)(call, Inner())
    assert [d.action for d in call.journal.decisions] == ["goes on alone"]
    store.close()


async def test_a_file_that_cannot_be_written_is_an_outage(tmp_path):
    (tmp_path / "folder").write_text("in the way")
    store = SQLiteStore(tmp_path / "folder" / "state.db")
    call = make_call()
    await RateLimit(requests_per_minute=8, store=store)(call, Inner())
    assert [d.action for d in call.journal.decisions] == ["goes on alone"]
    store.close()


def test_a_place_is_kept_longer_than_the_longest_pause_between_two_questions():
    from hanzo_agents.stores.limits import ASK_AGAIN

    assert ASK_AGAIN < ABSENT
