"""LLMWise as a model of the Agents SDK."""

import asyncio
from dataclasses import replace

import httpx2
import pytest
from agents import (
    Agent,
    ModelRetrySettings,
    ModelSettings,
    RunConfig,
    Runner,
    UserError,
    function_tool,
    handoff,
    retry_policies,
)
from agents.model_settings import Reasoning
from llmwise_server import HAIKU, sse
from pydantic import BaseModel

from hanzo_agents import ConfigError, DeadlineExceeded, Fallback, HanzoModelProvider, Retry, Target, track, wrap
from hanzo_agents.errors import Unsupported
from hanzo_agents.llmwise import AsyncLLMWise, LLMWise, LLMWiseError, LLMWiseModel
from hanzo_agents.testing._http import Http, Pause, json_http
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter

KEY = "mm_sk_canary_0123456789"


@pytest.fixture
def model(server):
    return LLMWiseModel("auto", AsyncLLMWise(KEY, server.base_url))


@function_tool
def clock() -> str:
    """Tell the time."""
    return "noon"


class Person(BaseModel):
    name: str


async def streamed(agent, asked="Hello"):
    run = Runner.run_streamed(agent, asked)
    kinds = [event.data.type async for event in run.stream_events() if event.type == "raw_response_event"]
    return run, kinds


async def test_an_agent_runs(server, model):
    agent = Agent(
        name="Poet", instructions="Be brief.", model=model, model_settings=ModelSettings(temperature=0.5)
    )
    result = await Runner.run(agent, "A haiku")
    assert result.final_output == HAIKU
    assert server.requests[0].json == {
        "model": "auto", "stream": False, "temperature": 0.5,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A haiku"}],
    }  # fmt: skip
    usage = result.context_wrapper.usage
    assert (usage.input_tokens, usage.output_tokens) == (12, 7)


async def test_a_run_is_streamed(server, model):
    run, kinds = await streamed(Agent(name="Poet", model=model))
    assert run.final_output == HAIKU
    assert kinds.count("response.output_text.delta") == 2
    assert kinds[-1] == "response.completed"
    assert run.context_wrapper.usage.total_tokens == 19
    assert server.requests[0].json["stream"] is True


async def test_a_second_turn_and_pictures_are_sent(server, model):
    agent = Agent(name="Poet", model=model)
    first = await Runner.run(agent, "One")
    asked = [
        *first.to_input_list(),
        {"role": "user", "content": [
            {"type": "input_text", "text": "And this?"},
            {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "auto"},
        ]},
    ]  # fmt: skip
    await Runner.run(agent, asked)
    assert server.requests[1].json["messages"] == [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": HAIKU},
        {"role": "user", "content": [
            {"type": "text", "text": "And this?"},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        ]},
    ]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"tools": [clock]}, "tools and handoffs"),
        ({"handoffs": [handoff(Agent(name="Other"))]}, "tools and handoffs"),
        ({"output_type": Person}, "an output type"),
        ({"model_settings": ModelSettings(tool_choice="required")}, "tool_choice"),
    ],
)
async def test_what_the_api_has_not_is_refused_before_it_is_sent(server, model, more, named, stream):
    agent = Agent(name="Poet", model=model, **more)
    with pytest.raises(Unsupported, match=f"^LLMWise has no {named}"):
        await (streamed(agent) if stream else Runner.run(agent, "Hello"))
    assert server.hits == 0


