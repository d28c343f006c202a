"""What a client finds and gets: tools, answers, progress, errors, limits. Over the protocol, without a transport."""

import asyncio
import importlib
import random
import sys
from dataclasses import dataclass

import mcp
import pytest
from agents import (
    Agent,
    AgentOutputSchema,
    GuardrailFunctionOutput,
    RunConfig,
    function_tool,
    handoff,
    input_guardrail,
)
from agents.testing import ModelStep, ScriptedModel, assistant_message
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel
from served import KEY, PRICED, asked, code, said, server_of, until, usage

from hanzo_agents import Budget, ConfigError, MemoryStore, wrap
from hanzo_agents.mcp.serving import AgentServer
from hanzo_agents.testing.fault_server import Usage, answers, faults


class City(BaseModel):
    name: str
    people: int


@dataclass
class Point:
    x: int


HELPER = Agent(name="Shop Helper", handoff_description="Knows the shop.", model=PRICED)


async def test_an_agent_is_a_tool_that_answers(router, provider, era):
    router.script("Seven.")
    async with mcp.Client(server_of(HELPER, provider=provider).mcp, mode=era) as client:
        [tool] = (await client.list_tools()).tools
        assert (tool.name, tool.title, tool.description) == ("shop_helper", "Shop Helper", "Knows the shop.")
        assert tool.input_schema["required"] == ["input"]
        assert tool.annotations.read_only_hint is True
        result = await client.call_tool("shop_helper", {"input": "How many pens?"})
    assert (said(result), result.is_error) == ("Seven.", False)
    assert router.requests[0].prompt == "How many pens?"
    took = usage(result)
    assert (took["requests"], took["basis"], took["remaining"]) == (1, "estimated", None)
    assert float(took["cost"]) > 0


async def test_an_output_type_is_a_schema_and_the_answer_keeps_it(router, provider, era):
    router.script('{"name": "Lima", "people": 10}', '{"response": {"x": 3}}')
    city = Agent(name="city", output_type=City, model=PRICED)
    point = Agent(name="point", output_type=Point, model=PRICED)
    async with mcp.Client(server_of(city, point, provider=provider).mcp, mode=era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools["city"].output_schema["properties"]) == {"name", "people"}
        # The client checks what comes against the schema.
        assert (await client.call_tool("city", {"input": "?"})).structured_content == {
            "name": "Lima",
            "people": 10,
        }
        result = await client.call_tool("point", {"input": "?"})
    assert result.structured_content == {"response": {"x": 3}}
    assert said(result) == '{"x":3}'


async def test_where_another_agent_may_have_the_last_word_no_form_is_promised(router, provider):
    other = Agent(name="other", model=PRICED)
    first = Agent(name="first", output_type=City, handoffs=[other], model=PRICED)
    router.script(answers.tool_call("transfer_to_other"), "I am the other.")
    async with mcp.Client(server_of(first, provider=provider).mcp) as client:
        [tool] = (await client.list_tools()).tools
        assert tool.output_schema is None
        assert said(await client.call_tool("first", {"input": "?"})) == "I am the other."


async def test_progress_tells_of_turns_and_tools_and_not_of_what_they_say(router, provider, era):
    @function_tool
    def stock(item: str) -> str:
        """Count."""
        return f"secret-{item}"

    agent = Agent(name="Clerk", tools=[stock], model=PRICED)
    router.script(answers.tool_call("stock", {"item": "pens"}), "Seven pens.")
    told = []

    async def tell(progress, total, message):
        told.append((progress, message))

    async with mcp.Client(server_of(agent, provider=provider).mcp, mode=era) as client:
        [tool] = (await client.list_tools()).tools
        assert tool.annotations is None  # who knows what its tool does
        await client.call_tool("clerk", {"input": "?"}, progress_callback=tell)
    assert [message for _, message in told] == [
        "Clerk begins", "turn 1", "calls stock", "has the tool's answer", "turn 2", "answers",
    ]  # fmt: skip
    assert [count for count, _ in told] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "input: Field required"),
        ({"input": 3}, "input: Input should be a valid string"),
        ({"input": ""}, "input: String should have at least 1 character"),
        ({"input": "?", "system": "x"}, "system: Extra inputs are not permitted"),
    ],
)
async def test_wrong_arguments_are_named(provider, era, given, says):
    async with mcp.Client(server_of(HELPER, provider=provider).mcp, mode=era) as client:
        result = await client.call_tool("shop_helper", given)
    assert (result.is_error, said(result), code(result)) == (True, says, "arguments")


