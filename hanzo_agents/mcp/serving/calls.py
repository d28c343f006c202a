"""Calls of clients: each in its turn, at its client's expense, and stopped when nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from mcp import types
from mcp.shared.exceptions import MCPError

from hanzo_agents._kernel.clock import current_clock
from hanzo_agents.errors import HanzoError
from hanzo_agents.mcp.serving.clients import Clients, name_of
from hanzo_agents.mcp.serving.problems import CallFailed, Problems
from hanzo_agents.mcp.serving.progress import Progress
from hanzo_agents.policies.budget import run_budget

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server import ServerRequestContext

    from hanzo_agents.mcp.serving.tools import Answer, ServedTool
    from hanzo_agents.policies.budget import Run

__all__ = ["Calls"]

_logger = logging.getLogger("hanzo_agents")

USAGE = "hanzo-agents/usage"
"""Where in the `_meta` of a result stands what the call took."""

ERROR = "hanzo-agents/error"
"""The same for the machine-readable reason of a failure."""

GRACE = 10.0
"""Seconds that a cancelled run has to stop."""


class Calls:
    """Answers the requests of clients.

    Args:
        tools: by name.
        clients: who may call, and at whose expense.
        problems: words for errors.
        timeout: seconds a call may run.
    """

    def __init__(
        self, tools: Mapping[str, ServedTool], clients: Clients, problems: Problems, timeout: float | None
    ) -> None:
        self._tools = tools
        self._clients = clients
        self._problems = problems
        self._timeout = timeout

    async def list_tools(
        self, _: ServerRequestContext[Any, Any], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """Answer `tools/list`."""
        return types.ListToolsResult(tools=[tool.definition for tool in self._tools.values()])

    async def call_tool(
        self, context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """Answer `tools/call`."""
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")
        progress = Progress(context.session.report_progress)
        # A task of its own: a cancelled call is cancelled again at every await, and a run stops in several.
        work = asyncio.create_task(self._answer(name_of(context), tool, params.arguments or {}, progress))
        waits = [work] if context.request is None else [work, asyncio.create_task(_left(context.request))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stopped(waits)
        ended = work.done() and not work.cancelled()
        return work.result() if ended else _failed("the client has left", "disconnected")

    async def _answer(
        self, client: str, tool: ServedTool, given: dict[str, Any], progress: Progress
    ) -> types.CallToolResult:
        with run_budget() as run:
            try:
                async with self._clients.turn(client):
                    with self._clients.charged(client):
                        answer = await self._in_time(partial(tool, given, progress))
            except Exception as error:  # noqa: BLE001 - told in words, or logged
                result = _failed(*self._problems.explain(error, client=self._clients.run_of(client)))
            else:
                text = types.TextContent(text=answer.text)
                result = types.CallToolResult(content=[text], structured_content=answer.structured)
        result.meta = {**(result.meta or {}), USAGE: _usage(run, self._clients.run_of(client))}
        return result

    async def _in_time(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        clock = current_clock()
        until = None if self._timeout is None else clock.now() + self._timeout
        try:
            async with clock.timeout_at(until):
                return await work()
        except TimeoutError as error:
            if until is None or clock.now() < until or isinstance(error, HanzoError):
                raise
            raise CallFailed(f"the call ran for {self._timeout:g} s and was stopped", "timeout") from None


def _failed(text: str, code: str | None) -> types.CallToolResult:
    result = types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
    if code is not None:
        result.meta = {ERROR: {"code": code}}
    return result


def _usage(run: Run, client: Run) -> dict[str, Any]:
    """What a call took; amounts are US dollars as text, null where nobody knows or nothing limits."""
    cost, left = run.cost, client.remaining
    return {
        "requests": sum(attempt.sent for attempt in run.attempts),
        "cost": None if cost.amount is None else f"{cost.amount:f}",
        "basis": cost.basis,
        "remaining": None if left is None else f"{left:f}",
    }


async def _left(request: Any) -> None:
    """Return when whoever sent the request is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stopped(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel what still runs, and wait until it has stopped, whatever cancels the wait."""
    for task in tasks:
        task.cancel()
    with anyio.move_on_after(GRACE, shield=True):
        await asyncio.wait(tasks)
    if any(not task.done() for task in tasks):
        _logger.warning("a cancelled call of an MCP client is still running after %g s", GRACE)
