"""An MCP server, over standard streams: what the agents of `router_scenarios` have for tools."""

from mcp.server import MCPServer

server = MCPServer("arithmetic", log_level="ERROR")


@server.tool()
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@server.tool()
def capital(country: str) -> str:
    """The capital of a country."""
    return {"peru": "Lima", "france": "Paris"}.get(country.lower(), "unknown")


if __name__ == "__main__":
    server.run()
