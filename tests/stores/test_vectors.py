"""What every store does with answers that are found by likeness, in memory, in a file and in Redis."""

import asyncio
import math
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanzo_agents import MemoryStore, SQLiteStore
from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.stores.entries import Bounds
from hanzo_agents.stores.sqlite_file import _schema
from hanzo_agents.stores.vectors import Near
from hanzo_agents.stores.vectors.matrix import packed
from hanzo_agents.stores.vectors.sqlite import SCHEMA as VECTORS
from hanzo_agents.testing.clock import FakeClock

A, B = b"a" * 32, b"b" * 32
WIDE = Bounds(1000, 1 << 20)


def at(degrees):
    """A direction in the plane: those of two differ by the cosine of the angle between them."""
    angle = math.radians(degrees)
    return packed([math.cos(angle), math.sin(angle)])


async def put(store, space, degrees, content, *, ttl=60, bounds=WIDE, clock=SYSTEM_CLOCK):
    return await store.vectors.put(space, at(degrees), content, ttl=ttl, bounds=bounds, clock=clock)


async def near(store, space, degrees, *, least=0.5, most=8, clock=SYSTEM_CLOCK):
    found = await store.vectors.nearest(space, at(degrees), least=least, most=most, clock=clock)
    return [one.content for one in found]


async def test_the_nearest_come_first(store):
    for degrees in (40, 10, 25, 80):
        assert await put(store, A, degrees, b"%d" % degrees)
    assert await near(store, A, 0) == [b"10", b"25", b"40"]
    assert await near(store, A, 0, most=2) == [b"10", b"25"]
    assert await near(store, A, 0, least=0.99) == []
    (found,) = await store.vectors.nearest(A, at(80), least=1.0, most=1, clock=SYSTEM_CLOCK)
    assert found.similarity == pytest.approx(1.0)
    assert found.vector == at(80)


async def test_spaces_know_nothing_of_each_other(store):
    await put(store, A, 0, b"for a")
    assert await near(store, B, 0) == []
    await put(store, B, 0, b"for b")
    assert await near(store, A, 0) == [b"for a"]
    assert await near(store, B, 0) == [b"for b"]


async def test_its_time_ends(store):
    with FakeClock() as clock:
        await put(store, A, 0, b"short", ttl=10, clock=clock)
        await put(store, A, 1, b"long", ttl=100, clock=clock)
        assert await near(store, A, 0, clock=clock) == [b"short", b"long"]
        clock.advance(10)
        assert await near(store, A, 0, clock=clock) == [b"long"]
        clock.advance(90)
        assert await near(store, A, 0, clock=clock) == []


async def test_what_was_not_used_for_longest_makes_room(store):
    bounds = Bounds(3, 1 << 20)
    with FakeClock() as clock:
        for degrees in (0, 90, 180):
            await put(store, A, degrees, b"%d" % degrees, ttl=9000, bounds=bounds, clock=clock)
            clock.advance(100)
        assert await near(store, A, 0, clock=clock) == [b"0"]
        clock.advance(100)
        # The use is noted behind the answer's back.
        await store.vectors.remove(
            (await store.vectors.nearest(A, at(180), least=1, most=1, clock=clock))[0], clock=clock
        )
        await put(store, A, 180, b"180", ttl=9000, bounds=bounds, clock=clock)
        await put(store, A, 270, b"270", ttl=9000, bounds=bounds, clock=clock)
        assert await near(store, A, 90, clock=clock) == []
        assert await near(store, A, 0, clock=clock) == [b"0"]
        assert await near(store, A, 270, clock=clock) == [b"270"]


async def test_bytes_are_bounded(store):
    bounds = Bounds(1000, 1000)
    with FakeClock() as clock:
        for degrees in range(0, 50, 10):
            assert await put(store, A, degrees, bytes(300), bounds=bounds, clock=clock)
            clock.advance(1)
        assert len(await near(store, A, 20, clock=clock)) == 3
        assert not await put(store, A, 0, bytes(1001), bounds=bounds, clock=clock)
        assert len(await near(store, A, 20, clock=clock)) == 3


async def test_one_is_removed_and_all_are_cleared(store):
    for degrees in range(5):
        await put(store, A, degrees, b"%d" % degrees)
    await put(store, B, 0, b"other")
    (first, *_) = await store.vectors.nearest(A, at(0), least=0.5, most=8, clock=SYSTEM_CLOCK)
    await store.vectors.remove(first, clock=SYSTEM_CLOCK)
    assert await near(store, A, 0) == [b"1", b"2", b"3", b"4"]
    assert await store.vectors.clear(clock=SYSTEM_CLOCK) == 5
    assert await store.vectors.clear(clock=SYSTEM_CLOCK) == 0
    assert await near(store, A, 0) == []
    await put(store, A, 3, b"new")
    assert await near(store, A, 0) == [b"new"]


