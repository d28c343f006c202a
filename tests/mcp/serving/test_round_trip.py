"""One agent uses another that is served over MCP, by our own client: both ways at once."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from served import KEY, PRICED, TOKENS, over_http, server_of, until

from hanzo_agents import HanzoModelProvider
from hanzo_agents.mcp import AsyncMCPClient, HTTPServer, StdioServer
from hanzo_agents.testing.fault_server import FaultServer, Usage, answers, faults

SHOP = str(Path(__file__).with_name("shop.py"))


@pytest.fixture
def asking():
    """The upstream of the agent that uses the other one."""
    with FaultServer() as server:
        yield server


@pytest.fixture
def config(asking):
    provider = HanzoModelProvider(asking.base_url, KEY, model=PRICED, policies=[])
    return RunConfig(model_provider=provider, tracing_disabled=True)


def served_agent():
    @function_tool
    def stock(item: str) -> str:
        """How many are left."""
        return f"7 {item}"

    return Agent(name="Support", tools=[stock], model=PRICED, handoff_description="Knows the shop.")


async def test_an_agent_asks_an_agent_in_another_process(router, asking, config):
    router.script(answers.tool_call("stock", {"item": "pens"}), "There are 7 pens.")
    asking.script(answers.tool_call("support", {"input": "How many pens?"}), "Seven.")
    env = {
        "HANZO_ROUTER_URL": router.base_url,
        "HANZO_API_KEY": KEY,
        "HANZO_MODEL": PRICED,
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-m", "hanzo_agents.cli", "mcp", "serve", f"{SHOP}:support"]
    async with AsyncMCPClient(StdioServer(command=command, env=env)) as mcp:
        agent = Agent(name="A", tools=await mcp.get_tools())
        result = await Runner.run(agent, "Pens?", run_config=config)
    assert result.final_output == "Seven."
    assert asking.requests[1].messages[-1]["content"] == "There are 7 pens."
    assert asking.requests[0].json["tools"][0]["function"]["description"] == "Answers questions about the shop."


async def test_over_http_with_a_token_and_a_budget_that_ends(router, provider, asking, config):
    router.script(answers.text("Long.", usage=Usage(100, 5000)), repeat=True)
    asking.script(*[answers.tool_call("support", {"input": "?"}), "Done."] * 2)
    server = server_of(served_agent(), provider=provider, budget_per_client=0.002)
    async with over_http(server, tokens=TOKENS) as connect:
        headers = {"Authorization": f"Bearer {TOKENS['alice']}"}
        async with AsyncMCPClient(HTTPServer(url=connect.url, headers=headers)) as mcp:
            agent = Agent(name="A", tools=await mcp.get_tools())
            await Runner.run(agent, "?", run_config=config)
            again = await Runner.run(agent, "?", run_config=config)
    # The agent that asks is told, and its run goes on.
    said = asking.requests[-1].messages[-1]["content"]
    assert "your budget on this server is spent: budget of $0.002" in said
    assert again.final_output == "Done."


async def test_a_run_that_is_cancelled_cancels_the_one_it_waits_for(router, provider, asking, config):
    router.script(faults.hang_mid_body())
    asking.script(answers.tool_call("support", {"input": "?"}))
    server = server_of(served_agent(), provider=provider)
    async with over_http(server) as connect, AsyncMCPClient(connect.url) as mcp:
        agent = Agent(name="A", tools=await mcp.get_tools())
        run = asyncio.create_task(Runner.run(agent, "?", run_config=config))
        await router.until(lambda: router.paused == 1)
        run.cancel()
        await asyncio.wait([run])
        await router.until(lambda: router.paused == 0)
        await until(lambda: server.under_way("address 127.0.0.1") == (0, 0))
