"""The figures on the page are those of the scripted runs, scraped from the real endpoint."""

import asyncio
import gc
import logging
import sys
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from decimal import Decimal

import openai
import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message
from calls import Inner, http_error, make_call
from prometheus_client import CollectorRegistry
from scraped import scrape
from upstream import HANG, KEY, ROLE, Upstream, chunk, completion, sse, status, text_chunks, value

from hanzo_agents import (
    Attempt,
    ConfigError,
    Cost,
    Deadline,
    Decision,
    Fallback,
    Journal,
    Reply,
    Retry,
    Settled,
    Stack,
    Target,
    Trace,
    Usage,
    watch,
    wrap,
)
from hanzo_agents.errors import BudgetExceeded, DeadlineExceeded
from hanzo_agents.observe import Metrics

both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
ASKED = [{"role": "user", "content": "a secret question"}]


@pytest.fixture
def metrics():
    with Metrics(CollectorRegistry()) as metrics:
        yield metrics


def client(upstream, metrics, *policies, **settings):
    return upstream.client(policies=[Trace(to=[metrics]), *policies], **settings)


async def ask(client, *, stream=False, **more):
    answer = await client.chat.completions.create(messages=ASKED, stream=stream, **more)
    if stream:
        async for _ in answer:
            pass
    return answer


def answer(stream, *, cost=None, usage=(3, 2), **headers):
    if stream:
        return sse(*text_chunks("a secret answer"), headers=headers)
    body = completion("a secret answer", usage=usage)
    return value(body, **({"x_litellm_response_cost": cost} if cost else {}), **headers)


@both
async def test_a_call_that_went_well(metrics, stream):
    await ask(client(Upstream(answer(stream, cost="0.25")), metrics), stream=stream)
    page = scrape(metrics)
    assert page("hanzo_requests_total") == page("hanzo_attempts_total") == 1
    assert page("hanzo_requests_total", operation="chat", target="m", outcome="ok") == 1
    assert page("hanzo_attempts_total", operation="chat", target="m", outcome="ok", error="") == 1
    assert page("hanzo_tokens_total", target="m", kind="input", basis="reported") == 3
    assert page("hanzo_tokens_total", target="m", kind="output", basis="reported") == 2
    assert page("hanzo_request_duration_seconds_count", outcome="ok") == 1
    assert page("hanzo_time_to_first_token_seconds_count", target="m") == 1
    assert page("hanzo_errors_total") == 0
    if not stream:
        assert page("hanzo_cost_dollars_total", basis="reported") == 0.25
        assert page("hanzo_unpriced_attempts_total") == 0


@both
async def test_a_retry_is_one_call_of_two_attempts(metrics, stream):
    upstream = Upstream(status(503), answer(stream))
    await ask(client(upstream, metrics, Retry(base_delay=0)), stream=stream)
    page = scrape(metrics)
    assert page("hanzo_requests_total") == page("hanzo_requests_total", outcome="ok") == 1
    assert page("hanzo_attempts_total") == 2
    assert page("hanzo_attempts_total", outcome="error", error="InternalServerError") == 1
    assert page("hanzo_decisions_total", policy="Retry", action="retries") == 1
    assert page("hanzo_errors_total") == 0
    assert page("hanzo_tokens_total", kind="input") == 3


@both
async def test_a_fallback_counts_each_target(metrics, stream):
    upstream = Upstream(status(503), answer(stream))
    await ask(client(upstream, metrics, Retry(attempts=1), Fallback(to=["b"])), stream=stream)
    page = scrape(metrics)
    assert page("hanzo_requests_total", target="m", outcome="ok") == page("hanzo_requests_total") == 1
    assert page("hanzo_attempts_total", target="m", outcome="error") == 1
    assert page("hanzo_attempts_total", target="b", outcome="ok") == 1
    assert page("hanzo_tokens_total", target="m", kind="input") == 0
    assert page("hanzo_tokens_total", target="b", kind="input") == 3


@both
async def test_a_chain_that_failed_is_one_error(metrics, stream):
    failing = client(Upstream(status(503)), metrics, Retry(attempts=1), Fallback(to=["b"]))
    with pytest.raises(Exception, match="all providers"):
        await ask(failing, stream=stream)
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="error") == page("hanzo_requests_total") == 1
    assert page("hanzo_errors_total", error="AllProvidersFailed") == page("hanzo_errors_total") == 1
    assert page("hanzo_attempts_total", outcome="error") == 2


