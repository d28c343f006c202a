"""A store in a cluster: one node has all of its keys, and the URL may name any."""

import asyncio
from decimal import Decimal

import pytest

from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.stores import RedisStore, StoreUnavailable
from hanzo_agents.stores.circuits import Rules
from hanzo_agents.stores.entries import Bounds
from hanzo_agents.stores.ledger import Account, Facts
from hanzo_agents.stores.limits import Need
from hanzo_agents.stores.vectors.matrix import packed

BOUNDS = Bounds(10, 10_000)
RULES = Rules(1, None, 20, 60.0, 60.0, 1, 60.0)
FACTS = Facts("2026-03-29", "m")
NEED = Need(5, 10, 100, 2, 10, 5.0, 0.0)


@pytest.fixture(params=[0, 1], ids=["at the node that has the keys", "at another"])
def store(cluster, request):
    store = RedisStore(cluster.servers[request.param].url, timeout=5, retry_in=0)
    yield store
    store.close()
    cluster.clients[0].flushall()


async def test_cached_answers(store):
    entries, keys = store.entries, [bytes([n]) * 40 for n in range(3)]
    assert (await entries.claim(keys[0], owner="me", lease=60, clock=SYSTEM_CLOCK)).fence == 1
    for key in keys:
        assert await entries.put(key, b"Hi", ttl=60, bounds=BOUNDS, fence=None, clock=SYSTEM_CLOCK)
    await entries.remove(keys[0], content=b"Hi", clock=SYSTEM_CLOCK)
    await entries.prolong(keys[0], owner="me", lease=60, clock=SYSTEM_CLOCK)
    await entries.release(keys[0], owner="me", clock=SYSTEM_CLOCK)
    assert await entries.get(keys[1], clock=SYSTEM_CLOCK) == b"Hi"
    assert await entries.clear(keys[1][:8], position="", clock=SYSTEM_CLOCK) == (1, "")
    assert await entries.clear(b"", position="", clock=SYSTEM_CLOCK) == (1, "")


async def test_clearing_asks_the_node_that_has_the_answers(cluster):
    for number, server in enumerate(cluster.servers):
        store = RedisStore(server.url, timeout=5, retry_in=0)
        await store.entries.put(b"k" * 40, b"Hi", ttl=60, bounds=BOUNDS, fence=None, clock=SYSTEM_CLOCK)
        fresh = RedisStore(cluster.servers[1 - number].url, timeout=5, retry_in=0)
        assert await fresh.entries.clear(b"", position="", clock=SYSTEM_CLOCK) == (1, "")
        store.close()
        fresh.close()


async def test_circuits(store):
    circuits = store.circuits
    admission = await circuits.admit("t", "me", RULES, clock=SYSTEM_CLOCK)
    assert (
        await circuits.record("t", "me", admission.epoch, "failure", RULES, clock=SYSTEM_CLOCK)
    ).after == "open"
    await circuits.open("u", "by hand", None, RULES, clock=SYSTEM_CLOCK)
    assert (await circuits.look("u", RULES, clock=SYSTEM_CLOCK)).held
    await circuits.close("u", "by hand", RULES, clock=SYSTEM_CLOCK)
    await circuits.reset("u")
    await circuits.reset()
    assert (await circuits.look("t", RULES, clock=SYSTEM_CLOCK)).state == "closed"


async def test_the_ledger(store):
    ledger, accounts = store.ledger, [Account("a", Decimal(2)), Account("b", Decimal(3))]
    for op in ("spent", "back"):
        assert await ledger.reserve(op, Decimal(1), accounts, FACTS, lease=60, clock=SYSTEM_CLOCK) is None
    assert (
        await ledger.reserve("c", Decimal(1), accounts, FACTS, lease=60, clock=SYSTEM_CLOCK)
    ).account.name == "a"
    await ledger.settle("spent", Decimal("0.5"), accounts, FACTS, clock=SYSTEM_CLOCK)
    await ledger.release("back", clock=SYSTEM_CLOCK)
    assert [b.spent for b in await ledger.balances(["a", "b"], clock=SYSTEM_CLOCK)] == [Decimal("0.5")] * 2
    assert await ledger.mark("once", None, clock=SYSTEM_CLOCK)
    assert not await ledger.mark("once", None, clock=SYSTEM_CLOCK)


async def test_limits(store):
    limits = store.limits
    assert (await limits.ask("lane", "x", NEED, clock=SYSTEM_CLOCK)).state == "admitted"
    assert (await limits.ask("lane", "y", NEED, clock=SYSTEM_CLOCK)).state == "admitted"
    assert (await limits.ask("lane", "z", NEED, clock=SYSTEM_CLOCK)).state == "queued"
    await limits.withdraw("lane", "z", clock=SYSTEM_CLOCK)
    await limits.settle("lane", "x", 7, clock=SYSTEM_CLOCK)
    standing = await limits.standing("lane", clock=SYSTEM_CLOCK)
    assert (standing.requests, standing.tokens, standing.slots, standing.waiting) == (2, 12, 1, 0)
    await limits.withdraw("lane", "y", clock=SYSTEM_CLOCK)


async def test_vectors(store):
    vector = packed([1.0, 0.0])
    for content in (b"one", b"two"):
        assert await store.vectors.put(b"s" * 8, vector, content, ttl=60, bounds=BOUNDS, clock=SYSTEM_CLOCK)
    found = await store.vectors.nearest(b"s" * 8, vector, least=0.5, most=5, clock=SYSTEM_CLOCK)
    assert {near.content for near in found} == {b"one", b"two"}
    await store.vectors.remove(found[0], clock=SYSTEM_CLOCK)
    assert await store.vectors.clear(clock=SYSTEM_CLOCK) == 1


async def test_many_find_out_at_once(cluster):
    for _ in range(10):
        store = RedisStore(cluster.servers[1].url, timeout=5, retry_in=0)
        marks = [store.ledger.mark(f"{number}", None, clock=SYSTEM_CLOCK) for number in range(50)]
        assert await asyncio.gather(*marks) == [True] * 50
        store.close()
        cluster.clients[0].flushall()


async def test_the_keys_move_to_another_node(cluster):
    store = RedisStore(cluster.servers[0].url, timeout=5, retry_in=0)
    try:
        for to in (1, 0, 1, 0):
            assert await store.ledger.mark(f"before {to}", None, clock=SYSTEM_CLOCK)
            cluster.clients[1 - to].flushall()
            cluster.move(to)
            assert await store.ledger.mark(f"after {to}", None, clock=SYSTEM_CLOCK)
            cluster.clients[to].flushall()
    finally:
        store.close()


async def test_a_cluster_whose_node_hangs_is_a_store_that_is_away(cluster):
    store = RedisStore(cluster.servers[1].url, timeout=0.3, retry_in=0)
    try:
        assert await store.ledger.mark("a", None, clock=SYSTEM_CLOCK)
        cluster.servers[0].freeze()
        with pytest.raises(StoreUnavailable, match="mark: Redis is unavailable"):
            await store.ledger.mark("b", None, clock=SYSTEM_CLOCK)
        cluster.servers[0].thaw()
        cluster.wait_until_whole()
        assert await store.ledger.mark("c", None, clock=SYSTEM_CLOCK)
    finally:
        cluster.servers[0].thaw()
        store.close()