async def test_an_unknown_tool_is_an_error_of_the_protocol(provider, era):
    async with mcp.Client(server_of(HELPER, provider=provider).mcp, mode=era) as client:
        with pytest.raises(MCPError, match="Unknown tool: nothing"):
            await client.call_tool("nothing", {})


async def test_what_the_upstream_refuses_is_said_without_keys(router, provider, era):
    router.script(faults.echo_authorization(), faults.reset())
    async with mcp.Client(server_of(HELPER, provider=provider).mcp, mode=era) as client:
        refused = await client.call_tool("shop_helper", {"input": "?"})
        broken = await client.call_tool("shop_helper", {"input": "?"})
    assert said(refused).startswith("the model's endpoint answered 401: ")
    assert said(broken).startswith("the model's endpoint did not answer: ")
    assert KEY not in f"{refused}{broken}"


async def test_a_stranger_among_errors_is_described_in_the_log_alone(provider, era, caplog):
    def context():
        raise RuntimeError(f"database at /srv/secret says no to {KEY}")

    async with mcp.Client(server_of(HELPER, provider=provider, context=context).mcp, mode=era) as client:
        result = await client.call_tool("shop_helper", {"input": "?"})
    text = said(result)
    assert text.startswith("the server failed in a way that its log describes, under ")
    assert text.rpartition(" ")[2] in caplog.text
    assert "/srv/secret" in caplog.text
    assert (result.is_error, code(result)) == (True, "internal_error")


async def test_a_guardrail_and_the_turns_of_an_agent_end_it_clearly(router, provider):
    @input_guardrail
    def no_secrets(context, agent, given):
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered="secret" in str(given))

    @function_tool
    def look() -> str:
        """Look again."""
        return "nothing yet"

    agent = Agent(name="a", model=PRICED, tools=[look], input_guardrails=[no_secrets])
    router.script(answers.tool_call("look"), repeat=True)
    async with mcp.Client(server_of(agent, provider=provider, max_turns=2).mcp) as client:
        assert said(await client.call_tool("a", {"input": "the secret"})) == "refused by the guardrail no_secrets"
        assert said(await client.call_tool("a", {"input": "?"})) == "Max turns (2) exceeded"


async def test_what_a_person_must_approve_of_ends_the_run_clearly(router, provider):
    @function_tool(needs_approval=True)
    def refund(order: int) -> str:
        """Pay back."""
        raise AssertionError("nobody approved of it")

    router.script(answers.tool_call("refund", {"order": 3}))
    agent = Agent(name="a", model=PRICED, tools=[refund])
    async with mcp.Client(server_of(agent, provider=provider).mcp) as client:
        result = await client.call_tool("a", {"input": "?"})
    assert (code(result), said(result)) == (
        "needs_approval",
        "the agent may not go on until a person approves of refund",
    )


async def test_a_call_has_its_time(router, provider):
    router.script(faults.hang())
    async with mcp.Client(server_of(HELPER, provider=provider, timeout=0.05).mcp) as client:
        result = await client.call_tool("shop_helper", {"input": "?"})
    assert (said(result), code(result)) == ("the call ran for 0.05 s and was stopped", "timeout")
    await router.until(lambda: router.open_connections == 0)


async def test_a_budget_is_spent_over_all_calls_and_then_refuses(router, provider, era):
    router.script(answers.text("Long.", usage=Usage(100, 5000)), repeat=True)
    server = server_of(HELPER, provider=provider, budget_per_client=0.002)
    async with mcp.Client(server.mcp, mode=era) as client:
        first = await client.call_tool("shop_helper", {"input": "?"})
        second = await client.call_tool("shop_helper", {"input": "?"})
    assert not first.is_error
    assert usage(first)["remaining"] == "0"
    assert code(second) == "budget_exceeded"
    assert said(second).startswith("your budget on this server is spent: budget of $0.002: $0.003015 spent")
    assert len(asked(router)) == 1


