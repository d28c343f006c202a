"""Who asks for the others may be gone without a word: its event loop was closed, or runs no more."""

import asyncio
import gc
import threading

import pytest
from upstream import HANG, HELLO, Upstream, completion

from hanzo_agents import Cache, Retry
from hanzo_agents.stores import MemoryStore, SQLiteStore
from hanzo_agents.stores.entries.flights import PATIENCE, Flights, Lead, Waiter
from hanzo_agents.testing.clock import FakeClock


def on_a_loop(work, *, close=True):
    """Begin `work` on the loop of another thread, and leave that loop in the middle of it."""
    kept = []

    def run():
        loop = asyncio.new_event_loop()

        async def begin():
            kept.append(asyncio.current_task())
            kept.append(await work())

        loop.run_until_complete(begin())
        kept.append(loop)
        if close:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return kept


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["memory", "SQLite"])
async def test_a_call_whose_loop_was_closed_is_taken_over(kind, tmp_path):
    store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "state.db")
    upstream = Upstream(HANG, completion("Hi"))
    client = upstream.client(policies=[Cache(store=store), Retry(attempts=1)])

    async def ask():
        return await client.chat.completions.create(messages=[HELLO])

    async def begin():
        task = asyncio.get_running_loop().create_task(ask())
        await asyncio.wait([task], timeout=0.2)
        return task

    left = on_a_loop(begin)
    answer = await asyncio.wait_for(ask(), 5)
    assert answer.choices[0].message.content == "Hi"
    assert upstream.hits == 2
    assert len(store.entries.flights) == 0
    del left
    gc.collect()


async def boarded(flights):
    return flights.board(b"k")


async def test_who_comes_later_does_not_wait_for_it():
    flights = Flights()
    left = on_a_loop(lambda: boarded(flights))
    lead = flights.board(b"k")
    assert isinstance(lead, Lead)
    left[1].landed(b"too late")
    assert isinstance(flights.board(b"k"), Waiter)
    lead.landed(None)
    assert len(flights) == 0


@pytest.mark.parametrize("close", [True, False], ids=["closed", "left"])
async def test_one_of_those_who_wait_already_takes_over(close):
    flights, entered, go = Flights(), threading.Event(), threading.Event()
    given_back, left = [], []

    async def lead():
        seat = flights.board(b"k")
        seat.owes(lambda: given_back.append(1))
        entered.set()
        go.wait(10)
        return seat

    def begin():
        left.extend(on_a_loop(lead, close=close))

    thread = threading.Thread(target=begin)
    thread.start()
    entered.wait(10)
    with FakeClock() as clock:
        waiting = [asyncio.create_task(flights.board(b"k").wait(clock)) for _ in range(3)]
        await clock.settle()
        clock.advance(PATIENCE + 1)
        await clock.settle()
        assert not any(task.done() for task in waiting)
        go.set()
        thread.join()
        clock.advance(PATIENCE + 1)
        await clock.settle()
        heirs = [task for task in waiting if task.done()]
        assert len(heirs) == 1
        assert given_back == [1]
        heirs[0].result().landed(b"answer")
        assert [await task for task in waiting if task is not heirs[0]] == [b"answer", b"answer"]
    assert len(flights) == 0
    left[-1].close()
