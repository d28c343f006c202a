"""A server, connected when it is first needed, and anew when the connection was lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from pydantic import ValidationError

from hanzo_agents._wire.redact import Secrets
from hanzo_agents.errors import HanzoError, ToolError
from hanzo_agents.mcp.cleaning import clean, shortened
from hanzo_agents.mcp.definitions import ToolDefinition, Unusable
from hanzo_agents.mcp.link import Link
from hanzo_agents.mcp.servers import secrets_of

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult

    from hanzo_agents.mcp.pins import Pins
    from hanzo_agents.mcp.servers import Server

__all__ = ["Connection"]

MOST_PAGES = 100
"""Of a list of tools; the SDK's own bound."""
MOST_TOOLS = 1000
_SHOWN = 12

_logger = logging.getLogger("hanzo_agents")


class Connection:
    """One server of a client. Everything here runs on the package's loop.

    Attributes:
        name: of the server.
        server: how it is reached.
    """

    def __init__(self, name: str, server: Server, pins: Pins, *, connect_timeout: float) -> None:
        self.name = name
        self.server = server
        self._pins = pins
        self._secrets = Secrets(*secrets_of(server))
        self._connect_timeout = connect_timeout
        self._link: Link | None = None
        self._tools: dict[str, ToolDefinition] = {}

    async def tools(self, *, anew: bool = True) -> dict[str, ToolDefinition]:
        """Its tools by name.

        Args:
            anew: ask even if nothing says that they have changed.
        """
        link = self._linked()
        if anew or link.stale:
            link.stale = False
            try:
                listed = await link.use(_listed)
            except BaseException as error:
                link.stale = True
                if (told := self._refusal(f"MCP server {self.name}", error)) is not None:
                    raise told from None
                raise
            self._tools = _definitions(self.name, listed)
            for tool in self._tools.values():
                self._pins.see(tool)
        return self._tools

    async def current(self, name: str) -> ToolDefinition:
        """A tool as it is now.

        Raises:
            ToolError: it is gone, or not what it was.
        """
        tools = await self.tools(anew=False)
        if name not in tools:
            others = ", ".join(sorted(tools)[:_SHOWN]) or "none"
            raise ToolError(f"{name}: {self.name} has no such tool now; it has {others}", code="unknown_tool")
        self._pins.require([tools[name]])
        return tools[name]

    async def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call a tool.

        Raises:
            Unreachable, Lost: the connection failed.
            ToolError: the server answered with an error of the protocol.
        """
        link = self._linked()
        try:
            return await link.use(lambda client: client.call_tool(name, arguments))
        except Exception as error:
            if (told := self._refusal(name, error)) is None:
                raise
            link.stale = True  # it may be the name
            raise told from None

    def suspect(self) -> None:
        """A call has timed out: find out whether the server is still there."""
        if self._link is not None:
            self._link.suspect()

    async def close(self) -> None:
        """Close the connection if there is one. A later call makes another."""
        link, self._link = self._link, None
        if link is not None and link.loop is asyncio.get_running_loop():
            await link.close()

    def drop(self) -> None:
        """Close it without waiting."""
        if self._link is not None:
            self._link.leave()

    def _refusal(self, who: str, error: BaseException) -> ToolError | None:
        """What the server's answer was that is no result, None for what is no answer."""
        if isinstance(error, MCPError):
            said, what = error.message, "the server answered with an error"
        # The SDK's, for what is no MCP, and for a result that is not what the tool's own schema promises.
        elif isinstance(error, ValueError | RuntimeError) and not isinstance(error, HanzoError):
            said, what = _words(error), "the server's answer is none"
        else:
            return None
        return ToolError(f"{who}: {what}: {shortened(clean(self._secrets.scrub(said)), 500)}", code="failed")

    def _linked(self) -> Link:
        link = self._link
        # Of another loop: the parent's, before the process was forked.
        if link is None or link.ended or link.loop is not asyncio.get_running_loop():
            link = self._link = Link(self.name, self.server, connect_timeout=self._connect_timeout)
        return link


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0]


async def _listed(client: Client) -> list[Any]:
    tools: list[Any] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor or len(tools) > MOST_TOOLS:
            break
    return tools


def _definitions(server: str, listed: list[Any]) -> dict[str, ToolDefinition]:
    if len(listed) > MOST_TOOLS:
        _logger.warning("MCP server %s lists more than %d tools; the others are left out", server, MOST_TOOLS)
    found: dict[str, ToolDefinition] = {}
    for tool in listed[:MOST_TOOLS]:
        try:
            found.setdefault(tool.name, ToolDefinition.of(server, tool))
        except Unusable as error:
            shown = shortened(clean(tool.name), 80)
            _logger.warning("tool %r of MCP server %s is left out: %s", shown, server, error)
    return found