async def test_a_budget_bounds_all_clients_together(router, provider):
    router.script(answers.text("Long.", usage=Usage(100, 5000)), repeat=True)
    server = server_of(HELPER, provider=provider, budget=0.002)
    async with mcp.Client(server.mcp) as client:
        assert not (await client.call_tool("shop_helper", {"input": "?"})).is_error
        refused = await client.call_tool("shop_helper", {"input": "?"})
    assert said(refused).startswith("per_run budget of $0.002")


async def test_a_clients_calls_wait_for_their_turn_and_one_too_many_is_refused(router, provider):
    router.script(faults.hang_mid_body(), repeat=True)
    server = server_of(HELPER, provider=provider, max_concurrent=2, max_queued=1)
    async with mcp.Client(server.mcp, mode="legacy") as client:
        calls = [asyncio.create_task(client.call_tool("shop_helper", {"input": str(n)})) for n in range(3)]
        await router.until(lambda: router.paused == 2)
        await until(lambda: server.under_way("stdio") == (2, 1))
        refused = await client.call_tool("shop_helper", {"input": "?"})
        assert (refused.is_error, code(refused)) == (True, "queue_full")
        assert said(refused) == "2 of your calls are under way and 1 wait; try again when one ends"
        router.release()
        await router.until(lambda: len(asked(router)) == 3)
        await router.until(lambda: router.paused == 1)
        router.release()
        assert [said(result) for result in await asyncio.gather(*calls)] == ["Hello!"] * 3
    assert server.under_way("stdio") == (0, 0)


async def test_a_cancelled_call_stops_the_run_and_is_paid_for(router, provider):
    router.script(faults.hang_mid_body(), "Next.")
    server = server_of(HELPER, provider=provider, max_concurrent=1, budget_per_client=1)
    async with mcp.Client(server.mcp, mode="legacy") as client:
        call = asyncio.create_task(client.call_tool("shop_helper", {"input": "?"}))
        await router.until(lambda: router.paused == 1)
        assert server.spent("stdio").reserved > 0
        call.cancel()
        await router.until(lambda: router.open_connections == 0)
        await until(lambda: server.under_way("stdio") == (0, 0))
        assert server.spent("stdio").reserved == 0
        assert server.spent("stdio").spent > 0
        assert said(await client.call_tool("shop_helper", {"input": "?"})) == "Next."


async def test_a_call_that_waits_can_be_cancelled_too(router, provider):
    router.script(faults.hang_mid_body(), repeat=True)
    server = server_of(HELPER, provider=provider, max_concurrent=1)
    async with mcp.Client(server.mcp, mode="legacy") as client:
        first = asyncio.create_task(client.call_tool("shop_helper", {"input": "1"}))
        await router.until(lambda: router.paused == 1)
        second = asyncio.create_task(client.call_tool("shop_helper", {"input": "2"}))
        await until(lambda: server.under_way("stdio") == (1, 1))
        second.cancel()
        await until(lambda: server.under_way("stdio") == (1, 0))
        router.release()
        assert said(await first) == "Hello!"
    assert len(asked(router)) == 1


