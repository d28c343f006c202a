"""A process that calls through a breaker over Redis as it is told. Its upstream counts in that Redis."""

import asyncio

import redis.asyncio
from breaking import Wire
from calls import http_error, make_call

from hanzo_agents import Breaker, CircuitOpen, RedisStore


async def serve(url, orders):
    breaker = Breaker(failure_threshold=5, timeout=0.5, lease=0.7, store=RedisStore(url, timeout=5))
    upstream = redis.asyncio.Redis.from_url(url)

    async def answer(how):
        await upstream.incr(f"hits:{how}")
        if how.startswith("slow"):
            # Pushed as often as there are calls to release.
            await upstream.blpop(f"released:{how}")
        return http_error(503) if how == "failing" else "ok"

    async def do(how, count):
        async def step(_call):
            return await answer(how)

        async def one():
            try:
                await breaker(make_call(home="https://router.test/v1"), Wire(step))
            except CircuitOpen:
                return "refused"
            except Exception:
                return "failed"
            return "ok"

        ended = await asyncio.gather(*(one() for _ in range(count)))
        orders.send({"how": how, **{word: ended.count(word) for word in set(ended)}})

    doing = set()
    while order := await asyncio.to_thread(orders.recv):
        task = asyncio.create_task(do(*order))
        doing.add(task)
        task.add_done_callback(doing.discard)


def run(url, orders):
    asyncio.run(serve(url, orders))
