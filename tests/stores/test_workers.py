"""The threads under the stores: a job may be put at any moment, also in the middle of putting another."""

import subprocess
import sys
import threading

import pytest

from hanzo_agents.stores import SQLiteStore
from hanzo_agents.stores.workers import Workers


def test_a_job_may_be_put_while_this_thread_puts_one(monkeypatch):
    """As when the garbage collector ends a call just then. One thread stays one thread."""
    workers, done = Workers("test", most=1), []
    start = threading.Thread.start

    def interrupted(thread):
        workers.put(lambda: done.append("inner"))
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    putting = threading.Thread(target=lambda: workers.put(lambda: done.append("outer")))
    start(putting)
    putting.join(10)
    assert not putting.is_alive()
    workers.finish(10)
    assert sorted(done) == ["inner", "outer"]
    assert len(workers._threads) == 1


def test_work_may_be_submitted_while_this_thread_submits_some(tmp_path):
    store = SQLiteStore(tmp_path / "state.db")

    def submit():
        with store._turns:
            submitted = store.submit(lambda connection: "done", what="test")
        done.append(submitted.future.result(10))

    done = []
    submitting = threading.Thread(target=submit)
    submitting.start()
    submitting.join(20)
    assert not submitting.is_alive()
    assert done == ["done"]
    store.close()


def test_threads_are_started_as_they_are_needed_and_used_again():
    workers, go = Workers("test", most=3), threading.Event()
    for _ in range(5):
        done = threading.Event()
        workers.put(done.set)
        assert done.wait(10)
        while not workers._idle:  # the thread says so right after its job
            threading.Event().wait(0.001)
    assert len(workers._threads) == 1
    waiting = [threading.Event() for _ in range(5)]
    for one in waiting:
        workers.put(lambda one=one: (one.set(), go.wait(10)))
    assert all(one.wait(10) for one in waiting[:3])
    assert not waiting[3].is_set()
    assert len(workers._threads) == 3
    go.set()
    assert all(one.wait(10) for one in waiting)
    workers.finish(10)


def test_a_thread_that_cannot_start_may_be_tried_again(monkeypatch):
    workers, done = Workers("test", most=1), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="ends"):
            workers.put(done.set)
    workers.put(done.set)
    assert done.wait(10)
    workers.finish(10)


def refuse(thread):
    raise RuntimeError("the interpreter ends")


def test_a_job_that_the_interpreter_puts_as_it_ends_is_refused():
    """Before 3.12 Python would wait for ever for the thread to start."""
    code = """
import os
from hanzo_agents.stores.workers import Workers

class Last:
    def __del__(self, put=Workers("test").put, say=os.write):
        try:
            put(print)
        except RuntimeError:
            say(1, b"refused")

last = Last()
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "refused", "")
