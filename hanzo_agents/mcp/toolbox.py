"""All servers of a client together: which tools there are, and one call of one of them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.call import Call
from hanzo_agents._kernel.clock import current_clock, seconds_of
from hanzo_agents._kernel.journal import Attempt, Journal
from hanzo_agents._kernel.reply import Reply
from hanzo_agents._kernel.target import Target
from hanzo_agents._wire.plain import PlainView
from hanzo_agents.errors import ConfigError, DeadlineExceeded, Refused, ToolError
from hanzo_agents.mcp.connection import Connection
from hanzo_agents.mcp.link import Lost, Unreachable
from hanzo_agents.mcp.names import Names
from hanzo_agents.mcp.pins import Pins
from hanzo_agents.mcp.results import result_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._kernel.call import Send
    from hanzo_agents._kernel.stack import Policy
    from hanzo_agents.mcp.definitions import ToolDefinition
    from hanzo_agents.mcp.results import ToolResult
    from hanzo_agents.mcp.rules import ToolRules
    from hanzo_agents.mcp.servers import Server

__all__ = ["Toolbox"]

_logger = logging.getLogger("hanzo_agents")


class Toolbox:
    """The servers of one client. Its coroutines run on the package's loop.

    Attributes:
        names: what the tools are called.
        pins: their definitions as they were first seen.
    """

    def __init__(
        self,
        servers: Mapping[str, Server],
        *,
        rules: ToolRules,
        tool_rules: Mapping[str, ToolRules],
        only: frozenset[str] | None,
        connect_timeout: float,
    ) -> None:
        self.names = Names()
        self.pins = Pins()
        self._rules = rules
        self._tool_rules = tool_rules
        self._only = only
        self._warned: set[str] = set()
        self._connections = {
            name: Connection(name, server, self.pins, connect_timeout=connect_timeout)
            for name, server in servers.items()
        }

    def rules_of(self, tool: ToolDefinition) -> ToolRules:
        """The rules for a tool."""
        public = self.names.of([(tool.server, tool.name)])[tool.server, tool.name]
        return self._tool_rules.get(public) or self._tool_rules.get(tool.name) or self._rules

    async def tools(self) -> dict[str, ToolDefinition]:
        """The tools of all servers that answer, by the names they are given to models under.

        Raises:
            ToolError: no server answers, or a tool has changed since it was first seen.
            ConfigError: a server cannot be started.
        """
        connections = list(self._connections.values())
        answers: list[list[ToolDefinition] | BaseException] = await asyncio.gather(
            *map(self._listed, connections), return_exceptions=True
        )
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if not isinstance(failure, ToolError) or len(failures) == len(connections):
                raise failure
            _logger.warning("its tools are left out: %s", failure)
        tools = [tool for answer in answers if not isinstance(answer, BaseException) for tool in answer]
        self.pins.require(tools)
        names = self.names.of([(tool.server, tool.name) for tool in tools])
        self._warn_of_strangers({*names.values(), *(tool.name for tool in tools)})
        return {names[tool.server, tool.name]: tool for tool in tools}

    async def look(self, tool: ToolDefinition, arguments: dict[str, Any]) -> ToolDefinition:
        """The tool as it is now, if it may be called with these arguments.

        Raises:
            ToolError: it may not.
        """
        connection = self._connections[tool.server]
        limit = seconds_of(self.rules_of(tool).timeout)
        try:
            async with asyncio.timeout(limit):
                current = await connection.current(tool.name)
        except TimeoutError:
            raise ToolError(f"{tool.name}: no answer within {limit:g} s", code="timeout") from None
        except ConnectionError as error:
            raise ToolError(f"{tool.name}: {error}", code="unreachable") from None
        current.check(arguments)
        return current

    async def call(self, tool: ToolDefinition, arguments: dict[str, Any]) -> ToolResult:
        """Call a tool, within its rules.

        Raises:
            ToolError: there is no result; its code says why.
        """
        connection, rules = self._connections[tool.server], self.rules_of(tool)

        seen = tool

        async def send(call: Call) -> Reply:
            nonlocal seen
            attempt = Attempt(call.attempt, str(call.target), call.clock.now(), sent=False)
            call.begin(attempt)
            await call.pass_guards()
            seen = await connection.current(tool.name)
            seen.check(arguments)
            attempt.sent = True
            try:
                return Reply(await connection.call(tool.name, arguments), attempt)
            except Unreachable:
                attempt.sent = False
                raise

        def worth_repeating(error: Exception) -> bool:
            return isinstance(error, Unreachable) or (isinstance(error, Lost) and seen.repeatable)

        call = _call_of(tool)
        service: Send = send
        for policy in reversed(rules.policies(worth_repeating)):
            service = _around(policy, service)
        try:
            reply = await service(call)
        except Exception as error:  # noqa: BLE001 - told apart, and told
            told = _told(seen, error)
            if told.code == "timeout":
                connection.suspect()
            _logger.info("tool %s of %s: %s", tool.name, tool.server, told.code)
            raise told from None
        result = result_of(reply.value, rules.max_result)
        took = call.clock.now() - call.journal.started
        _logger.info("tool %s of %s: %d characters after %.3f s", tool.name, tool.server, len(result.text), took)
        return result

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))

    def drop(self) -> None:
        """Close them without waiting. Called on the package's loop."""
        for connection in self._connections.values():
            connection.drop()

    def _warn_of_strangers(self, known: set[str]) -> None:
        """Say once which names among the settings no tool has: a rule that is not heeded is a rule misspelled."""
        named: set[str] = {*self._tool_rules, *(self._only or ())}
        strangers = named - known - self._warned
        self._warned |= strangers
        if strangers:
            _logger.warning("no tool is called %s, which the settings name", ", ".join(sorted(strangers)))

    async def _listed(self, connection: Connection) -> list[ToolDefinition]:
        limit = seconds_of(self._rules.timeout)
        try:
            async with asyncio.timeout(limit):
                tools = await connection.tools()
        except TimeoutError:
            connection.suspect()
            raise ToolError(
                f"MCP server {connection.name}: no answer within {limit:g} s", code="timeout"
            ) from None
        except ConnectionError as error:
            raise ToolError(str(error), code="unreachable") from None
        only = self._only
        return [tool for tool in tools.values() if only is None or tool.name in only]


def _call_of(tool: ToolDefinition) -> Call:
    """A call of a tool as policies know calls. Its journal is its own: it is no model call."""
    clock = current_clock()
    journal = Journal(clock.now(), "tools/call")
    view = PlainView("tools/call")
    return Call(target=Target(tool.name), view=view, journal=journal, home=f"mcp:{tool.server}", clock=clock)


def _around(policy: Policy, send: Send) -> Send:
    return lambda call: policy(call, send)


def _told(tool: ToolDefinition, error: Exception) -> ToolError:
    """What went wrong, as one kind of error."""
    if isinstance(error, ToolError):
        return error
    code = (
        "timeout" if isinstance(error, DeadlineExceeded)
        else "refused" if isinstance(error, Refused)
        else "lost" if isinstance(error, Lost)
        else "unreachable" if isinstance(error, Unreachable | ConfigError)
        else None
    )  # fmt: skip
    if code is None:
        return ToolError(f"{tool.name}: {type(error).__name__}", code="failed")
    done = "; it may have been done" if code in {"lost", "timeout"} and not tool.repeatable else ""
    return ToolError(f"{tool.name}: {error}{done}", code=code, retry_after=getattr(error, "retry_after", None))
