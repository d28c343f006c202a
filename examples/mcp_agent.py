"""An agent that uses the tools of an MCP server: here one of its own, in a process beside it."""

import asyncio
import os
import sys

from agents import Agent, RunConfig, Runner
from agents.items import ToolCallOutputItem
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

from hanzo_agents import HanzoModelProvider
from hanzo_agents.mcp import AsyncMCPClient, ToolRequest, ToolRules

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()
config = RunConfig(model_provider=provider, tracing_disabled=True)


def serve() -> None:
    server = MCPServer("weather")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def get_weather(city: str) -> str:
        """Get the current weather in a city."""
        return f"It is sunny and 24 degrees in {city}."

    server.run()


def approve(request: ToolRequest) -> bool:
    """Asked before a tool that changes something; the weather's only reads."""
    return input(f"May {request.tool} run with {dict(request.arguments)}? [y/n] ") == "y"


async def main() -> None:
    # A list is a command. A URL, an mcp.json and several servers at once work as well.
    command = [sys.executable, __file__, "serve"]
    async with AsyncMCPClient(command, approve=approve, rules=ToolRules(timeout=10)) as mcp:
        agent = Agent(name="Assistant", instructions="You are a helpful assistant.", tools=await mcp.get_tools())
        result = await Runner.run(agent, "What's the weather in Paris?", run_config=config)
    for item in result.new_items:
        if isinstance(item, ToolCallOutputItem):
            print("the server said:", item.output)
    print(result.final_output)


if __name__ == "__main__":
    serve() if "serve" in sys.argv else asyncio.run(main())
