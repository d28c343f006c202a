"""HanzoModelProvider under the real Runner: one owner of retries, deadlines, closing, and what the SDK only guesses."""

import asyncio

import httpx2
import openai
import pytest
from agents import (
    Agent,
    ModelProvider,
    ModelRetrySettings,
    ModelSettings,
    ModelTracing,
    MultiProvider,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
    retry_policies,
)
from agents.exceptions import ModelTimeoutError, UserError
from agents.models.multi_provider import MultiProviderMap
from agents.retry import ModelRetryAdviceRequest, ModelRetryBackoffSettings
from agents.testing import ScriptedModel, assistant_message
from openai.types.shared import Reasoning
from upstream import (
    HANG,
    KEY,
    ROLE,
    URL,
    Upstream,
    call_chunks,
    chunk,
    completion,
    response,
    sse,
    status,
    text_chunks,
)

from hanzo_agents import (
    AllProvidersFailed,
    ConfigError,
    Deadline,
    Fallback,
    HanzoModelProvider,
    InvalidResponse,
    Retry,
    RetryBudget,
    Stack,
    StreamTruncated,
    Target,
    get_hanzo_provider,
    get_provider,
    track,
)
from hanzo_agents.errors import CircuitOpen
from hanzo_agents.testing.clock import FakeClock

AT_ONCE = ModelRetryBackoffSettings(initial_delay=0, max_delay=0, jitter=False)
RUNNER_RETRIES = ModelSettings(
    retry=ModelRetrySettings(max_retries=2, policy=retry_policies.http_status([503]), backoff=AT_ONCE)
)


def fast(attempts=3, **more):
    return Retry(attempts=attempts, base_delay=0, **more)


async def run(provider, agent=None, given="Hello!", *, stream=False, **more):
    agent = agent or Agent(name="A", model="m")
    config = RunConfig(model_provider=provider, **more)
    if not stream:
        return await Runner.run(agent, given, run_config=config)
    result = Runner.run_streamed(agent, given, run_config=config)
    async for _ in result.stream_events():
        pass
    return result


both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


# --- one owner of retries -----------------------------------------------------------------------------------------


@both
async def test_our_retries_are_not_multiplied_by_the_runners(stream):
    upstream = Upstream(status(503))
    agent = Agent(name="A", model="m", model_settings=RUNNER_RETRIES)
    with pytest.raises(openai.InternalServerError):
        await run(upstream.provider(policies=[fast(3)]), agent, stream=stream)
    assert upstream.hits == 3


@both
async def test_the_runner_retries_when_we_do_not(stream):
    upstream = Upstream(status(503))
    agent = Agent(name="A", model="m", model_settings=RUNNER_RETRIES)
    with pytest.raises(openai.InternalServerError):
        await run(upstream.provider(policies=[]), agent, stream=stream)
    assert upstream.hits == 3


@both
async def test_a_retry_of_one_attempt_leaves_the_retrying_to_the_runner(stream):
    """`Retry(attempts=1)` has acted on nothing."""
    upstream = Upstream(status(503))
    agent = Agent(name="A", model="m", model_settings=RUNNER_RETRIES)
    with pytest.raises(openai.InternalServerError):
        await run(upstream.provider(policies=[fast(1)]), agent, stream=stream)
    assert upstream.hits == 3


@both
async def test_no_retries_in_the_settings_mean_one_request(stream):
    upstream = Upstream(status(503))
    agent = Agent(name="A", model="m", model_settings=ModelSettings(retry=ModelRetrySettings(max_retries=0)))
    with pytest.raises(openai.InternalServerError):
        await run(upstream.provider(policies=[fast(3)], fallbacks=["b"]), agent, stream=stream)
    assert upstream.hits == 1


@both
async def test_a_chain_that_failed_is_not_walked_again(stream):
    upstream = Upstream(status(503))
    agent = Agent(name="A", model="m", model_settings=RUNNER_RETRIES)
    with pytest.raises(AllProvidersFailed):
        await run(upstream.provider(policies=[fast(1)], fallbacks=["b"]), agent, stream=stream)
    assert upstream.hits == 2


async def test_a_refusal_is_not_asked_again():
    asked = []

    async def refuse(call, send):
        asked.append(call)
        raise CircuitOpen("open")

    agent = Agent(
        name="A", model="m",
        model_settings=ModelSettings(retry=ModelRetrySettings(max_retries=3, policy=lambda _: True, backoff=AT_ONCE)),
    )  # fmt: skip
    with pytest.raises(CircuitOpen):
        await run(Upstream().provider(policies=[refuse]), agent)
    assert len(asked) == 1


