"""Cached answers between processes: one asks, and what was written survives whoever wrote it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from upstream import HANG, HELLO, Upstream, sse, text_chunks

from hanzo_agents import AsyncHanzo, Cache, Retry
from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.policies.cache import shelf
from hanzo_agents.policies.cache.shelf import LEASE
from hanzo_agents.stores import RedisStore, SQLiteStore
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter, answers


async def ask(client, **more):
    return await client.chat.completions.create(messages=[HELLO], **more)


PROCESSES = 3

WORKER = """
import asyncio, sys
from hanzo_agents import AsyncHanzo, Cache
from hanzo_agents.stores import RedisStore, SQLiteStore

kind, place, url = sys.argv[1:]
store = SQLiteStore(place, timeout=20) if kind == "sqlite" else RedisStore(place, timeout=5)

async def main():
    client = AsyncHanzo(url, "k", model="m", policies=[Cache(store=store)])
    hello = [{"role": "user", "content": "Hello!"}]
    print("ready", flush=True)
    sys.stdin.readline()
    got = await asyncio.gather(*(client.chat.completions.create(messages=hello) for _ in range(25)))
    await client.close()
    print(*(answer.choices[0].message.content for answer in got), flush=True)

asyncio.run(main())
store.close()
"""


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path):
    if request.param == "sqlite":
        return request.param, str(tmp_path / "cache.db")
    return request.param, request.getfixturevalue("redis_url")


def together(place, url):
    """What some processes get that all begin at once."""
    command = [sys.executable, "-c", WORKER, *place, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    got = [text for worker in workers for text in worker.communicate(timeout=60)[0].split()]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    return got


def test_processes_ask_once(place):
    asked = []

    def reply(request):
        asked.append(request)
        time.sleep(0.2)  # the router's, so that all processes come while it thinks
        return answers.text("Hi")

    with ScriptedRouter(reply) as router:
        assert together(place, router.base_url) == ["Hi"] * 25 * PROCESSES
    assert len(asked) == 1


def opened(place):
    """A store that knows nothing of the others: as another process would have it."""
    kind, where = place
    return SQLiteStore(where) if kind == "sqlite" else RedisStore(where, timeout=5)


async def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_a_process_that_lives_is_waited_for_beyond_its_lease(place, monkeypatch):
    monkeypatch.setattr(shelf, "LEASE", 0.6)
    asked, go, told = [], threading.Event(), []

    def reply(request):
        asked.append(request)
        go.wait(20)
        return answers.text("Hi")

    stores = [opened(place) for _ in range(2)]
    for store in stores:
        for name in ("claim", "prolong"):
            monkeypatch.setattr(store.entries, name, noting(getattr(store.entries, name), told, (store, name)))
    with ScriptedRouter(reply) as router:
        clients = [AsyncHanzo(router.base_url, "k", model="m", policies=[Cache(store=store)]) for store in stores]
        leading = asyncio.create_task(ask(clients[0]))
        await until(lambda: asked)
        waiting = asyncio.create_task(ask(clients[1]))
        await until(lambda: told.count((stores[0], "prolong")) > 6 and told.count((stores[1], "claim")) > 1)
        go.set()
        for answer in (leading, waiting):
            assert (await answer).choices[0].message.content == "Hi"
        assert len(asked) == 1
        await until(lambda: not any(thread.name == "hanzo-agents-leases" for thread in threading.enumerate()))
        for client in clients:
            await client.close()
    for store in stores:
        store.close()


def noting(operation, told, what):
    def noted(*args, **more):
        told.append(what)
        return operation(*args, **more)

    return noted


@pytest.mark.parametrize("ends", ["cancelled", "failed", "no writes"])
async def test_no_lease_is_renewed_for_a_call_that_has_ended(place, monkeypatch, ends):
    monkeypatch.setattr(shelf, "LEASE", 0.6)
    store = opened(place)
    upstream = Upstream(500 if ends == "failed" else HANG)
    cache = Cache(store=store)
    client = upstream.client(policies=[cache, Retry(attempts=1)])
    call = asyncio.create_task(ask(client))
    await until(lambda: upstream.hits)
    if ends == "no writes":
        cache._shelf.not_written(OSError("full"), SYSTEM_CLOCK)
    call.cancel()
    await asyncio.wait([call])
    assert len(cache._shelf.leases) == 0
    store.close()


async def test_a_stream_that_nobody_reads_on_holds_nobody_up_for_longer(place):
    """One that is read keeps its lease; one that is left lying loses it, though its process lives."""
    store = opened(place)
    keys, prolonged = [], []
    claim, prolong = store.entries.claim, store.entries.prolong

    def noted(key, **more):
        keys.append(key)
        return claim(key, **more)

    def noted_too(key, **more):
        prolonged.append(prolong(key, **more))
        return prolonged[-1]

    store.entries.claim, store.entries.prolong = noted, noted_too

    async def held(clock):
        for one in prolonged:
            await one
        asked = await claim(keys[0], owner="another", lease=LEASE, clock=clock)
        return asked.fence is None

    with FakeClock() as clock:
        upstream = Upstream(sse(*text_chunks(*"abcdefgh")))
        stream = await ask(upstream.client(policies=[Cache(store=store)]), stream=True)
        events = aiter(stream)
        for _ in range(6):
            await anext(events)
            clock.advance(0.4 * LEASE)
            assert await held(clock)
        clock.advance(LEASE)
        assert not await held(clock)
        await stream.close()
    store.close()


async def test_a_process_that_died_is_not_waited_for_for_ever(place):
    store = opened(place)
    with FakeClock(auto=True) as clock:
        upstream = Upstream()
        cache = Cache(store=store)
        client = upstream.client(policies=[cache, Retry(attempts=1)])
        keys = []
        get = store.entries.get

        def spy(key, *, clock):
            keys.append(key)
            return get(key, clock=clock)

        store.entries.get = spy
        await ask(client)
        await cache.clear()
        (key,) = keys
        assert (await store.entries.claim(key, owner="dead", lease=LEASE, clock=clock)).fence is not None
        started = clock.now()
        waiting = asyncio.create_task(ask(client))
        while not waiting.done():
            await clock.settle()
            clock.advance(0.25)
            await asyncio.sleep(0.001)
        assert (await waiting).choices[0].message.content == "Hello!"
        assert LEASE <= clock.now() - started < LEASE + 5
    assert upstream.hits == 2
    store.close()


WRITER = """
import asyncio, sys
from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.stores import SQLiteStore
from hanzo_agents.stores.entries import Bounds

