"""Eight processes and one Redis: what one finds out, all go by."""

import multiprocessing
import os
import sys
import time

import breaking_process
import pytest

from hanzo_agents import Breaker, RedisStore

PROCESSES = 8
PATIENCE = 30.0
HOME = "https://router.test/v1"


class Child:
    """A process that calls when it is told to."""

    def __init__(self, context, url):
        self.orders, theirs = context.Pipe()
        self.process = context.Process(target=breaking_process.run, args=(url, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def tell(self, how, count):
        self.orders.send((how, count))

    def answer(self):
        assert self.orders.poll(PATIENCE), "no answer"
        return self.orders.recv()

    @property
    def has_answered(self):
        return self.orders.poll(0)

    def end(self):
        self.process.kill()
        self.process.join()
        self.process.close()
        self.orders.close()


@pytest.fixture
def children(redis_url, monkeypatch):
    # From one process that has imported everything: eight imports are what takes long.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["breaking_process"])
    family = [Child(context, redis_url) for _ in range(PROCESSES)]
    yield family
    for child in family:
        child.end()


def eventually(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.fixture
def look(redis_url):
    store = RedisStore(redis_url, timeout=5)
    breaker = Breaker(store=store)
    yield lambda: breaker.look("m", at=HOME).future.result(5)
    store.close()


def test_eight_processes_go_by_one_circuit(children, shared_redis, look):
    with shared_redis.client() as client:

        def hits(how):
            return int(client.get(f"hits:{how}") or 0)

        # Some calls are sent while all is well, and will come back much later.
        children[0].tell("slow-old", 3)
        eventually(lambda: hits("slow-old") == 3, "the old calls are not sent")

        # One process finds the target failing; all others refuse at once.
        children[0].tell("failing", 5)
        assert children[0].answer() == {"how": "failing", "failed": 5}
        eventually(lambda: look().state != "closed", "it does not open")
        eventually(lambda: look().state == "half_open", "it is never half-open")

        # All of them call at once, and one probe is sent.
        for child in children:
            child.tell("slow-probe", 20)
        eventually(lambda: hits("slow-probe"), "nobody probes")
        refused = [None] * PROCESSES

        def collect():
            for number, child in enumerate(children):
                if refused[number] is None and child.has_answered:
                    refused[number] = child.answer()
            return sum(one is not None for one in refused) == PROCESSES - 1

        eventually(collect, "too many are waiting")
        assert hits("slow-probe") == 1
        assert [one for one in refused if one] == [{"how": "slow-probe", "refused": 20}] * (PROCESSES - 1)

        # What was sent before it opened comes back well, and closes nothing.
        client.rpush("released:slow-old", 1, 1, 1)
        old = children[0].answer()
        if old["how"] == "slow-probe":
            old = children[0].answer()
        assert old == {"how": "slow-old", "ok": 3}
        assert look().state == "half_open"

        # The process with the probe is killed; when the lease is over another probes.
        prober = refused.index(None)
        children[prober].process.kill()
        others = [child for number, child in enumerate(children) if number != prober]
        eventually(lambda: look().admits, "the dead process keeps the probe")
        others[0].tell("well", 1)
        assert others[0].answer() == {"how": "well", "ok": 1}
        eventually(lambda: look().state == "closed", "it does not close")
        for child in others:
            child.tell("well again", 10)
        assert [child.answer() for child in others] == [{"how": "well again", "ok": 10}] * len(others)


def test_open_means_no_request_by_any_process(children, shared_redis, redis_url):
    store = RedisStore(redis_url, timeout=5)
    Breaker(store=store).open("m", at=HOME).future.result(5)
    for child in children:
        child.tell("while held", 25)
    assert [child.answer() for child in children] == [{"how": "while held", "refused": 25}] * PROCESSES
    with shared_redis.client() as client:
        assert client.get("hits:while held") is None
    store.close()
