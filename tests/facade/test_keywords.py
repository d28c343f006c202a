"""The client's keywords: each checked before anything is sent, and doing what it says, sync and async alike."""

import asyncio
import inspect
import logging
import re
import time
import urllib.request
from decimal import Decimal

import openai
import pytest
from prometheus_client import REGISTRY
from upstream import HANG, HELLO, KEY, URL, Upstream, completion, sse, status, text_chunks

from hanzo_agents import (
    AsyncHanzo,
    Breaker,
    Budget,
    BudgetExceeded,
    Cache,
    CircuitOpen,
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Fallback,
    Hanzo,
    InvalidResponse,
    MemoryStore,
    Retry,
    SQLiteStore,
    Stack,
    Target,
    Trace,
    errors,
)
from hanzo_agents.facade import watching
from hanzo_agents.facade.keywords import KEYWORDS
from hanzo_agents.facade.resilience import RETRY_ON, OneOf
from hanzo_agents.observe.exposition import Page
from hanzo_agents.routing import RoutingStrategy
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter, Usage, answers


@pytest.fixture(autouse=True)
def _state(monkeypatch, tmp_path):
    monkeypatch.setenv("HANZO_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(watching, "_shared", watching._Shared())
    # Who checks imports in the same process configures logging anew, and that switches off the loggers there are.
    monkeypatch.setattr(logging.getLogger("hanzo_agents"), "disabled", False)
    yield
    for page in {page for page in REGISTRY._collector_to_names if isinstance(page, Page)}:
        REGISTRY.unregister(page)


def sync(upstream=None, **settings):
    return Hanzo(URL, KEY, http_client=(upstream or Upstream()).http, **{"model": "gpt-4o", **settings})


def policy(client, kind):
    return next((one for one in client.stack if isinstance(one, kind)), None)


def ask(client, **more):
    return client.chat.completions.create(messages=[HELLO], **more)


def until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- what is wrong is said before anything is sent ----------------------------------------------------------------

WRONG = {
    "a flag": ({"enable_cache": "yes"}, r"^enable_cache: expected True or False, got 'yes'$"),
    "a backend": ({"enable_cache": True, "cache_backend": "file"}, r"^cache_backend: expected one of 'memory', 'disk', 'redis'"),
    "a ttl": ({"enable_cache": True, "cache_ttl": -1}, r"^cache_ttl: .*-1"),
    "a ttl without a cache": ({"cache_ttl": 60}, r"^cache_ttl: has no effect without enable_cache=True$"),
    "a backend without a cache": ({"enable_cache": False, "cache_backend": "disk"}, r"^cache_backend: has no effect"),
    "an address without redis": ({"enable_cache": True, "redis_url": "redis://x"}, r"^redis_url: has no effect without"),
    "no address of redis": (
        {"enable_cache": True, "cache_backend": "redis", "redis_url": "http://x"}, r"^redis_url: expected redis://",
    ),
    "semantic": ({"semantic_cache": True}, r"^semantic_cache: has no effect without enable_cache=True$"),
    "a threshold": ({"similarity_threshold": 1.5}, r"^similarity_threshold: expected a number from 0 to 1, got 1.5$"),
    "a threshold alone": ({"similarity_threshold": 0.9}, r"^similarity_threshold: has no effect without semantic_cache"),
    "no dollars": ({"daily_budget": "much"}, r"^daily_budget: .*'much'"),
    "less than none": ({"monthly_budget": -1}, r"^monthly_budget: "),
    "no dollars a request": ({"max_cost_per_request": True}, r"^max_cost_per_request: "),
    "alerts of nothing": ({"budget_alerts": {"webhook": "https://a.example"}}, r"^budget_alerts: they watch daily_budget"),
    "alerts alone": (
        {"max_cost_per_request": 1, "budget_alerts": {"webhook": "https://a.example"}}, r"^budget_alerts: they watch",
    ),
    "an unknown alert": ({"daily_budget": 1, "budget_alerts": {"mail": "x"}}, r"^budget_alerts: expected some of .*'mail'$"),
    "alerts in no dict": ({"daily_budget": 1, "budget_alerts": {...}}, r"^budget_alerts: expected a dict .*got set$"),
    "an alert in the clear": (
        {"daily_budget": 1, "budget_alerts": {"webhook": "http://a.example"}}, r"^budget_alerts\['webhook'\]: expected an https",
    ),
    "shares": (
        {"daily_budget": 1, "budget_alerts": {"webhook": "https://a.example", "thresholds": [0]}},
        r"^budget_alerts\['thresholds'\]: ",
    ),
    "a delay": ({"retry_delay": 0}, r"^retry_delay: expected seconds > 0, got 0$"),
    "a delay of no retry": ({"retry_delay": 1, "max_retries": 0}, r"^retry_delay: has no effect with max_retries=0$"),
    "a kind of failure": ({"retry_on": ["rate_limit", "bad_mood"]}, r"^retry_on: expected some of .*'bad_mood'$"),
    "a bare kind": ({"retry_on": "rate_limit"}, r"^retry_on: expected a list of names, got 'rate_limit'$"),
    "no kinds": ({"retry_on": []}, r"^retry_on: expected some kinds of failure"),
    "retries": ({"retry_on": ["timeout"], "max_retries": -1}, r"^max_retries: expected an integer from 0 to 1,000,000,000, got -1$"),
    "a breaker": ({"circuit_breaker": {"failure_threshold": 0}}, r"^circuit_breaker\['failure_threshold'\]: "),
    "a breaker's field": ({"circuit_breaker": {"threshold": 5}}, r"^circuit_breaker: expected some of failure_threshold"),
    "a breaker in no dict": ({"circuit_breaker": 5}, r"^circuit_breaker: expected a dict .*got int$"),
    "milliseconds": ({"max_latency_ms": 0}, r"^max_latency_ms: expected milliseconds > 0, got 0$"),
    "streaming": ({"prefer_streaming": 1}, r"^prefer_streaming: expected True or False, got 1$"),
    "models to warm": ({"warm_models": "gpt-4o"}, r"^warm_models: expected a list of names, got 'gpt-4o'$"),
    "a model to warm": ({"warm_models": ["gpt-4o", ""]}, r"^warm_models: expected names, got '' among them$"),
    "a logger": ({"logger": 5}, r"^logger: expected a logging.Logger or its name, got int$"),
    "no name of a logger": ({"logger": ""}, r"^logger: .*empty string$"),
    "a silent logger": (
        {"logger": "x", "log_requests": False, "log_responses": False, "log_routing_decisions": False},
        r"^logger: nothing is logged",
    ),
    "a port": ({"enable_metrics": True, "metrics_port": 70_000}, r"^metrics_port: expected an integer from 0 to 65535"),
    "a port alone": ({"metrics_port": 9090}, r"^metrics_port: has no effect without enable_metrics=True$"),
    "a mode": ({"inference_mode": "cloud"}, r"^inference_mode: expected one of local, hybrid, cloud_only, got 'cloud'$"),
    "a strategy": ({"routing_strategy": "cheap"}, r"^routing_strategy: expected one of .*'cost_optimized'.*got 'cheap'$"),
    "a class of strategy": ({"routing_strategy": RoutingStrategy}, r"^routing_strategy: .*call it first$"),
    "routing and not": ({"auto_route": False, "routing_strategy": "balanced"}, r"^routing_strategy: contradicts auto_route"),
    "cheap and good": (
        {"cost_optimize": True, "routing_strategy": "quality_focused"}, r"^cost_optimize: contradicts routing_strategy",
    ),
    "cheap and not": ({"auto_route": False, "cost_optimize": True}, r"^cost_optimize: contradicts auto_route=False"),
    "candidates of nothing": ({"models": ["a"]}, r"^models: has no effect without auto_route=True"),
    "quality of nothing": ({"min_quality_threshold": "good"}, r"^min_quality_threshold: has no effect without"),
    "a quality": ({"auto_route": True, "min_quality_threshold": "fair"}, r"^min_quality_threshold: expected .*'fair'$"),
    "a share of quality": ({"auto_route": True, "min_quality_threshold": 1.5}, r"^min_quality_threshold: .*1.5$"),
    "a model to choose": ({"auto_route": True, "model": "gpt-4o"}, r"^model: with routing, the model .* is chosen"),
    "two caches": ({"enable_cache": True, "policies": [Cache()]}, r"^enable_cache: policies already hold a Cache"),
    "two retries": ({"retry_on": ["timeout"], "policies": [Retry()]}, r"^retry_on and retry_delay: policies already"),
    "an exact stack": ({"enable_cache": True, "policies": Stack(Trace())}, r"^enable_cache: policies is an exact Stack"),
    "no policies": ({"daily_budget": 1, "policies": []}, r"^daily_budget: policies is \[\], which turns"),
    "policies": ({"daily_budget": 1, "policies": "x"}, r"^policies: expected a list of policies or a Stack, got str$"),
    "what there is not": ({"daily_buget": 1}, r"^daily_buget: not a setting of this client; is daily_budget meant\?$"),
    "what there is not, nor its like": ({"zzz": 1}, r"^zzz: not a setting of this client$"),
    "nor its like among the plain ones": ({"fallback": ["a"]}, r"^fallback: not .*; is fallbacks meant\?$"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "match"), WRONG.values(), ids=list(WRONG))
@pytest.mark.parametrize("kind", [Hanzo, AsyncHanzo])
def test_what_is_wrong_is_said_when_the_client_is_made(kind, given, match):
    with pytest.raises(ConfigError, match=match):
        kind(
            URL,
            KEY,
            **{**({} if given.get("auto_route") or given.get("routing_strategy") else {"model": "m"}), **given},
        )


def test_every_keyword_is_in_the_docs():
    from pathlib import Path

    text = "\n".join(page.read_text() for page in (Path(__file__).parents[2] / "docs").glob("*.md"))
    assert [name for name in sorted(KEYWORDS) if f"`{name}" not in text and f"{name}=" not in text] == []


def test_none_is_not_given():
    plain = sync()
    client = sync(**dict.fromkeys(KEYWORDS))
    assert repr(client) == repr(plain)
    assert client._inherited.beside is None


def test_a_plain_client_imports_none_of_it():
    import subprocess
    import sys

    code = (
        "import sys; from hanzo_agents import AsyncHanzo; AsyncHanzo('https://r.test/v1', 'k', model='m');"
        "found = [m for m in sys.modules if m.startswith(('hanzo_agents.policies.budget.policy', 'hanzo_agents.policies.cache.policy',"
        "'hanzo_agents.modes', 'hanzo_agents.routing', 'hanzo_agents.facade.composing', 'prometheus_client'))];"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_keys_stay_out_of_errors_and_frames():
    secret = "sk-very-secret"
    with pytest.raises(ConfigError) as wrong:
        AsyncHanzo(openai_api_key=secret, inference_mode="local")
    frame = wrong.tb
    while frame is not None:
        assert secret not in repr(frame.tb_frame.f_locals) or frame.tb_frame.f_code.co_filename == __file__
        frame = frame.tb_next
    assert secret not in str(wrong.value)


# --- budgets, breakers, retries, deadlines ------------------------------------------------------------------------


def test_budgets_are_the_budget():
    client = sync(daily_budget=10, monthly_budget="200", max_cost_per_request=0.1,
                  budget_alerts={"thresholds": [0.8], "callback": print})  # fmt: skip
    budget = policy(client, Budget)
    assert (budget.daily, budget.monthly, budget.per_call) == (Decimal(10), Decimal(200), Decimal("0.1"))
    assert budget.alerts.thresholds == (0.8,)
    assert policy(client, Deadline) is not None
    assert policy(client, Retry) is not None


def test_a_budget_refuses():
    said = completion()
    said["usage"] = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
    client = sync(Upstream(said), daily_budget=2)
    ask(client)  # gpt-4o: $2.50 for a million tokens
    with pytest.raises(client.errors.BudgetExceeded) as refused:
        ask(client)
    assert (refused.value.budget_type, refused.value.limit) == ("daily", Decimal(2))


def test_retries_are_the_retry():
    retry = policy(sync(max_retries=3, retry_delay=1.5, retry_on=["rate_limit", "timeout"]), Retry)
    assert (retry.attempts, retry.base_delay, retry.on) == (4, 1.5, OneOf(("rate_limit", "timeout")))
    assert policy(sync(retry_delay=20), Retry).max_delay == 20
    assert policy(sync(retry_on=["timeout"]), Retry).attempts == 3


def _status(code):
    import httpx2

    response = httpx2.Response(code, request=httpx2.Request("POST", URL))
    return openai.APIStatusError("x", response=response, body=None)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("rate_limit", _status(429)),
        ("timeout", openai.APITimeoutError(request=None)),
        ("timeout", TimeoutError()),
        ("timeout", _status(504)),
        ("server_error", _status(500)),
        ("server_error", _status(503)),
        ("connection", openai.APIConnectionError(request=None)),
        ("conflict", _status(409)),
        ("invalid_response", InvalidResponse("x")),
    ],
)
def test_names_of_failures(kind, error):
    assert OneOf((kind,))(error)
    assert OneOf(tuple(RETRY_ON))(error)
    others = {name for name in RETRY_ON if name != kind and OneOf((name,))(error)}
    assert others <= {"server_error"}


