"""Breakers over a store that they share with others, and that may go away."""

import asyncio
import logging
import time

import openai
import pytest
from breaking import Wire, fails, hang, passes
from calls import http_error, make_call

from hanzo_agents import Breaker, CircuitOpen, ConfigError, Fallback, RedisStore, Stack, Target
from hanzo_agents.stores import StoreUnavailable
from hanzo_agents.stores.pending import Submitted
from hanzo_agents.testing.clock import FakeClock

BROKEN = http_error(503)
HOME = "https://router.test/v1"
PATIENCE = 10.0


async def until(condition):
    """Wait for other threads, up to a point."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.002)


async def state(breaker, target="m", at=HOME):
    return (await breaker.look(target, at=at)).state


async def becomes(breaker, wanted):
    """A verdict is told without waiting for the store: wait until it has arrived."""
    end = time.monotonic() + PATIENCE
    while (found := await state(breaker)) != wanted:
        assert time.monotonic() < end, f"still {found}, not {wanted}"
        await asyncio.sleep(0.002)


async def nobody_probes(breaker):
    end = time.monotonic() + PATIENCE
    while probes := (await breaker.look("m", at=HOME)).probes:
        assert time.monotonic() < end, f"{probes} still probing"
        await asyncio.sleep(0.002)


async def sooner_or_later_passes(breaker):
    """What was asked of the store before may yet be answered, and given back; the clock of a lease stands still."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await passes(breaker, Wire(), home=HOME)
        except CircuitOpen:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.002)


async def broken(breaker, clock=None, seconds=0):
    for _ in range(breaker.failure_threshold):
        await fails(breaker, Wire(BROKEN), home=HOME)
    await becomes(breaker, "open")
    if clock is not None:
        clock.advance(seconds)


async def test_one_opens_it_all_refuse_one_probes_and_all_pass_again(store):
    breakers = [Breaker(failure_threshold=3, timeout=30, store=store) for _ in range(3)]
    wire = Wire()
    with FakeClock() as clock:
        await broken(breakers[0])
        for breaker in breakers:
            refused = await fails(breaker, wire, CircuitOpen, home=HOME)
            assert refused.retry_after == 30
            assert breaker.state("m").state == "open"
        assert wire.sent == 0
        clock.advance(30)
        go = asyncio.Event()

        async def slow(call):
            await go.wait()
            return "ok"

        probing = Wire(slow)
        calls = [asyncio.create_task(one(make_call(home=HOME), probing)) for one in breakers for _ in range(33)]
        await until(lambda: sum(call.done() for call in calls) == len(calls) - 1)
        assert probing.sent == 1
        go.set()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(one, CircuitOpen) for one in ended) == len(calls) - 1
        await becomes(breakers[0], "closed")
        for breaker in breakers:
            await passes(breaker, wire, home=HOME)


async def test_failures_of_all_count_together(store):
    one, other = (Breaker(failure_threshold=4, store=store) for _ in range(2))
    with FakeClock():
        for _ in range(2):
            await fails(one, Wire(BROKEN), home=HOME)
            await fails(other, Wire(BROKEN), home=HOME)
        await becomes(one, "open")


async def test_a_cancelled_probe_gives_its_place_to_the_next_whoever_that_is(store):
    one, other = (Breaker(failure_threshold=1, timeout=10, store=store) for _ in range(2))
    with FakeClock() as clock:
        await broken(one, clock, 10)
        wire = Wire(hang)
        probe = asyncio.create_task(one(make_call(home=HOME), wire))
        await until(lambda: wire.sent)
        await fails(other, Wire(), CircuitOpen, home=HOME)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        await nobody_probes(other)
        await passes(other, Wire(), home=HOME)


async def test_a_caller_that_is_cancelled_while_the_store_decides_leaves_no_probe_behind(store):
    if store.scope == "this process":
        return  # it decides at once
    breaker = Breaker(failure_threshold=1, timeout=10, store=store)
    with FakeClock() as clock:
        await broken(breaker, clock, 10)
        for _ in range(20):
            call = asyncio.create_task(breaker(make_call(home=HOME), Wire(hang)))
            for _ in range(4):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await sooner_or_later_passes(breaker)


