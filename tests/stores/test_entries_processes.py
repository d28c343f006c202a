"""Cached answers between processes: one asks, and what was written survives whoever wrote it."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from upstream import HELLO, Upstream

from hanzo_agents import Cache, Retry
from hanzo_agents.policies.cache.entry import LEASE
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


async def test_a_process_that_died_is_not_waited_for_for_ever(place):
    kind, where = place
    store = SQLiteStore(where) if kind == "sqlite" else RedisStore(where, timeout=5)
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