async def test_a_stream_that_breaks_half_way(metrics):
    upstream = Upstream(sse(ROLE, chunk({"content": "a"}), done=False))
    with pytest.raises(Exception, match="ended"):
        await ask(client(upstream, metrics), stream=True)
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="broken") == page("hanzo_requests_total") == 1
    assert page("hanzo_attempts_total", outcome="broken", error="StreamTruncated") == 1
    assert page("hanzo_errors_total", error="StreamTruncated") == 1
    assert page("hanzo_tokens_total", kind="output", basis="estimated") > 0, "what was streamed is counted"


async def test_a_stream_that_is_left_early(metrics):
    stream = await client(Upstream(sse(ROLE, chunk({"content": "a"}), HANG)), metrics).chat.completions.create(
        messages=ASKED, stream=True
    )
    await stream.close()
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="closed") == page("hanzo_requests_total") == 1
    assert page("hanzo_attempts_total", outcome="ok") == 1
    assert page("hanzo_errors_total") == 0


async def test_a_stream_that_is_dropped_unread(metrics):
    stream = await client(Upstream(sse(*text_chunks("a"))), metrics).chat.completions.create(
        messages=ASKED, stream=True
    )
    del stream
    gc.collect()
    assert scrape(metrics)("hanzo_requests_total", outcome="closed") == 1


@both
async def test_a_call_that_is_cancelled(metrics, stream):
    hanging = asyncio.Event()

    async def hang(_):
        hanging.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(ask(client(Upstream(hang), metrics), stream=stream))
    await hanging.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="cancelled") == page("hanzo_requests_total") == 1
    assert page("hanzo_attempts_total", outcome="cancelled", error="CancelledError") == 1
    assert page("hanzo_errors_total") == 0
    assert page("hanzo_unpriced_attempts_total") == 1, "the upstream may bill it, and nobody knows how much"


async def test_a_stream_that_is_cancelled_while_it_is_read(metrics):
    task = asyncio.create_task(
        ask(client(Upstream(sse(ROLE, chunk({"content": "a"}), HANG)), metrics), stream=True)
    )
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="cancelled") == page("hanzo_requests_total") == 1
    assert page("hanzo_time_to_first_token_seconds_count") == 1


async def test_the_routers_cache_hit_costs_nothing_and_spends_no_tokens(metrics):
    hit = value(completion("x"), x_litellm_cache_key="k", x_litellm_response_cost="0.25")
    await ask(client(Upstream(hit), metrics))
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="ok") == 1
    assert page("hanzo_cache_hits_total", target="m", cache="router") == page("hanzo_cache_hits_total") == 1
    assert page("hanzo_cost_dollars_total") == page("hanzo_tokens_total") == 0


@pytest.mark.parametrize("complete", [True, False])
async def test_an_answer_without_an_upstream_is_a_hit_of_our_own_cache(metrics, complete):
    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    journal.close(0.5, complete=complete)
    page = scrape(metrics)
    assert page("hanzo_cache_hits_total", target="m", cache="local") == 1
    assert page("hanzo_requests_total", outcome="cached" if complete else "closed") == 1


def hedged(metrics):
    """Two attempts side by side: the second wins, the first is cancelled and may be billed."""
    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    slow, fast = Attempt(1, "m", 0.0), Attempt(1, "b", 1.0)
    journal.begin(slow)
    journal.begin(fast)
    fast.accepted = fast.ended = 1.5
    fast.usage, fast.cost = Usage(3, 2), Cost(Decimal("0.1"), "estimated")
    journal.finish(fast)
    journal.close(1.5)
    slow.error, slow.ended = asyncio.CancelledError(), 1.75
    slow.cost = Cost(Decimal("0.2"), "estimated")
    journal.finish(slow)