def test_what_is_never_worth_a_retry():
    assert not OneOf(tuple(RETRY_ON))(_status(400))
    assert not OneOf(tuple(RETRY_ON))(ConfigError("x"))


def test_only_the_named_failures_are_tried_again():
    upstream = Upstream(status(503))
    with pytest.raises(openai.InternalServerError):
        ask(sync(upstream, retry_on=["rate_limit"]))
    assert upstream.hits == 1


def test_a_circuit_opens():
    upstream = Upstream(status(500))
    client = sync(
        upstream, circuit_breaker={"failure_threshold": 2, "timeout": 60, "half_open_requests": 1}, max_retries=0
    )
    assert policy(client, Breaker).failure_threshold == 2
    assert policy(sync(circuit_breaker=True), Breaker).failure_threshold == 5
    assert policy(sync(circuit_breaker=False), Breaker) is None
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            ask(client)
    with pytest.raises(CircuitOpen):
        ask(client)
    assert upstream.hits == 2


async def test_max_latency_is_time_to_the_first_useful_event():
    client = AsyncHanzo(URL, KEY, model="m", http_client=Upstream(sse(HANG)).http, max_latency_ms=500)
    assert policy(client, Deadline).first_event == 0.5
    with FakeClock() as clock:
        calling = asyncio.ensure_future(client.chat.completions.create(messages=[HELLO], stream=True))
        await clock.run_for(0.6)
        with pytest.raises(DeadlineExceeded, match=r"0\.5 s"):
            await calling


