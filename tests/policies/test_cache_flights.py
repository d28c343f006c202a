"""The same question, asked by many at once: one is sent."""

import asyncio
import gc
import os
import random
import threading
import time

import httpx2
import pytest
from upstream import HANG, HELLO, Upstream, completion, sse, status, text_chunks

from hanzo_agents import Cache, Deadline, Retry
from hanzo_agents.errors import DeadlineExceeded
from hanzo_agents.stores import MemoryStore
from hanzo_agents.stores.entries.flights import ALONE, Flights, Lead, Waiter
from hanzo_agents.testing.clock import FakeClock

MANY = 1000


def slowly(*replies, turns=20):
    """Replies that come after some turns of the loop."""
    left = list(replies)

    async def answer(_request):
        for _ in range(turns):
            await asyncio.sleep(0)
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, BaseException):
            raise reply
        return httpx2.Response(200, json=reply) if isinstance(reply, dict) else reply

    return answer


def client_of(upstream, cache=None, **settings):
    return upstream.client(policies=[cache or Cache(), Retry(attempts=1)], **settings)


async def ask(client, **more):
    return await client.chat.completions.create(messages=[HELLO], **more)


async def text_of(answer):
    if hasattr(answer, "choices"):
        return answer.choices[0].message.content
    return "".join([c.choices[0].delta.content or "" async for c in answer if c.choices])


async def settle(turns=60):
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_a_thousand_values_at_once():
    upstream, cache = Upstream(slowly(completion("Hi"))), Cache()
    client = client_of(upstream, cache)
    got = await asyncio.gather(*(ask(client) for _ in range(MANY)))
    assert upstream.hits == 1
    assert {answer.choices[0].message.content for answer in got} == {"Hi"}
    assert len({id(answer) for answer in got}) == MANY
    assert (cache.stats().hits, cache.stats().shared, cache.stats().misses) == (MANY - 1, MANY - 1, 1)
    assert len(cache._shelf.entries.flights) == 0


async def test_streams_and_values_at_once():
    async def stream(_request):
        await settle(20)
        return sse(*text_chunks("H", "i"))

    upstream, cache = Upstream(stream), Cache()
    client = client_of(upstream, cache)

    async def one(number):
        return await text_of(await ask(client, stream=number % 2 == 0))

    got = await asyncio.gather(*(one(number) for number in range(200)))
    assert set(got) == {"Hi"}
    assert upstream.hits == 1


async def test_when_the_leader_fails_one_takes_over():
    upstream, cache = Upstream(slowly(status(500), completion("Hi"))), Cache()
    client = client_of(upstream, cache)
    got = await asyncio.gather(*(ask(client) for _ in range(MANY)), return_exceptions=True)
    assert upstream.hits == 2
    assert sum(isinstance(answer, Exception) for answer in got) == 1
    assert isinstance(got[0], Exception)
    assert len(cache._shelf.entries.flights) == 0


async def test_an_outage_keeps_nobody_for_long():
    upstream, rounds = Upstream(slowly(status(500))), []

    async def failing(_request):
        rounds.append(upstream.hits)
        await settle(5)
        return status(500)

    upstream.replies = [failing]
    client, cache = None, Cache()
    client = client_of(upstream, cache)
    got = await asyncio.gather(*(ask(client) for _ in range(200)), return_exceptions=True)
    assert all(isinstance(answer, Exception) for answer in got)
    assert upstream.hits == 200  # an error is nobody's but who got it
    assert len(cache._shelf.entries.flights) == 0


@pytest.mark.parametrize("twice", [False, True])
async def test_when_the_leader_is_cancelled_one_takes_over(twice):
    gate = asyncio.Event()

    async def wait(_request):
        await gate.wait()
        return httpx2.Response(200, json=completion("Hi"))

    upstream, cache = Upstream(wait), Cache()
    client = client_of(upstream, cache)
    tasks = [asyncio.create_task(ask(client)) for _ in range(10)]
    await settle()
    assert upstream.hits == 1
    tasks[0].cancel()
    await asyncio.sleep(0)
    if twice:
        tasks[0].cancel()
    await settle()
    assert upstream.hits == 2
    gate.set()
    got = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(got[0], asyncio.CancelledError)
    assert {answer.choices[0].message.content for answer in got[1:]} == {"Hi"}
    assert upstream.hits == 2


