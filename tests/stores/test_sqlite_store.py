"""The file under every SQLite part: one thread, whole transactions, and a new start after everything that ends it."""

import asyncio
import gc
import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from hanzo_agents import ConfigError
from hanzo_agents.stores import SQLiteStore, StoreUnavailable


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "state.db"


@pytest.fixture
def store(path):
    store = SQLiteStore(path)
    yield store
    store.close()


def table(connection):
    connection.execute("CREATE TABLE IF NOT EXISTS numbers (n INTEGER)")


def add(number):
    def work(connection):
        table(connection)
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return work


def numbers(connection):
    table(connection)
    return [n for (n,) in connection.execute("SELECT n FROM numbers ORDER BY rowid")]


async def test_work_is_done_in_the_order_in_which_it_was_asked_for(store):
    for number in range(50):
        store.submit(add(number), what="add")
    assert await store.submit(numbers, what="read") == list(range(50))


async def test_a_transaction_that_fails_leaves_nothing(store):
    def half(connection):
        add(1)(connection)
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        await store.submit(half, what="half")
    assert await store.submit(numbers, what="read") == []


async def test_who_is_cancelled_while_waiting_has_not_undone_the_work(store):
    inside, go_on = threading.Event(), threading.Event()

    def slow(connection):
        inside.set()
        go_on.wait(10)
        return add(7)(connection)

    async def wait():
        await store.submit(slow, what="slow")

    task = asyncio.create_task(wait())
    await asyncio.to_thread(inside.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    assert await store.submit(numbers, what="read") == [7]


async def test_nothing_waits_for_an_event_loop(store):
    """An account is settled from a thread without a loop, and awaited by nobody."""
    thread = threading.Thread(target=lambda: store.submit(add(1), what="add"))
    thread.start()
    thread.join()
    assert await store.submit(numbers, what="read") == [1]


def test_one_store_serves_many_loops(store):
    async def once(number):
        return await store.submit(add(number), what="add")

    assert [asyncio.run(once(number)) for number in range(5)] == list(range(5))


async def test_closing_finishes_what_was_asked_for_and_using_it_again_opens_it_again(store, path):
    store.submit(add(1), what="add")
    store.close()
    store.close()
    with sqlite3.connect(path) as connection:
        assert numbers(connection) == [1]
    connection.close()
    assert await store.submit(numbers, what="read") == [1]


async def test_what_nobody_waits_for_and_fails_is_in_the_log(store, caplog):
    def fail(connection):
        raise ValueError("lost")

    store.submit(fail, what="settle")
    store.close()
    assert "settle failed: ValueError: lost" in caplog.text


async def test_a_file_that_stays_locked_is_unavailable_and_comes_back(path):
    store = SQLiteStore(path, timeout=0.05)
    await store.submit(add(1), what="add")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="reserve: database is locked"):
        await store.submit(add(2), what="reserve")
    other.execute("ROLLBACK")
    other.close()
    assert await store.submit(add(3), what="add") == 3
    store.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    store = SQLiteStore(path)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await store.submit(numbers, what="read")
    assert path.read_text().startswith("not a database")
    store.close()


async def test_a_file_of_a_later_version_is_left_alone(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    store = SQLiteStore(path)
    with pytest.raises(ConfigError, match="schema 99"):
        await store.submit(numbers, what="read")
    store.close()


def test_a_folder_or_nothing_is_no_path(tmp_path):
    with pytest.raises(ConfigError, match="expected a file, got the folder"):
        SQLiteStore(tmp_path)
    for junk in ("", None, 7):
        with pytest.raises(ConfigError, match=r"SQLiteStore\.path"):
            SQLiteStore(junk)


def test_a_store_that_nobody_holds_ends_its_thread(path):
    before = threading.enumerate()
    store = SQLiteStore(path)
    asyncio.run(_add_one(store))
    started = set(threading.enumerate()).difference(before)
    (thread,) = [thread for thread in started if thread.name == "hanzo-agents-sqlite"]
    del store
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


async def _add_one(store):
    await store.submit(add(1), what="add")


def test_a_process_that_ends_has_written_what_it_asked_for(path):
    program = (
        "import sys; from hanzo_agents.stores import SQLiteStore\n"
        "store = SQLiteStore(sys.argv[1])\n"
        "def work(c): c.execute('CREATE TABLE t (n)'); c.execute('INSERT INTO t VALUES (1)')\n"
        "store.submit(work, what='add')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(path)], check=True, timeout=60)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]
    connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_process_opens_the_file_for_itself(path):
    program = (
        "import asyncio, os, sys, warnings; from hanzo_agents.stores import SQLiteStore\n"
        "store = SQLiteStore(sys.argv[1])\n"
        "async def add(n):\n"
        "    def work(c): c.execute('CREATE TABLE IF NOT EXISTS t (n)'); c.execute('INSERT INTO t VALUES (?)', (n,))\n"
        "    await store.submit(work, what='add')\n"
        "asyncio.run(add(1))\n"
        "child = os.fork()\n"
        "asyncio.run(add(2 if child else 3))\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)
    with sqlite3.connect(path) as connection:
        assert sorted(connection.execute("SELECT n FROM t").fetchall()) == [(1,), (2,), (3,)]
    connection.close()


FORKING = """
import asyncio, os, sqlite3, sys
from hanzo_agents.stores import SQLiteStore
store = SQLiteStore(sys.argv[1])
def add(n):
    def work(c): c.execute('CREATE TABLE IF NOT EXISTS t (n)'); c.execute('INSERT INTO t VALUES (?)', (n,))
    return work
async def done(work): await store.submit(work, what='add')
"""


def written_by(program, path):
    """What a process and its children have written, when all of them are gone."""
    found = subprocess.run(
        [sys.executable, "-c", FORKING + program, str(path)],
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT n FROM t ORDER BY n").fetchall()
    connection.close()
    return [row[0] for row in rows]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_fork_in_the_middle_of_a_transaction_locks_nobody_out(path):
    program = """
import threading, time
begun = threading.Event()
def slow(c): add(-1)(c); begun.set(); time.sleep(0.3)
asyncio.run(done(add(0)))
for n in range(3):
    begun.clear()
    store.submit(slow, what='slow')
    begun.wait(10)
    if not (child := os.fork()):
        asyncio.run(done(add(n + 1)))
        os._exit(0)
    asyncio.run(done(add(n + 11)))
    assert os.waitpid(child, 0)[1] == 0
"""
    assert written_by(program, path) == [-1, -1, -1, 0, 1, 2, 3, 11, 12, 13]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_what_a_child_writes_outlives_its_parents_store(path):
    program = """
asyncio.run(done(add(0)))
read, write = os.pipe()
if not (child := os.fork()):
    asyncio.run(done(add(1)))
    os.read(read, 1)
    asyncio.run(done(add(2)))
    store.close()
    os._exit(0)
asyncio.run(done(add(3)))
store.close()
os.write(write, b'1')
assert os.waitpid(child, 0)[1] == 0
"""
    assert written_by(program, path) == [0, 1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_fork_on_the_stores_own_thread_does_not_wait_for_itself(path):
    program = """
def forks(c):
    add(0)(c)
    if not (child := os.fork()): os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
asyncio.run(done(forks))
asyncio.run(done(add(1)))
"""
    assert written_by(program, path) == [0, 1]


@pytest.mark.parametrize("junk", [None, 0, 1, "yes", []])
def test_durable_is_true_or_false(path, junk):
    with pytest.raises(ConfigError, match=r"SQLiteStore\.durable: expected True or False"):
        SQLiteStore(path, durable=junk)
