"""Agent runs against the Hanzo router, as code: `scripts/record` records them, the tests replay them.

Each scenario asserts what a user would notice, and that it is what the router really said: the recorded reply is
at hand while replaying and while recording. Models are asked for temperature 0.
"""

import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import openai
from agents import Agent, ModelSettings, RunConfig, Runner, function_tool
from openai.types.responses import ResponseTextDeltaEvent
from pydantic import BaseModel

from hanzo_agents import AllProvidersFailed, HanzoModelProvider, Retry, track
from hanzo_agents.mcp import AsyncMCPClient
from hanzo_agents.testing.cassettes import Cassette

MODEL = "smollm2"  # the embedded node, through the router
DEAD = "dead"  # a deployment of the router on a port where nothing listens
IN_ALL = Retry(attempts=2, base_delay=0, max_delay=0)


@dataclass(frozen=True, kw_only=True)
class Router:
    """Where the router is, for a scenario: the real one while recording, nowhere while replaying."""

    url: str
    key: str
    cassette: Cassette

    def provider(self, **settings):
        return HanzoModelProvider(self.url, settings.pop("key", self.key), **{"model": MODEL, **settings})

    def replies(self):
        return [interaction.reply for interaction in self.cassette.interactions]

    def statuses(self):
        return [(interaction.body["model"], interaction.status) for interaction in self.cassette.interactions]


SCENARIOS: dict[str, Callable[[Router], Coroutine[None, None, None]]] = {}


def scenario(run):
    SCENARIOS[run.__name__.replace("_", "-")] = run
    return run


def agent(name="Assistant", **settings):
    return Agent(name=name, model_settings=ModelSettings(temperature=0, max_tokens=200), **settings)