async def test_models_can_be_asked_compared_and_listed(router, provider, era):
    router.script(answers.models("gpt-4o-mini", "gpt-4o"), path="/v1/models", repeat=True)
    router.model("gpt-4o-mini").script("I am small.", repeat=True)
    router.model("gpt-4o").script(answers.text("I am large.", usage=Usage(7, 9)), repeat=True)
    router.model("gone").script(faults.status(404), repeat=True)
    async with mcp.Client(server_of(provider=provider, models=True).mcp, mode=era) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["ask", "compare", "models"]
        listed = await client.call_tool("models", {})
        assert listed.structured_content == {"models": ["gpt-4o-mini", "gpt-4o"]}
        answer = await client.call_tool(
            "ask", {"prompt": "Who are you?", "system": "Be honest.", "max_tokens": 50}
        )
        assert said(answer) == "I am small."
        compared = await client.call_tool("compare", {"prompt": "?", "models": ["gpt-4o-mini", "gone", "gpt-4o"]})
    sent = router.model("gpt-4o-mini").requests[0].json
    assert (sent["messages"][0]["content"], sent["max_tokens"]) == ("Be honest.", 50)
    small, gone, large = compared.structured_content["answers"]
    assert (small["answer"], large["answer"], gone["answer"]) == ("I am small.", "I am large.", None)
    assert gone["error"].startswith("the model's endpoint answered 404")
    assert (large["model"], large["input_tokens"], large["output_tokens"]) == ("gpt-4o", 7, 9)
    assert float(large["cost"]) > float(small["cost"]) > 0
    assert "## gpt-4o\n\nI am large." in said(compared)
    assert usage(compared)["requests"] == 3


async def test_only_offered_models_can_be_asked(router, provider):
    router.script("Yes.")
    server = server_of(provider=provider, models=["gpt-4o-mini", "gpt-4o"])
    async with mcp.Client(server.mcp) as client:
        assert said(await client.call_tool("models", {})) == "gpt-4o-mini\ngpt-4o"
        refused = await client.call_tool("ask", {"prompt": "?", "model": "o3"})
        assert said(refused) == "model: expected one of gpt-4o-mini, gpt-4o, got 'o3'"
        assert said(await client.call_tool("ask", {"prompt": "?"})) == "Yes."
    assert len(asked(router)) == 1


async def test_when_no_model_answers_the_comparison_fails(router, provider):
    router.script(faults.status(500), repeat=True)
    async with mcp.Client(server_of(provider=provider, models=["a", "b"]).mcp) as client:
        result = await client.call_tool("compare", {"prompt": "?", "models": ["a", "b"]})
    assert (result.is_error, code(result)) == (True, "all_failed")
    assert said(result).startswith("a: the model's endpoint answered 500")


async def test_an_agent_that_brings_its_model_needs_no_provider():
    model = ScriptedModel([ModelStep(output=[assistant_message("Scripted.")])])
    async with mcp.Client(AgentServer(Agent(name="a", model=model)).mcp) as client:
        assert said(await client.call_tool("a", {"input": "?"})) == "Scripted."


async def test_each_run_gets_a_context_of_its_own(router, provider):
    seen = []

    @function_tool
    def look(context) -> str:
        """Look."""
        return ""

    def instructions(wrapper, agent):
        seen.append(wrapper.context)
        return "Be kind."

    router.script("Yes.", repeat=True)
    agent = Agent(name="a", model=PRICED, instructions=instructions)
    async with mcp.Client(server_of(agent, provider=provider, context=dict).mcp) as client:
        await client.call_tool("a", {"input": "?"})
        await client.call_tool("a", {"input": "?"})
    assert seen == [{}, {}]
    assert seen[0] is not seen[1]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "agents: expected an agent, several of them, or models=True, got nothing to serve"),
        ({"agents": "shop"}, "agents: expected an agent or several, got str"),
        ({"agents": [3]}, "agents: expected agents, got int"),
        ({"agents": [HELPER, HELPER]}, "agents: two tools would be named 'shop_helper'"),
        ({"agents": {"ask": HELPER}, "models": True}, "agents: two tools would be named 'ask'"),
        ({"agents": Agent(name="助手")}, "agents: '助手' gives no tool name"),
        ({"agents": HELPER, "models": "gpt-4"}, "models: expected True, or a list of models' names, got 'gpt-4'"),
        ({"agents": HELPER, "models": []}, "models: expected True, or a list"),
        ({"agents": HELPER, "budget": -1}, "budget: expected US dollars"),
        ({"agents": HELPER, "budget_per_client": "lots"}, "budget_per_client: expected US dollars"),
        ({"agents": HELPER, "max_concurrent": 0}, "max_concurrent: expected an integer from 1"),
        ({"agents": HELPER, "max_queued": -1}, "max_queued: expected an integer from 0"),
        ({"agents": HELPER, "max_turns": 1.5}, "max_turns: expected an integer"),
        ({"agents": HELPER, "timeout": 0}, "timeout: expected a number of seconds > 0"),
        ({"agents": HELPER, "context": {}}, "context: expected a function, got dict"),
        ({"agents": HELPER, "provider": "zen"}, "provider: expected a ModelProvider, got str"),
    ],
)
def test_wrong_settings_are_named(provider, settings, says):
    with pytest.raises(ConfigError) as caught:
        AgentServer(**{"provider": provider, **settings})
    assert str(caught.value).startswith(says)