async def main():
    store = SQLiteStore(sys.argv[1])
    number = 0
    while True:
        key = number.to_bytes(40, "big")
        content = key * 2000
        await store.entries.put(key, content, ttl=1e6, bounds=Bounds(50, 1 << 22), fence=None, clock=SYSTEM_CLOCK)
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_killed_while_it_writes(tmp_path):
    """No half entry, and the sums still hold."""
    path = tmp_path / "cache.db"
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)  # noqa: ASYNC220
        for _ in range(3):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()

    def work(connection):
        rows = connection.execute("SELECT key, content, size FROM entries").fetchall()
        totals = connection.execute("SELECT count, size FROM entry_totals").fetchone()
        return rows, totals, connection.execute("PRAGMA integrity_check").fetchone()

    store = SQLiteStore(path)
    rows, totals, check = await store.submit(work, what="checking")
    store.close()
    assert check == ("ok",)
    assert rows
    assert all(bytes(content) == bytes(key) * 2000 and len(content) == size for key, content, size in rows)
    assert totals == (len(rows), sum(size for _, _, size in rows))


class TestRedis:
    """Declared behaviour when it is away: calls go on."""

    async def answered(self, client, times=3):
        return [(await ask(client)).choices[0].message.content for _ in range(times)]

    async def test_killed(self, own_redis, caplog):
        store = RedisStore(own_redis.url, timeout=2, retry_in=0.01)
        upstream, cache = Upstream(), Cache(store=store)
        client = upstream.client(policies=[cache])
        await self.answered(client)
        assert upstream.hits == 1
        own_redis.kill()
        assert await self.answered(client) == ["Hello!"] * 3
        assert upstream.hits == 4
        assert len([r for r in caplog.records if "the cache is away" in r.getMessage()]) == 1
        own_redis.start()
        until = time.monotonic() + 20
        while cache.stats().hits < 3:
            await ask(client)
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        store.close()

    async def test_hanging(self, own_redis):
        store = RedisStore(own_redis.url, timeout=0.2, retry_in=30)
        upstream = Upstream()
        client = upstream.client(policies=[Cache(store=store)])
        own_redis.freeze()
        assert await self.answered(client, 20) == ["Hello!"] * 20
        own_redis.thaw()
        store.close()

    @pytest.mark.parametrize(("setting", "value"), [("min-replicas-to-write", 1), ("maxmemory", 1)])
    async def test_a_server_that_takes_no_writes(self, own_redis, caplog, setting, value):
        store = RedisStore(own_redis.url, timeout=5, retry_in=0)
        upstream, cache = Upstream(), Cache(store=store)
        client = upstream.client(policies=[cache])
        await ask(client)
        with own_redis.client() as redis:
            redis.config_set(setting, value)
        for number in range(5):
            await client.chat.completions.create(messages=[{"role": "user", "content": str(number)}])
        assert upstream.hits == 6
        warnings = [r for r in caplog.records if r.levelname == "WARNING"]
        assert 1 <= len(warnings) <= 2
        store.close()

    async def test_scripts_forgotten(self, redis_url):
        import redis

        store = RedisStore(redis_url, timeout=5)
        upstream = Upstream()
        client = upstream.client(policies=[Cache(store=store)])
        await ask(client)
        with redis.Redis.from_url(redis_url) as server:
            server.script_flush()
        await ask(client)
        assert upstream.hits == 1
        store.close()

    async def test_every_key_ends_by_itself(self, redis_url):
        import redis

        store = RedisStore(redis_url, timeout=5)
        client = Upstream().client(policies=[Cache(store=store)])
        await ask(client)
        await store.entries.claim(b"x" * 40, owner="me", lease=60, clock=FakeClock())
        with redis.Redis.from_url(redis_url) as server:
            names = list(server.scan_iter())
            endless = [name for name in names if server.ttl(name) < 0]
        assert endless == [b"{hanzo}:entry-fence"]
        assert len(names) == 3
        assert all(name.startswith(b"{hanzo}:entry") for name in names)
        store.close()

    def test_bounds_are_its_own(self, redis_url):
        from hanzo_agents import ConfigError

        store = RedisStore(redis_url)
        for bounds in ({"max_entries": 5}, {"max_bytes": 5}):
            with pytest.raises(ConfigError, match="maxmemory"):
                Cache(store=store, **bounds)
        store.close()
