"""Trace: a span for every attempt and decision under the SDK's own, and nothing in them that was said or is secret."""

import asyncio

import pytest
from agents import Agent, RunConfig, Runner, trace
from agents.testing import ScriptedModel, assistant_message
from calls import http_error
from recorded_spans import recorded_spans
from upstream import HANG, KEY, ROLE, Upstream, chunk, completion, sse, status, text_chunks, value

from hanzo_agents import Attempt, Fallback, Journal, Retry, Stack, Target, Trace, track, wrap
from hanzo_agents.policies import trace as trace_module

both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


async def run(provider, *, stream=False, given="a secret question", **more):
    agent = Agent(name="A", model="m")
    config = RunConfig(model_provider=provider, **more)
    if not stream:
        return await Runner.run(agent, given, run_config=config)
    result = Runner.run_streamed(agent, given, run_config=config)
    async for _ in result.stream_events():
        pass
    return result


@both
async def test_attempts_and_decisions_are_spans_under_the_generation(stream):
    good = (
        sse(*text_chunks("a secret answer"))
        if stream
        else value(completion("a secret answer"), x_litellm_response_cost="0.25")
    )
    upstream = Upstream(status(503), good)
    with recorded_spans() as spans:
        await run(upstream.provider(policies=[Retry(attempts=1)], fallbacks=["b"]), stream=stream)
    failed, answered = spans.of("hanzo.attempt")
    assert failed.items() >= {"hanzo.target": "m", "hanzo.attempt": 1, "http.response.status_code": 503}.items()
    assert failed["error.type"] == "InternalServerError"
    assert answered.items() >= {"hanzo.target": "b", "hanzo.attempt": 1, "http.response.status_code": 200}.items()
    assert (answered["gen_ai.usage.input_tokens"], answered["gen_ai.usage.output_tokens"]) == (3, 2)
    if not stream:
        assert (answered["hanzo.cost.usd"], answered["hanzo.cost.basis"]) == (0.25, "reported")
    assert [d["action"] for d in spans.of("hanzo.fallback")] == ["moves on"]
    parents = {s["span_data"].get("name"): s["parent_id"] for s in spans.spans}
    kinds = {s["id"]: s["span_data"]["type"] for s in spans.spans}
    assert kinds[parents["hanzo.attempt"]] == kinds[parents["hanzo.fallback"]] == "generation"
    assert len(spans.spans) == spans.started, "every span that was opened is closed"


@both
@pytest.mark.parametrize("sensitive", [False, True])
async def test_spans_of_ours_hold_no_prompt_no_answer_and_no_key(stream, sensitive):
    echo = status(400, {"error": {"message": f"a secret question with {KEY}", "code": "x"}})
    with recorded_spans() as spans:
        with pytest.raises(Exception, match="400"):
            await run(
                Upstream(echo).provider(fallbacks=["b"]), stream=stream, trace_include_sensitive_data=sensitive
            )
        good = sse(*text_chunks("a secret answer")) if stream else completion("a secret answer")
        await run(Upstream(status(503), good).provider(policies=[Retry(base_delay=0)]), stream=stream)
    assert KEY not in repr(spans.spans)
    ours = [s for s in spans.spans if (s["span_data"].get("name") or "").startswith("hanzo.")]
    assert len(ours) >= 4
    assert "secret" not in repr(ours)


async def test_a_failed_attempt_names_its_error_by_type_only():
    with recorded_spans() as spans, pytest.raises(Exception, match="503"):
        await run(
            Upstream(status(503, {"error": {"message": "503 a secret"}})).provider(policies=[Retry(attempts=1)])
        )
    (attempt,) = (s for s in spans.spans if s["span_data"].get("name") == "hanzo.attempt")
    assert attempt["error"] == {"message": "InternalServerError", "data": None}


