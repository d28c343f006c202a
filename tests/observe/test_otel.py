"""Spans and histograms as OpenTelemetry's own SDK hands them to an exporter."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from upstream import HANG, KEY, ROLE, Upstream, chunk, completion, sse, status, text_chunks, value

from hanzo_agents import (
    Attempt,
    ConfigError,
    Cost,
    Decision,
    Fallback,
    Journal,
    OpenTelemetry,
    Retry,
    Target,
    Trace,
    Usage,
    watch,
    wrap,
)

both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
ASKED = [{"role": "user", "content": "a secret question"}]


class Told:
    """An OpenTelemetry that keeps what it is told."""

    def __init__(self):
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self._reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.observer = OpenTelemetry(self.tracers, self.meters)

    @property
    def spans(self):
        return self._exporter.get_finished_spans()

    def of(self, name):
        return [span for span in self.spans if span.name == name]

    def points(self, name):
        """(attributes, count, sum) of a histogram."""
        data = self._reader.get_metrics_data()
        return [
            (dict(point.attributes), point.count, point.sum)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def told():
    told = Told()
    yield told
    told.tracers.shutdown()
    told.meters.shutdown()


async def ask(upstream, told, *policies, stream=False):
    client = upstream.client(policies=[Trace(to=[told.observer]), *policies])
    answer = await client.chat.completions.create(messages=ASKED, stream=stream)
    if stream:
        async for _ in answer:
            pass


@both
async def test_a_call_is_a_span_and_its_requests_are_spans_beneath(told, stream):
    good = (
        sse(*text_chunks("a secret answer"))
        if stream
        else value(completion("a secret answer"), x_litellm_response_cost="0.25")
    )
    await ask(Upstream(status(503), good), told, Retry(attempts=1), Fallback(to=["b"]), stream=stream)
    failed, answered, call = told.spans
    assert [span.name for span in told.spans] == ["chat m", "chat b", "hanzo.call"]
    assert failed.parent.span_id == answered.parent.span_id == call.context.span_id
    assert {span.kind.name for span in (failed, answered)} == {"CLIENT"}
    assert call.kind.name == "INTERNAL"
    assert (
        failed.attributes.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "hanzo",
            "gen_ai.request.model": "m",
            "server.address": "router.test",
            "error.type": "InternalServerError",
            "http.response.status_code": 503,
            "hanzo.outcome": "error",
        }.items()
    )
    assert "gen_ai.response.model" not in failed.attributes
    assert "gen_ai.usage.input_tokens" not in failed.attributes
    assert (
        answered.attributes.items()
        >= {
            "gen_ai.request.model": "b",
            "gen_ai.response.model": "b" if stream else "m-2024",
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 2,
            "hanzo.usage.basis": "reported",
            "hanzo.attempt": 1,
        }.items()
    )
    assert answered.attributes["gen_ai.response.time_to_first_chunk"] >= 0
    if not stream:
        assert answered.attributes["hanzo.cost.usd"] == 0.25
    assert [span.status.status_code.name for span in told.spans] == ["ERROR", "UNSET", "UNSET"]
    assert call.attributes.items() >= {"hanzo.target": "m", "hanzo.outcome": "ok", "hanzo.attempts": 2}.items()
    assert [event.attributes["hanzo.action"] for event in call.events] == ["gives up", "moves on"]


async def test_beneath_the_callers_span(told):
    with told.tracers.get_tracer("mine").start_as_current_span("mine") as mine:
        await ask(Upstream(), told)
        assert trace.get_current_span() is mine
    assert told.of("hanzo.call")[0].parent.span_id == mine.get_span_context().span_id


@both
async def test_no_prompt_no_answer_and_no_key(told, stream):
    echo = status(400, {"error": {"message": f"a secret question with {KEY}", "code": "x"}})
    with pytest.raises(Exception, match="400"):
        await ask(Upstream(echo), told, Fallback(to=["b"]), stream=stream)
    good = sse(*text_chunks("a secret answer")) if stream else completion("a secret answer")
    await ask(Upstream(status(503), good), told, Retry(base_delay=0), stream=stream)
    everything = "".join(span.to_json() for span in told.spans) + repr(told.points("gen_ai.client.token.usage"))
    assert len(told.spans) == 5
    assert "secret" not in everything
    assert KEY not in everything


async def test_streams_that_do_not_end_well(told):
    with pytest.raises(Exception, match="ended"):
        await ask(Upstream(sse(ROLE, chunk({"content": "a"}), done=False)), told, stream=True)
    request, call = told.spans
    assert request.attributes["error.type"] == call.attributes["error.type"] == "StreamTruncated"
    assert (call.attributes["hanzo.outcome"], call.status.status_code.name) == ("broken", "ERROR")
    assert call.status.description is None


async def test_a_cancelled_call_is_no_error(told):
    task = asyncio.create_task(ask(Upstream(sse(ROLE, chunk({"content": "a"}), HANG)), told, stream=True))
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    request, call = told.spans
    assert request.attributes["hanzo.outcome"] == call.attributes["hanzo.outcome"] == "cancelled"
    assert "error.type" not in call.attributes
    assert call.status.status_code.name == "UNSET"


async def test_histograms(told):
    await ask(Upstream(status(503), completion()), told, Retry(base_delay=0))
    where = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "hanzo",
        "gen_ai.request.model": "m",
        "server.address": "router.test",
    }
    model = {"gen_ai.response.model": "m-2024"}
    tokens = told.points("gen_ai.client.token.usage")
    assert tokens == [
        ({**where, **model, "gen_ai.token.type": "input"}, 1, 3),
        ({**where, **model, "gen_ai.token.type": "output"}, 1, 2),
    ]
    durations = told.points("gen_ai.client.operation.duration")
    assert [(attributes, count) for attributes, count, _ in durations] == [
        ({**where, "error.type": "InternalServerError"}, 1),
        ({**where, **model}, 1),
    ]


def test_histograms_tell_few_models_apart(told):
    journal = Journal(0.0, "chat", observers=(told.observer,))
    for number in range(300):
        attempt = Attempt(1, "m", 0.0, model="m")
        journal.begin(attempt)
        attempt.model, attempt.accepted, attempt.ended = f"model-{number}", 0.5, 1.0
        journal.finish(attempt)
    assert len(told.points("gen_ai.client.operation.duration")) <= 101
    assert len({span.attributes["gen_ai.response.model"] for span in told.spans}) == 300


def test_all_that_is_known_of_a_request(told):
    journal = Journal(0.0, "responses", agent="Triage", run="run-1", observers=(told.observer,))
    attempt = Attempt(2, "gpt@api.openai.com", 0.0, model="gpt", server="api.openai.com:443")
    journal.begin(attempt)
    attempt.model, attempt.accepted, attempt.ended, attempt.status_code = "gpt-2", 0.25, 1.0, 200
    attempt.usage = Usage(100, 50, cached_tokens=60, reasoning_tokens=20, cache_write_tokens=10)
    attempt.cost, attempt.request_id = Cost(Decimal("0.1"), "estimated"), "req-7"
    journal.finish(attempt)
    (span,) = told.spans
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": "Triage",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-2",
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "http.response.status_code": 200,
        "server.address": "api.openai.com",
        "server.port": 443,
        "hanzo.target": "gpt@api.openai.com",
        "hanzo.attempt": 2,
        "hanzo.outcome": "ok",
        "hanzo.request_id": "req-7",
        "hanzo.usage.basis": "reported",
        "hanzo.cost.usd": 0.1,
        "hanzo.cost.basis": "estimated",
    }


async def test_the_routers_cache_hit_counts_no_tokens_again(told):
    await ask(Upstream(value(completion(), x_litellm_cache_key="k")), told)
    request, call = told.spans
    assert request.attributes["hanzo.cache_hit"] is True
    assert "gen_ai.usage.input_tokens" not in request.attributes
    assert call.attributes["hanzo.cost.usd"] == 0
    assert told.points("gen_ai.client.token.usage") == []


def test_names_that_cannot_be_encoded_and_data_that_is_none(told):
    journal = Journal(0.0, "chat", target="m", observers=(told.observer,))
    told.observer.call_started(journal)
    attempt = Attempt(1, "m", 0.0, model="half \ud800 a character", accepted=0.5, ended=1.0)
    journal.begin(attempt)
    journal.note(
        Decision(
            "Mine",
            "decides",
            "x",
            {"target": "b", "after": 0.5, "list": ["x", 1], "none": None, "saved": Decimal("0.5"), "odd": {}},
        )
    )
    journal.close(1.0)
    request, call = told.spans
    assert request.attributes["gen_ai.response.model"].encode()
    event = dict(call.events[0].attributes)
    data = {name.removeprefix("hanzo.data."): value for name, value in event.items() if "data" in name}
    assert data == {"target": "b", "after": 0.5, "list": "x, 1", "saved": 0.5}
    assert event.items() >= {"hanzo.policy": "Mine", "hanzo.action": "decides", "hanzo.reason": "x"}.items()


@both
async def test_agents_and_foreign_models(told, stream):
    second = ScriptedModel([[assistant_message("x")]])
    inner = Upstream(status(503)).provider(policies=[Retry(attempts=1)]).get_model("m")
    model = wrap(inner, Retry(attempts=1), Fallback(to=[Target(second, label="second")]))
    with watch(told.observer):
        if stream:
            async for _ in Runner.run_streamed(Agent(name="A", model=model), "x").stream_events():
                pass
        else:
            await Runner.run(Agent(name="A", model=model), "x")
    assert [span.name for span in told.spans] == ["chat m", "chat ScriptedModel", "hanzo.call"]
    assert told.spans[1].attributes["hanzo.target"] == "second"


async def test_a_run_of_two_calls_keeps_them_apart(told):
    upstream = Upstream()
    provider = upstream.provider(policies=[Trace(to=[told.observer])])
    runs = [Runner.run(Agent(name="A"), "x", run_config=RunConfig(model_provider=provider)) for _ in range(5)]
    await asyncio.gather(*runs)
    parents = [span.parent.span_id for span in told.of("chat m")]
    assert len(set(parents)) == 5
    assert sorted(parents) == sorted(span.context.span_id for span in told.of("hanzo.call"))


async def test_nothing_is_kept_of_calls_that_are_over(told):
    import gc

    await ask(Upstream(), told)
    gc.collect()
    assert len(told.observer._open) == 0


def test_without_the_extra_it_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'hanzo-agents-provider\[otel\]'"):
        OpenTelemetry()


def test_neither_is_imported_before_it_is_used():
    code = (
        "import sys, hanzo_agents\n"
        "from hanzo_agents import AsyncHanzo, Log, Metrics, OpenTelemetry, watch\n"
        "print([m for m in ('opentelemetry', 'prometheus_client', 'agents') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
