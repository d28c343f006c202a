"""wrap(): policies around anybody's model change nothing of a run that goes well, and mend one that does not."""

import asyncio

import pytest
from agents import (
    Agent,
    Model,
    ModelProvider,
    ModelRetrySettings,
    ModelSettings,
    ModelTracing,
    RunConfig,
    Runner,
    function_tool,
    retry_policies,
)
from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest, ModelRetryBackoffSettings
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.usage import Usage
from calls import http_error
from openai.types.responses import ResponseReasoningItem
from upstream import Upstream, completion, status

from hanzo_agents import (
    AllProvidersFailed,
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Fallback,
    FallbackProvider,
    InvalidResponse,
    Retry,
    Stack,
    StreamTruncated,
    Target,
    Trace,
    track,
    wrap,
)
from hanzo_agents.testing.clock import FakeClock

AT_ONCE = Retry(base_delay=0)
both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


@function_tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def run(model, *, stream=False, agent=None, **more):
    agent = (agent or Agent(name="A")).clone(model=model)
    if not stream:
        return await Runner.run(agent, "15 * 23?", **more), []
    result = Runner.run_streamed(agent, "15 * 23?", **more)
    return result, [
        event.data.type if event.type == "raw_response_event" else event.type
        async for event in result.stream_events()
    ]


def usage():
    return Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)


CONVERSATIONS = {
    "text": lambda: [ModelStep(output=[assistant_message("345")], usage=usage(), request_id="req-1")],
    "tools": lambda: [
        ModelStep(output=[function_call("multiply", {"a": 15, "b": 23}, call_id="c1")], usage=usage()),
        ModelStep(output=[assistant_message("345")], usage=usage()),
    ],
    "two tools": lambda: [
        [function_call("multiply", {"a": 1, "b": 2}, call_id="c1"), function_call("multiply", {"a": 3, "b": 4}, call_id="c2")],
        [assistant_message("2, 12")],
    ],
    "reasoning": lambda: [[ResponseReasoningItem(id="rs", type="reasoning", summary=[]), assistant_message("345")]],
}  # fmt: skip


@both
@pytest.mark.parametrize(
    "policies", [(), (Stack(),), (Fallback(to=[Target(ScriptedModel([]))]),)], ids=["default", "none", "chain"]
)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
async def test_a_run_that_goes_well_is_the_same(conversation, policies, stream):
    agent = Agent(name="A", tools=[multiply])
    bare_model, inner = ScriptedModel(CONVERSATIONS[conversation]()), ScriptedModel(CONVERSATIONS[conversation]())
    bare, bare_events = await run(bare_model, stream=stream, agent=agent)
    ours, our_events = await run(wrap(inner, *policies), stream=stream, agent=agent)
    assert our_events == bare_events
    assert ours.final_output == bare.final_output
    assert [item.type for item in ours.new_items] == [item.type for item in bare.new_items]
    assert ours.to_input_list() == bare.to_input_list()
    assert ours.context_wrapper.usage == bare.context_wrapper.usage
    assert [r.request_id for r in ours.raw_responses] == [r.request_id for r in bare.raw_responses]
    assert inner.calls == bare_model.calls
    inner.assert_complete()


@both
async def test_a_failure_is_retried_inside_the_model_call(stream):
    model = ScriptedModel([http_error(503), [assistant_message("345")]])
    with FakeClock(auto=True) as clock, track() as journals:
        result, _ = await run(wrap(model, Retry(jitter=lambda: 0.5)), stream=stream)
    assert result.final_output == "345"
    assert clock.sleeps == [0.25]
    assert [(a.number, a.status_code, a.target) for a in journals[0].attempts] == [
        (1, 503, "ScriptedModel"), (2, None, "ScriptedModel"),
    ]  # fmt: skip
    assert journals[0].operation == "model"


@both
async def test_another_model_takes_over(stream):
    first, second = ScriptedModel([http_error(503)]), ScriptedModel([[assistant_message("from second")]])
    model = wrap(first, Retry(attempts=1), Fallback(to=[Target(second, label="second")]))
    result, _ = await run(model, stream=stream)
    assert result.final_output == "from second"
    assert second.calls[0].input == first.calls[0].input