def request_for(error):
    return ModelRetryAdviceRequest(
        error=error, attempt=1, stream=False, previous_response_id=None, conversation_id=None
    )


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_retry_advice_is_the_sdks_until_our_policies_have_acted(api):
    model = Upstream().provider(api=api).get_model("m")
    answer = status(503, None, x_should_retry="true")
    answer.request = httpx2.Request("POST", URL)
    error = openai.InternalServerError("x", response=answer, body=None)
    assert model.get_retry_advice(request_for(error)).suggested is True
    for final in (CircuitOpen("x"), ConfigError("x")):
        advice = model.get_retry_advice(request_for(final))
        assert advice.suggested is False
        assert advice.normalized.is_abort is True
    assert model.get_retry_advice(request_for(ValueError())) is None


@both
async def test_a_storm_is_bounded_by_the_budget_of_the_provider(stream):
    upstream = Upstream(status(503))
    provider = upstream.provider(policies=[fast(4, budget=RetryBudget(capacity=5))])
    outcomes = await asyncio.gather(*(run(provider, stream=stream) for _ in range(30)), return_exceptions=True)
    assert all(isinstance(outcome, openai.InternalServerError) for outcome in outcomes)
    assert upstream.hits == 35


# --- fallback and retry inside one model call ----------------------------------------------------------------------


@both
async def test_a_run_goes_on_with_the_next_model_and_no_tool_runs_twice(stream):
    ran = []

    @function_tool
    def note(text: str) -> str:
        """Write it down."""
        ran.append(text)
        return "noted"

    def answer(request):
        if upstream.bodies[-1]["model"] == "m":
            return status(503)
        done = upstream.bodies[-1]["messages"][-1]["role"] == "tool"
        if stream:
            return sse(*(text_chunks("done") if done else call_chunks("c1", "note", '{"text": "a"}')))
        return status(
            200, completion("done") if done else completion(None, calls=[("c1", "note", '{"text": "a"}')])
        )

    upstream = Upstream(answer)
    provider = upstream.provider(policies=[fast(1)], fallbacks=["b"])
    result = await run(provider, Agent(name="A", model="m", tools=[note]), stream=stream)
    assert result.final_output == "done"
    assert ran == ["a"]
    assert [body["model"] for body in upstream.bodies] == ["m", "b", "m", "b"]


async def test_a_stream_broken_before_its_first_word_is_replaced_unseen():
    upstream = Upstream(sse(ROLE, done=False), sse(*text_chunks("Hel", "lo")))
    provider = upstream.provider(policies=[fast(2)])
    result = Runner.run_streamed(Agent(name="A", model="m"), "x", run_config=RunConfig(model_provider=provider))
    kinds = [e.data.type async for e in result.stream_events() if e.type == "raw_response_event"]
    assert result.final_output == "Hello"
    assert kinds.count("response.created") == kinds.count("response.completed") == 1


async def test_a_stream_broken_after_its_first_word_is_an_error():
    upstream = Upstream(sse(ROLE, chunk({"content": "The answer is NOT"}), done=False))
    agent = Agent(name="A", model="m", model_settings=RUNNER_RETRIES)
    with pytest.raises(StreamTruncated):
        await run(upstream.provider(), agent, stream=True)
    assert upstream.hits == 1


@both
async def test_a_tool_call_cut_by_length_does_not_burn_the_turns(stream):
    ran = []

    @function_tool
    def note(text: str) -> str:
        """Write it down."""
        ran.append(text)
        return "noted"

    cut = '{"text": "a'
    reply = (
        sse(*call_chunks("c1", "note", cut, usage=None)[:-1], chunk(finish="length"))
        if stream
        else completion(None, calls=[("c1", "note", cut)], finish="length")
    )
    upstream = Upstream(reply)
    with pytest.raises(InvalidResponse, match="larger max_tokens"):
        await run(upstream.provider(), Agent(name="A", model="m", tools=[note]), stream=stream)
    assert ran == []
    assert upstream.hits == 1


