"""MCP: the tools of MCP servers in agents and in plain chat, and agents as an MCP server.

    tools = MCPClient("http://localhost:8081").get_tools()
    agent = Agent(name="Helper", tools=tools)
    reply = hanzo.chat.completions.create(messages=messages, tools=tools)

Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hanzo_agents.mcp.approval import ToolRequest
    from hanzo_agents.mcp.client import AsyncMCPClient, MCPClient
    from hanzo_agents.mcp.definitions import ToolDefinition
    from hanzo_agents.mcp.results import ToolResult
    from hanzo_agents.mcp.rules import ToolRules
    from hanzo_agents.mcp.running import ToolRun, run_tools
    from hanzo_agents.mcp.servers import HTTPServer, StdioServer
    from hanzo_agents.mcp.serving import AgentServer, serve_agent

__all__ = [
    "AgentServer",
    "AsyncMCPClient",
    "HTTPServer",
    "MCPClient",
    "StdioServer",
    "ToolDefinition",
    "ToolRequest",
    "ToolResult",
    "ToolRules",
    "ToolRun",
    "run_tools",
    "serve_agent",
]

_HOMES = {
    "approval": ("ToolRequest",),
    "client": ("AsyncMCPClient", "MCPClient"),
    "definitions": ("ToolDefinition",),
    "results": ("ToolResult",),
    "rules": ("ToolRules",),
    "running": ("ToolRun", "run_tools"),
    "servers": ("HTTPServer", "StdioServer"),
    "serving": ("AgentServer", "serve_agent"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'hanzo_agents.mcp' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"hanzo_agents.mcp.{home}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
