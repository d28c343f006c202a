"""Hedges in real runs: of the SDK's own models, through the provider and around foreign models, streamed and not."""

import asyncio

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI
from recorded_spans import recorded_spans
from upstream import URL, Upstream, call_chunks, completion, response, response_events, sse, text_chunks

from hanzo_agents import Hedge, Target, track, wrap
from hanzo_agents.testing.clock import FakeClock


async def hang(_request=None):
    await asyncio.Event().wait()


def hedge(to):
    return Hedge(after=1.0, to=[to], max_extra_spend=1.0)


async def outcome(agent, config, *, stream):
    """The run's output, and the journals of its model calls."""
    with FakeClock(auto=True), track() as journals:
        if stream:
            result = Runner.run_streamed(agent, "Hello!", run_config=config)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, "Hello!", run_config=config)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return result.final_output, journals


def answers(text, api, *, stream):
    if api == "chat":
        return sse(*text_chunks(text)) if stream else completion(text)
    return sse(*response_events(text=text)) if stream else response(text=text)


class TwoModels(Upstream):
    """A router where "slow" hangs and every other model answers by its own name."""

    def __init__(self, api, *, stream):
        def reply(_request):
            model = self.bodies[-1]["model"]
            return hang() if model == "slow" else answers(model, api, stream=stream)

        super().__init__(reply)


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_through_the_provider(api, stream):
    upstream = TwoModels(api, stream=stream)
    provider = upstream.provider(api=api, policies=[hedge("quick")])
    output, (journal,) = await outcome(
        Agent(name="A", model="slow"), RunConfig(model_provider=provider), stream=stream
    )
    assert output == "quick"
    assert [(a.target, a.accepted is not None, a.sent) for a in journal.attempts] == [
        ("slow", False, True), ("quick", True, True)
    ]  # fmt: skip
    assert all(attempt.ended is not None for attempt in journal.attempts)
    assert [(d.policy, d.action) for d in journal.decisions] == [
        ("Hedge", "asks a second target"), ("Hedge", "takes the second")
    ]  # fmt: skip


def foreign(name, api, upstream):
    """The SDK's own model over the SDK's own client: it opens a span around its stream."""
    client = AsyncOpenAI(base_url=URL, api_key="k", http_client=upstream.http, max_retries=0)
    kind = OpenAIChatCompletionsModel if api == "chat" else OpenAIResponsesModel
    return kind(name, client)


@pytest.mark.parametrize("traced", [False, True], ids=["untraced", "traced"])
@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_around_foreign_models(api, stream, traced):
    upstream = TwoModels(api, stream=stream)
    second = Target(foreign("quick", api, upstream), label="second")
    model = wrap(foreign("slow", api, upstream), hedge(second))
    agent = Agent(name="A", model=model)
    if traced:
        with recorded_spans() as spans:
            output, (journal,) = await outcome(agent, RunConfig(), stream=stream)
        kinds = [span["span_data"]["type"] for span in spans.spans]
        assert kinds.count("generation" if api == "chat" else "response") == 2
        assert len(spans.spans) == spans.started
    else:
        output, (journal,) = await outcome(agent, RunConfig(), stream=stream)
    assert output == "quick"
    assert [(a.target, a.accepted is not None) for a in journal.attempts] == [("slow", False), ("second", True)]


async def test_a_tool_runs_once_though_two_models_were_asked():
    ran = []

    @function_tool
    def weather(city: str) -> str:
        """The weather."""
        ran.append(city)
        return "sunny"

    def reply(_request):
        body = upstream.bodies[-1]
        if body["model"] == "slow":
            return hang()
        if body["messages"][-1]["role"] == "tool":
            return sse(*text_chunks("It is sunny."))
        return sse(*call_chunks("call_1", "weather", '{"city": "Rome"}'))

    upstream = Upstream(reply)
    provider = upstream.provider(policies=[hedge("quick")])
    agent = Agent(name="A", model="slow", tools=[weather])
    output, journals = await outcome(agent, RunConfig(model_provider=provider), stream=True)
    assert (output, ran, len(journals)) == ("It is sunny.", ["Rome"], 2)


async def test_a_run_that_the_sdk_cancels_leaves_no_leg_behind():
    upstream = Upstream(hang)
    provider = upstream.provider(policies=[hedge("quick")])
    with FakeClock() as clock:
        agent = Agent(name="A", model="slow")
        run = asyncio.create_task(Runner.run(agent, "Hello!", run_config=RunConfig(model_provider=provider)))
        await clock.run_for(5)
        assert upstream.hits == 2
        run.cancel()
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await clock.settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