def hedged_and_booked_later(metrics):
    """The loser is cancelled, then its policy books what it may cost, then the call is over."""
    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    slow, fast = Attempt(1, "m", 0.0), Attempt(1, "b", 1.0)
    journal.begin(slow)
    journal.begin(fast)
    fast.accepted = fast.ended = 1.5
    fast.usage, fast.cost = Usage(3, 2), Cost(Decimal("0.1"), "estimated")
    journal.finish(fast)
    slow.error, slow.ended = asyncio.CancelledError(), 1.5
    journal.finish(slow)
    slow.usage, slow.cost = Usage(3, 256, "estimated"), Cost(Decimal("0.2"), "estimated")
    journal.close(1.5)


@pytest.mark.parametrize("hedged", [hedged, hedged_and_booked_later])
def test_the_loser_of_a_hedge_is_counted_and_paid_for(metrics, hedged):
    hedged(metrics)
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="ok") == page("hanzo_requests_total") == 1
    assert page("hanzo_attempts_total", target="m", outcome="cancelled") == 1
    assert page("hanzo_attempts_total", target="b", outcome="ok") == 1
    assert page("hanzo_cost_dollars_total", basis="estimated") == pytest.approx(0.3)
    assert page("hanzo_request_duration_seconds_sum") == 1.5
    assert page("hanzo_time_to_first_token_seconds_sum", target="b") == 0.5


def refusal():
    return BudgetExceeded("no", budget_type="daily", limit=Decimal(1), spent=Decimal(1), reserved=Decimal(0))


async def test_a_refusal_is_no_attempt(metrics):
    async def refuse(call, send):
        raise refusal()

    upstream = Upstream()
    with pytest.raises(BudgetExceeded):
        await ask(client(upstream, metrics, refuse))
    page = scrape(metrics)
    assert upstream.hits == page("hanzo_attempts_total") == 0
    assert page("hanzo_requests_total", outcome="refused") == page("hanzo_requests_total") == 1
    assert page("hanzo_errors_total", error="BudgetExceeded") == 1


async def test_a_refusal_right_before_the_send_is_an_attempt_that_was_not_sent(metrics):
    def guard(_):
        raise refusal()

    async def guarded(call, send):
        return await send(call.guard(guard))

    with pytest.raises(BudgetExceeded):
        await ask(client(Upstream(), metrics, guarded))
    page = scrape(metrics)
    assert page("hanzo_attempts_total", outcome="refused", error="BudgetExceeded") == 1
    assert page("hanzo_requests_total", outcome="refused") == 1
    assert page("hanzo_unpriced_attempts_total") == 0, "what was not sent costs nothing"


@pytest.mark.parametrize(("sent", "outcome"), [(True, "error"), (False, "refused")])
def test_a_deadline_is_a_refusal_only_when_nothing_was_sent(metrics, sent, outcome):
    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    if sent:
        journal.attempts.append(Attempt(1, "m", 0.0))
    journal.close(1.0, DeadlineExceeded("late"))
    assert scrape(metrics)("hanzo_requests_total", outcome=outcome) == 1


async def test_an_error_of_a_private_class_goes_by_the_name_one_can_catch(metrics):
    class _Inside(DeadlineExceeded):
        pass

    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    journal.close(1.0, _Inside("late"))
    assert scrape(metrics)("hanzo_errors_total", error="DeadlineExceeded") == 1


async def test_parts_of_the_tokens(metrics):
    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    attempt = Attempt(1, "m", 0.0, model="m-2", accepted=0.5, ended=1.0)
    attempt.usage = Usage(100, 50, cached_tokens=60, reasoning_tokens=20, cache_write_tokens=10)
    attempt.cost = Cost(Decimal("0.1"), "reported")
    journal.begin(attempt)
    journal.finish(attempt)
    journal.close(1.0)
    page = scrape(metrics)
    kinds = {labels["kind"]: page("hanzo_tokens_total", **labels) for labels in page.labels("hanzo_tokens_total")}
    assert kinds == {"input": 100, "output": 50, "cached": 60, "cache_write": 10, "reasoning": 20}
    assert {labels["model"] for labels in page.labels("hanzo_tokens_total")} == {"m-2"}


async def test_ten_dimes_are_a_dollar(metrics):
    dime = client(Upstream(answer(stream=False, cost="0.1")), metrics)
    for _ in range(10):
        await ask(dime)
    assert 'hanzo_cost_dollars_total{basis="reported",model="m-2024",target="m"} 1.0\n' in scrape(metrics).text