# --- caching ------------------------------------------------------------------------------------------------------


def test_a_cache_answers_and_can_be_changed():
    upstream = Upstream(completion())
    client = sync(upstream, enable_cache=True, cache_ttl=60)
    assert isinstance(policy(client, Cache).store, MemoryStore)
    assert [ask(client).from_cache for _ in range(2)] == [False, True]
    client.configure_cache(cache_ttl=86_400)
    assert policy(client, Cache).ttl == 86_400
    assert ask(client).from_cache  # the answers there are stay
    client.configure_cache(enable_cache=False)
    assert policy(client, Cache) is None
    assert not ask(client).from_cache
    client.configure_cache(cache_backend="disk")
    assert isinstance(policy(client, Cache).store, SQLiteStore)
    assert [one.__class__.__name__ for one in client.stack] == ["Trace", "Deadline", "Cache", "Retry"]
    assert [ask(client).from_cache for _ in range(2)] == [False, True]
    assert upstream.hits == 3


def test_a_cache_is_switched_on_later():
    client = sync(Upstream(completion()))
    client.configure_cache(cache_ttl=60)
    assert [ask(client).from_cache for _ in range(2)] == [False, True]
    assert client.asynchronous.stack is client.stack


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"similarity_threshold": 0.9}, "^similarity_threshold: has no effect without semantic_cache=True$"),
        ({"ttl": 5}, r"^configure_cache: expected some of .*, got 'ttl'$"),
        ({"enable_cache": None, "cache_ttl": -1}, r"^cache_ttl: .*-1"),
        ({"enable_cache": False, "cache_ttl": 5}, r"^cache_ttl: has no effect without enable_cache=True$"),
        ({"cache_ttl": 0}, "^cache_ttl: "),
    ],
)
def test_a_wrong_cache_changes_nothing(settings, match):
    client = sync(enable_cache=True)
    before = client.stack
    with pytest.raises(ConfigError, match=match):
        client.configure_cache(**settings)
    assert client.stack is before


