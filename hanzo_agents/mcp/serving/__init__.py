"""Agents, and the models behind them, served to MCP clients."""

from hanzo_agents.errors import ConfigError

try:
    from hanzo_agents.mcp.serving.server import AgentServer, serve_agent
except ImportError as error:
    # The Agents SDK also takes the first generation of `mcp`, which has no such servers.
    raise ConfigError(
        f"serving agents needs mcp 2 ({error}). Type: pip install 'hanzo-agents-provider[mcp]'"
    ) from error

__all__ = ["AgentServer", "serve_agent"]