@both
async def test_when_none_can_all_are_named(stream):
    chain = Fallback(to=[Target(ScriptedModel([http_error(503)]), label="second")])
    model = wrap(ScriptedModel([http_error(429)]), Retry(attempts=1), chain)
    with pytest.raises(AllProvidersFailed) as caught:
        await run(model, stream=stream)
    assert [f.target for f in caught.value.failures] == ["ScriptedModel", "second"]


@both
async def test_an_empty_output_is_no_answer(stream):
    with pytest.raises((InvalidResponse, StreamTruncated)):
        await run(wrap(ScriptedModel([[]]), Stack()), stream=stream)


async def test_a_stream_without_an_end_is_no_answer():
    model = ScriptedModel([ModelStep(stream_events=[])])
    with pytest.raises(StreamTruncated):
        await run(wrap(model, Stack()), stream=True)


@both
async def test_tool_call_ids_that_were_used_before_are_made_anew(stream):
    calls = [[function_call("multiply", {"a": n, "b": 1}, call_id="call_0")] for n in (1, 2)]
    model = ScriptedModel([*calls, [assistant_message("done")]])
    result, _ = await run(wrap(model), stream=stream, agent=Agent(name="A", tools=[multiply]))
    assert result.final_output == "done"
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert outputs == [1, 2]


@both
async def test_the_deadline_ends_a_model_that_hangs(stream):
    async def never(_call):
        await asyncio.Event().wait()

    model = wrap(ScriptedModel([ModelStep(responder=never)]), Deadline(total=5))
    with FakeClock() as clock:
        task = asyncio.create_task(run(model, stream=stream))
        await clock.run_for(5)
        with pytest.raises(DeadlineExceeded):
            await task


@both
async def test_no_retries_in_the_settings_mean_one_call(stream):
    inner = ScriptedModel([http_error(503), [assistant_message("x")]])
    agent = Agent(name="A", model_settings=ModelSettings(retry=ModelRetrySettings(max_retries=0)))
    with pytest.raises(Exception, match="failed"):
        await run(wrap(inner, AT_ONCE), stream=stream, agent=agent)
    assert len(inner.calls) == 1


@both
async def test_our_retries_are_not_multiplied_by_the_runners(stream):
    inner = ScriptedModel([http_error(503) for _ in range(9)])
    settings = ModelRetrySettings(
        max_retries=2,
        policy=retry_policies.http_status([503]),
        backoff=ModelRetryBackoffSettings(initial_delay=0, max_delay=0, jitter=False),
    )
    with pytest.raises(Exception, match="failed"):
        await run(
            wrap(inner, AT_ONCE),
            stream=stream,
            agent=Agent(name="A", model_settings=ModelSettings(retry=settings)),
        )
    assert len(inner.calls) == 3


def ask_advice(model, error):
    return model.get_retry_advice(
        ModelRetryAdviceRequest(
            error=error, attempt=1, stream=False, previous_response_id=None, conversation_id=None
        )
    )


async def test_retry_advice_is_asked_of_the_model_that_failed():
    one, other = ValueError("one"), ValueError("other")
    advice = {
        one: ModelRetryAdvice(suggested=True, reason="first"),
        other: ModelRetryAdvice(suggested=False, reason="second"),
    }
    first = ScriptedModel([ModelStep(error=one, retry_advice=advice[one])] * 2)
    second = ScriptedModel([ModelStep(error=other, retry_advice=advice[other])])
    alone = wrap(first, Stack())
    with pytest.raises(ValueError, match="one"):
        await run(alone)
    assert ask_advice(alone, one).reason == "first"
    chain = wrap(first, Stack(Fallback(to=[Target(second)], on=lambda error: error is one)))
    with pytest.raises(ValueError, match="other"):
        await run(chain)
    # Our fallback has acted, so the last word is spoken.
    assert ask_advice(chain, other).normalized.is_abort is True