def test_a_cache_of_the_users_own_is_theirs():
    with pytest.raises(ConfigError, match="configure that one"):
        sync(policies=[Cache()]).configure_cache(cache_ttl=5)


# --- streaming, warming, the default model ------------------------------------------------------------------------


def test_whole_answers_come_by_stream():
    upstream = Upstream(sse(*text_chunks("Hello")))
    client = sync(upstream, prefer_streaming=True)
    reply = ask(client)
    assert isinstance(reply, openai.types.chat.ChatCompletion)
    assert reply.choices[0].message.content == "Hello"
    assert reply.usage is not None
    assert reply.attempts
    assert reply.latency is not None
    assert upstream.bodies[-1]["stream"] is True


@pytest.mark.parametrize("kind", [Hanzo, AsyncHanzo])
def test_what_a_stream_makes_is_what_a_value_is(kind):
    def run(result):
        return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result

    with ScriptedRouter(lambda request: answers.tool_call("f", {"a": 1})) as router:
        made = [
            run(ask(kind(router.base_url, "k", model="m", prefer_streaming=prefer))) for prefer in (True, False)
        ]
    first, second = (reply.model_dump(exclude={"id", "created"}) for reply in made)
    for dumped in (first, second):
        message = dumped["choices"][0]["message"]
        message["tool_calls"][0].pop("id")
        message["content"] = message["content"] or None  # a stream begins with an empty text
    assert first["choices"] == second["choices"]
    assert first["usage"]["total_tokens"] == second["usage"]["total_tokens"]


