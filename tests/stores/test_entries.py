"""Cached answers: what holds in every store."""

import asyncio
import threading

import pytest

from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.stores import SQLiteStore
from hanzo_agents.stores.entries import Bounds
from hanzo_agents.testing.clock import FakeClock

KEY, OTHER = b"A" * 8 + b"1" * 32, b"B" * 8 + b"2" * 32
WIDE = Bounds(100, 1 << 20)

# Redis has bounds of its own.
bounded = pytest.mark.parametrize("store", ["memory", "sqlite"], indirect=True)


@pytest.fixture
def clock():
    with FakeClock() as clock:
        yield clock


@pytest.fixture
def entries(store):
    return store.entries


async def put(entries, key, content, clock, *, ttl=60.0, bounds=WIDE, fence=None):
    return await entries.put(key, content, ttl=ttl, bounds=bounds, fence=fence, clock=clock)


async def test_what_was_put_is_there_until_its_time_is_over(entries, clock):
    assert await entries.get(KEY, clock=clock) is None
    assert await put(entries, KEY, b"answer\n\0\xff", clock)
    assert await entries.get(OTHER, clock=clock) is None
    clock.advance(59.9)
    assert await entries.get(KEY, clock=clock) == b"answer\n\0\xff"
    clock.advance(0.2)
    assert await entries.get(KEY, clock=clock) is None


async def test_the_last_answer_counts_and_its_time_begins_anew(entries, clock):
    await put(entries, KEY, b"one", clock)
    clock.advance(50)
    await put(entries, KEY, b"two", clock)
    clock.advance(50)
    assert await entries.get(KEY, clock=clock) == b"two"


async def test_putting_twice_is_putting_once(entries, clock):
    await put(entries, KEY, b"one", clock)
    await put(entries, KEY, b"one", clock)
    assert await entries.clear(b"", position="", clock=clock) == (1, "")


async def test_an_entry_is_removed_only_as_long_as_it_is_the_same(entries, clock):
    await put(entries, KEY, b"new", clock)
    await entries.remove(KEY, content=b"old", clock=clock)
    assert await entries.get(KEY, clock=clock) == b"new"
    await entries.remove(KEY, content=b"new", clock=clock)
    await entries.remove(KEY, content=b"new", clock=clock)
    assert await entries.get(KEY, clock=clock) is None


async def test_clearing_a_space_leaves_the_others(entries, clock):
    for number in range(5):
        await put(entries, b"A" * 8 + bytes([number]) * 32, b"a", clock)
    await put(entries, OTHER, b"b", clock)
    dropped, position = 0, ""
    while True:
        more, position = await entries.clear(b"A" * 8, position=position, clock=clock)
        dropped += more
        if not position:
            break
    assert dropped == 5
    assert await entries.get(OTHER, clock=clock) == b"b"


async def test_by_the_real_clock_too(entries):
    await put(entries, KEY, b"answer", SYSTEM_CLOCK)
    assert await entries.get(KEY, clock=SYSTEM_CLOCK) == b"answer"
    await put(entries, OTHER, b"short", SYSTEM_CLOCK, ttl=0.001)
    async with asyncio.timeout(10):
        while await entries.get(OTHER, clock=SYSTEM_CLOCK) is not None:  # noqa: ASYNC110 - time has no event
            await asyncio.sleep(0)


@bounded
async def test_what_was_not_used_for_longest_makes_room(entries, clock):
    bounds = Bounds(3, 1 << 20)
    for number in range(3):
        await put(entries, bytes([number]) * 40, b"x", clock, ttl=1e6, bounds=bounds)
        clock.advance(100)
    assert await entries.get(b"\0" * 40, clock=clock) == b"x"
    await entries.claim(b"\7" * 40, owner="me", lease=1, clock=clock)  # so that the use has been written down
    clock.advance(100)
    await put(entries, b"\3" * 40, b"x", clock, ttl=1e6, bounds=bounds)
    there = [n for n in range(4) if await entries.get(bytes([n]) * 40, clock=clock) is not None]
    assert there == [0, 2, 3]


@bounded
async def test_never_more_bytes_than_the_bound(entries, clock):
    bounds = Bounds(1000, 1000)
    for number in range(30):
        assert await put(entries, bytes([number]) * 40, b"x" * 100, clock, bounds=bounds)
        clock.advance(1)
    there = [n for n in range(30) if await entries.get(bytes([n]) * 40, clock=clock) is not None]
    assert there == list(range(20, 30))
    assert not await put(entries, KEY, b"x" * 1001, clock, bounds=bounds)
    assert await entries.get(KEY, clock=clock) is None
    # One that takes the place of another counts once.
    for _ in range(30):
        await put(entries, bytes([29]) * 40, b"y" * 100, clock, bounds=bounds)
    there = [n for n in range(30) if await entries.get(bytes([n]) * 40, clock=clock) is not None]
    assert there == list(range(20, 30))


