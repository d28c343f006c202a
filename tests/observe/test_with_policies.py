"""The figures of calls that policies bend: a cache answers, a hedge wins, a budget or a breaker refuses."""

import asyncio
import logging

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from scraped import scrape
from upstream import Upstream, completion, sse, status, text_chunks, value

from hanzo_agents import (
    Breaker,
    Budget,
    Cache,
    Hedge,
    Log,
    Metrics,
    OpenTelemetry,
    Price,
    RateLimit,
    Retry,
    Stack,
    Trace,
    watch,
)
from hanzo_agents.errors import BudgetExceeded, CircuitOpen
from hanzo_agents.stores import MemoryStore
from hanzo_agents.testing.clock import FakeClock

both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
ASKED = [{"role": "user", "content": "a question"}]
PRICES = {name: Price(input=1000, output=10_000) for name in ("m", "b", "m-2024")}


@pytest.fixture
def metrics():
    metrics = Metrics(CollectorRegistry())
    with metrics, watch(metrics):
        yield metrics


async def ask(client, *, stream=False, **more):
    answer = await client.chat.completions.create(messages=ASKED, stream=stream, **more)
    if stream:
        async for _ in answer:
            pass


@both
async def test_a_cache_of_ours_answers_the_second_time(metrics, stream, caplog):
    caplog.set_level(logging.DEBUG, "hanzo_agents")
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    good = sse(*text_chunks("x")) if stream else value(completion(), x_litellm_response_cost="0.25")
    upstream = Upstream(good)
    client = upstream.client(policies=[Cache()])
    with watch(Log()), watch(OpenTelemetry(tracers)):
        await ask(client, stream=stream)
        await ask(client, stream=stream)
    page = scrape(metrics)
    assert upstream.hits == page("hanzo_attempts_total") == 1
    assert page("hanzo_requests_total", outcome="ok") == page("hanzo_requests_total", outcome="cached") == 1
    assert page("hanzo_cache_hits_total", cache="local") == page("hanzo_cache_hits_total") == 1
    assert page("hanzo_time_to_first_token_seconds_count") == 1
    assert page("hanzo_tokens_total", kind="input") == 3
    if not stream:
        assert page("hanzo_cost_dollars_total") == page("hanzo_cache_saved_dollars_total") == 0.25
    assert [line for line in caplog.messages if "cached" in line][-1].startswith("chat m: cached after")
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["chat m", "hanzo.call", "hanzo.call"]
    assert spans[2].attributes["hanzo.outcome"] == "cached"
    assert [event.attributes["hanzo.action"] for event in spans[2].events] == ["hit"]


async def test_many_who_ask_the_same_at_once(metrics):
    async def slow(_):
        await asyncio.sleep(0)
        return value(completion())

    upstream = Upstream(slow)
    client = upstream.client(policies=[Cache()])
    await asyncio.gather(*(ask(client) for _ in range(10)))
    page = scrape(metrics)
    assert upstream.hits == page("hanzo_attempts_total") == page("hanzo_requests_total", outcome="ok") == 1
    assert page("hanzo_requests_total", outcome="cached") == page("hanzo_cache_hits_total", cache="local") == 9


async def test_a_hedge_that_wins(metrics):
    async def hang(_):
        await asyncio.Event().wait()

    def reply(request):
        return hang(request) if b'"m"' in request.content else value(completion())

    budget = Budget(per_call=5, prices=PRICES, store=MemoryStore())
    client = Upstream(reply).client(policies=[Hedge(after=1.0, to=["b"], max_extra_spend=1.0), budget])
    with FakeClock() as clock:
        task = asyncio.create_task(ask(client, max_tokens=100))
        for _ in range(20):
            await asyncio.sleep(0)
        clock.advance(1.5)
        await task
    page = scrape(metrics)
    assert page("hanzo_requests_total", outcome="ok") == page("hanzo_requests_total") == 1
    assert page("hanzo_attempts_total", target="m", outcome="cancelled") == 1
    assert page("hanzo_attempts_total", target="b", outcome="ok") == 1
    assert page("hanzo_cost_dollars_total", target="b") == pytest.approx(0.003 + 0.02)
    assert page("hanzo_cost_dollars_total", target="m", basis="estimated") > 0, "the loser may be billed"
    assert page("hanzo_unpriced_attempts_total") == 0
    assert page("hanzo_decisions_total", policy="Hedge", action="takes the second") == 1


@both
async def test_a_budget_that_is_spent(metrics, stream, caplog):
    good = sse(*text_chunks("x")) if stream else completion()
    upstream = Upstream(good)
    client = upstream.client(policies=[Budget(daily="1.1", prices=PRICES, store=MemoryStore())])
    await ask(client, max_tokens=100, stream=stream)
    with watch(Log()), pytest.raises(BudgetExceeded):
        await ask(client, max_tokens=1000, stream=stream)
    page = scrape(metrics)
    assert upstream.hits == page("hanzo_attempts_total", outcome="ok") == 1
    assert (
        page("hanzo_requests_total", outcome="refused") == page("hanzo_errors_total", error="BudgetExceeded") == 1
    )
    assert page("hanzo_cost_dollars_total", basis="estimated") == pytest.approx(0.003 + 0.02)
    assert any(line.startswith("Budget refuses: ") for line in caplog.messages)
    assert any(line.startswith("chat m: refused (BudgetExceeded)") for line in caplog.messages)


async def test_a_breaker_that_is_open(metrics):
    upstream = Upstream(status(503))
    client = upstream.client(policies=[Breaker(failure_threshold=2), Retry(attempts=1)])
    for error in (openai.InternalServerError, openai.InternalServerError, CircuitOpen):
        with pytest.raises(error):
            await ask(client)
    page = scrape(metrics)
    assert upstream.hits == page("hanzo_attempts_total", outcome="error") == 2
    assert page("hanzo_requests_total", outcome="error") == 2
    assert page("hanzo_requests_total", outcome="refused") == page("hanzo_errors_total", error="CircuitOpen") == 1
    assert page("hanzo_decisions_total", policy="Breaker", action="refuses") == 1


async def test_the_whole_stack_counts_a_call_once(metrics):
    store = MemoryStore()
    policies = [
        Trace(to=[metrics]), Cache(store=store), Retry(), Hedge(to=["b"]), Budget(daily=9, prices=PRICES, store=store),
        Breaker(), RateLimit(requests_per_minute=100),
    ]  # fmt: skip
    client = Upstream().client(policies=Stack(*policies))
    await ask(client, max_tokens=10)
    page = scrape(metrics)
    assert page("hanzo_requests_total") == page("hanzo_attempts_total") == 1