async def _awaited(result):
    return await result


def test_who_says_what_they_want_gets_it():
    upstream = Upstream(completion())
    client = sync(upstream, prefer_streaming=True)
    ask(client, stream=False)
    assert upstream.bodies[-1].get("stream") is False
    raw = client.chat.completions.with_raw_response.create(messages=[HELLO])
    assert raw.http_response.json()["id"]


def test_models_are_warmed_in_the_background(caplog):
    caplog.set_level(logging.INFO, "hanzo_agents")

    def reply(request):
        return answers.json({"error": {"message": "no"}}, status=404) if request.model == "gone" else "Hi"

    with ScriptedRouter(reply) as router:
        Hanzo(router.base_url, "k", model="m", enable_cache=True, warm_models=["a", "gone", "a"], fallbacks=["b"])
        until(
            lambda: "warm_models: a is warm" in caplog.text and "gone was not warmed: NotFoundError" in caplog.text
        )
        asked = [request.json for request in router.requests if request.method == "POST"]
    assert sorted(body["model"] for body in asked) == ["a", "gone"]
    assert {body["max_tokens"] for body in asked} == {1}


def test_warming_is_no_call_of_anybodys(caplog):
    caplog.set_level(logging.INFO, "hanzo_agents")
    with ScriptedRouter(lambda _: "Hi") as router:
        client = Hanzo(router.base_url, "k", model="m", enable_analytics=True, warm_models=["a"])
        until(lambda: "warm_models: a is warm" in caplog.text)
        ask(client)
        assert client.analytics.get_summary().total_requests == 1


async def test_models_are_warmed_on_the_loop_that_runs():
    upstream = Upstream(completion())
    AsyncHanzo(URL, KEY, model="m", http_client=upstream.http, warm_models=["a"])
    assert upstream.hits == 0
    warming = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait_for(asyncio.gather(*warming), 10)
    assert upstream.hits


