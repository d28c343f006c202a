"""Circuits in a store: what the machine does not reach, and what is particular to each store."""

import asyncio
import threading

import pytest
from test_circuits_machine import result

from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.stores import MemoryStore, SQLiteStore, StoreUnavailable
from hanzo_agents.stores.circuits import CLOSED, Rules
from hanzo_agents.stores.circuits.circuit import KEPT
from hanzo_agents.stores.circuits.memory import MANY, MemoryCircuits
from hanzo_agents.testing.clock import FakeClock

ONE = Rules(failures=1, rest=10)


def fail(circuits, key="k", by="a", rules=ONE, *, clock, epoch=0):
    return result(circuits.record(key, by, epoch, "failure", rules, clock=clock))


def look(circuits, key="k", rules=ONE, *, clock):
    return result(circuits.look(key, rules, clock=clock))


def test_a_store_says_the_same_of_why_and_when(store):
    clock, circuits = FakeClock(start=1_000), store.circuits
    rules = Rules(failures=2, rest=10, rate=0.5, least=4, window=90)
    fail(circuits, by="1", rules=rules, clock=clock)
    change = fail(circuits, by="2", rules=rules, clock=clock)
    assert (change.before, change.after, change.reason) == ("closed", "open", "2 failures in a row")
    refused = result(circuits.admit("k", "x", rules, clock=clock))
    assert (refused.admitted, refused.view.reason, refused.view.retry_after) == (False, "2 failures in a row", 10)
    clock.advance(10)
    probe = result(circuits.admit("k", "x", rules, clock=clock))
    assert (probe.change.after, probe.change.reason) == ("half_open", "the rest is over")
    change = result(circuits.record("k", "x", probe.epoch, "failure", rules, clock=clock))
    assert change.reason == "a probe failed"
    clock.advance(10)
    probe = result(circuits.admit("k", "y", rules, clock=clock))
    change = result(circuits.record("k", "y", probe.epoch, "success", rules, clock=clock))
    assert (change.after, change.reason) == ("closed", "the probes succeeded")
    epoch = probe.epoch + 1
    for number, verdict in enumerate(["success", "failure", "success"]):
        assert result(circuits.record("k", f"n{number}", epoch, verdict, rules, clock=clock)) is None
    change = fail(circuits, by="n4", rules=rules, clock=clock, epoch=epoch)
    assert change.reason == "2 of 4 calls in 90 s failed"
    result(circuits.close("k", "by hand", rules, clock=clock))
    rest = result(circuits.record("k", "r", epoch + 2, "neutral", rules, clock=clock, rest=90.5))
    assert rest.reason == "asked to be left alone for 90.5 s"
    assert look(circuits, clock=clock).retry_after == 90.5
    one = fail(circuits, "other", clock=clock)
    assert one.reason == "1 failure in a row"


def test_circuits_of_different_targets_and_odd_names_do_not_meet(store):
    clock, circuits = FakeClock(), store.circuits
    keys = ["https://a/v1 m", "https://a/v1 m:x", "a%3A m", "{hanzo}:circuits", "ü é 🎈", " ", "a" * 3000]
    for key in keys:
        fail(circuits, key, clock=clock)
    assert all(look(circuits, key, clock=clock).state == "open" for key in keys)
    assert look(circuits, "https://a/v1", clock=clock) == CLOSED
    result(circuits.reset("a%3A m"))
    assert look(circuits, "a%3A m", clock=clock) == CLOSED
    result(circuits.reset())
    assert all(look(circuits, key, clock=clock) == CLOSED for key in keys)


def test_many_that_ask_at_once_get_exactly_the_probes_there_are(store):
    clock, circuits = FakeClock(), store.circuits
    rules = Rules(failures=1, rest=10, probes=3)
    fail(circuits, rules=rules, clock=clock)
    clock.advance(10)
    admitted = []

    def ask(thread):
        for number in range(25):
            answer = result(circuits.admit("k", f"{thread}-{number}", rules, clock=clock))
            admitted.extend([answer.probe] if answer.admitted else [])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admitted == [True] * 3


async def test_an_operation_may_be_awaited_or_left(store):
    clock, circuits = FakeClock(), store.circuits
    circuits.record("k", "a", 0, "failure", ONE, clock=clock)
    for _ in range(1000):
        if (await circuits.look("k", ONE, clock=clock)).state == "open":
            break
        await asyncio.sleep(0.005)
    assert not (await circuits.admit("k", "b", ONE, clock=clock)).admitted


def test_a_clock_that_is_set_back_holds_nobody_longer_than_was_meant(store):
    clock, circuits = FakeClock(start=100_000, wall=1_700_100_000), store.circuits
    fail(circuits, clock=clock)
    back = FakeClock(start=96_400, wall=1_700_096_400)
    assert look(circuits, clock=back).retry_after == 10
    assert not result(circuits.admit("k", "b", ONE, clock=back)).admitted
    back.advance(10)
    assert result(circuits.admit("k", "b", ONE, clock=back)).probe
    further = FakeClock(start=90_000, wall=1_700_090_000)
    # The lease that was given is of a time that has not come.
    assert result(circuits.admit("k", "c", ONE, clock=further)).probe