@both
@pytest.mark.parametrize("ids", [("", ""), ("call_0", "call_0"), ("c1", "c1"), ("call_0", "call_1")], ids=str)
async def test_each_tool_call_runs_once_with_its_own_arguments(ids, stream):
    ran = []

    @function_tool
    def note(text: str) -> str:
        """Write it down."""
        ran.append(text)
        return f"noted {text}"

    def calls(turn):
        arguments = [f'{{"text": "{turn}{place}"}}' for place in "ab"]
        if not stream:
            both_calls = [(i, "note", a) for i, a in zip(ids, arguments, strict=True)]
            return completion(None, calls=both_calls)
        deltas = [
            chunk(
                {
                    "tool_calls": [
                        {"index": n, "id": i, "type": "function", "function": {"name": "note", "arguments": a}}
                    ]
                }
            )
            for n, (i, a) in enumerate(zip(ids, arguments, strict=True))
        ]
        return sse(ROLE, *deltas, chunk(finish="tool_calls"), chunk(choices=[], usage=(3, 2)))

    upstream = Upstream(calls(1), calls(2), sse(*text_chunks("done")) if stream else completion("done"))
    result = await run(upstream.provider(), Agent(name="A", model="m", tools=[note]), stream=stream)
    assert result.final_output == "done"
    assert sorted(ran) == ["1a", "1b", "2a", "2b"]
    messages = upstream.bodies[-1]["messages"]
    asked = {c["id"]: c["function"]["arguments"] for m in messages for c in m.get("tool_calls") or ()}
    answered = {m["tool_call_id"]: m["content"] for m in messages if m["role"] == "tool"}
    assert set(asked) == set(answered)
    assert len(asked) == 4
    assert all(answered[i] == "noted " + asked[i][10:12] for i in asked)


# --- time, leaving, closing ---------------------------------------------------------------------------------------


class Settlements:
    def __init__(self):
        self.seen = []

    async def __call__(self, call, send):
        reply = await send(call)
        reply.on_settled(self.seen.append)
        return reply


async def never(_request):
    await asyncio.Event().wait()


@both
async def test_the_models_own_time_limit_ends_a_call_that_hangs(stream):
    """`ModelSettings.timeout` bounds retries and fallbacks together; the runner cancels twice."""
    upstream = Upstream(never)
    agent = Agent(name="A", model="m", model_settings=ModelSettings(timeout=0.02))
    with track() as journals, pytest.raises((ModelTimeoutError, TimeoutError)):
        await run(upstream.provider(fallbacks=["b"]), agent, stream=stream)
    (journal,) = journals
    assert journal.ended is not None
    assert all(attempt.ended is not None for attempt in journal.attempts)
    assert upstream.hits == len(journal.attempts) <= 2


async def test_the_models_own_time_limit_ends_a_stream_that_stalls_and_settles_it_once():
    reply = sse(ROLE, chunk({"content": "a"}), HANG)
    upstream, settlements = Upstream(reply), Settlements()
    agent = Agent(name="A", model="m", model_settings=ModelSettings(timeout=0.02))
    with pytest.raises((ModelTimeoutError, TimeoutError)):
        await run(upstream.provider(policies=[settlements]), agent, stream=True)
    assert len(settlements.seen) == 1
    assert not settlements.seen[0].complete
    assert settlements.seen[0].usage.basis == "estimated"
    assert reply.extensions["body"].closed


async def test_the_models_own_time_limit_is_the_deadline_that_policies_plan_by():
    """With 10 s left nobody waits 20 s as the upstream asks."""
    deadlines = []

    async def look(call, send):
        deadlines.append(call.remaining())
        return await send(call)

    upstream = Upstream(status(503, None, retry_after="20"), completion())
    agent = Agent(name="A", model="m", model_settings=ModelSettings(timeout=10))
    with FakeClock(auto=True) as clock, pytest.raises(openai.InternalServerError):
        await run(upstream.provider(policies=[look, Retry(max_retry_after=60)]), agent)
    assert clock.sleeps == []
    assert deadlines == [10]


async def test_leaving_a_streamed_run_closes_the_stream_and_settles_it_once():
    reply = sse(ROLE, chunk({"content": "a"}), HANG)
    upstream, settlements = Upstream(reply), Settlements()
    provider = upstream.provider(policies=[settlements])
    result = Runner.run_streamed(Agent(name="A", model="m"), "x", run_config=RunConfig(model_provider=provider))
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            result.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(settlements.seen) == 1
    assert reply.extensions["body"].closed


@both
async def test_a_cancelled_run_leaves_nothing_open(stream):
    reply = sse(ROLE, chunk({"content": "a"}), HANG)
    asked = asyncio.Event()

    async def hang(_request):
        asked.set()
        if stream:
            return reply
        return await never(_request)

    upstream, settlements = Upstream(hang), Settlements()
    with track() as journals:
        task = asyncio.create_task(run(upstream.provider(policies=[settlements]), stream=stream))
        await asked.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(20):
            await asyncio.sleep(0)
    assert len(settlements.seen) == (1 if stream else 0)
    assert [attempt.ended is not None for attempt in journals[0].attempts] == [True]
    assert not stream or reply.extensions["body"].closed