def test_the_default_model_can_be_set():
    upstream = Upstream(completion())
    client = sync(upstream)
    copied = client.with_options(timeout=5)
    client.set_default_model("llama-3-8b")
    ask(client)
    assert upstream.bodies[-1]["model"] == "llama-3-8b"
    assert (client.default_model, copied.default_model) == ("llama-3-8b", "gpt-4o")
    for wrong in ("", None, 5):
        with pytest.raises(ConfigError, match="model: expected a model's name"):
            client.set_default_model(wrong)


# --- watching -----------------------------------------------------------------------------------------------------


def test_analytics_add_up():
    said = [completion(), status(500), completion()]
    client = sync(Upstream(*said), enable_analytics=True, max_retries=0, enable_cache=True)
    ask(client)
    ask(client)
    with pytest.raises(openai.InternalServerError):
        ask(client, temperature=0, seed=1)
    summary = client.analytics.get_summary()
    assert (summary.total_requests, summary.failed_requests) == (3, 1)
    assert summary.cache_hit_rate == pytest.approx(1 / 3)
    assert summary.local_ratio == 0
    assert summary.avg_latency_ms > 0
    assert sum(one.requests for one in summary.by_model.values()) == 2
    assert summary.total_cost == sum(one.cost for one in summary.by_model.values())
    assert client.with_options(timeout=5).analytics is client.analytics
    with pytest.raises(ConfigError, match="enable_analytics=True"):
        _ = sync().analytics


def test_metrics_are_counted_and_served():
    client = sync(Upstream(completion()), enable_metrics=True, metrics_port=0)
    other = sync(Upstream(completion()), enable_metrics=True)
    assert other.metrics is client.metrics
    ask(client)
    ask(other)
    ask(sync(Upstream(completion())))  # not watched
    with urllib.request.urlopen(client.metrics_server.url) as page:
        assert re.search(r'hanzo_requests_total\{.*outcome="ok".*\} 2\.0', page.read().decode())
    with pytest.raises(
        ConfigError, match=rf"^metrics_port: cannot listen on 127\.0\.0\.1:{client.metrics_server.port}: "
    ):
        sync(enable_metrics=True, metrics_port=client.metrics_server.port)
    client.metrics.close()
    fresh = sync(Upstream(completion()), enable_metrics=True)
    assert fresh.metrics is not client.metrics
    fresh.metrics.close()
    with pytest.raises(ConfigError, match="enable_metrics=True"):
        _ = sync().metrics
    assert sync().metrics_server is None


def test_logging_switches(caplog):
    caplog.set_level(logging.INFO)
    ask(sync(Upstream(completion()), logger=logging.getLogger("mine"), log_requests=True, log_responses=False,
             log_routing_decisions=False), temperature=0.2, user="Jane Doe")  # fmt: skip
    mine = [record for record in caplog.records if record.name.startswith("mine")]
    assert [record.name for record in mine] == ["mine.requests"]
    assert mine[0].hanzo_temperature == 0.2
    assert "Jane" not in caplog.text
    assert HELLO["content"] not in mine[0].getMessage()
    caplog.clear()
    ask(sync(Upstream(completion()), log_responses=True))
    assert [r.name for r in caplog.records if r.name.startswith("hanzo")] == ["hanzo_agents.calls"]


def test_a_trace_of_the_users_own_keeps_its_observers():
    from hanzo_agents import Log

    log = Log()
    client = sync(policies=[Trace(to=[log])], enable_analytics=True)
    trace = policy(client, Trace)
    assert (list(trace.to), list(trace.also)) == ([log], [client.analytics])


# --- costs --------------------------------------------------------------------------------------------------------


def test_costs_are_estimated_as_a_budget_would():
    client = sync(Upstream(status(404)))
    estimate = client.estimate_cost(messages=[HELLO], model="gpt-4", max_tokens=1000)
    assert estimate.max_output_tokens == 1000
    assert estimate.cost == Decimal("30e-6") * estimate.input_tokens + Decimal("60e-6") * 1000
    assert client.estimate_cost(messages=[HELLO]).model == "gpt-4o"
    with pytest.raises(errors.Unaccountable, match="nobody knows what my-model costs"):
        client.estimate_cost(messages=[HELLO], model="my-model")
    for wrong in ({"max_tokens": 0}, {"model": 5}, {"messages": "Hello"}):
        with pytest.raises(ConfigError):
            client.estimate_cost(**{"messages": [HELLO], **wrong})