async def test_those_who_wait_may_leave():
    gate = asyncio.Event()

    async def wait(_request):
        await gate.wait()
        return httpx2.Response(200, json=completion("Hi"))

    upstream, cache = Upstream(wait), Cache()
    client = client_of(upstream, cache)
    tasks = [asyncio.create_task(ask(client)) for _ in range(10)]
    await settle()
    for task in tasks[1:9]:
        task.cancel()
    await settle()
    tasks[0].cancel()
    await settle()
    gate.set()
    assert (await tasks[9]).choices[0].message.content == "Hi"
    assert upstream.hits == 2
    assert len(cache._shelf.entries.flights) == 0


async def test_who_is_handed_the_lead_and_cancelled_hands_it_on():
    flights = Flights()
    lead = flights.board(b"k")
    with FakeClock() as clock:

        async def wait():
            return await flights.board(b"k").wait(clock)

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await clock.settle()
        lead.failed()
        tasks[0].cancel()  # in the same turn: it has been given the lead, and does not know
        await clock.settle()
        assert isinstance(await tasks[1], Lead)
        assert not tasks[2].done()
        (await tasks[1]).landed(b"x")
        assert await tasks[2] == b"x"
    assert len(flights) == 0


async def test_after_a_second_failure_two_go_on():
    flights = Flights()
    lead = flights.board(b"k")
    with FakeClock() as clock:
        waiters = [flights.board(b"k") for _ in range(8)]
        tasks = [asyncio.create_task(waiter.wait(clock)) for waiter in waiters]
        await clock.settle()

        async def failing(number):
            nonlocal lead
            lead.failed()
            await clock.settle()
            leads = [task.result() for task in tasks if task.done() and isinstance(task.result(), Lead)]
            assert len(leads) == number
            lead = leads[-1]

        await failing(1)
        await failing(3)
        await failing(5)
        lead.landed(None)
        await clock.settle()
        assert sum(task.result() is ALONE for task in tasks) == 3


async def test_answers_that_are_not_kept_are_not_shared():
    body = completion("Hel")
    body["choices"][0]["finish_reason"] = "length"
    upstream = Upstream(slowly(body))
    client = client_of(upstream)
    got = await asyncio.gather(*(ask(client) for _ in range(20)))
    assert len(got) == upstream.hits == 20


async def test_each_keeps_its_own_deadline():
    with FakeClock() as clock:

        async def wait(_request):
            await clock.sleep(30)
            return httpx2.Response(200, json=completion("Hi"))

        upstream, cache = Upstream(wait), Cache()
        patient = upstream.client(policies=[cache, Deadline(total=60)])
        hasty = upstream.client(policies=[cache, Deadline(total=5)])
        first = asyncio.create_task(ask(patient))
        await clock.settle()
        second = asyncio.create_task(ask(hasty))
        await clock.run_for(6)
        with pytest.raises(DeadlineExceeded):
            await second
        await clock.run_for(30)
        assert (await first).choices[0].message.content == "Hi"
        assert upstream.hits == 1


async def test_a_leader_that_is_late_hands_over():
    with FakeClock() as clock:

        async def wait(_request):
            await clock.sleep(30 if upstream.hits == 1 else 1)
            return httpx2.Response(200, json=completion("Hi"))

        upstream, cache = Upstream(wait), Cache()
        hasty = upstream.client(policies=[cache, Deadline(total=5)])
        patient = upstream.client(policies=[cache, Deadline(total=60)])
        first = asyncio.create_task(ask(hasty))
        await clock.settle()
        second = asyncio.create_task(ask(patient))
        await clock.run_for(7)
        with pytest.raises(DeadlineExceeded):
            await first
        assert (await second).choices[0].message.content == "Hi"
        assert upstream.hits == 2


async def test_a_storm_of_cancellations_leaves_nothing_behind():
    chance = random.Random(7)

    async def answer(_request):
        for _ in range(chance.randrange(30)):
            await asyncio.sleep(0)
        return chance.choice(
            [status(500), httpx2.Response(200, json=completion("Hi")), sse(*text_chunks("H", "i"))]
        )

    upstream, cache = Upstream(answer), Cache(ttl=0.001)
    client = client_of(upstream, cache)

    async def one(number):
        got = await ask(client, stream=number % 3 == 0, seed=number % 4)
        if number % 3 == 0:
            async with got:
                await anext(got)
                if number % 2:
                    await text_of(got)

    async def cancel(task):
        task.cancel()
        if chance.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
        await settle(chance.randrange(5))

    tasks = [asyncio.create_task(one(number)) for number in range(300)]
    while any(not task.done() for task in tasks):
        await cancel(chance.choice(tasks))
    await asyncio.gather(*tasks, return_exceptions=True)
    del tasks
    gc.collect()
    await settle()
    assert len(cache._shelf.entries.flights) == 0


