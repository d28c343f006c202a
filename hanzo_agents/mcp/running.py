"""`run_tools`: ask, do what the model asks for, tell it, and so on until it has its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from agents import FunctionTool, Usage
from agents.tool import invoke_function_tool
from agents.tool_context import ToolContext

from hanzo_agents._kernel.fields import check_count
from hanzo_agents._kernel.shapes import as_list
from hanzo_agents._wire.sync.calls import run
from hanzo_agents.errors import ConfigError, TurnsExceeded
from hanzo_agents.mcp.client import AsyncMCPClient, MCPClient
from hanzo_agents.mcp.tools import answer_to, parts_of
from hanzo_agents.policies.budget import run_budget
from hanzo_agents.sync_client import Hanzo

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.journal import Cost
    from hanzo_agents._wire.replies import HanzoChatCompletion
    from hanzo_agents.client import AsyncHanzo

__all__ = ["ToolRun", "run_tools"]


@dataclass(frozen=True)
class ToolRun:
    """What came of `run_tools`.

    Attributes:
        reply: the last one, which asks for no more tools.
        messages: the whole conversation, with that reply.
        turns: how often the model was asked.
        cost: of all model calls together; unknown as soon as one is.
    """

    reply: HanzoChatCompletion
    messages: list[dict[str, Any]]
    turns: int
    cost: Cost

    @property
    def text(self) -> str:
        """The model's answer."""
        return self.reply.choices[0].message.content or ""


@overload
def run_tools(
    client: Hanzo,
    *,
    messages: Iterable[Any],
    tools: MCPClient | AsyncMCPClient | Iterable[Any],
    model: str | None = None,
    max_turns: int = 10,
    budget: Decimal | float | str | None = None,
    **arguments: Any,
) -> ToolRun: ...


@overload
def run_tools(
    client: AsyncHanzo,
    *,
    messages: Iterable[Any],
    tools: MCPClient | AsyncMCPClient | Iterable[Any],
    model: str | None = None,
    max_turns: int = 10,
    budget: Decimal | float | str | None = None,
    **arguments: Any,
) -> Coroutine[Any, Any, ToolRun]: ...


def run_tools(
    client: Hanzo | AsyncHanzo,
    *,
    messages: Iterable[Any],
    tools: MCPClient | AsyncMCPClient | Iterable[Any],
    model: str | None = None,
    max_turns: int = 10,
    budget: Decimal | float | str | None = None,
    **arguments: Any,
) -> ToolRun | Coroutine[Any, Any, ToolRun]:
    """Ask a model, and let it use tools until it answers: a loop without agents, bounded in turns and in money.

    With a `Hanzo` client it returns the run, with an `AsyncHanzo` one an awaitable of it. Tools that fail tell the
    model so; the loop goes on.

    Args:
        client: whom to ask.
        messages: the conversation so far; it is not changed.
        tools: a client of MCP servers, or `FunctionTool`s, of MCP servers or made with `@function_tool`.
        model: the client's by default.
        max_turns: how often the model is asked at most. 10 is the default of the SDK's `Runner`.
        budget: US dollars for all model calls together, as `run_budget`; None only adds them up.
        arguments: further ones of `chat.completions.create`.

    Raises:
        TurnsExceeded: the model still asked for tools; `messages` is the conversation so far.
        BudgetExceeded: the rest of the budget cannot pay for the next call.
        ConfigError: a setting is wrong.
    """
    check_count("max_turns", max_turns)
    if refused := sorted({"stream", "n"} & arguments.keys()):
        raise ConfigError(f"{refused[0]}: run_tools asks for one whole answer a turn")
    if model is not None:
        arguments["model"] = model
    if isinstance(client, Hanzo):
        loop = _Loop(client.asynchronous, messages, max_turns, budget, arguments)
        return run(loop.go(tools))
    return _Loop(client, messages, max_turns, budget, arguments).go(tools)


class _Loop:
    def __init__(
        self, client: AsyncHanzo, messages: Iterable[Any], max_turns: int, budget: Any, arguments: dict[str, Any]
    ) -> None:
        self._client = client
        self._messages = [_plain(message) for message in messages]
        self._max_turns = max_turns
        self._budget = budget
        self._arguments = arguments
        self._usage = Usage()  # by it the results of one run are known to belong together
        self._tools: dict[str, FunctionTool] = {}

    async def go(self, tools: Any) -> ToolRun:
        self._tools = await _function_tools(tools)
        if self._tools:
            self._arguments["tools"] = list(self._tools.values())
        with run_budget(self._budget) as spent:
            for turn in range(1, self._max_turns + 1):
                create: Any = self._client.chat.completions.create
                reply: HanzoChatCompletion = await create(messages=self._messages, **self._arguments)
                self._messages.append(_plain(reply.choices[0].message))
                if not reply.tool_calls:
                    return ToolRun(reply, self._messages, turn, spent.cost)
                # Also after the last turn: each call of a conversation has its answer, or it could not go on.
                self._messages += await asyncio.gather(*map(self._answer, reply.tool_calls))
        raise TurnsExceeded(
            f"the model still asked for tools after max_turns={self._max_turns}", messages=self._messages
        )

    async def _answer(self, call: Any) -> dict[str, Any]:
        name, arguments, ident, _ = parts_of(call)
        tool = self._tools.get(name)
        if tool is None:
            text = f"Error: {name!r}: there is no such tool; there is {', '.join(self._tools) or 'none'}"
        elif tool.needs_approval is not False:
            text = f"Error: {name}: it needs an approval, which nobody can give here"
        else:
            context: ToolContext[Any] = ToolContext(
                None, usage=self._usage, tool_name=name, tool_call_id=ident, tool_arguments=arguments
            )
            text = _text(await invoke_function_tool(function_tool=tool, context=context, arguments=arguments))
        return answer_to(ident, text, responses=False)


async def _function_tools(tools: Any) -> dict[str, FunctionTool]:
    if isinstance(tools, AsyncMCPClient | MCPClient):
        tools = await tools._function_tools(needs_approval=False)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Iterable):
        came = type(tools).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise ConfigError(f"tools: expected an MCPClient or a list of FunctionTools, got {came}")
    given: list[Any] = list(tools)  # pyright: ignore[reportUnknownArgumentType]
    for tool in given:
        if not isinstance(tool, FunctionTool):
            raise ConfigError(f"tools: expected FunctionTools, got {type(tool).__name__}")
        for needed in ("tool_input_guardrails", "tool_output_guardrails"):
            if getattr(tool, needed):
                raise ConfigError(f"tools: {tool.name} has {needed}, which need an agent; use the Runner")
        if not isinstance(tool.is_enabled, bool):
            raise ConfigError(
                f"tools: {tool.name} has a function for is_enabled, which needs an agent; use the Runner"
            )
    return {tool.name: tool for tool in given if tool.is_enabled}


def _plain(message: Any) -> dict[str, Any]:
    """A message as a dict of its own, without what the API sends and does not take back."""
    if isinstance(message, Mapping):
        return dict(message)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    fields: dict[str, Any] = message.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in fields.items() if name not in {"annotations", "audio"} and value != []}


def _text(output: Any) -> str:
    """A tool's output as text: Chat Completions takes nothing else back."""
    if isinstance(output, str):
        return output
    return "\n".join(map(_part, as_list(output) or [output]))


def _part(part: Any) -> str:
    url = getattr(part, "image_url", None)
    if isinstance(url, str):
        return f"[image, {len(url):,} characters as a data URL, left out]"
    text = getattr(part, "text", None)
    return text if isinstance(text, str) else str(part)