@both
async def test_agents_and_foreign_models_count_once(metrics, stream):
    """A model of ours within a wrapper, a stranger behind it, and one observer for all."""
    inner = Upstream(status(503)).provider(policies=[Retry(attempts=1), Trace(to=[metrics])]).get_model("m")
    second = ScriptedModel([[assistant_message("x")]])
    model = wrap(inner, Retry(attempts=1), Fallback(to=[Target(second, label="second")]))
    with watch(metrics):
        agent = Agent(name="A", model=model)
        if stream:
            async for _ in Runner.run_streamed(agent, "a secret question").stream_events():
                pass
        else:
            await Runner.run(agent, "a secret question")
    page = scrape(metrics)
    assert page("hanzo_requests_total") == page("hanzo_requests_total", operation="model", outcome="ok") == 1
    assert page("hanzo_attempts_total") == 2
    assert page("hanzo_attempts_total", target="second", outcome="ok") == 1


async def test_who_watches_the_process_hears_of_every_client_once(metrics):
    upstream = Upstream()
    with watch(metrics) as watching, watch(metrics):
        assert repr(watching) == "Watching(Metrics)"
        await ask(upstream.client())
        await ask(upstream.client(policies=[Trace(to=[metrics])]))
        await ask(upstream.client(policies=Stack(Trace())))
        await ask(upstream.client(policies=[]))
        await Runner.run(Agent(name="A"), "x", run_config=RunConfig(model_provider=upstream.provider()))
    await ask(upstream.client())
    assert upstream.hits == 6
    assert scrape(metrics)("hanzo_requests_total") == 4, "not those without a Trace, nor after the end"


def test_many_names_are_few_labels(metrics):
    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    for number in range(1000):
        attempt = Attempt(1, "m", 0.0, model=f"model-{number}", accepted=0.5, ended=1.0, usage=Usage(1, 1))
        journal.begin(attempt)
        journal.finish(attempt)
        journal.finish(Attempt(1, f"target-{number}", 0.0, error=http_error(500)))
        journal.note(Decision("Mine", f"action {number}", "because"))
        Journal(0.0, f"/files/{number}", target=f"target-{number}", observers=(metrics,)).close(1.0)
    journal.close(1.0)
    page = scrape(metrics)
    assert len({labels["model"] for labels in page.labels("hanzo_tokens_total")}) == 101  # and "other"
    assert page("hanzo_tokens_total", kind="input", model="other") == 900
    assert page("hanzo_tokens_total", kind="input") == 1000
    assert len({labels["target"] for labels in page.labels("hanzo_attempts_total")}) <= 101
    assert {labels["operation"] for labels in page.labels("hanzo_requests_total")} == {"other", "chat"}
    assert page("hanzo_requests_total") == page("hanzo_decisions_total") + 1 == 1001
    assert len(page) < 5000


def test_how_many_names_is_ones_own_choice():
    metrics = Metrics(CollectorRegistry(), max_names=2)
    for name in "abcd":
        Journal(0.0, "chat", target=name, observers=(metrics,)).close(1.0)
    assert {labels["target"] for labels in scrape(metrics).labels("hanzo_requests_total")} == {"a", "b", "other"}


@pytest.mark.parametrize(
    "name", ['a"b\\', "a\nb", "half \ud800 a character", "x" * 10_000, "\x00\u2028", "モデル", 7, None]
)
def test_a_name_of_an_upstream_cannot_break_the_page(metrics, name):
    attempt = Attempt(1, "m", 0.0, model=name, accepted=0.5, ended=1.0, usage=Usage(1, 1))
    journal = Journal(0.0, "chat", target="m", observers=(metrics,))
    journal.begin(attempt)
    journal.finish(attempt)
    journal.close(1.0)
    page = scrape(metrics)
    (label,) = {labels["model"] for labels in page.labels("hanzo_tokens_total")}
    assert len(label) <= 120
    assert label.isprintable()


async def test_no_prompt_no_answer_and_no_key_is_on_the_page(metrics):
    echo = status(400, {"error": {"message": f"a secret question with {KEY}", "code": "x"}})
    with pytest.raises(openai.BadRequestError):
        await ask(client(Upstream(echo), metrics))
    await ask(client(Upstream(answer(stream=False)), metrics))
    page = scrape(metrics)
    assert page("hanzo_requests_total") == 2
    assert "secret" not in page.text
    assert KEY not in page.text