async def test_costs_are_estimated_without_a_thread_too():
    client = AsyncHanzo(URL, KEY, http_client=Upstream(status(404)).http)
    assert (await client.estimate_cost(messages=[HELLO], model="gpt-4")).cost > 0


# --- routing ------------------------------------------------------------------------------------------------------

MODELS = ("gpt-4o-mini", "gpt-4o", "claude-3-opus")


@pytest.fixture
def router():
    with ScriptedRouter(lambda request: "Hi", models=MODELS) as server:
        yield server


def test_a_call_without_a_model_is_routed(router):
    client = Hanzo(router.base_url, "k", auto_route=True, cost_optimize=True)
    reply = ask(client)
    assert reply.model == "gpt-4o-mini"
    assert "Route chose: gpt-4o-mini by cost_optimized" in reply.routing_reason
    assert ask(client, quality_threshold="excellent").model == "gpt-4o"
    assert ask(client, model="mine").model == "mine"
    assert not any({"quality_threshold", "options"} & body.keys() for body in bodies(router))
    assert "gpt-4o" in str(client.explain(messages=[HELLO], quality_threshold="excellent"))


def bodies(router):
    return [request.json for request in router.requests if request.method == "POST"]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({"routing_strategy": "quality_focused"}, "gpt-4o"),
        ({"auto_route": True, "preferred_models": ["claude-3-opus"]}, "claude-3-opus"),
        (
            {"auto_route": True, "preferred_models": ["claude-3-opus"], "allow_expensive_models": False},
            "gpt-4o-mini",
        ),
        ({"auto_route": True, "models": ["claude-3-opus"]}, "claude-3-opus"),
        ({"auto_route": True, "min_quality_threshold": "excellent", "max_cost_per_request": 1}, "gpt-4o"),
    ],
)
def test_routing_keywords(router, given, chosen):
    assert ask(Hanzo(router.base_url, "k", **given)).model == chosen


def test_named_candidates_need_no_list(router):
    ask(Hanzo(router.base_url, "k", auto_route=True, models=["gpt-4o"]))
    assert [request.path for request in router.requests if request.path.endswith("/models")] == []


def test_options_reach_the_strategy_and_nobody_else(router):
    class ByRole(RoutingStrategy):
        def select_model(self, messages, options):
            return options.get("role", "free")

    client = Hanzo(router.base_url, "k", routing_strategy=ByRole())
    assert ask(client, options={"role": "gpt-4o"}).model == "gpt-4o"
    assert ask(client).model == "free"
    assert ask(client, options=None).model == "free"
    assert client.responses.create(input="Hi", options={"role": "gpt-4o"}).model == "gpt-4o"
    assert not any("options" in body for body in bodies(router))


def test_wishes_without_routing_are_refused():
    upstream = Upstream(completion())
    client = sync(upstream)
    for wish in ({"options": {"a": 1}}, {"quality_threshold": "good"}):
        with pytest.raises(ConfigError, match="has no effect without routing"):
            ask(client, **wish)
    assert upstream.hits == 0
    ask(client, options=None, quality_threshold=None)
    assert upstream.bodies[-1].keys() == {"model", "messages"}


def test_wishes_that_are_none(router):
    client = Hanzo(router.base_url, "k", auto_route=True)
    with pytest.raises(ConfigError, match=r"^quality_threshold: expected"):
        ask(client, quality_threshold="fair")
    with pytest.raises(ConfigError, match=r"^options: expected a mapping, got int"):
        ask(client, options=5)
    with pytest.raises(ConfigError, match="embeddings of different models"):
        client.embeddings.create(input="x")


def test_another_wish_is_another_question(router):
    client = Hanzo(router.base_url, "k", auto_route=True, cost_optimize=True, enable_cache=True)
    assert ask(client).model == "gpt-4o-mini"
    dear = ask(client, quality_threshold="excellent")
    assert (dear.model, dear.from_cache) == ("gpt-4o", False)
    assert ask(client).from_cache
    assert ask(client, quality_threshold="excellent").from_cache


