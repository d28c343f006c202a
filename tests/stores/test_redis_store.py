"""The connection under every Redis part: bounded in time, bound to no loop, and back by itself."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from hanzo_agents import ConfigError
from hanzo_agents.stores import RedisStore, StoreUnavailable
from hanzo_agents.stores.redis import Script
from hanzo_agents.testing.clock import FakeClock

ADD = Script("add", "return redis.call('INCRBY', KEYS[1], ARGV[2])")
NOW = Script("now", "return tostring(now)")


@pytest.fixture
def store(redis_url):
    store = RedisStore(redis_url, timeout=5)
    yield store
    store.close()


async def test_an_operation_is_one_script(store):
    assert await store.run(ADD, [store.key("n")], 2) == 2
    assert await store.run(ADD, [store.key("n")], 3) == 5


async def test_keys_share_a_prefix_and_a_hash_tag_and_never_meet(store):
    assert store.key("a", "b:c") == "{hanzo}:a:b%3Ac"
    assert store.key("a", "b", "c") != store.key("a", "b:c") != store.key("a", "b%3Ac")


async def test_the_servers_time_counts_except_under_the_clock_of_a_test(store):
    clock = FakeClock()
    assert float(await store.run(NOW, [], clock=clock)) == clock.wall()
    assert float(await store.run(NOW, [])) > 1.7e9


async def test_scripts_that_the_server_forgot_are_sent_again(store, shared_redis):
    await store.run(ADD, [store.key("n")], 1)
    with shared_redis.client() as client:
        client.script_flush()
    assert await store.run(ADD, [store.key("n")], 1) == 2


def test_one_store_serves_many_loops_and_threads(store):
    async def once():
        return await store.run(ADD, [store.key("n")], 1)

    threads = [threading.Thread(target=lambda: asyncio.run(once())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(once()) == 9


async def test_nothing_waits_for_an_event_loop(store):
    thread = threading.Thread(target=lambda: store.run(ADD, [store.key("n")], 1).future.result(10))
    thread.start()
    thread.join()
    assert await store.run(ADD, [store.key("n")], 0) == 1


async def test_a_server_that_was_killed_is_unavailable_and_comes_back(own_redis):
    store = RedisStore(own_redis.url, timeout=5, retry_in=0)
    assert await store.run(ADD, [store.key("n")], 1) == 1
    own_redis.kill()
    with pytest.raises(StoreUnavailable, match="add: Redis is unavailable"):
        await store.run(ADD, [store.key("n")], 1)
    own_redis.start()
    assert await store.run(ADD, [store.key("n")], 1) == 1
    store.close()


async def test_a_server_that_hangs_holds_nobody_up(own_redis):
    store = RedisStore(own_redis.url, timeout=0.2, retry_in=60)
    await store.run(ADD, [store.key("n")], 1)
    own_redis.freeze()
    with pytest.raises(StoreUnavailable, match=r"no answer within 0\.2 s"):
        await store.run(ADD, [store.key("n")], 1)
    with pytest.raises(StoreUnavailable, match="asked again after 60 s"):
        await store.run(ADD, [store.key("n")], 1)
    store.close()


async def test_a_server_that_only_reads_is_unavailable(own_redis):
    store = RedisStore(own_redis.url, timeout=5, retry_in=0)
    with own_redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StoreUnavailable, match=r"(?i)read.?only"):
            await store.run(ADD, [store.key("n")], 1)
        client.execute_command("REPLICAOF", "NO", "ONE")
    assert await store.run(ADD, [store.key("n")], 1) == 1
    store.close()


async def test_the_password_is_nowhere(own_redis, caplog):
    url = own_redis.url.replace("redis://", "redis://user:canary-7f3a9c2e@")
    store = RedisStore(url, timeout=5)
    with pytest.raises(StoreUnavailable) as refused:
        await store.run(ADD, [store.key("n")], 1)
    frames = []
    traceback = refused.value.__traceback__
    while traceback is not None:
        frames.append(repr(traceback.tb_frame.f_locals.get("self")))
        traceback = traceback.tb_next
    shown = repr(store) + store.scope + str(refused.value) + "".join(frames) + caplog.text
    assert "canary" not in shown
    assert refused.value.__cause__ is refused.value.__context__ is None
    store.close()


def test_junk_is_refused_before_anything_is_opened():
    for junk in ("localhost:6379", "http://localhost", None, 7):
        with pytest.raises(ConfigError, match=r"RedisStore\.url"):
            RedisStore(junk)
    with pytest.raises(ConfigError, match=r"RedisStore\.prefix"):
        RedisStore("redis://localhost", prefix="{a}")
    with pytest.raises(ConfigError, match=r"RedisStore\.timeout"):
        RedisStore("redis://localhost", timeout=-1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_process_connects_for_itself(redis_url):
    program = (
        "import asyncio, os, sys; from hanzo_agents.stores.redis import RedisStore, Script\n"
        "store = RedisStore(sys.argv[1], timeout=5); add = Script('add', \"return redis.call('INCR', KEYS[1])\")\n"
        "async def once(): return await store.run(add, [store.key('n')])\n"
        "assert asyncio.run(once()) == 1\n"
        "child = os.fork()\n"
        "if child: assert os.waitpid(child, 0)[1] == 0; assert asyncio.run(once()) == 3\n"
        "else: assert asyncio.run(once()) == 2\n"
    )
    subprocess.run([sys.executable, "-c", program, redis_url], check=True, timeout=60)
