"""FakeClock: time passes only when a test says so, and timeouts behave as asyncio's do."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from hanzo_agents._kernel.clock import SYSTEM_CLOCK, Clock, SystemClock, current_clock, seconds, using_clock
from hanzo_agents.errors import ConfigError
from hanzo_agents.testing.clock import FakeClock


@pytest.fixture(params=[FakeClock, SystemClock], ids=["fake", "system"])
def any_clock(request) -> Clock:
    return request.param()


async def test_time_stands_still_until_it_is_moved():
    clock = FakeClock()
    sleeping = asyncio.create_task(clock.sleep(5))
    await clock.settle()
    assert not sleeping.done()
    assert clock.now() == 0

    clock.advance(4.9)
    await clock.settle()
    assert not sleeping.done()

    clock.advance(0.2)
    await sleeping
    assert clock.now() == pytest.approx(5.1)
    assert clock.sleeps == [5]


async def test_run_for_wakes_each_sleeper_at_its_own_time_and_counts_what_it_starts_then():
    clock = FakeClock()
    woke = []

    async def tick(period, times):
        for _ in range(times):
            await clock.sleep(period)
            woke.append((period, clock.now()))

    tasks = [asyncio.create_task(tick(2, 3)), asyncio.create_task(tick(3, 2))]
    await clock.run_for(6)
    assert all(task.done() for task in tasks)
    assert woke == [(2, 2), (3, 3), (2, 4), (3, 6), (2, 6)]
    assert clock.now() == 6


async def test_run_for_starts_what_was_only_created():
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.run_for(1)
    assert task.done()


async def test_advance_wakes_in_the_order_of_the_times():
    clock = FakeClock()
    woke = []

    async def sleeper(delay):
        await clock.sleep(delay)
        woke.append(delay)

    async with asyncio.TaskGroup() as group:
        for delay in (3, 1, 2):
            group.create_task(sleeper(delay))
        await clock.settle()
        clock.advance(10)
    assert woke == [1, 2, 3]


async def test_auto_jumps_to_the_end_of_each_sleep():
    clock = FakeClock(auto=True)
    await clock.sleep(100)
    await clock.sleep(20)
    assert clock.now() == 120
    assert clock.sleeps == [100, 20]
    assert clock.waiting == 0


async def test_auto_lets_the_earliest_of_several_sleepers_wake_first():
    clock = FakeClock(auto=True)
    woke = []

    async def sleeper(delay):
        await clock.sleep(delay)
        woke.append((delay, clock.now()))

    await asyncio.gather(sleeper(30), sleeper(10), sleeper(20))
    assert woke == [(10, 10), (20, 20), (30, 30)]


async def test_auto_waits_for_work_that_needs_no_time():
    clock = FakeClock(auto=True)

    async def work():
        for _ in range(10):
            await asyncio.sleep(0)
        return clock.now()

    working = asyncio.create_task(work())
    await clock.sleep(60)
    assert working.result() == 0


async def test_auto_is_moved_by_sleeps_alone_not_by_timeouts():
    clock = FakeClock(auto=True)
    hang = asyncio.Event()

    async def bounded():
        async with clock.timeout_at(50):
            await hang.wait()

    task = asyncio.create_task(bounded())
    await clock.settle()
    assert clock.now() == 0
    await clock.sleep(60)
    with pytest.raises(TimeoutError):
        await task


@pytest.mark.parametrize("delay", [0, -1])
async def test_a_sleep_of_nothing_takes_no_time(delay):
    clock = FakeClock()
    await clock.sleep(delay)
    assert clock.now() == 0


async def test_a_cancelled_sleep_leaves_nothing_behind():
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.settle()
    assert clock.waiting == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.waiting == 0


async def test_a_block_that_ends_in_time_is_not_disturbed(any_clock):
    async with any_clock.timeout_at(any_clock.now() + 1000):
        await asyncio.sleep(0)
    async with any_clock.timeout_at(None):
        await asyncio.sleep(0)


async def test_a_time_that_has_passed_already_ends_the_block_at_its_first_wait(any_clock):
    reached = False
    with pytest.raises(TimeoutError):  # noqa: PT012
        async with any_clock.timeout_at(any_clock.now() - 1):
            reached = True
            await asyncio.Event().wait()
    assert reached


async def test_an_error_of_the_block_passes_unchanged(any_clock):
    with pytest.raises(ZeroDivisionError):
        async with any_clock.timeout_at(any_clock.now() + 1000):
            raise ZeroDivisionError


async def test_of_nested_timeouts_only_the_one_that_is_due_ends():
    clock = FakeClock()
    seen = []

    async def nested():
        async with clock.timeout_at(20):
            try:
                async with clock.timeout_at(10):
                    await asyncio.Event().wait()
            except TimeoutError:
                seen.append(("inner", clock.now()))
            try:
                await asyncio.Event().wait()
            finally:
                seen.append(("outer", clock.now()))

    task = asyncio.create_task(nested())
    await clock.run_for(30)
    with pytest.raises(TimeoutError):
        await task
    assert seen == [("inner", 10), ("outer", 20)]


async def test_an_outer_timeout_passes_through_an_inner_one():
    clock = FakeClock()
    inner_timed_out = False

    async def nested():
        nonlocal inner_timed_out
        async with clock.timeout_at(5):
            try:
                async with clock.timeout_at(10):
                    await asyncio.Event().wait()
            except TimeoutError:
                inner_timed_out = True

    task = asyncio.create_task(nested())
    await clock.run_for(5)
    with pytest.raises(TimeoutError):
        await task
    assert not inner_timed_out


async def test_two_timeouts_due_at_once_end_as_asyncio_ends_them():
    async def nested(outer, inner):
        seen = []
        try:
            async with outer:
                try:
                    async with inner:
                        await asyncio.Event().wait()
                finally:
                    seen.append("inner left")
        except TimeoutError:
            seen.append("outer timed out")
        return seen, asyncio.current_task().cancelling()

    clock = FakeClock()
    task = asyncio.create_task(nested(clock.timeout_at(5), clock.timeout_at(5)))
    await clock.run_for(5)
    loop = asyncio.get_running_loop()
    assert await task == await nested(asyncio.timeout_at(loop.time()), asyncio.timeout_at(loop.time()))


async def test_cancellation_from_outside_is_no_timeout():
    clock = FakeClock()

    async def bounded():
        async with clock.timeout_at(5):
            await asyncio.Event().wait()

    task = asyncio.create_task(bounded())
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert clock.waiting == 0


async def test_cancellation_that_comes_with_the_timeout_wins():
    clock = FakeClock()

    async def bounded():
        async with clock.timeout_at(5):
            await asyncio.Event().wait()

    task = asyncio.create_task(bounded())
    await clock.settle()
    clock.advance(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_after_a_timeout_the_task_is_not_being_cancelled():
    clock = FakeClock()

    async def bounded():
        try:
            async with clock.timeout_at(5):
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    task = asyncio.create_task(bounded())
    await clock.run_for(5)
    assert await task == 0


async def test_leaving_the_block_disarms_its_timeout():
    clock = FakeClock()
    async with clock.timeout_at(5):
        pass
    await clock.run_for(10)
    assert clock.waiting == 0


def test_wall_time_passes_with_the_clock():
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    clock = FakeClock(start=100, wall=noon)
    clock.advance(timedelta(minutes=1))
    assert clock.now() == 160
    assert clock.wall() == noon.timestamp() + 60


def test_a_naive_wall_time_is_refused():
    with pytest.raises(ConfigError, match="time zone"):
        FakeClock(wall=datetime(2030, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("duration", [-1, float("nan"), float("inf"), "5", True])
def test_time_does_not_run_backwards_or_by_nonsense(duration):
    with pytest.raises(ConfigError, match="duration"):
        FakeClock().advance(duration)


def test_the_block_has_its_clock_and_the_one_before_comes_back():
    assert current_clock() is SYSTEM_CLOCK
    with FakeClock() as outer:
        assert current_clock() is outer
        with FakeClock() as inner:
            assert current_clock() is inner
        assert current_clock() is outer
        with outer:
            assert current_clock() is outer
        assert current_clock() is outer
    assert current_clock() is SYSTEM_CLOCK


async def test_tasks_started_in_the_block_go_by_its_clock():
    async def which():
        return current_clock()

    with FakeClock() as clock:
        task = asyncio.create_task(which())
    assert await task is clock


def test_another_thread_may_move_the_clock():
    clock = FakeClock()
    asleep = threading.Event()

    async def sleeper():
        asyncio.get_running_loop().call_soon(asleep.set)
        await clock.sleep(5)
        return clock.now()

    found = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(sleeper())))
    thread.start()
    asleep.wait(10)
    clock.advance(5)
    thread.join(10)
    assert found == [5]


def test_a_loop_that_has_closed_is_no_trouble():
    clock = FakeClock()

    async def leave_one_asleep():
        task = asyncio.create_task(clock.sleep(5))
        await clock.settle()
        return task

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(leave_one_asleep())
    loop.close()
    clock.advance(10)
    assert not task.done()
    task.get_coro().close()
    task._log_destroy_pending = False


def test_its_repr_says_where_it_stands():
    assert repr(FakeClock(start=3)) == "FakeClock(now=3, waiting=0, auto=False)"
    assert repr(SYSTEM_CLOCK) == "SystemClock()"


async def test_the_system_clock_keeps_asyncio_time():
    assert abs(SYSTEM_CLOCK.now() - asyncio.get_running_loop().time()) < 1
    assert SYSTEM_CLOCK.wall() > 1_700_000_000
    await SYSTEM_CLOCK.sleep(0)


def test_using_clock_takes_any_clock():
    mine = SystemClock()
    with using_clock(mine):
        assert current_clock() is mine


@pytest.mark.parametrize(("given", "expected"), [(None, None), (2, 2.0), (0, 0.0), (timedelta(minutes=1), 60.0)])
def test_durations_are_seconds_or_timedeltas(given, expected):
    assert seconds("Retry.base_delay", given) == expected


@pytest.mark.parametrize("given", [-1, float("nan"), float("inf"), True, "1", timedelta(seconds=-1)])
def test_what_is_no_duration_is_refused_by_name(given):
    with pytest.raises(ConfigError, match=r"Retry\.base_delay: expected a number of seconds >= 0"):
        seconds("Retry.base_delay", given)


def test_zero_is_refused_where_it_makes_no_sense():
    with pytest.raises(ConfigError, match=r"Deadline\.total: expected a number of seconds > 0, got 0"):
        seconds("Deadline.total", 0, zero=False)