def test_by_the_clock_of_the_system(store):
    circuits, rules = store.circuits, Rules(failures=1, rest=30)
    fail(circuits, rules=rules, clock=SYSTEM_CLOCK)
    view = look(circuits, rules=rules, clock=SYSTEM_CLOCK)
    assert view.state == "open"
    assert 0 < view.retry_after <= 30
    assert result(circuits.close("k", "by hand", rules, clock=SYSTEM_CLOCK)).after == "closed"
    assert result(circuits.close("k", "by hand", rules, clock=SYSTEM_CLOCK)) is None
    assert result(circuits.close("never", "by hand", rules, clock=SYSTEM_CLOCK)) is None


def test_a_process_forgets_circuits_that_nothing_happens_to_and_keeps_what_was_held_by_hand():
    clock, circuits = FakeClock(), MemoryCircuits()
    circuits.open("held", "by hand", None, ONE, clock=clock)
    for number in range(MANY - 1):
        fail(circuits, f"k{number}", clock=clock)
    clock.advance(KEPT + 11)
    fail(circuits, "new", clock=clock)
    assert set(circuits.views(ONE, clock=clock)) == {"held", "new"}


def test_circuits_that_are_all_in_use_are_kept_however_many_they_are():
    clock, circuits = FakeClock(), MemoryCircuits()
    for number in range(3 * MANY):
        fail(circuits, f"k{number}", clock=clock)
    assert len(circuits.views(ONE, clock=clock)) == 3 * MANY


def test_a_reply_that_is_settled_by_the_garbage_collector_may_be_settled_in_the_middle_of_an_operation():
    clock, circuits = FakeClock(), MemoryCircuits()

    class Reentering(FakeClock):
        def now(self):
            fail(circuits, "other", clock=clock)
            return 0.0

    fail(circuits, clock=Reentering())
    assert look(circuits, "other", clock=clock).state == "open"


def test_a_file_keeps_circuits_for_the_next_process(tmp_path):
    path, clock = tmp_path / "state.db", FakeClock()
    first = SQLiteStore(path)
    fail(first.circuits, clock=clock)
    first.close()
    second = SQLiteStore(path)
    assert look(second.circuits, clock=clock).state == "open"
    second.close()


def test_a_file_forgets_circuits_that_nothing_happens_to(tmp_path):
    clock, store = FakeClock(), SQLiteStore(tmp_path / "state.db")
    fail(store.circuits, "old", clock=clock)
    result(store.circuits.open("held", "by hand", None, ONE, clock=clock))
    clock.advance(KEPT + 11)
    fail(store.circuits, "new", clock=clock)
    rows = result(store.submit(lambda c: c.execute("SELECT key FROM circuits ORDER BY key").fetchall(), what="t"))
    assert rows == [("held",), ("new",)]
    store.close()


def test_a_healthy_target_costs_a_file_no_write_and_no_lock(tmp_path):
    clock, path = FakeClock(), tmp_path / "state.db"
    store, other = SQLiteStore(path, timeout=0.05), SQLiteStore(path)
    look(store.circuits, clock=clock)
    began, release = threading.Event(), threading.Event()

    def write(_connection):
        began.set()
        return release.wait(10)

    writing = other.submit(write, what="t")
    assert began.wait(10)
    assert result(store.circuits.admit("k", "a", ONE, clock=clock)).admitted
    assert result(store.circuits.record("k", "a", 0, "success", ONE, clock=clock)) is None
    with pytest.raises(StoreUnavailable):
        fail(store.circuits, by="b", clock=clock)
    release.set()
    assert result(writing)
    assert fail(store.circuits, by="b", clock=clock).after == "open"
    store.close()
    other.close()


def test_redis_keeps_nothing_of_healthy_targets_and_the_rest_for_about_an_hour(redis_url, shared_redis):
    from hanzo_agents.stores import RedisStore

    store = RedisStore(redis_url, timeout=5)
    circuits = store.circuits
    with shared_redis.client() as client:
        result(circuits.admit("k", "a", ONE, clock=SYSTEM_CLOCK))
        result(circuits.record("k", "a", 0, "success", ONE, clock=SYSTEM_CLOCK))
        assert client.keys() == []
        fail(circuits, clock=SYSTEM_CLOCK)
        keys = sorted(client.keys())
        assert keys == [b"{hanzo}:circuit:k", b"{hanzo}:circuits"]
        assert all(KEPT * 1000 < client.pttl(key) <= (KEPT + 11) * 1000 for key in keys)
        result(circuits.open("k", "by hand", None, ONE, clock=SYSTEM_CLOCK))
        assert all(client.pttl(key) == -1 for key in keys)
        result(circuits.open("other", "by hand", 20, ONE, clock=SYSTEM_CLOCK))
        assert client.pttl("{hanzo}:circuits") == -1
        result(circuits.close("k", "by hand", ONE, clock=SYSTEM_CLOCK))
        assert client.pttl("{hanzo}:circuit:k") > 0
        assert client.pttl("{hanzo}:circuits") > 0
        client.script_flush()
        assert not result(circuits.admit("other", "a", ONE, clock=SYSTEM_CLOCK)).admitted
        result(circuits.reset())
        assert client.keys() == []
    store.close()


def test_the_memory_store_has_one_set_of_circuits():
    store = MemoryStore()
    assert store.circuits is store.circuits