async def test_so_is_what_only_the_conversation_holds(server, model):
    call = {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"}
    out = {"type": "function_call_output", "call_id": "c1", "output": "noon"}
    with pytest.raises(Unsupported, match="tool calls"):
        await Runner.run(Agent(name="A", model=model), [{"role": "user", "content": "?"}, call, out])
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    with pytest.raises(Unsupported, match="input_audio"):
        await Runner.run(Agent(name="A", model=model), [{"role": "user", "content": [sound]}])
    with pytest.raises(UserError, match="previous_response_id"):
        await Runner.run(Agent(name="A", model=model), "?", previous_response_id="resp_1")
    with pytest.raises(UserError, match="stored prompts"):
        await Runner.run(Agent(name="A", model=model, prompt={"id": "pmpt_1"}), "?")
    assert server.hits == 0


async def test_a_refusal_of_old_is_told_as_text(server, model):
    old = {
        "type": "message", "role": "assistant", "id": "m1", "status": "completed",
        "content": [{"type": "refusal", "refusal": "I will not."}],
    }  # fmt: skip
    await Runner.run(
        Agent(name="A", model=model), [{"role": "user", "content": "?"}, old, {"role": "user", "content": "!"}]
    )
    assert server.requests[0].json["messages"][1] == {"role": "assistant", "content": "I will not."}


async def test_options_of_llmwise_go_through_and_others_are_named(server, model):
    settings = ModelSettings(
        top_p=0.5, max_tokens=20, reasoning=Reasoning(effort="high"),
        extra_args={"routing": {"fallback": ["gpt-5.2"], "strategy": "rate-limit"}},
        extra_body={"optimization_goal": "cost"}, extra_headers={"X-Team": "poets"},
    )  # fmt: skip
    with track() as journals:
        await Runner.run(Agent(name="A", model=model, model_settings=settings), "?")
    body = server.requests[0].json
    assert (body["max_tokens"], body["optimization_goal"]) == (20, "cost")
    assert body["routing"] == {"fallback": ["gpt-5.2"], "strategy": "rate-limit"}
    assert "top_p" not in body
    dropped = [d.data["settings"] for d in journals[0].decisions if d.action == "drops settings"]
    assert dropped == [["extra_headers", "reasoning_effort", "top_p"]]


async def test_what_the_sdk_implies_is_dropped_in_silence(model):
    with track() as journals:
        await Runner.run(Agent(name="A"), "?", run_config=RunConfig(model=model))
    assert not [d for d in journals[0].decisions if d.action == "drops settings"]


async def test_it_is_a_target_in_a_chain(server):
    away = LLMWiseModel(client=AsyncLLMWise(KEY, server.base_url, policies=[]))
    with ScriptedRouter([down()]) as router:
        provider = HanzoModelProvider(
            base_url=router.base_url, api_key="k", policies=[Retry(attempts=1)], fallbacks=[Target(model=away)]
        )
        with track() as journals:
            result = await Runner.run(
                Agent(name="A", model="zen-1"), "Hello", run_config=RunConfig(model_provider=provider)
            )
    assert result.final_output == HAIKU
    assert journals[0].answered.model == "gpt-5.2"
    assert str(journals[0].answered.cost.amount) == "0.0021"


def down():
    return json_http({"error": {"message": "down"}}, status=500)


async def test_a_chain_passes_it_by_for_a_model_with_tools(server):
    first = LLMWiseModel(client=AsyncLLMWise(KEY, server.base_url))
    with ScriptedRouter(["Noon."]) as router:
        provider = HanzoModelProvider(base_url=router.base_url, api_key="k")
        chain = wrap(first, Fallback(to=[Target(model=provider.get_model("zen-1"))]))
        result = await Runner.run(Agent(name="A", model=chain, tools=[clock]), "What time is it?")
    assert result.final_output == "Noon."
    assert server.hits == 0


async def test_policies_around_it_do_not_multiply_its_own(server):
    server.script = [json_http({"error": "overloaded"}, status=503)] * 9
    inner = AsyncLLMWise(KEY, server.base_url, policies=[Retry(attempts=2, base_delay=0)])
    chain = wrap(LLMWiseModel(client=inner), Retry(attempts=4, base_delay=0))
    with pytest.raises(LLMWiseError, match="overloaded"):
        await Runner.run(Agent(name="A", model=chain), "?")
    assert server.hits == 2


@pytest.mark.parametrize(("times", "hits"), [(0, 1), (4, 2)])
async def test_retries_have_one_owner(server, times, hits):
    """The runner that wants none gets none; one that wants some is told that ours were all there are."""
    server.script = [json_http({"error": "overloaded"}, status=503)] * 9
    model = LLMWiseModel(client=AsyncLLMWise(KEY, server.base_url, policies=[Retry(attempts=2, base_delay=0)]))
    retry = ModelRetrySettings(max_retries=times, policy=retry_policies.http_status([503]))
    with pytest.raises(LLMWiseError):
        await Runner.run(Agent(name="A", model=model, model_settings=ModelSettings(retry=retry)), "?")
    assert server.hits == hits


@pytest.mark.parametrize("stream", [False, True])
async def test_the_timeout_of_a_run_bounds_it(server, stream):
    server.script = [Http(head=False, body=(Pause(),))]
    model = LLMWiseModel(client=AsyncLLMWise(KEY, server.base_url))
    agent = Agent(name="A", model=model, model_settings=ModelSettings(timeout=5))
    with FakeClock() as clock:
        run = asyncio.create_task(streamed(agent) if stream else Runner.run(agent, "?"))
        await server.until(lambda: server.paused == 1)
        await clock.run_for(6)
        with pytest.raises(DeadlineExceeded):
            await run


async def test_a_run_that_is_cancelled_closes_its_connection(server, model):
    server.script = [replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause()))]
    run = Runner.run_streamed(Agent(name="A", model=model), "?")
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            run.cancel()
    await server.until(lambda: server.open_connections == 0)


async def test_a_run_ends_with_the_error_of_its_stream(server, model):
    server.script = [sse({"delta": "One"}, {"error": "the model has gone", "status_code": 503})]
    with pytest.raises(LLMWiseError, match="the model has gone"):
        await streamed(Agent(name="A", model=model))


async def test_the_synchronous_client_lends_its_own(server):
    model = LLMWiseModel("gpt-5.2", LLMWise(KEY, server.base_url))
    result = await Runner.run(Agent(name="A", model=model), "Hello")
    assert result.final_output == HAIKU
    assert server.requests[0].model == "gpt-5.2"
    assert repr(model) == f"LLMWiseModel('gpt-5.2', {server.base_url!r})"


def test_what_is_no_model_or_client_is_named():
    with pytest.raises(ConfigError, match=r"^LLMWiseModel.model: expected a model's name, got ''"):
        LLMWiseModel("", AsyncLLMWise(KEY, "http://127.0.0.1:9"))
    with pytest.raises(ConfigError, match=r"^LLMWiseModel.client: expected an LLMWise client, got AsyncClient"):
        LLMWiseModel(client=httpx2.AsyncClient())
    with pytest.raises(ConfigError, match="LLMWISE_API_KEY"):
        LLMWiseModel()
