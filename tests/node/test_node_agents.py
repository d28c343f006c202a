"""The node under the Agents SDK's own models: what it was made for."""

from __future__ import annotations

import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner, function_tool

QUESTION = "What is 15 * 23? Use the multiply tool."


@pytest.fixture(params=[OpenAIChatCompletionsModel, OpenAIResponsesModel])
def agent_model(request, async_client, model):
    return request.param(model=model, openai_client=async_client)


def multiplying(calls):
    @function_tool
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        calls.append((a, b))
        return a * b

    return multiply


CONFIG = RunConfig(tracing_disabled=True)


async def test_a_streamed_run_calls_the_tool_and_tells_its_result(agent_model):
    calls = []
    agent = Agent(
        name="Math", instructions="You are a helpful assistant.", model=agent_model, tools=[multiplying(calls)]
    )
    run = Runner.run_streamed(agent, QUESTION, run_config=CONFIG)
    async for _ in run.stream_events():
        pass
    assert calls == [(15, 23)]
    assert "345" in run.final_output


async def test_a_handoff_and_then_a_tool(agent_model):
    calls = []
    math = Agent(
        name="Math Tutor",
        handoff_description="Specialist agent for math questions",
        model=agent_model,
        tools=[multiplying(calls)],
    )
    history = Agent(
        name="History Tutor", handoff_description="Specialist agent for historical questions", model=agent_model
    )
    triage = Agent(name="Triage", model=agent_model, handoffs=[history, math])
    result = await Runner.run(triage, "What is 15 * 23?", run_config=CONFIG)
    assert result.last_agent is math
    assert calls == [(15, 23)]
    assert "345" in result.final_output