class Housekeeping(Model):
    def __init__(self, name, log, *, fails=False):
        self.model, self.log, self.fails = name, log, fails

    async def get_response(self, *args, **kwargs):
        raise http_error(503)

    def stream_response(self, *args, **kwargs):
        raise http_error(503)

    async def close(self):
        self.log.append(f"close {self.model}")
        if self.fails:
            raise ZeroDivisionError

    async def _cleanup_on_run_end(self, owner):
        self.log.append(f"cleanup {self.model}")


@both
async def test_every_model_of_a_chain_is_cleaned_up_and_closed(stream):
    log = []
    model = wrap(
        Housekeeping("a", log, fails=True), Retry(attempts=1), Fallback(to=[Target(Housekeeping("b", log))])
    )
    with pytest.raises(AllProvidersFailed):
        await run(model, stream=stream)
    assert log == ["cleanup a", "cleanup b"]
    with pytest.raises(ZeroDivisionError):
        await model.close()
    assert log[2:] == ["close a", "close b"]


@both
async def test_a_model_that_fails_before_it_makes_a_stream_is_retried_too(stream):
    log = []
    with pytest.raises(Exception, match="failed"):
        await run(wrap(Housekeeping("a", log), AT_ONCE), stream=stream)
    with track() as journals, pytest.raises(Exception, match="failed"):
        await run(wrap(Housekeeping("a", log), AT_ONCE), stream=stream)
    assert len(journals[0].attempts) == 3


async def test_reasoning_of_one_model_is_not_shown_to_another():
    given = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"role": "user", "content": "x"},
    ]
    first, second = ScriptedModel([http_error(503)]), ScriptedModel([[assistant_message("x")]])
    model = wrap(first, Retry(attempts=1), Fallback(to=[Target(second)]))
    await Runner.run(Agent(name="A", model=model), given)
    assert [item.get("type") for item in first.calls[0].input] == ["reasoning", None]
    assert [item.get("type") for item in second.calls[0].input] == [None]


async def test_stateful_calls_are_pinned():
    first, second = ScriptedModel([http_error(503)]), ScriptedModel([[assistant_message("x")]])
    model = wrap(first, Retry(attempts=1), Fallback(to=[Target(second)]))
    with pytest.raises(Exception, match="failed"):
        await Runner.run(Agent(name="A", model=model), "x", previous_response_id="resp_1")
    assert second.remaining_steps == 1


async def test_the_models_own_time_limit_is_the_deadline():
    seen = []

    async def look(call, send):
        seen.append(call.remaining())
        return await send(call)

    agent = Agent(name="A", model_settings=ModelSettings(timeout=10))
    with FakeClock():
        await run(wrap(ScriptedModel([[assistant_message("x")]]), look), agent=agent)
    assert seen == [10]


@both
async def test_around_one_of_our_own_models_there_is_still_one_retry(stream):
    """Two Retries would make nine requests of three."""
    upstream = Upstream(status(503))
    inner = upstream.provider(policies=[AT_ONCE]).get_model("m")
    with pytest.raises(Exception, match="503"):
        await run(wrap(inner, AT_ONCE), stream=stream)
    assert upstream.hits == 3