async def test_what_is_no_vector_of_the_space_is_near_to_nothing(store):
    await put(store, A, 0, b"good")
    for vector in (b"", b"123", packed([1.0, 0.0, 0.0]), b"\xff" * 8, bytes(8)):
        await store.vectors.put(A, vector, b"bad", ttl=60, bounds=WIDE, clock=SYSTEM_CLOCK)
        assert await store.vectors.nearest(A, vector, least=-1, most=8, clock=SYSTEM_CLOCK) == []
    assert await near(store, A, 0, least=-1) == [b"good"]


async def test_many_are_read_in_parts(store):
    for number in range(600):
        store.vectors.put(A, at(number * 0.5), b"%d" % number, ttl=60, bounds=WIDE, clock=SYSTEM_CLOCK)
    await put(store, A, 359, b"last")
    assert (await near(store, A, 200.1, most=1)) == [b"400"]
    assert len(await near(store, A, 0, least=-1, most=1000)) == 601


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_other_processes_see_the_same(kind, tmp_path, request):
    from hanzo_agents import RedisStore

    def opened():
        if kind == "sqlite":
            return SQLiteStore(tmp_path / "answers.db")
        return RedisStore(request.getfixturevalue("redis_url"), timeout=5)

    one, other = opened(), opened()
    await put(one, A, 0, b"first")
    assert await near(other, A, 0) == [b"first"]
    await put(other, A, 10, b"second")
    assert await near(one, A, 0) == [b"first", b"second"]
    (found, _) = await one.vectors.nearest(A, at(0), least=0.5, most=8, clock=SYSTEM_CLOCK)
    await one.vectors.remove(found, clock=SYSTEM_CLOCK)
    assert await near(other, A, 0) == [b"second"]
    one.close()
    other.close()


def test_no_vector_can_be_made_of_nothing():
    for numbers in ([], [0.0, 0.0], [math.nan, 1.0], [math.inf], [[1.0], [2.0]]):
        assert packed(numbers) is None


def test_the_largest_and_the_smallest_numbers_have_a_direction():
    for size in (1e308, 1e-300):
        assert packed([size, size]) == packed([1.0, 1.0])


def test_nobody_shows_what_was_found():
    assert "secret" not in repr(Near(1, 1.0, b"secret", b"secret"))


async def test_a_file_of_the_version_before_is_brought_up_to_date(tmp_path):
    path = tmp_path / "answers.db"
    with sqlite3.connect(path) as connection:
        for statement in set_apart():
            connection.execute(statement)
        connection.execute("PRAGMA user_version=1")
    connection.close()
    store = SQLiteStore(path)
    await store.entries.put(b"k" * 32, b"kept", ttl=60, bounds=WIDE, fence=None, clock=SYSTEM_CLOCK)
    await put(store, A, 0, b"new")
    assert await near(store, A, 0) == [b"new"]
    store.close()


def set_apart():
    """What a file of version 1 was made of, in the order in which it was."""
    later = set(VECTORS)
    return [statement for statement in _schema(0) if statement not in later]


async def test_many_are_compared_on_another_thread():
    store = MemoryStore()
    numbers = np.random.default_rng(1)
    kept = [packed(numbers.standard_normal(2048)) for _ in range(600)]
    for number, vector in enumerate(kept):
        store.vectors.put(A, vector, b"%d" % number, ttl=60, bounds=Bounds(1000, 1 << 30), clock=SYSTEM_CLOCK)
    for number in (0, 300, 599):
        (found,) = await store.vectors.nearest(A, kept[number], least=0.9, most=8, clock=SYSTEM_CLOCK)
        assert found.content == b"%d" % number
        assert found.similarity == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 359),
            st.integers(1, 5),
            st.sampled_from(["put", "look", "remove"]),
        ),
        max_size=40,
    )
)
def test_it_finds_what_comparing_one_by_one_finds(steps):
    """The matrix with its swaps and growth, against a plain list."""

    async def run():
        store, plain, bounds = MemoryStore(), [], Bounds(12, 1 << 20)
        for number, (space, degrees, most, what) in enumerate(steps):
            key, content = space.encode() * 32, b"%d" % number
            expected = sorted(
                (entry for entry in plain if entry[0] == key), key=lambda e: (-cosine(e[1], degrees), e[2])
            )
            expected = [entry for entry in expected if cosine(entry[1], degrees) >= 0.5 - 1e-6]
            if what == "put":
                await put(store, key, degrees, content, bounds=bounds)
                plain = [*plain, (key, degrees, content)][-12:]
                continue
            found = await store.vectors.nearest(key, at(degrees), least=0.5, most=50, clock=SYSTEM_CLOCK)
            assert sorted(one.content for one in found) == sorted(entry[2] for entry in expected)
            assert [round(one.similarity, 4) for one in found] == [
                round(cosine(e[1], degrees), 4) for e in expected
            ]
            # A look is a use: what was found last goes last.
            by_content = {entry[2]: entry for entry in plain}
            used = [by_content[one.content] for one in found]
            plain = [entry for entry in plain if entry not in used] + used
            if what == "remove":
                for one in found[:most]:
                    await store.vectors.remove(one, clock=SYSTEM_CLOCK)
                    plain.remove(by_content[one.content])

    asyncio.run(run())


def cosine(one, other):
    return math.cos(math.radians(one - other))