def test_many_threads_lose_no_count(metrics):
    def work():
        for _ in range(500):
            Journal(0.0, "chat", target="m", observers=(metrics,)).close(1.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    pages = [scrape(metrics)("hanzo_requests_total") for _ in range(3)]
    for thread in threads:
        thread.join()
    assert pages == sorted(pages)
    assert scrape(metrics)("hanzo_requests_total") == 4000


async def test_an_error_in_counting_harms_nobody(metrics, caplog):
    metrics._figures.counters.pop("hanzo_attempts")
    await ask(client(Upstream(), metrics))
    assert "an observer failed" in caplog.text
    assert scrape(metrics)("hanzo_requests_total", outcome="ok") == 1


def test_serving_ends_when_told(metrics):
    first, second = metrics.serve(0), metrics.serve(0)
    assert first.port != second.port
    assert repr(first) == f"MetricsServer('http://127.0.0.1:{first.port}/metrics')"
    first.close()
    first.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(first.url)
    metrics.close()
    metrics.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(second.url)
    assert not [thread for thread in threading.enumerate() if thread.name == "hanzo-metrics"]


def test_on_loopback_unless_told_otherwise(metrics):
    server = metrics.serve(0)
    assert server._http.server_address[0] == "127.0.0.1"
    with pytest.raises(OSError, match="in use"):
        metrics.serve(server.port)


def test_a_registry_takes_one_and_another_after_it_has_left():
    registry = CollectorRegistry()
    with Metrics(registry), pytest.raises(ConfigError, match=r"Metrics\.registry: it has metrics of these names"):
        Metrics(registry)
    Metrics(registry).close()


def test_by_default_the_registry_that_everybody_serves():
    import prometheus_client

    with Metrics() as metrics:
        Journal(0.0, "chat", target="m", observers=(metrics,)).close(1.0)
        assert b'hanzo_requests_total{operation="chat"' in prometheus_client.generate_latest()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_names": 0}, "max_names: expected an integer from 1 to 1,000,000,000, got 0"),
        ({"max_names": True}, "max_names: expected an integer from 1 to 1,000,000,000, got True"),
        ({"buckets": []}, "buckets: expected a list of rising numbers"),
        ({"buckets": [1, 1]}, "buckets: expected a list of rising numbers"),
        ({"buckets": [float("nan")]}, "buckets: .* got nan among them"),
        ({"buckets": ["1"]}, "buckets: .* got '1' among them"),
        ({"registry": 9090}, "registry: expected a CollectorRegistry or None, got int"),
    ],
)
def test_junk_is_refused_by_name(given, message):
    with pytest.raises(ConfigError, match=rf"Metrics\.{message}"):
        Metrics(**{"registry": CollectorRegistry(), **given})


@pytest.mark.parametrize("port", [-1, 65536, "9090", None, True])
def test_a_port_that_is_none(metrics, port):
    with pytest.raises(ConfigError, match=r"Metrics\.serve: port: expected an integer"):
        metrics.serve(port)


def test_many_processes_are_said_not_to_be_added_up(monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with caplog.at_level(logging.WARNING, "hanzo_agents"), Metrics(CollectorRegistry()):
        pass
    assert "each process counts, and serves, its own" in caplog.text


def test_without_the_extra_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "hanzo_agents.observe.exposition", None)
    with pytest.raises(ConfigError, match=r"pip install 'hanzo-agents-provider\[metrics\]'"):
        Metrics()


async def test_the_policy_alone(metrics):
    """Trace around any service: what it returns and raises passes."""
    call = make_call("m")
    reply = await Trace(to=[metrics])(call, Inner(Reply("x")))
    assert reply.value == "x"
    assert reply.settled == Settled()
    assert call.journal.target == "m"
    assert Trace(to=[metrics]).plan(call).reason == "to Metrics"
    with pytest.raises(ConfigError, match=r"watch: expected observers, object has no attempt_started"):
        watch(object())
    with pytest.raises(ConfigError, match="got the class Metrics: call it first"):
        watch(Metrics)
    assert Deadline.place > Trace.place