@pytest.mark.parametrize("store", ["sqlite", "redis"], indirect=True)
class TestLeases:
    """In a store that processes share, one asks. In a process alone, `flights` see to that."""

    async def test_one_holds_it(self, entries, clock):
        first = await entries.claim(KEY, owner="me", lease=60, clock=clock)
        again = await entries.claim(KEY, owner="me", lease=60, clock=clock)
        assert first.fence is not None
        assert again == first
        assert (await entries.claim(KEY, owner="you", lease=60, clock=clock)).fence is None
        assert (await entries.claim(OTHER, owner="you", lease=60, clock=clock)).fence is not None

    async def test_who_claims_too_late_gets_the_answer(self, entries, clock):
        mine = await entries.claim(KEY, owner="me", lease=60, clock=clock)
        await put(entries, KEY, b"answer", clock, fence=mine.fence)
        yours = await entries.claim(KEY, owner="you", lease=60, clock=clock)
        assert (yours.content, yours.fence) == (b"answer", None)

    async def test_putting_gives_it_back(self, entries, clock):
        mine = await entries.claim(KEY, owner="me", lease=60, clock=clock)
        await put(entries, KEY, b"answer", clock, ttl=1, fence=mine.fence)
        clock.advance(2)
        assert (await entries.claim(KEY, owner="you", lease=60, clock=clock)).fence is not None

    async def test_giving_it_back(self, entries, clock):
        await entries.claim(KEY, owner="me", lease=60, clock=clock)
        await entries.release(KEY, owner="you", clock=clock)
        assert (await entries.claim(KEY, owner="you", lease=60, clock=clock)).fence is None
        await entries.release(KEY, owner="me", clock=clock)
        await entries.release(KEY, owner="me", clock=clock)
        assert (await entries.claim(KEY, owner="you", lease=60, clock=clock)).fence is not None

    async def test_it_is_prolonged_by_its_owner_while_it_lasts(self, entries, clock):
        mine = await entries.claim(KEY, owner="me", lease=10, clock=clock)
        for _ in range(3):
            clock.advance(8)
            await entries.prolong(KEY, owner="me", lease=10, clock=clock)
        await entries.prolong(KEY, owner="you", lease=1000, clock=clock)
        assert (await entries.claim(KEY, owner="me", lease=10, clock=clock)).fence == mine.fence
        clock.advance(11)
        await entries.prolong(KEY, owner="me", lease=10, clock=clock)  # too late
        assert (await entries.claim(KEY, owner="you", lease=10, clock=clock)).fence > mine.fence
        await entries.release(KEY, owner="you", clock=clock)
        await entries.prolong(KEY, owner="you", lease=10, clock=clock)  # was on its way
        assert (await entries.claim(KEY, owner="them", lease=10, clock=clock)).fence is not None

    async def test_that_of_a_dead_process_ends(self, entries, clock):
        mine = await entries.claim(KEY, owner="me", lease=60, clock=clock)
        clock.advance(61)
        yours = await entries.claim(KEY, owner="you", lease=60, clock=clock)
        assert yours.fence > mine.fence

    async def test_who_comes_back_from_the_dead_changes_nothing(self, entries, clock):
        mine = await entries.claim(KEY, owner="me", lease=60, clock=clock)
        clock.advance(61)
        yours = await entries.claim(KEY, owner="you", lease=60, clock=clock)
        assert not await put(entries, KEY, b"old", clock, fence=mine.fence)
        assert (await entries.claim(KEY, owner="them", lease=60, clock=clock)).fence is None  # still yours
        assert await put(entries, KEY, b"new", clock, fence=yours.fence)
        assert not await put(entries, KEY, b"old", clock, fence=mine.fence)
        assert await entries.get(KEY, clock=clock) == b"new"


async def test_threads_and_loops_share_entries(entries):
    found = []

    def reader():
        async def read():
            for number in range(50):
                key = bytes([number]) * 40
                await put(entries, key, key, SYSTEM_CLOCK)
                found.append(await entries.get(key, clock=SYSTEM_CLOCK) == key)

        asyncio.run(read())

    threads = [threading.Thread(target=reader) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 200


async def test_the_file_is_for_its_owner_alone(tmp_path):
    store = SQLiteStore(tmp_path / "folder" / "cache.db")
    await put(store.entries, KEY, b"answer", SYSTEM_CLOCK)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "folder").iterdir()}
    store.close()
    assert modes
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