async def test_a_run_that_is_left_closes_its_spans():
    upstream = Upstream(sse(ROLE, chunk({"content": "a"}), HANG))
    with recorded_spans() as spans:
        result = Runner.run_streamed(
            Agent(name="A", model="m"), "x", run_config=RunConfig(model_provider=upstream.provider())
        )
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                result.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
    assert len(spans.of("hanzo.attempt")) == 1


async def test_a_run_that_is_not_traced_makes_no_spans():
    with recorded_spans() as spans:
        await run(Upstream().provider(), tracing_disabled=True)
    assert spans.spans == []


async def test_no_policies_no_spans_of_ours():
    with recorded_spans() as spans:
        await run(Upstream().provider(policies=[]))
    assert spans.of("hanzo.attempt") == []


async def test_the_client_alone_is_traced_when_a_trace_is_open():
    client = Upstream().provider().client
    with recorded_spans() as spans:
        await client.chat.completions.create(messages=[{"role": "user", "content": "x"}])
        assert spans.spans == []
        with trace("mine"):
            await client.chat.completions.create(messages=[{"role": "user", "content": "x"}])
    assert len(spans.of("hanzo.attempt")) == 1


@both
async def test_foreign_models_are_traced_alike(stream):
    second = ScriptedModel([[assistant_message("x")]])
    model = wrap(
        ScriptedModel([http_error(503)]), Retry(attempts=1), Fallback(to=[Target(second, label="second")])
    )
    with recorded_spans() as spans:
        agent = Agent(name="A", model=model)
        if stream:
            async for _ in Runner.run_streamed(agent, "x").stream_events():
                pass
        else:
            await Runner.run(agent, "x")
    assert [(d["hanzo.target"], d.get("http.response.status_code")) for d in spans.of("hanzo.attempt")] == [
        ("ScriptedModel", 503),
        ("second", None),
    ]


async def test_one_call_through_two_layers_is_traced_once():
    """A HanzoModel inside wrap(): its attempt is the wrapper's attempt."""
    model = wrap(Upstream().provider().get_model("m"))
    with recorded_spans() as spans:
        await Runner.run(Agent(name="A", model=model), "x")
    assert len(spans.of("hanzo.attempt")) == 1


class Watching:
    def __init__(self):
        self.heard = []

    def attempt_started(self, journal: Journal, attempt: Attempt):
        self.heard.append(("started", attempt.number))

    def attempt_ended(self, journal, attempt):
        self.heard.append(("ended", attempt.number, attempt.accepted is not None))

    def decided(self, journal, decision):
        self.heard.append((decision.policy, decision.action))

    def call_ended(self, journal):
        self.heard.append(("over", journal.ended is not None))


@both
async def test_an_observer_of_ones_own_hears_everything_in_order(stream):
    watching = Watching()
    upstream = Upstream(status(503), sse(*text_chunks("a")) if stream else completion())
    await run(upstream.provider(policies=[Trace(to=[watching]), Retry(base_delay=0)]), stream=stream)
    assert watching.heard == [
        ("started", 1), ("ended", 1, False), ("Retry", "retries"), ("started", 2), ("ended", 2, True), ("over", True),
    ]  # fmt: skip


async def test_an_observer_that_fails_harms_nobody(caplog):
    class Broken(Watching):
        def attempt_started(self, journal, attempt):
            raise ZeroDivisionError

    watching = Watching()
    result = await run(Upstream().provider(policies=[Trace(to=[Broken(), watching])]))
    assert result.final_output == "Hello!"
    assert ("over", True) in watching.heard
    assert "an observer failed" in caplog.text


def test_who_cannot_observe_is_refused():
    with pytest.raises(Exception, match=r"Trace\.to: expected observers, object has no attempt_started"):
        Trace(to=[object()])


async def test_explicit_observers_replace_the_bridge(monkeypatch):
    bridged = Watching()
    monkeypatch.setattr(trace_module, "_bridges", [bridged])
    await run(Upstream().provider(policies=Stack(Trace(to=[Watching()]))))
    assert bridged.heard == []
    with track():
        await run(Upstream().provider(policies=Stack(Trace())))
    assert bridged.heard
