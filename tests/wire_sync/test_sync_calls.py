"""`run` and `call_off_loop`: calls from threads that have no event loop."""

import asyncio
import contextlib
import contextvars
import gc
import signal
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from hanzo_agents._wire.sync.calls import call_off_loop, run

DEADLINE = 30
name = contextvars.ContextVar("name", default="nobody")


def interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


async def value(result):
    await asyncio.sleep(0)
    return result


def test_a_call_returns_what_the_coroutine_returns():
    assert run(value(42)) == 42


def test_an_error_is_raised_as_it_is_with_its_own_traceback():
    problem = LookupError("lost")

    async def inner():
        await asyncio.sleep(0)
        raise problem

    async def outer():
        await inner()

    with pytest.raises(LookupError) as caught:
        run(outer())
    frames = [frame.name for frame in traceback.extract_tb(problem.__traceback__)]
    assert caught.value is problem
    assert frames.index("test_an_error_is_raised_as_it_is_with_its_own_traceback") < frames.index("outer")
    assert frames[-2:] == ["outer", "inner"]


def test_an_error_is_freed_without_the_garbage_collector():
    class Problem(Exception):
        pass

    async def fail():
        raise Problem

    gc.disable()
    try:
        try:
            run(fail())
        except Problem as problem:
            left = weakref.ref(problem)
        # The loop lets go of its task a moment after the caller wakes.
        run(value(None))
        assert left() is None
    finally:
        gc.enable()


def test_the_context_of_the_caller_is_seen_and_not_changed():
    async def rename():
        seen = name.get()
        name.set("somebody else")
        return seen

    token = name.set("caller")
    try:
        assert run(rename()) == "caller"
        assert name.get() == "caller"
    finally:
        name.reset(token)


def test_eight_threads_share_one_loop_at_the_same_time():
    barrier = None

    async def meet(number):
        nonlocal barrier
        barrier = barrier or asyncio.Barrier(8)
        async with asyncio.timeout(DEADLINE), barrier:
            return number, asyncio.get_running_loop()

    with ThreadPoolExecutor(8) as threads:
        met = list(threads.map(lambda number: run(meet(number)), range(8)))
    assert [number for number, _ in met] == list(range(8))
    assert len({loop for _, loop in met}) == 1


def test_a_call_made_on_the_loop_itself_is_refused():
    async def inside():
        with pytest.raises(RuntimeError, match="use AsyncHanzo"):
            run(value(1))

    run(inside())


def test_a_call_made_inside_another_event_loop_works():
    async def elsewhere():
        return run(value(1))

    assert asyncio.run(elsewhere()) == 1


def test_what_is_no_coroutine_is_refused():
    with pytest.raises(TypeError, match="coroutine"):
        run(42)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_what_would_end_a_loop_ends_only_the_call(kind):
    async def leave():
        await asyncio.sleep(0)
        raise kind

    with pytest.raises(kind):
        run(leave())
    assert run(value(1)) == 1


def test_a_task_on_the_side_does_not_take_the_loop_down():
    async def leave():
        raise SystemExit(3)

    async def start():
        asyncio.get_running_loop().stop()
        with contextlib.suppress(SystemExit):
            await asyncio.create_task(leave())
        return 1

    assert run(start()) == 1
    assert run(value(2)) == 2


def test_an_interrupt_cancels_the_call_and_waits_for_its_cleanup():
    done = []

    async def work():
        try:
            await call_off_loop(interrupt)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert done == ["cleaned up"]


def test_a_second_interrupt_does_not_wait():
    over, release = threading.Event(), None

    async def work():
        nonlocal release
        release = asyncio.Event()
        try:
            await call_off_loop(interrupt)
            await asyncio.Event().wait()
        finally:
            await call_off_loop(interrupt)
            await release.wait()
            over.set()

    async def let_go():
        release.set()

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert not over.is_set()
    run(let_go())
    assert over.wait(DEADLINE)


def test_any_exception_of_a_signal_handler_cancels_the_call():
    done = []

    class Late(Exception):
        pass

    def late(*_):
        raise Late

    async def work():
        try:
            await call_off_loop(signal.pthread_kill, threading.main_thread().ident, signal.SIGUSR1)
            await asyncio.Event().wait()
        finally:
            done.append("cleaned up")

    before = signal.signal(signal.SIGUSR1, late)
    try:
        with pytest.raises(Late):
            run(work())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert done == ["cleaned up"]


async def test_a_callback_runs_off_the_loop_in_the_callers_context():
    token = name.set("caller")
    try:
        seen = await call_off_loop(lambda *, extra: (threading.get_ident(), name.get(), extra), extra=1)
    finally:
        name.reset(token)
    assert seen[0] != threading.get_ident()
    assert seen[1:] == ("caller", 1)


def test_a_callback_may_call_synchronously_to_any_depth():
    def deeper(depth):
        return depth if depth == 0 else 1 + run(call_off_loop(deeper, depth - 1))

    assert deeper(40) == 40


@pytest.mark.parametrize("kind", [ValueError, SystemExit, StopIteration])
def test_what_a_callback_raises_reaches_whoever_awaits_it(kind):
    def fail():
        raise kind("no")

    with pytest.raises(RuntimeError if kind is StopIteration else kind):
        run(call_off_loop(fail))


def test_a_cancelled_callback_is_left_to_itself():
    release, ended = threading.Event(), threading.Event()

    def slow():
        release.wait(DEADLINE)
        ended.set()

    async def hurry():
        task = asyncio.create_task(call_off_loop(slow))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return ended.is_set()

    assert run(hurry()) is False
    release.set()
    assert ended.wait(DEADLINE)
