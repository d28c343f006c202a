"""The threads under the stores: a job may be put at any moment, also in the middle of putting another."""

import threading

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
        with store._lock:
            store.submit(lambda connection: None, what="test").future.result(10)

    submitting = threading.Thread(target=submit)
    submitting.start()
    submitting.join(20)
    assert not submitting.is_alive()
    store.close()