class TestStreamsUnderWay:
    async def test_who_waits_gets_the_whole(self):
        upstream = Upstream(sse(*text_chunks("H", "i")))
        client = client_of(upstream)
        stream = await ask(client, stream=True)
        waiting = asyncio.create_task(ask(client))
        await settle()
        assert not waiting.done()
        assert await text_of(stream) == "Hi"
        assert (await waiting).choices[0].message.content == "Hi"
        assert upstream.hits == 1

    async def test_nobody_waits_for_one_that_nobody_reads(self):
        """The same task may open two: it will not read the first before it has the second."""
        with FakeClock() as clock:
            upstream = Upstream(sse(*text_chunks("H", "i")), sse(*text_chunks("H", "o")))
            client = client_of(upstream)
            first = await ask(client, stream=True)
            opening = asyncio.create_task(ask(client, stream=True))
            await clock.run_for(10)
            second = await opening
            assert [await text_of(second), await text_of(first)] == ["Ho", "Hi"]
            assert upstream.hits == 2

    async def test_one_that_breaks_hands_over(self):
        broken = sse(*text_chunks("H")[:2], httpx2.ReadError("reset"), done=False)
        upstream = Upstream(broken, completion("Hi"))
        client = client_of(upstream)
        stream = await ask(client, stream=True)
        waiting = [asyncio.create_task(ask(client)) for _ in range(5)]
        await settle()
        with pytest.raises(Exception):  # noqa: B017
            await text_of(stream)
        got = await asyncio.gather(*waiting)
        assert {answer.choices[0].message.content for answer in got} == {"Hi"}
        assert upstream.hits == 2

    @pytest.mark.parametrize("leave", ["close", "drop"])
    async def test_one_that_is_left_hands_over(self, leave):
        upstream = Upstream(sse(*text_chunks("H", "i")[:2], HANG), completion("Hi"))
        client = client_of(upstream)
        stream = await ask(client, stream=True)
        waiting = asyncio.create_task(ask(client))
        await settle()
        if leave == "close":
            await stream.close()
        del stream
        gc.collect()
        async with asyncio.timeout(10):
            assert (await waiting).choices[0].message.content == "Hi"
        assert upstream.hits == 2


def test_across_loops_and_threads():
    asked = []
    gate = threading.Event()

    async def answer(_request):
        asked.append(1)
        while not gate.is_set():  # noqa: ASYNC110 - a gate for threads
            await asyncio.sleep(0.001)
        return httpx2.Response(200, json=completion("Hi"))

    cache, got, ready = Cache(), [], threading.Barrier(9)

    def run():
        async def main():
            client = client_of(Upstream(answer), cache)
            ready.wait(30)
            tasks = [asyncio.create_task(ask(client)) for _ in range(10)]
            await asyncio.sleep(0)
            got.extend([answer.choices[0].message.content for answer in await asyncio.gather(*tasks)])

        asyncio.run(main())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    ready.wait(30)
    until = time.monotonic() + 30
    while not asked:
        assert time.monotonic() < until
    gate.set()
    for thread in threads:
        thread.join()
    assert got == ["Hi"] * 80
    assert len(asked) == 1


async def test_a_loop_that_is_closed_is_passed_over():
    flights = Flights()
    lead = flights.board(b"k")
    gone = []

    def run():
        loop = asyncio.new_event_loop()

        async def board():
            gone.append(flights.board(b"k"))

        loop.run_until_complete(board())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert isinstance(gone[0], Waiter)
    with FakeClock() as clock:
        waiting = asyncio.create_task(flights.board(b"k").wait(clock))
        await clock.settle()
        lead.failed()
        heir = await waiting
    assert isinstance(heir, Lead)
    heir.landed(None)
    assert len(flights) == 0


def test_a_fork_takes_no_flight_along():
    flights = Flights()
    assert isinstance(flights.board(b"k"), Lead)
    taking = threading.Thread(target=flights._turns.enter)
    taking.start()
    taking.join()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.write(write, b"1" if isinstance(flights.board(b"k"), Lead) else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"1"


async def test_two_caches_of_one_store_share_their_flights():
    store, upstream = MemoryStore(), Upstream(slowly(completion("Hi")))
    clients = [client_of(upstream, Cache(store=store)) for _ in range(5)]
    await asyncio.gather(*(ask(client) for client in clients))
    assert upstream.hits == 1
