"""Questions and answers, as a user of either client sees them."""

import asyncio
import dataclasses
import os
import pickle
import signal
import threading
import time
from decimal import Decimal

import pytest
from server import KEY, VectorcacheServer

from hanzo_agents import (
    Breaker,
    Budget,
    CircuitOpen,
    ConfigError,
    Fallback,
    MemoryStore,
    Price,
    Unaccountable,
    track,
)
from hanzo_agents.testing._http import Http, Pause, Send, json_http
from hanzo_agents.vectorcache import (
    AsyncVectorcacheClient,
    NotCacheable,
    ServiceFailed,
    VectorcacheClient,
    VectorcacheResponse,
    VectorcacheStats,
)

GOOD = {"cache_hit": True, "response": "a", "similarity_score": 1, "cost_saved": 0.1, "llm_provider": "cache"}
WHAT = "What is machine learning?"


def test_a_miss_asks_the_model_and_a_similar_question_is_a_hit(client, service):
    first = client.query(prompt=WHAT, model="gpt-4o")
    again = client.query(prompt="What is machine learning exactly?", model="gpt-4o")

    assert first == VectorcacheResponse(False, f"An answer to: {WHAT}", None, 0.0, "openai")
    assert again == VectorcacheResponse(True, first.response, again.similarity_score, 0.0035, "cache")
    assert 0.85 <= again.similarity_score < 1
    assert service.asked_models == ["gpt-4o"]


def test_what_is_sent_is_what_the_guide_sends(client, service):
    client.query(WHAT, "gpt-4o", 0.9, "support", include_debug=True)
    client.query(WHAT, "gpt-4o", context="")

    assert service.asked[0] == {
        "prompt": WHAT, "model": "gpt-4o", "similarity_threshold": 0.9, "include_debug": True, "context": "support",
    }  # fmt: skip
    assert service.asked[1] == {
        "prompt": WHAT, "model": "gpt-4o", "similarity_threshold": 0.85, "include_debug": False,
    }  # fmt: skip
    assert service.requests[0].headers["content-type"] == "application/json"
    assert service.requests[0].headers["user-agent"].startswith("hanzo-agents-provider/")


def test_debug_and_further_fields_are_kept(client, service):
    assert client.query(WHAT, "gpt-4o", include_debug=True).debug["cache_entry_count"] == 1
    service.then(json_http({**GOOD, "region": "eu", "debug": {"total_time_ms": 4}}))
    answer = client.query(WHAT, "gpt-4o")
    assert (answer.debug, answer.extra) == ({"total_time_ms": 4}, {"region": "eu"})


async def test_both_clients_answer_the_same(service, patient):
    with VectorcacheClient(KEY, service.url) as blocking:
        one = await asyncio.to_thread(blocking.query, WHAT, "gpt-4o")
    two = await patient.query(WHAT, "gpt-4o")
    assert (one.response, one.cache_hit, two.response, two.cache_hit) == (one.response, False, one.response, True)


def test_contexts_and_models_are_apart(client):
    assert not client.query(WHAT, "gpt-4o", context="a").cache_hit
    assert not client.query(WHAT, "gpt-4o", context="b").cache_hit
    assert not client.query(WHAT, "gpt-4o-mini", context="a").cache_hit
    assert client.query(WHAT, "gpt-4o", context="a").cache_hit


def test_the_dialect_of_the_javascript_sdk():
    with VectorcacheServer(shape="js") as service, VectorcacheClient(KEY, service.url, dialect="js") as client:
        miss, hit = (client.query(WHAT, "gpt-4o", context="c") for _ in range(2))

        assert service.asked[0] == {"query": WHAT, "model": "gpt-4o", "context": "c"}
        assert (miss.cache_hit, miss.llm_provider, miss.extra["estimated_cost"]) == (False, "unknown", 0.0007)
        assert (hit.cache_hit, hit.llm_provider, hit.cost_saved, hit.extra["query_id"]) == (
            True,
            "cache",
            0.0,
            "q-1",
        )
        with pytest.raises(ConfigError, match="similarity_threshold"):
            client.query(WHAT, "gpt-4o", 0.9)
        with pytest.raises(ConfigError, match="include_debug"):
            client.batch([WHAT], "gpt-4o", include_debug=True)
        assert service.hits == 2