async def test_it_is_opened_and_closed_by_hand_for_all(store):
    one, other = Breaker(store=store), Breaker(store=store)
    with FakeClock():
        await one.open("m", reason="maintenance", at=HOME)
        assert one.state("m", at=HOME).held
        refused = await fails(other, Wire(), CircuitOpen, home=HOME)
        assert "maintenance; refused until it is closed by hand" in str(refused)
        assert other.state("m").held
        assert other.plan(make_call(home=HOME)).action == "refuses"
        await one.close("m", at=HOME)
        await passes(other, Wire(), home=HOME)
        assert other.state("m").state == "closed"
        await one.open("m", at=HOME)
        await one.reset()
        await passes(other, Wire(), home=HOME)


async def test_what_was_set_by_hand_is_seen_at_once_whatever_was_seen_before(store):
    breaker = Breaker(failure_threshold=1, timeout=30, store=store)
    with FakeClock():
        await broken(breaker)
        await fails(breaker, Wire(), CircuitOpen, home=HOME)
        closing = breaker.close("m")
        assert breaker.state("m").state == "closed"
        assert (await closing).after == "closed"
        await passes(breaker, Wire(), home=HOME)
        opening = breaker.open("m")
        assert breaker.state("m").held
        assert (await opening).after == "open"


async def test_a_name_nobody_has_called_yet_needs_its_router(store):
    breaker = Breaker(store=store)
    if store.scope == "this process":
        breaker.open("m")
        return
    with pytest.raises(ConfigError, match="give the base_url"):
        breaker.open("m")
    assert store.scope in repr(breaker)


async def test_what_was_last_seen_is_told_as_time_has_changed_it(store):
    breaker = Breaker(failure_threshold=1, timeout=30, store=store)
    with FakeClock() as clock:
        await broken(breaker)
        await fails(breaker, Wire(), CircuitOpen, home=HOME)
        clock.advance(10)
        assert breaker.state("m").retry_after == 20
        clock.advance(20)
        assert (breaker.state("m").state, breaker.state("m").retry_after) == ("half_open", 0)
        assert breaker.plan(make_call(home=HOME)).action == "probes"


async def test_changes_are_told_where_they_are_brought_about(store):
    told = []
    breaker = Breaker(failure_threshold=1, timeout=10, store=store, on_change=told.append)
    with FakeClock() as clock:
        call = make_call(home=HOME)
        await fails(breaker, Wire(BROKEN), call=call)
        await becomes(breaker, "open")
        await until(lambda: call.journal.decisions)
        assert [(d.action, d.reason) for d in call.journal.decisions] == [("opens", "1 failure in a row")]
        clock.advance(10)
        await passes(breaker, Wire(), home=HOME)
        await becomes(breaker, "closed")
        await until(lambda: len(told) == 3)
    assert [change.after for change in told] == ["open", "half_open", "closed"]


# When the store is away.


def away(server):
    return RedisStore(server.url, timeout=0.05, retry_in=0)


async def test_while_redis_is_away_this_process_goes_on_alone_and_says_so_once(own_redis, caplog):
    store = away(own_redis)
    breaker = Breaker(failure_threshold=3, store=store)
    await passes(breaker, Wire(), home=HOME)
    own_redis.kill()
    wire = Wire(BROKEN)
    calls = [make_call(home=HOME) for _ in range(3)]
    for call in calls:
        await fails(breaker, wire, openai.InternalServerError, call=call)
    await fails(breaker, wire, CircuitOpen, home=HOME)
    assert wire.sent == 3
    assert [d.action for d in calls[0].journal.decisions] == ["goes on alone"]
    assert breaker.state("m").state == "open"
    said = [record for record in caplog.records if "goes on with the state of this process" in record.getMessage()]
    assert len(said) == 1
    store.close()


async def test_what_was_known_of_the_store_holds_while_it_is_away(own_redis):
    store = away(own_redis)
    breaker = Breaker(failure_threshold=1, store=store)
    await broken(breaker)
    await fails(breaker, Wire(), CircuitOpen, home=HOME)
    own_redis.kill()
    wire = Wire()
    await fails(breaker, wire, CircuitOpen, home=HOME)
    assert wire.sent == 0
    store.close()