async def test_closing_the_model_stream_early_settles_it():
    reply = sse(*text_chunks("a", "b"))
    upstream, settlements = Upstream(reply), Settlements()
    model = upstream.provider(policies=[settlements]).get_model("m")
    events = model.stream_response(
        None, "x", ModelSettings(), [], None, [], ModelTracing.DISABLED,
        previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip
    await anext(events)
    await events.aclose()
    for _ in range(20):
        await asyncio.sleep(0)
    assert [settled.complete for settled in settlements.seen] == [False]
    assert reply.extensions["body"].closed


# --- what the SDK drops, guesses and expects ----------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    "state", [{"previous_response_id": "resp_1"}, {"conversation_id": "conv_1"}], ids=lambda s: next(iter(s))
)
async def test_state_that_chat_would_drop_is_an_error_before_anything_is_sent(state, stream):
    upstream = Upstream()
    agent = Agent(name="A", model="m")
    config = RunConfig(model_provider=upstream.provider())
    with pytest.raises(UserError, match='api="responses"'):  # noqa: PT012
        if stream:
            async for _ in Runner.run_streamed(agent, "x", run_config=config, **state).stream_events():
                pass
        else:
            await Runner.run(agent, "x", run_config=config, **state)
    assert upstream.hits == 0


async def test_a_stored_prompt_is_an_error_on_chat_and_sent_on_responses():
    agent = Agent(name="A", model="m", prompt={"id": "pmpt_1"})
    upstream = Upstream()
    with pytest.raises(UserError, match="stored prompts"):
        await run(upstream.provider(), agent)
    assert upstream.hits == 0
    upstream = Upstream(response())
    await run(upstream.provider(api="responses"), agent)
    assert upstream.bodies[0]["prompt"]["id"] == "pmpt_1"


async def test_stateful_responses_are_pinned():
    upstream = Upstream(status(503))
    with pytest.raises(openai.InternalServerError):
        await Runner.run(
            Agent(name="A", model="m"), "x", previous_response_id="resp_1",
            run_config=RunConfig(model_provider=upstream.provider(api="responses", policies=[fast(1)], fallbacks=["b"])),
        )  # fmt: skip
    assert upstream.hits == 1


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_settings_that_the_sdk_guessed_for_its_own_default_model_are_not_sent_to_others(api):
    reply = completion() if api == "chat" else response()
    upstream = Upstream(reply)
    await run(upstream.provider(api=api), Agent(name="A"))
    body = upstream.bodies[0]
    assert not {"reasoning_effort", "verbosity", "reasoning"} & set(body)
    assert "verbosity" not in (body.get("text") or {})


async def test_settings_that_somebody_chose_are_sent():
    upstream = Upstream()
    agent = Agent(name="A", model_settings=ModelSettings(reasoning=Reasoning(effort="high"), verbosity="high"))
    await run(upstream.provider(), agent)
    assert (upstream.bodies[0]["reasoning_effort"], upstream.bodies[0]["verbosity"]) == ("high", "high")


@pytest.mark.parametrize("name", ["gpt-5", "gpt-5.2", "openai/gpt-5-mini"])
async def test_a_model_that_takes_the_guess_gets_it(name):
    upstream = Upstream()
    await run(upstream.provider(model=name), Agent(name="A"))
    assert "verbosity" in upstream.bodies[0]


def test_models_are_made_once_a_name_and_need_no_io():
    provider = HanzoModelProvider(URL, KEY, model="own")
    assert provider.get_model("a") is provider.get_model("a")
    assert provider.get_model(None) is provider.get_model("own")
    assert provider.get_model("a") is not provider.get_model("b")
    assert isinstance(provider.get_model("a"), OpenAIChatCompletionsModel)
    assert isinstance(HanzoModelProvider(URL, KEY, api="responses").get_model("a"), OpenAIResponsesModel)


def test_without_any_model_the_name_of_the_setting_is_said():
    with pytest.raises(ConfigError, match="HANZO_MODEL"):
        HanzoModelProvider(URL, KEY).get_model(None)


