"""The tools of an MCP server in plain chat, by hand and in one call; no agents, no asyncio."""

import os
import sys

from mcp.server.mcpserver import MCPServer

from hanzo_agents import Hanzo
from hanzo_agents.mcp import MCPClient, run_tools


def serve() -> None:
    server = MCPServer("weather")

    @server.tool()
    def get_weather(city: str) -> str:
        """Get the current weather in a city."""
        return f"It is sunny and 24 degrees in {city}."

    server.run()


def main() -> None:
    hanzo = Hanzo() if os.environ.get("HANZO_ROUTER_URL") else Hanzo.local()
    question = {"role": "user", "content": "What's the weather in Paris?"}
    with MCPClient([sys.executable, __file__, "serve"]) as mcp:
        reply = hanzo.chat.completions.create(messages=[question], tools=mcp.get_tools(), max_tokens=100)
        for message in mcp.execute_tool_calls(reply.tool_calls):
            print("by hand:", message["content"])

        # The same as a loop: until there is an answer, for 4 turns and 10 cents at most.
        run = run_tools(hanzo, messages=[question], tools=mcp, max_turns=4, budget=0.10, max_tokens=100)
        print(f"after {run.turns} turns:", run.text)


if __name__ == "__main__":
    serve() if "serve" in sys.argv else main()