async def test_it_comes_back_by_itself_and_the_store_is_right_again(own_redis, caplog):
    caplog.set_level(logging.INFO, "hanzo_agents")
    store = away(own_redis)
    breaker = Breaker(failure_threshold=1, store=store)
    await passes(breaker, Wire(), home=HOME)
    own_redis.freeze()
    await fails(breaker, Wire(BROKEN), openai.InternalServerError, home=HOME)
    await fails(breaker, Wire(), CircuitOpen, home=HOME)
    own_redis.thaw()
    end = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < end
        try:
            await passes(breaker, Wire(), home=HOME)
            break
        except (CircuitOpen, AssertionError):
            await asyncio.sleep(0.02)
    assert "Breaker: the store answers again" in caplog.messages
    assert breaker.state("m").state == "closed"
    store.close()


async def test_a_verdict_that_finds_the_store_gone_counts_for_this_process(own_redis):
    store = away(own_redis)
    breaker = Breaker(failure_threshold=1, store=store)

    async def dies(call):
        own_redis.kill()
        return BROKEN

    wire = Wire(dies)
    await fails(breaker, wire, openai.InternalServerError, home=HOME)
    await until(lambda: breaker.state("m").state == "open")
    await fails(breaker, wire, CircuitOpen, home=HOME)
    assert wire.sent == 1
    store.close()


async def test_a_full_redis_still_opens_circuits(own_redis, caplog):
    """Redis lets a script finish that began by letting go of something, however full it is."""
    store = away(own_redis)
    breaker = Breaker(failure_threshold=1, store=store)
    with own_redis.client() as client:
        client.config_set("maxmemory", 1)
    await fails(breaker, Wire(BROKEN), openai.InternalServerError, home=HOME)
    await until(lambda: "the circuit of m opens" in caplog.text)
    assert "goes on with the state of this process" not in caplog.text
    await fails(breaker, Wire(), CircuitOpen, home=HOME)
    store.close()


async def test_a_redis_that_may_only_be_read_is_away_when_something_must_be_written(own_redis):
    store = away(own_redis)
    breaker = Breaker(failure_threshold=1, store=store)
    with own_redis.client() as client:
        client.config_set("min-replicas-to-write", 1)
        await passes(breaker, Wire(), home=HOME)
        await fails(breaker, Wire(BROKEN), openai.InternalServerError, home=HOME)
        await until(lambda: breaker.state("m").state == "open")
    store.close()


async def test_who_sets_a_circuit_in_a_store_that_is_away_is_told(own_redis):
    store = away(own_redis)
    breaker = Breaker(store=store)
    own_redis.kill()
    with pytest.raises(StoreUnavailable):
        await breaker.open("m", at=HOME)
    await fails(breaker, Wire(), CircuitOpen, home=HOME)
    store.close()


async def test_a_chain_goes_on_through_an_outage_of_the_store(own_redis):
    store = away(own_redis)
    breaker = Breaker(failure_threshold=1, store=store)
    own_redis.kill()

    def by_name(call):
        return BROKEN if str(call.target) == "m" else "ok"

    wire = Wire(by_name)
    service = Stack(Fallback(to=[Target("b")]), breaker).bind(wire)
    for _ in range(5):
        await service(make_call(home=HOME))
    assert wire.targets == ["m", "b", "b", "b", "b", "b"]
    store.close()


def test_a_script_that_runs_twice_counts_once(redis_url, shared_redis):
    from hanzo_agents._kernel.clock import SYSTEM_CLOCK
    from hanzo_agents.stores.circuits import Rules

    store, rules = RedisStore(redis_url, timeout=5), Rules(failures=3)
    for _ in range(5):
        pending = store.circuits.record("k", "the same", 0, "failure", rules, clock=SYSTEM_CLOCK)
        assert isinstance(pending, Submitted)
        assert pending.future.result(5) is None
    view = store.circuits.look("k", rules, clock=SYSTEM_CLOCK).future.result(5)
    assert (view.state, view.failures) == ("closed", 1)
    store.close()
