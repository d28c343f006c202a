"""An agent that other programs use: served over MCP, and asked here by a client.

Configure an MCP client such as Claude Desktop with the command `python agent_as_server.py serve`.
"""

import asyncio
import os
import sys

from agents import Agent, function_tool

from hanzo_agents import AgentServer, HanzoModelProvider
from hanzo_agents.mcp import AsyncMCPClient, StdioServer

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local


@function_tool
def get_weather(city: str) -> str:
    """Get the current weather in a city."""
    print(f"get_weather({city!r})")  # goes to standard error: standard output carries the protocol
    return f"It is sunny and 24 degrees in {city}."


def serve() -> None:
    expert = Agent(
        name="Weather expert",
        handoff_description="Answers questions about the weather.",
        instructions="You are a helpful assistant.",
        tools=[get_weather],
    )
    AgentServer(expert, provider=connect(), budget_per_client=1.00, max_concurrent=2).run()


async def main() -> None:
    env = {name: value for name, value in os.environ.items() if name.startswith("HANZO_")}
    async with AsyncMCPClient(StdioServer(command=[sys.executable, __file__, "serve"], env=env)) as mcp:
        for name, tool in (await mcp.list_tools()).items():
            print(f"{name}: {tool.description}")
        # An agent would have it as a tool: Agent(name="Traveller", tools=await mcp.get_tools())
        answer = await mcp.call_tool("weather_expert", {"input": "What's the weather in Paris?"})
        print(answer.text)


if __name__ == "__main__":
    serve() if "serve" in sys.argv[1:] else asyncio.run(main())