@pytest.mark.parametrize("shape", ["rest", "js"])
@pytest.mark.parametrize("auth", ["bearer", "x-api-key"])
def test_either_authentication_with_either_dialect(shape, auth):
    with (
        VectorcacheServer(shape=shape, auth=auth) as service,
        VectorcacheClient(KEY, service.url, dialect=shape, auth=auth) as client,
    ):
        assert client.query(WHAT, "gpt-4o").response


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  \n"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": b"bytes"}, "prompt"),
        ({"prompt": "half a pair: \ud83d"}, "prompt"),
        ({"model": ""}, "model"),
        ({"model": 4}, "model"),
        ({"similarity_threshold": 1.01}, "similarity_threshold"),
        ({"similarity_threshold": -0.01}, "similarity_threshold"),
        ({"similarity_threshold": float("nan")}, "similarity_threshold"),
        ({"similarity_threshold": True}, "similarity_threshold"),
        ({"similarity_threshold": "0.9"}, "similarity_threshold"),
        ({"context": ["a"]}, "context"),
        ({"context": "   "}, "context"),
        ({"include_debug": 1}, "include_debug"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(client, service, arguments, field):
    with pytest.raises(ConfigError, match=f"^{field}: "):
        client.query(**{"prompt": WHAT, "model": "gpt-4o", **arguments})
    assert service.hits == 0
    assert client.stats.queries == 0


@pytest.mark.parametrize("threshold", [0, 1, 0.5])
def test_thresholds_at_their_ends(client, service, threshold):
    client.query(WHAT, "gpt-4o", threshold)
    assert service.asked[0]["similarity_threshold"] == threshold


def test_stats_are_those_of_the_guides_chatbot(client, service):
    assert str(client.stats) == "0 of 0 answers from the cache (0.0%), $0.0000 saved"
    for _ in range(4):
        client.query(WHAT, "gpt-4o")
    service.then(service.refuse(422, "no", "not_cacheable"))
    with pytest.raises(NotCacheable):
        client.query("What time is it?", "gpt-4o")

    assert client.stats == VectorcacheStats(4, 3, Decimal("0.0105"))
    assert client.stats.hit_rate == 0.75
    assert str(client.stats) == "3 of 4 answers from the cache (75.0%), $0.0105 saved"


def test_stats_of_many_threads_are_whole(client):
    client.query(WHAT, "gpt-4o")
    threads = [threading.Thread(target=lambda: [client.query(WHAT, "gpt-4o") for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.stats == VectorcacheStats(41, 40, Decimal("0.1400"))


def test_a_batch_keeps_order_answers_and_errors(client, service):
    service.uncacheable.add("What time is it?")
    client.query(WHAT, "gpt-4o")
    batch = client.batch([WHAT, "What time is it?", "How do tides work?", WHAT], "gpt-4o", context=None)

    assert [one if isinstance(one, Exception) else one.response for one in batch.results] == [
        f"An answer to: {WHAT}", batch.errors[1], "An answer to: How do tides work?", f"An answer to: {WHAT}",
    ]  # fmt: skip
    assert list(batch.errors) == [1]
    assert isinstance(batch.errors[1], NotCacheable)
    assert "request 1 of the batch" in batch.errors[1].__notes__
    with pytest.raises(NotCacheable):
        batch[1]
    assert batch.hit_rate == 2 / 3
    assert batch.stats.saved == Decimal("0.0070")
    assert client.stats.queries == 4


def test_an_empty_batch_has_no_hits(client, service):
    batch = client.batch([], "gpt-4o")
    assert (len(batch), batch.hit_rate, service.hits) == (0, 0.0, 0)


@pytest.mark.parametrize(
    ("prompts", "field"),
    [("one string", "prompts"), (None, "prompts"), ([WHAT, ""], r"prompts\[1\]"), ([WHAT, 5], r"prompts\[1\]")],
)
def test_a_batch_is_checked_whole_before_it_begins(client, service, prompts, field):
    with pytest.raises(ConfigError, match=f"^{field}: "):
        client.batch(prompts, "gpt-4o")
    with pytest.raises(ConfigError, match=r"^max_concurrent: "):
        client.batch([WHAT], "gpt-4o", max_concurrent=0)
    assert service.hits == 0


def test_a_batch_takes_a_generator_and_runs_it_here(client):
    threads = []

    def prompts():
        threads.append(threading.current_thread())
        yield WHAT

    assert client.batch(prompts(), "gpt-4o")[0].response
    assert threads == [threading.current_thread()]


def held(text):
    body = (
        b'{"cache_hit":false,"response":"%s","similarity_score":null,"cost_saved":0,"llm_provider":"openai"}'
        % text
    )
    return Http(headers=(("content-type", "application/json"),), body=(Pause(), Send(body)))


async def test_a_batch_has_no_more_under_way_than_it_may(service, patient):
    service.then(*(held(b"%d" % number) for number in range(7)))
    running = asyncio.create_task(patient.batch([f"question {n}" for n in range(7)], "m", max_concurrent=3))
    for come, waiting in ((3, 3), (6, 3), (7, 1)):
        await service.until(lambda come=come, waiting=waiting: (service.hits, service.paused) == (come, waiting))
        service.release()
    batch = await running
    assert sorted(one.response for one in batch) == sorted("0123456")
    assert len(batch) == 7


async def test_a_cancelled_batch_leaves_nothing_running(service, patient):
    service.then(*(held(b"x") for _ in range(4)))
    running = asyncio.create_task(patient.batch(["a", "b", "c", "d"], "m", max_concurrent=2))
    await service.until(lambda: service.paused == 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await service.until(lambda: service.open_connections == 0)
    assert service.hits == 2


async def test_a_question_that_is_cancelled_twice_closes_its_connection(service, patient):
    service.then(Http(body=(Send(b"{"), Pause()), framing="chunked"))
    asking = asyncio.create_task(patient.query("What is AI?", "gpt-4o"))
    await service.until(lambda: service.paused == 1)
    for _ in range(2):
        asking.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await asking
    await service.until(lambda: service.open_connections == 0)


def test_a_client_closes_twice_and_opens_again(service):
    with VectorcacheClient(KEY, service.url) as client:
        client.query(WHAT, "gpt-4o")
        assert service.open_connections == 1
    service.wait_for(lambda: service.open_connections == 0)
    client.close()
    client.close()
    assert client.query(WHAT, "gpt-4o").cache_hit
    client.close()


async def test_an_asynchronous_client_closes_twice(service):
    async with AsyncVectorcacheClient(KEY, service.url) as client:
        await client.query(WHAT, "gpt-4o")
    await client.close()
    await service.until(lambda: service.open_connections == 0)


def test_one_client_serves_many_event_loops(service):
    client = AsyncVectorcacheClient(KEY, service.url)
    answers = [asyncio.run(client.query(WHAT, "gpt-4o")) for _ in range(3)]
    assert [answer.cache_hit for answer in answers] == [False, True, True]


def test_connections_are_used_again(client, service):
    for _ in range(5):
        client.query(WHAT, "gpt-4o")
    assert service.connections == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_ctrl_c_cancels_the_question(client, service):
    service.then(held(b"never"))

    def interrupt():
        service.wait_for(lambda: service.paused == 1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        client.query(WHAT, "gpt-4o")
    service.wait_for(lambda: service.open_connections == 0)


def test_a_synchronous_call_on_the_loop_that_serves_it_is_refused(service, client):
    async def inside():
        return client.query(WHAT, "gpt-4o")

    from hanzo_agents._wire.sync.calls import run

    with pytest.raises(RuntimeError, match="for ever"):
        run(inside())


def test_policies_are_those_of_the_package(service):
    from hanzo_agents.testing.clock import FakeClock

    service.then(*(service.refuse(503, "down", "unavailable") for _ in range(2)))
    with (
        VectorcacheClient(
            KEY, service.url, policies=[Breaker(failure_threshold=2), Fallback(to=["gpt-4o-mini"])]
        ) as client,
        FakeClock(auto=True),
        track() as journals,
    ):
        assert client.query(WHAT, "gpt-4o").response
    assert [body["model"] for body in service.asked] == ["gpt-4o", "gpt-4o-mini", "gpt-4o-mini"]
    (journal,) = journals
    assert journal.operation == "chat"
    assert [attempt.status_code for attempt in journal.attempts] == [503, 503, 200]
    assert journal.attempts[0].server == service.url.removeprefix("http://")


def test_no_policies_is_one_request(service):
    service.then(service.refuse(503, "down", "unavailable"))
    with VectorcacheClient(KEY, service.url, policies=[]) as client, pytest.raises(ServiceFailed):
        client.query(WHAT, "gpt-4o")
    assert service.hits == 1


def test_a_breaker_opens_on_what_is_down(service):
    service.then(*(service.refuse(500, "down", "internal") for _ in range(2)))
    with VectorcacheClient(KEY, service.url, policies=[Breaker(failure_threshold=2)]) as client:
        with pytest.raises((ServiceFailed, CircuitOpen)):
            client.query(WHAT, "gpt-4o")
        with pytest.raises(CircuitOpen):
            client.query(WHAT, "gpt-4o")


def test_a_budget_books_misses_and_not_hits(service):
    budget = Budget(daily=1, prices={"zen-1": Price(input=1, output=2)}, store=MemoryStore())
    with VectorcacheClient(KEY, service.url, policies=[budget]) as client, track() as journals:
        client.query(WHAT, "zen-1")
        client.query(WHAT, "zen-1")
        client.query("How do tides work?", "gpt-4o")  # its price is on the public list
        with pytest.raises(Unaccountable):
            client.query(WHAT, "a-model-without-a-price")
    miss, hit = journals[0], journals[1]
    assert (miss.cost.basis, miss.cost.amount > 0, miss.attempts[0].cache_hit) == ("estimated", True, False)
    assert (hit.cost.basis, hit.cost.amount, hit.attempts[0].cache_hit) == ("reported", 0, True)
    assert (journals[2].cost.basis, journals[2].cost.amount > 0) == ("estimated", True)
    assert (miss.attempts[0].provider, hit.attempts[0].provider) == ("openai", "vectorcache")


def test_what_a_miss_cost_is_unknown_when_nobody_says(client):
    with track() as journals:
        client.query(WHAT, "zen-1")
    assert journals[0].cost.basis == "unknown"


def test_targets_elsewhere_are_refused(service):
    from hanzo_agents import Target

    away = Fallback(to=[Target("gpt-4o", base_url="https://elsewhere.test/v1", api_key="sk-elsewhere")])
    with pytest.raises(ConfigError, match=r"^policies: gpt-4o@elsewhere\.test "):
        VectorcacheClient(KEY, service.url, policies=[away])


def test_an_answer_is_plain_data(client):
    answer = client.query(WHAT, "gpt-4o")
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert dataclasses.asdict(answer)["cache_hit"] is False


def test_a_client_does_not_pickle(client):
    for one in (client, client.asynchronous):
        with pytest.raises(TypeError, match="make one in each process"):
            pickle.dumps(one)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_starts_afresh(client, service):
    client.query(WHAT, "gpt-4o")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if client.query(WHAT, "gpt-4o").cache_hit else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 10
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert ended[1] == 0