def test_a_budget_that_could_not_hold_is_refused(provider):
    stranger = Agent(name="stranger", model=ScriptedModel([]))
    namesake = Agent(name="stranger", model=PRICED)
    for agent in (
        stranger,
        Agent(name="first", model=PRICED, handoffs=[stranger, namesake]),
        Agent(name="first", model=PRICED, handoffs=[handoff(stranger)]),
        Agent(name="first", model=PRICED, tools=[stranger.as_tool("ask_stranger", "Asks.")]),
    ):
        with pytest.raises(ConfigError, match="the model of the agent 'stranger' is a ScriptedModel"):
            AgentServer(agent, provider=provider, budget=1)
    with pytest.raises(ConfigError, match="the model of run_config is a ScriptedModel"):
        AgentServer(namesake, provider=provider, budget=1, run_config=RunConfig(model=ScriptedModel([])))
    ours = Agent(name="ours", model=wrap(ScriptedModel([]), Budget(per_call=1, store=MemoryStore())))
    assert AgentServer(ours, budget=1).tools


async def test_who_asks_for_a_model_gets_that_one(router, provider):
    router.script("hi")
    server = AgentServer(models=[PRICED], run_config=RunConfig(model="gpt-4o", model_provider=provider))
    async with mcp.Client(server.mcp) as client:
        assert not (await client.call_tool("ask", {"prompt": "Hello?", "model": PRICED})).is_error
    assert [request.json["model"] for request in asked(router)] == [PRICED]


def test_without_a_router_it_says_which_variable_to_set():
    with pytest.raises(ConfigError, match="HANZO_ROUTER_URL"):
        AgentServer(HELPER)


async def test_after_a_storm_of_cancelled_calls_nothing_is_held(router, provider):
    router.script(faults.hang_mid_body(), repeat=True)
    server = server_of(HELPER, provider=provider, max_concurrent=3, max_queued=30, budget_per_client=1)
    chance = random.Random(7)
    async with mcp.Client(server.mcp, mode="legacy") as client:
        calls = [asyncio.create_task(client.call_tool("shop_helper", {"input": str(n)})) for n in range(24)]
        left = set(calls)
        while left := {call for call in left if not call.done()}:
            await router.until(lambda: router.paused >= min(3, sum(not call.done() for call in calls)))
            for call in chance.sample(sorted(left, key=calls.index), min(4, len(left))):
                call.cancel()  # once: twice, and the client would not get to tell the server
                left.discard(call)
            if chance.random() < 0.5:
                router.release()
        await asyncio.wait(calls)
        await until(lambda: server.under_way("stdio") == (0, 0))
        assert server.spent("stdio").reserved == 0
    await router.until(lambda: router.paused == 0)


def test_the_sdk_still_says_what_it_wraps():
    """A private attribute of the Agents SDK tells what a client finds inside of `response`."""
    assert AgentOutputSchema(Point, strict_json_schema=False)._is_wrapped is True
    assert AgentOutputSchema(City)._is_wrapped is False


def test_with_mcp_of_the_first_generation_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("hanzo_agents.mcp.serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(
        ConfigError, match=r"serving agents needs mcp 2 .* pip install 'hanzo-agents-provider\[mcp\]'"
    ):
        importlib.import_module("hanzo_agents.mcp.serving")
