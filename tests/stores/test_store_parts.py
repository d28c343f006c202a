"""What a store makes when it is first used, it makes for all threads. (Python's own `cached_property` need not.)"""

import threading
from concurrent.futures import ThreadPoolExecutor

import redis

from hanzo_agents.stores import MemoryStore, RedisStore
from hanzo_agents.stores import redis as redis_store
from hanzo_agents.stores.ledger.memory import MemoryLedger


def both(patch, owner, name, look):
    """What two threads find that look at the same moment: they meet where it is made."""
    make, meeting = getattr(owner, name), threading.Barrier(2, timeout=10)

    def meet(*args, **kwargs):
        meeting.wait()
        return make(*args, **kwargs)

    patch.setattr(owner, name, meet)
    with ThreadPoolExecutor(2) as threads:
        return [found.result() for found in [threads.submit(look) for _ in range(2)]]


def test_a_part_that_threads_use_first_is_one(monkeypatch):
    store = MemoryStore()
    first, second = both(monkeypatch, MemoryLedger, "__init__", lambda: store.ledger)
    assert first is second is store.ledger


def test_the_connections_of_a_store_are_opened_once(monkeypatch):
    store = RedisStore("redis://127.0.0.1:1")
    first, second = both(monkeypatch, redis.Redis, "from_url", lambda: store._client)
    assert first is second is store._client
    store.close()


def test_its_threads_are_started_once(monkeypatch):
    store = RedisStore("redis://127.0.0.1:1")
    first, second = both(monkeypatch, redis_store.Workers, "__init__", store._threads)
    assert first is second is store._threads()
    store.close()