def test_what_is_no_name_is_no_model():
    with pytest.raises(ConfigError, match="model: expected a model's name, got int"):
        HanzoModelProvider(URL, KEY).get_model(5)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"api": "completions"}, 'api: expected "chat" or "responses"'),
        ({"policies": "retry"}, "policies"),
        ({"fallbacks": "gpt-4"}, "list of model names"),
        ({"nonsense": 1}, "nonsense"),
        ({"user_id": ""}, "user_id"),
        ({"metadata": "x"}, "metadata"),
        ({"headers": {"X": "a\nb"}}, "headers"),
        ({"policies": [Fallback(to=["b"])], "fallbacks": ["c"]}, "fallbacks"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_by_name(settings, why):
    with pytest.raises(ConfigError, match=why):
        HanzoModelProvider(URL, KEY, model="m", **settings)


async def test_it_is_a_provider_among_others():
    upstream = Upstream()
    many = MultiProviderMap()
    many.add_provider("hanzo", upstream.provider())
    await run(MultiProvider(provider_map=many), Agent(name="A", model="hanzo/some/model"))
    assert upstream.bodies[0]["model"] == "some/model"
    assert isinstance(upstream.provider(), ModelProvider)


async def test_closing_is_repeatable_and_leaves_a_given_client_open():
    upstream = Upstream()
    async with upstream.provider() as provider:
        await run(provider)
    await provider.aclose()
    assert not upstream.http.is_closed


async def test_listing_and_health():
    models = {"object": "list", "data": [{"id": "a", "object": "model", "created": 1, "owned_by": "x"}]}

    def answer(request):
        return status(200, {"status": "healthy"}) if "health" in request.url.path else status(200, models)

    upstream = Upstream(answer)
    provider = upstream.provider()
    assert await provider.list_models() == ["a"]
    assert await provider.health() is True
    assert "/health" not in {r.url.path for r in upstream.requests}, "that one calls every deployment"


async def test_health_without_anybody_there():
    with pytest.raises(openai.APIConnectionError):
        await Upstream(httpx2.ConnectError("refused")).provider().health()


async def test_health_of_a_sick_router_is_false():
    assert await Upstream(status(503)).provider(policies=[]).health() is False


def test_the_shared_provider_is_one(monkeypatch):
    import hanzo_agents.provider

    monkeypatch.setattr(hanzo_agents.provider, "_shared", None)
    with pytest.raises(ConfigError, match="HANZO_ROUTER_URL"):
        get_provider()
    monkeypatch.setenv("HANZO_ROUTER_URL", URL)
    monkeypatch.setenv("HANZO_API_KEY", KEY)
    assert get_provider() is get_hanzo_provider()
    assert KEY not in repr(get_provider())


# --- chains with model objects ------------------------------------------------------------------------------------


@both
async def test_a_foreign_model_may_stand_in_the_chain(stream):
    foreign = ScriptedModel([[assistant_message("from elsewhere")]])
    upstream = Upstream(status(503))
    provider = upstream.provider(policies=[fast(2)], fallbacks=[Target(foreign, label="elsewhere")])
    with track() as journals:
        result = await run(provider, stream=stream)
    assert result.final_output == "from elsewhere"
    assert upstream.hits == 2
    (journal,) = journals
    assert journal.attempts[-1].target == "elsewhere"
    foreign.assert_complete()


async def test_with_a_foreign_model_in_the_chain_there_is_still_one_retry():
    upstream = Upstream(status(503))
    foreign = ScriptedModel([ValueError("no")])
    provider = upstream.provider(policies=[fast(3)], fallbacks=[Target(foreign)])
    with pytest.raises(ValueError, match="no"):
        await run(provider)
    assert upstream.hits == 3


async def test_a_named_endpoint_next_to_a_foreign_model_keeps_its_own_key():
    upstream = Upstream(lambda r: status(503) if r.url.host == "router.test" else completion("away"))
    chain = [Target("x", base_url="https://other.test/v1", api_key="sk-other-123456"), Target(ScriptedModel([]))]
    provider = upstream.provider(policies=[fast(1)], fallbacks=chain, headers={"X-Home": "h"})
    result = await run(provider)
    assert result.final_output == "away"
    away = upstream.requests[-1]
    assert away.headers["authorization"] == "Bearer sk-other-123456"
    assert "x-home" not in away.headers
    assert upstream.bodies[-1]["model"] == "x"


def test_an_explicit_stack_is_obeyed():
    provider = HanzoModelProvider(URL, KEY, model="m", policies=Stack(Deadline(), Retry()))
    assert repr(provider.client.stack) == "Stack(Deadline, Retry)"


async def test_the_runner_may_own_the_retries_of_a_foreign_chain_too():
    foreign = ScriptedModel([ValueError("503"), [assistant_message("x")]])
    provider = Upstream(status(503)).provider(policies=[fast(3)], fallbacks=[Target(foreign)])
    agent = Agent(name="A", model="m", model_settings=ModelSettings(retry=ModelRetrySettings(max_retries=0)))
    with pytest.raises(openai.InternalServerError):
        await run(provider, agent)
    assert foreign.remaining_steps == 2