def data(sse):
    """The JSON events of a recorded stream."""
    lines = (line.removeprefix("data: ") for line in sse.splitlines() if line.startswith("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


async def run(router, agent, question, **settings):
    async with router.provider(**settings) as provider:
        return await Runner.run(agent, question, run_config=quiet(provider))


async def stream(router, agent, question, **settings):
    """Run streamed; the result, and the text deltas as they came."""
    async with router.provider(**settings) as provider:
        result = Runner.run_streamed(agent, question, run_config=quiet(provider))
        deltas = [
            event.data.delta
            async for event in result.stream_events()
            if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent)
        ]
    return result, deltas


def quiet(provider):
    """Spans would be sent to a service of OpenAI's when its key is in the environment."""
    return RunConfig(model_provider=provider, tracing_disabled=True)


def multiplier():
    """An agent with a tool, and the calls that the tool gets."""
    calls = []

    @function_tool
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        calls.append((a, b))
        return a * b

    return agent(tools=[multiply]), calls


def arithmetic():
    """The tools of an MCP server, which is a process of its own: while replaying too, it is really asked."""
    return AsyncMCPClient([sys.executable, str(Path(__file__).with_name("arithmetic_server.py"))])


class Person(BaseModel):
    name: str
    age: int


@scenario
async def basic(router):
    with track() as journals:
        result = await run(router, agent(), "What is 2 + 2?")
    [reply] = router.replies()
    assert result.final_output == reply["choices"][0]["message"]["content"]
    assert "4" in result.final_output
    usage = result.context_wrapper.usage
    assert (usage.requests, usage.total_tokens) == (1, reply["usage"]["total_tokens"])
    [attempt] = journals[0].attempts
    assert (attempt.model, attempt.status_code, attempt.cost.basis) == (MODEL, 200, "reported")
    assert attempt.cost.amount > 0
    assert attempt.request_id == router.cassette.interactions[0].headers["x-litellm-call-id"]


@scenario
async def tools(router):
    calculator, calls = multiplier()
    result = await run(router, calculator, "What is 15 * 23? Use the multiply tool.")
    assert calls == [(15, 23)]
    assert "345" in result.final_output
    asked, answered = router.replies()
    [call] = asked["choices"][0]["message"]["tool_calls"]
    sent_back = router.cassette.interactions[1].body["messages"][-1]
    assert (sent_back["role"], sent_back["tool_call_id"], sent_back["content"]) == ("tool", call["id"], "345")
    assert result.final_output == answered["choices"][0]["message"]["content"]


@scenario
async def tools_streaming(router):
    calculator, calls = multiplier()
    result, deltas = await stream(router, calculator, "What is 15 * 23? Use the multiply tool.")
    assert calls == [(15, 23)]
    assert "345" in result.final_output
    assert "".join(deltas) == result.final_output
    assert result.context_wrapper.usage.requests == 2


@scenario
async def mcp_tools(router):
    async with arithmetic() as mcp:
        calculator = agent(tools=await mcp.get_tools())
        result = await run(router, calculator, "What is 15 * 23? Use the multiply tool.")
    assert "345" in result.final_output
    asked, answered = router.replies()
    offered = [tool["function"]["name"] for tool in router.cassette.interactions[0].body["tools"]]
    assert offered == ["multiply", "capital"]
    [call] = asked["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"a": 15, "b": 23}
    sent_back = router.cassette.interactions[1].body["messages"][-1]
    assert (sent_back["role"], sent_back["tool_call_id"], sent_back["content"]) == ("tool", call["id"], "345")
    assert result.final_output == answered["choices"][0]["message"]["content"]


@scenario
async def mcp_tools_streaming(router):
    async with arithmetic() as mcp:
        calculator = agent(tools=await mcp.get_tools())
        result, deltas = await stream(router, calculator, "What is 15 * 23? Use the multiply tool.")
    assert router.cassette.interactions[1].body["messages"][-1]["content"] == "345"
    assert "345" in result.final_output
    assert "".join(deltas) == result.final_output
    assert result.context_wrapper.usage.requests == 2


@scenario
async def streaming(router):
    with track() as journals:
        result, deltas = await stream(router, agent(), "Count from one to five.")
    [sse] = router.replies()
    recorded = [choice["delta"].get("content") for event in data(sse) for choice in event["choices"]]
    assert deltas == [text for text in recorded if text]
    assert "".join(deltas) == result.final_output
    assert len(deltas) > 3
    usage = result.context_wrapper.usage  # the SDK does not ask a router for it; the provider does
    assert usage.total_tokens == data(sse)[-1]["usage"]["total_tokens"] > 0
    assert journals[0].answered.ttft is not None


@scenario
async def handoff(router):
    refunds = agent(
        "Refunds", instructions="You handle refunds. Answer briefly.", handoff_description="Handles refunds."
    )
    triage = agent("Triage", instructions="Hand off refund requests.", handoffs=[refunds])
    result = await run(router, triage, "I want my money back for my order.")
    assert result.last_agent is refunds
    assert result.final_output
    first, second = router.cassette.interactions
    [call] = first.reply["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "transfer_to_refunds"
    assert second.body["messages"][0] == {"role": "system", "content": "You handle refunds. Answer briefly."}


@scenario
async def structured_output(router):
    extractor = agent(instructions="Extract the person.", output_type=Person)
    result = await run(router, extractor, "Anna is 31 years old.")
    assert result.final_output == Person(name="Anna", age=31)
    assert router.cassette.interactions[0].body["response_format"]["type"] == "json_schema"


@scenario
async def fallback(router):
    """The router cannot reach the first deployment: tried twice, then the next model answers."""
    with track() as journals:
        result = await run(router, agent(), "What is 2 + 2?", model=DEAD, fallbacks=[MODEL], policies=[IN_ALL])
    assert router.statuses() == [(DEAD, 500), (DEAD, 500), (MODEL, 200)]
    assert "4" in result.final_output
    [journal] = journals
    assert [(attempt.target, attempt.status_code) for attempt in journal.attempts] == router.statuses()
    assert journal.answered.model == MODEL


@scenario
async def fallback_streaming(router):
    result, deltas = await stream(
        router, agent(), "What is 2 + 2?", model=DEAD, fallbacks=[MODEL], policies=[IN_ALL]
    )
    assert router.statuses() == [(DEAD, 500), (DEAD, 500), (MODEL, 200)]
    assert "".join(deltas) == result.final_output
    assert "4" in result.final_output


@scenario
async def fallback_exhausted(router):
    settings = {"model": DEAD, "fallbacks": ["nowhere"], "policies": [IN_ALL]}
    error = await failure(AllProvidersFailed, run(router, agent(), "What is 2 + 2?", **settings))
    assert router.statuses() == [(DEAD, 500), (DEAD, 500), ("nowhere", 400)]
    assert [getattr(cause, "status_code", None) for cause in error.exceptions] == [500, 400]


@scenario
async def unknown_model(router):
    error = await failure(openai.BadRequestError, run(router, agent(), "Hello!", model="nowhere"))
    assert "Invalid model name passed in model=nowhere" in str(error)
    assert router.statuses() == [("nowhere", 400)]  # not worth a retry


@scenario
async def wrong_key(router):
    key = "sk-wrong-0123456789"
    error = await failure(openai.BadRequestError, run(router, agent(), "Hello!", key=key))
    assert error.body["type"] == "no_db_connection"  # what a router without a database says to a key not its own
    assert key not in f"{error!r} {error} {error.__dict__}"
    assert router.statuses() == [(MODEL, 400)]


@scenario
async def labels(router):
    """Whom and what a call was for, where the router reads it."""
    metadata = {"team": "support", "tags": ["blue", "eu"]}
    await run(router, agent(), "What is 2 + 2?", user_id="alice", metadata=metadata)
    [interaction] = router.cassette.interactions
    assert interaction.body["user"] == "alice"
    assert interaction.body["metadata"] == metadata
    assert interaction.request_headers["x-litellm-tags"] == "blue,eu"
    assert json.loads(interaction.request_headers["x-litellm-spend-logs-metadata"]) == metadata


@scenario
async def models(router):
    async with router.provider() as provider:
        assert await provider.list_models() == [MODEL, DEAD]


@scenario
async def responses(router):
    calculator, calls = multiplier()
    result = await run(router, calculator, "What is 15 * 23? Use the multiply tool.", api="responses")
    assert calls == [(15, 23)]
    assert "345" in result.final_output
    asked, answered = router.cassette.interactions
    assert {asked.target, answered.target} == {"/v1/responses"}
    assert result.final_output == answered.reply["output"][-1]["content"][0]["text"]
    assert result.context_wrapper.usage.total_tokens == sum(
        reply["usage"]["total_tokens"] for reply in router.replies()
    )


@scenario
async def responses_streaming(router):
    with track() as journals:
        result, deltas = await stream(router, agent(), "What is 2 + 2?", api="responses")
    [sse] = router.replies()
    assert deltas == [event["delta"] for event in data(sse) if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == result.final_output
    usage = data(sse)[-1]["response"]["usage"]
    assert result.context_wrapper.usage.total_tokens == usage["total_tokens"] > 0
    # The router prices the stream in its headers before there is an answer: not to be believed.
    assert journals[0].answered.cost.basis != "reported" or usage.get("cost") is not None


async def failure(kind, running):
    """The error that a run fails with."""
    try:
        await running
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")