def test_two_that_route(router):
    from hanzo_agents.routing import Route

    with pytest.raises(ConfigError, match="policies already hold one that routes"):
        Hanzo(router.base_url, "k", auto_route=True, policies=[Route(to=["a"])])


# --- places -------------------------------------------------------------------------------------------------------


def test_hybrid_asks_the_node_first_and_the_router_for_what_it_has_not(router):
    with ScriptedRouter(lambda request: "local", models=["llama-3-8b"]) as node:
        client = Hanzo(router.base_url, "k", inference_mode="hybrid", node_url=node.base_url)
        here = ask(client)
        assert (here.model, here.provider, here.cost) == ("llama-3-8b", "local", 0)
        assert ask(client, model="gpt-4o").provider != "local"
        assert [model.id for model in client.models.list(provider="local")] == ["llama-3-8b"]
        assert {model.id for model in client.models.list()} == set(MODELS)


def test_local_models_pass_a_budget():
    with ScriptedRouter(lambda request: "local", models=["llama-3-8b"]) as node:
        client = Hanzo(inference_mode="local", node_url=node.base_url, daily_budget=1, max_cost_per_request="0.01")
        assert ask(client).cost == 0
        assert client.estimate_cost(messages=[HELLO]).cost == 0


def test_local_stays_here():
    with ScriptedRouter(lambda request: "local", models=["llama-3-8b"]) as node:
        client = Hanzo(inference_mode="local", node_url=node.base_url)
        with pytest.raises(ConfigError, match="sends nothing to another address"):
            client.copy(base_url="https://router.test/v1", api_key="k")
        with pytest.raises(ConfigError, match="policies already hold a Fallback"):
            Hanzo(inference_mode="local", node_url=node.base_url, policies=[Fallback(to=["llama-3-8b"])])
        assert ask(Hanzo(inference_mode="local", node_url=node.base_url, policies=[])).provider == "local"


def test_who_asks_no_local_models_says_so():
    client = sync()
    with pytest.raises(ConfigError, match="asks no local models"):
        client.models.list(provider="local")
    with pytest.raises(ConfigError, match='expected "local"'):
        client.models.list(provider="openai")


async def test_local_models_without_a_thread(router):
    with ScriptedRouter(lambda request: "local", models=["llama-3-8b"]) as node:
        client = AsyncHanzo(router.base_url, "k", inference_mode="hybrid", node_url=node.base_url)
        assert [model.id for model in await client.models.list(provider="local")] == ["llama-3-8b"]
        assert {model.id async for model in client.models.list()} == set(MODELS)


def test_providers_of_ones_own(router):
    with ScriptedRouter(lambda request: "mine", models=["m"]) as own:
        target = Target("m", own.base_url, "key")
        client = Hanzo(
            router.base_url,
            "k",
            inference_mode="cloud_only",
            providers={"mine": target},
            fallback_order=["mine", "router"],
        )
        assert ask(client, model="m").choices[0].message.content == "mine"
        assert ask(client, model="gpt-4o").choices[0].message.content == "Hi"


def test_reported_costs_count_in_analytics():
    reply = lambda request: answers.text("Hi", usage=Usage(cost=0.25))  # noqa: E731
    with ScriptedRouter(reply) as server:
        client = Hanzo(server.base_url, "k", model="m", enable_analytics=True)
        ask(client)
        assert client.analytics.get_summary().total_cost == Decimal("0.25")
        assert BudgetExceeded is client.errors.BudgetExceeded


def test_without_an_address_or_a_mode_it_is_hybrid(monkeypatch, router):
    with ScriptedRouter(lambda request: "local", models=["llama-3-8b"]) as node:
        monkeypatch.setenv("HANZO_NODE_URL", node.base_url)
        client = Hanzo()
        assert ask(client).provider == "local"
        assert client.local_models is not None
    monkeypatch.setenv("HANZO_ROUTER_URL", router.base_url)
    monkeypatch.setenv("HANZO_API_KEY", "k")
    plain = Hanzo(model="m")  # an address is enough to know where to go
    assert plain.local_models is None
    assert ask(plain).choices[0].message.content == "Hi"
