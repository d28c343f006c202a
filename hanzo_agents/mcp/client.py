"""`MCPClient` and `AsyncMCPClient`: the tools of MCP servers, for agents and for plain chat."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Self

from hanzo_agents._kernel.clock import Duration, required_seconds
from hanzo_agents._kernel.fields import check_count, check_flag, check_function
from hanzo_agents._kernel.loop_thread import loop_thread, on_loop_thread
from hanzo_agents._wire.sync.calls import run
from hanzo_agents.errors import ConfigError, HanzoError, ToolError
from hanzo_agents.mcp.approval import Approve, ToolRequest, require_approval
from hanzo_agents.mcp.commands import permit
from hanzo_agents.mcp.config import chosen_servers
from hanzo_agents.mcp.crossing import across
from hanzo_agents.mcp.results import Allowances
from hanzo_agents.mcp.rules import ToolRules, rules_by_tool
from hanzo_agents.mcp.servers import StdioServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hanzo_agents.mcp.definitions import ToolDefinition
    from hanzo_agents.mcp.results import Allowance, ToolResult
    from hanzo_agents.mcp.servers import Server
    from hanzo_agents.mcp.toolbox import Toolbox

__all__ = ["AsyncMCPClient", "MCPClient"]


class _Configured:
    """What both clients are made of: the checked settings, and the toolbox."""

    def __init__(
        self,
        *servers: str | Sequence[str] | Mapping[str, Any] | Server,
        config: str | Path | Mapping[str, Any] | None = None,
        only: Iterable[str] | None = None,
        commands: Iterable[str] | None = None,
        approve: Approve | None = None,
        rules: ToolRules | None = None,
        tool_rules: Mapping[str, ToolRules] | None = None,
        max_results: int = 1_000_000,
        connect_timeout: Duration = 30.0,
    ) -> None:
        from hanzo_agents.mcp.toolbox import Toolbox

        self._servers = chosen_servers(servers, config)
        allowed = _strings("commands", commands)
        for name, server in self._servers.items():
            if allowed is not None and isinstance(server, StdioServer):
                permit(name, server.command[0], server.program, server.env, allowed)
        if approve is not None:
            check_function("approve", approve)
        check_count("max_results", max_results, 200)
        general, special = rules_by_tool(rules, tool_rules)
        self._approve = approve
        self._allowances = Allowances(max_results)
        self._toolbox = Toolbox(
            self._servers, rules=general, tool_rules=special, only=_strings("only", only),
            connect_timeout=required_seconds("connect_timeout", connect_timeout, zero=False),
        )  # fmt: skip
        self._tools: dict[str, ToolDefinition] = {}
        # The tools of an agent hold the client, and so does whoever uses one.
        weakref.finalize(self, _abandon, self._toolbox).atexit = False

    def accept_changes(self, *names: str) -> list[str]:
        """Take tools whose definitions have changed as they are now; all of them without names.

        Returns:
            The names of those that had changed.
        """
        return self._toolbox.pins.accept(frozenset(names))

    async def _list(self) -> dict[str, ToolDefinition]:
        self._tools.update(listed := await across(self._toolbox.tools()))
        return listed

    async def _function_tools(self, *, needs_approval: bool) -> list[Any]:
        from hanzo_agents.mcp.tools import function_tool

        check_flag("needs_approval", needs_approval)
        return [
            function_tool(name, tool, self._invoke, self._allowances, pause=needs_approval)
            for name, tool in (await self._list()).items()
        ]

    async def _openai_tools(self) -> list[dict[str, Any]]:
        from hanzo_agents.mcp.tools import openai_tool

        return [openai_tool(name, tool) for name, tool in (await self._list()).items()]

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        return await self._use(await self._find(name), dict(arguments), None)

    async def _execute(self, calls: Iterable[Any] | None) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*map(self._answer, calls or ())))

    async def _answer(self, call: Any) -> dict[str, Any]:
        from hanzo_agents.mcp.tools import answer_to, parts_of, said

        name, arguments, ident, responses = parts_of(call)
        try:
            text = (await self._invoke(await self._find(name), arguments, None)).described
        except HanzoError as error:
            text = said(error)
        return answer_to(ident, text, responses=responses)

    async def _find(self, name: str) -> ToolDefinition:
        """The tool a model means; the servers are asked where it is not known yet."""
        tool = self._tools.get(name) or (await self._list()).get(name)
        if tool is None:
            known = ", ".join(sorted(self._tools)[:12]) or "none"
            raise ToolError(f"{name!r}: there is no such tool; there is {known}", code="unknown_tool")
        return tool

    async def _invoke(self, tool: ToolDefinition, arguments: str, allowance: Allowance | None) -> ToolResult:
        from hanzo_agents.mcp.tools import arguments_of

        return await self._use(tool, arguments_of(tool, arguments), allowance)

    async def _use(
        self, tool: ToolDefinition, arguments: dict[str, Any], allowance: Allowance | None
    ) -> ToolResult:
        if self._approve is not None:
            seen = await across(self._toolbox.look(tool, arguments))
            request = ToolRequest(tool.server, tool.name, arguments, seen.description, seen.idempotent)
            if not seen.read_only:
                # Asked here, on the caller's loop: what the hook awaits belongs to it.
                await require_approval(self._approve, request)
        result = await across(self._toolbox.call(tool, arguments))
        return result if allowance is None else allowance.fit(result)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}: {server}' for name, server in self._servers.items())})"


class AsyncMCPClient(_Configured):
    """The tools of MCP servers, as `MCPClient` has them, for code that awaits.

    It serves any number of event loops; the connections live on one of the package's own.

        async with AsyncMCPClient(["mcp-server-time"]) as mcp:
            agent = Agent(name="Clock", tools=await mcp.get_tools())
    """

    async def get_tools(self, *, needs_approval: bool = False) -> list[Any]:
        """As `MCPClient.get_tools`."""
        return await self._function_tools(needs_approval=needs_approval)

    async def list_tools(self) -> dict[str, ToolDefinition]:
        """As `MCPClient.list_tools`."""
        return await self._list()

    async def as_openai(self) -> list[dict[str, Any]]:
        """As `MCPClient.as_openai`."""
        return await self._openai_tools()

    async def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> ToolResult:
        """As `MCPClient.call_tool`."""
        return await self._call(name, arguments or {})

    async def execute_tool_calls(self, tool_calls: Iterable[Any] | None) -> list[dict[str, Any]]:
        """As `MCPClient.execute_tool_calls`."""
        return await self._execute(tool_calls)

    async def close(self) -> None:
        """Close the connections and end the programs. A later call starts them again."""
        await across(self._toolbox.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class MCPClient(_Configured):
    """The tools of MCP servers.

        with MCPClient("http://localhost:8081", ["mcp-server-time", "--local-timezone", "UTC"]) as mcp:
            agent = Agent(name="Helper", tools=mcp.get_tools())

    Servers are connected when they are first needed, and again after they were lost. Without `with`, the
    connections stay open until the client and its tools are dropped, or the process ends. A client serves any
    number of threads and event loops; where an event loop runs, `AsyncMCPClient` does not block it.

    Args:
        servers: URLs (streamable HTTP, or SSE where that is what answers), commands as lists (stdio),
            `HTTPServer`s, `StdioServer`s, and mappings of names to those. Without any, HANZO_MCP_URL, or
            `mcp.json` in the current folder.
        config: a file like Claude Desktop's, or its content: `{"mcpServers": {"name": {"command": ...}}}`.
        only: names of tools, as their servers have them: others are left out.
        commands: programs that may be started, by name or path; None permits what you name, for you named it.
        approve: asked with a `ToolRequest` before a tool is used that its server does not call read-only.
        rules: limits of every tool.
        tool_rules: limits of some tools, by name, in place of those.
        max_results: characters that the results of one run may have, all together.
        connect_timeout: seconds a server may take to start and shake hands. 30 is Claude Code's: `uvx` and `npx`
            fetch a program that they see for the first time.

    Raises:
        ConfigError: there is no server, or a setting is wrong; nothing was started.
    """

    def get_tools(self, *, needs_approval: bool = False) -> list[Any]:
        """The tools of all servers, for `Agent(tools=...)` and for `chat.completions.create(tools=...)`.

        They are `FunctionTool`s of the Agents SDK, and work on any event loop.

        A server that does not answer while others do is left out, with a warning in the log.

        Args:
            needs_approval: have the SDK's runner stop before tools that are not read-only, until the run's state
                says yes (`result.interruptions`).

        Raises:
            ToolError: no server answers, or a tool is not what it was when it was first seen.
            ConfigError: a server cannot be started.
        """
        return run(self._function_tools(needs_approval=needs_approval))

    def list_tools(self) -> dict[str, ToolDefinition]:
        """What the servers say of their tools, by the names these are given to models under.

        Raises:
            ToolError, ConfigError: as `get_tools`.
        """
        return run(self._list())

    def as_openai(self) -> list[dict[str, Any]]:
        """The tools as the Chat Completions API spells them, for other clients.

        Raises:
            ToolError, ConfigError: as `get_tools`.
        """
        return run(self._openai_tools())

    def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> ToolResult:
        """Use one tool.

        Raises:
            ToolError: there is no result; its `code` says why.
        """
        return run(self._call(name, arguments or {}))

    def execute_tool_calls(self, tool_calls: Iterable[Any] | None) -> list[dict[str, Any]]:
        """Do what a model asked for, all at once: messages to append to the conversation, in the calls' order.

        Takes the `tool_calls` of a reply, of Chat Completions or Responses, as objects or dicts. What goes wrong
        is told to the model in its message, and raises nothing.
        """
        return run(self._execute(tool_calls))

    def close(self) -> None:
        """Close the connections and end the programs. A later call starts them again."""
        run(across(self._toolbox.close()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _strings(field: str, given: Iterable[str] | None) -> frozenset[str] | None:
    if given is None:
        return None
    listed: Any = None if isinstance(given, str | bytes) else list(given)
    if listed is None or not all(isinstance(one, str) for one in listed):
        raise ConfigError(f"{field}: expected a list of strings, got {given!r}")
    return frozenset(listed)


def _abandon(toolbox: Toolbox) -> None:
    """Close what a client has opened that nobody holds any more. The garbage collector calls it on any thread."""
    if on_loop_thread():
        toolbox.drop()
    else:
        loop_thread().drop(toolbox.drop)