async def test_what_a_router_said_is_tracked_through_the_wrapper():
    upstream = Upstream(status(503), completion())
    upstream.replies[1] = status(200, completion(), x_litellm_response_cost="0.5", x_request_id="req-7")
    model = wrap(upstream.provider(policies=[]).get_model("m"), AT_ONCE)
    with track() as journals:
        await run(model)
    (journal,) = journals
    assert [a.status_code for a in journal.attempts] == [503, 200]
    assert journal.attempts[1].request_id == "req-7"
    assert str(journal.attempts[1].cost.amount) == "0.5"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("gpt-4",), "expected an agents.Model, got str"),
        ((ScriptedModel([]), Retry), "a class"),
        ((ScriptedModel([]), Retry(), Retry()), "twice"),
        ((ScriptedModel([]), Fallback(to=["gpt-4"])), "wrap.. knows models, not names"),
        ((ScriptedModel([]), Stack(), Retry()), "Stack"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_work_is_refused_when_it_is_made(arguments, why):
    with pytest.raises(ConfigError, match=why):
        wrap(*arguments)


def test_it_says_what_it_is():
    model = wrap(ScriptedModel([]), Trace())
    assert repr(model) == "PolicyModel(ScriptedModel, Stack(Trace, Deadline, Retry))"


# --- FallbackProvider ---------------------------------------------------------------------------------------------


class Provider(ModelProvider):
    def __init__(self, *steps):
        self.model = ScriptedModel(list(steps))
        self.asked = []
        self.closed = 0

    def get_model(self, model_name):
        self.asked.append(model_name)
        return self.model

    async def aclose(self):
        self.closed += 1


@both
async def test_the_next_provider_is_asked_inside_the_same_model_call(stream):
    first, second, third = (
        Provider(http_error(503)),
        Provider(http_error(500)),
        Provider([assistant_message("third")]),
    )
    chain = FallbackProvider([("a", first), ("b", second), ("c", third)], Retry(attempts=1))
    with track() as journals:
        agent = Agent(name="A")
        config = RunConfig(model_provider=chain)
        if stream:
            result = Runner.run_streamed(agent, "x", run_config=config)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, "x", run_config=config)
    assert result.final_output == "third"
    assert [set(p.asked) for p in (first, second, third)] == [{"a"}, {"b"}, {"c"}]
    assert [a.target for a in journals[0].attempts][1:] == ["b", "c"]


def test_an_agents_own_model_is_asked_of_the_first_provider():
    first, second = Provider(), Provider()
    chain = FallbackProvider([("a", first), ("b", second)])
    assert chain.get_model("own") is chain.get_model("own")
    assert chain.get_model(None) is chain.get_model(None)
    assert first.asked == ["own", "a"]
    assert set(second.asked) == {"b"}


async def test_a_chain_over_our_own_providers_has_one_retry_each():
    upstreams = [Upstream(status(503)), Upstream(status(503))]
    chain = FallbackProvider([("m", upstream.provider(policies=[AT_ONCE])) for upstream in upstreams], AT_ONCE)
    with pytest.raises(AllProvidersFailed):
        await Runner.run(Agent(name="A"), "x", run_config=RunConfig(model_provider=chain))
    assert [upstream.hits for upstream in upstreams] == [3, 3]


async def test_two_providers_with_one_model_name_are_two_targets():
    upstreams = [Upstream(status(503)), Upstream(completion("second"))]
    chain = FallbackProvider([("m", upstream.provider(policies=[])) for upstream in upstreams], Retry(attempts=1))
    result = await Runner.run(Agent(name="A"), "x", run_config=RunConfig(model_provider=chain))
    assert result.final_output == "second"


async def test_a_chain_takes_an_exact_stack():
    first, second = Provider(http_error(503)), Provider([assistant_message("second")])
    chain = FallbackProvider([("a", first), ("b", second)], Stack(Deadline()))
    result = await Runner.run(Agent(name="A"), "x", run_config=RunConfig(model_provider=chain))
    assert result.final_output == "second"


async def test_every_provider_is_closed_once():
    first, second = Provider(), Provider()
    await FallbackProvider([("a", first), ("b", second), ("c", first)]).aclose()
    assert (first.closed, second.closed) == (1, 1)


@pytest.mark.parametrize("chain", [[], [Provider()], [("a", "b")], [("a", Provider(), "x")]], ids=str)
def test_what_is_no_chain_is_refused(chain):
    with pytest.raises(ConfigError, match="FallbackProvider"):
        FallbackProvider(chain)


async def test_a_single_provider_is_a_chain_too():
    only = Provider([assistant_message("x")])
    result = await Runner.run(
        Agent(name="A"), "x", run_config=RunConfig(model_provider=FallbackProvider([(None, only)]))
    )
    assert result.final_output == "x"


async def test_a_call_without_the_runner_works_as_well():
    model = wrap(ScriptedModel([[assistant_message("x")]]))
    response = await model.get_response(
        None, "x", ModelSettings(), [], None, [], ModelTracing.DISABLED,
        previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip
    assert response.output[0].content[0].text == "x"
