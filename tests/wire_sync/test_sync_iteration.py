"""`iterate`: async iterators read from threads that have no event loop."""

import asyncio
import contextvars
import gc
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from hanzo_agents._wire.sync.calls import call_off_loop, iterate, run
from hanzo_agents.client import AsyncHanzo
from hanzo_agents.testing.scripted import ScriptedRouter

DEADLINE = 30
name = contextvars.ContextVar("name", default="nobody")


def interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


class Source:
    """Counts without end, and remembers how it was read."""

    def __init__(self, *, until=None, error=None):
        self.given = 0
        self.tasks = set()
        self.closed = threading.Event()
        self.numbers = self._count(until, error)

    async def _count(self, until, error):
        try:
            # A timeout across `yield` works only when one task reads and closes.
            async with asyncio.timeout(DEADLINE):
                while until is None or self.given < until:
                    self.tasks.add(asyncio.current_task())
                    self.given += 1
                    yield self.given
                if error is not None:
                    raise error
        finally:
            self.tasks.add(asyncio.current_task())
            await asyncio.sleep(0)
            self.closed.set()


def test_it_yields_the_items_and_ends():
    source = Source(until=3)
    numbers = iterate(source.numbers)
    assert list(numbers) == [1, 2, 3]
    assert source.closed.is_set()
    assert next(numbers, "over") == "over"
    numbers.close()


def test_it_never_reads_ahead():
    source = Source()
    with iterate(source.numbers) as numbers:
        assert [next(numbers), next(numbers)] == [1, 2]
        run(asyncio.sleep(0))
        assert source.given == 2


def test_one_task_reads_and_closes():
    source = Source()
    with iterate(source.numbers) as numbers:
        assert next(numbers) == 1
    assert source.closed.is_set()
    assert len(source.tasks) == 1


def test_an_error_is_raised_once_the_source_is_closed():
    problem = ConnectionError("cut")
    source = Source(until=1, error=problem)
    numbers = iterate(source.numbers)
    assert next(numbers) == 1
    with pytest.raises(ConnectionError) as caught:
        next(numbers)
    assert caught.value is problem
    assert source.closed.is_set()
    assert list(numbers) == []
    numbers.close()


def test_close_waits_until_the_source_is_closed():
    source = Source()
    numbers = iterate(source.numbers)
    next(numbers)
    numbers.close()
    numbers.close()
    assert source.closed.is_set()
    assert list(numbers) == []


def test_an_unread_source_is_closed_too():
    class Unread:
        closed = False

        async def __anext__(self):
            raise AssertionError

        async def close(self):
            self.closed = True

    source = Unread()
    iterate(source).close()
    assert source.closed


def test_an_iterator_without_a_way_to_close_it_is_fine():
    class Endless:
        async def __anext__(self):
            return 1

    with iterate(Endless()) as ones:
        assert next(ones) == 1


def test_an_error_of_the_closing_is_raised_by_close():
    async def numbers():
        try:
            yield 1
        finally:
            raise ConnectionError("cannot close")

    ones = iterate(numbers())
    next(ones)
    with pytest.raises(ConnectionError, match="cannot close"):
        ones.close()


def test_breaking_off_closes_the_source():
    source = Source()
    for number in iterate(source.numbers):
        if number == 2:
            break
    assert source.closed.wait(DEADLINE)
    assert source.given == 2


def test_the_garbage_collector_closes_the_source():
    source = Source()
    numbers = iterate(source.numbers)
    next(numbers)
    circle = [numbers]
    circle.append(circle)
    del numbers, circle
    gc.collect()
    assert source.closed.wait(DEADLINE)


def test_it_may_be_dropped_on_the_loop_itself():
    source = Source()
    held = [iterate(source.numbers)]
    next(held[0])

    async def drop():
        held.clear()

    run(drop())
    assert source.closed.wait(DEADLINE)


def test_reading_on_the_loop_itself_is_refused():
    source = Source()
    numbers = iterate(source.numbers)

    async def inside():
        for blocking in (lambda: next(numbers), lambda: iterate(source.numbers), numbers.__enter__().close):
            with pytest.raises(RuntimeError, match="use AsyncHanzo"):
                blocking()

    run(inside())
    numbers.close()


def test_an_interrupt_closes_the_source():
    closed = []

    async def stalled():
        try:
            yield 1
            await call_off_loop(interrupt)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    numbers = iterate(stalled())
    assert next(numbers) == 1
    with pytest.raises(KeyboardInterrupt):
        next(numbers)
    assert closed == [True]
    assert list(numbers) == []


def test_close_ends_a_read_in_another_thread():
    reading, closed = threading.Event(), []

    async def stalled():
        try:
            reading.set()
            await asyncio.Event().wait()
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    numbers = iterate(stalled())
    with ThreadPoolExecutor(1) as threads:
        rest = threads.submit(list, numbers)
        assert reading.wait(DEADLINE)
        numbers.close()
        assert closed == [True]
        assert rest.result(DEADLINE) == []


def test_a_cancellation_from_outside_is_no_end():
    source = Source()
    numbers = iterate(source.numbers)
    assert next(numbers) == 1

    async def cancel_everything():
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.wait(others)

    run(cancel_everything())
    with pytest.raises(asyncio.CancelledError):
        next(numbers)
    assert source.closed.is_set()


def test_an_error_is_freed_without_the_garbage_collector():
    class Problem(Exception):
        pass

    async def fail():
        yield 1
        raise Problem

    gc.disable()
    try:
        try:
            list(iterate(fail()))
        except Problem as problem:
            left = weakref.ref(problem)
        # The loop lets go of its task a moment after the caller wakes.
        run(asyncio.sleep(0))
        assert left() is None
    finally:
        gc.enable()


def test_each_item_goes_to_one_of_the_threads_that_share_it():
    numbers = iterate(Source(until=200).numbers)
    with ThreadPoolExecutor(8) as threads:
        shares = list(threads.map(lambda _: list(numbers), range(8)))
    assert sorted(number for share in shares for number in share) == list(range(1, 201))


def test_the_context_of_the_caller_is_seen():
    async def names():
        yield name.get()

    token = name.set("caller")
    try:
        seen = iterate(names())
    finally:
        name.reset(token)
    assert list(seen) == ["caller"]


def test_eight_threads_stream_through_one_client():
    def answer(thread):
        stream = run(client.chat.completions.create(messages=[{"role": "user", "content": thread}], stream=True))
        return "".join(chunk.choices[0].delta.content or "" for chunk in iterate(stream) if chunk.choices)

    with ScriptedRouter(lambda request: request.prompt * 3) as router, ThreadPoolExecutor(8) as threads:
        client = AsyncHanzo(router.base_url, "k", model="m")
        words = [f"word{number} " for number in range(8)]
        assert list(threads.map(answer, words)) == [word * 3 for word in words]
        run(client.close())


def test_leaving_a_stream_settles_it():
    from hanzo_agents import track

    with ScriptedRouter(["one two three four"]) as router, track() as journals:
        client = AsyncHanzo(router.base_url, "k", model="m")
        stream = run(client.chat.completions.create(messages=[{"role": "user", "content": "?"}], stream=True))
        with iterate(stream) as chunks:
            next(chunks)
        assert stream.response.is_closed
        assert [attempt.ended is not None for attempt in journals[0].attempts] == [True]
        run(client.close())
