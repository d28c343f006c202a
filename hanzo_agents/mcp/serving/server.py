"""Agents as an MCP server: each is a tool, and every client has a budget and its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from agents import Agent, MultiProvider, RunConfig
from mcp.server import Server

from hanzo_agents._kernel.clock import Duration, seconds
from hanzo_agents._kernel.fields import check_count, check_function
from hanzo_agents._version import __version__
from hanzo_agents.errors import ConfigError
from hanzo_agents.mcp.serving.backing import backing, check_accountable, key_of
from hanzo_agents.mcp.serving.calls import Calls
from hanzo_agents.mcp.serving.catalogue import Catalogue
from hanzo_agents.mcp.serving.clients import Clients
from hanzo_agents.mcp.serving.http import http_app, serve_http
from hanzo_agents.mcp.serving.models import model_tools
from hanzo_agents.mcp.serving.problems import Problems
from hanzo_agents.mcp.serving.runs import Terms
from hanzo_agents.mcp.serving.stdio import serve_stdio
from hanzo_agents.mcp.serving.tools import AgentTool, ServedTool, tool_name
from hanzo_agents.policies.budget.amounts import Amount, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents import ModelProvider
    from mcp import types
    from starlette.applications import Starlette

    from hanzo_agents.mcp.serving.stdio import Wires
    from hanzo_agents.policies.budget import Run

__all__ = ["AgentServer", "serve_agent"]

_Agents = Agent[Any] | Iterable[Agent[Any]] | Mapping[str, Agent[Any]]


class AgentServer:
    """An MCP server whose tools are agents, and if you like the models themselves.

        AgentServer(agent, budget_per_client=1.00).run()                  # over standard input and output
        AgentServer(agent).run(http="127.0.0.1:8081")                     # streamable HTTP, at /mcp

    A client that cancels a call, leaves or dies has its run stopped: the request to the model is closed, what it
    cost is booked, the next call may go. Limits hold in this process and until it ends; a `Budget` in the
    provider's stack outlives it.

    Args:
        agents: one, several, or several by the name of their tool; by default tools are named as their agents.
        provider: reaches the models of agents that name theirs; by default that of `run_config`, if it names one,
            else `HanzoModelProvider()`.
        models: True offers the tools `ask`, `compare` and `models` too, with every model of the router; a list of
            names, with these.
        name: of the server; by default that of the only agent, or "hanzo-agents".
        budget: US dollars that all clients together may spend.
        budget_per_client: US dollars that each client may spend. Over HTTP a client is whoever has a token;
            without tokens, an address. The other side of standard input is one client.
        max_concurrent: calls of one client that run at once.
        max_queued: calls of one client that may wait; one more is refused.
        timeout: seconds a call may run; None for no limit.
        max_turns: model calls one agent may make for a call.
        context: makes the context of each run, as `Runner.run(context=...)`.
        run_config: as for the runner; `provider` takes the place of its `model_provider`. Its `model`, if any, is
            for agents alone, not for `ask` and `compare`.

    Raises:
        ConfigError: a setting is wrong, or a budget could not hold: an agent's model does not go through us.
    """

    def __init__(
        self,
        agents: _Agents = (),
        *,
        provider: ModelProvider | None = None,
        models: bool | Sequence[str] = False,
        name: str | None = None,
        budget: Amount | None = None,
        budget_per_client: Amount | None = None,
        max_concurrent: int = 4,
        max_queued: int = 16,
        timeout: Duration | None = 600.0,
        max_turns: int = 10,
        context: Callable[[], Any] | None = None,
        run_config: RunConfig | None = None,
    ) -> None:
        check_count("max_concurrent", max_concurrent)
        check_count("max_queued", max_queued, 0)
        check_count("max_turns", max_turns)
        if context is not None:
            check_function("context", context)
        named = _named(agents)
        config = run_config or RunConfig()
        if provider is None and not isinstance(config.model_provider, MultiProvider):  # the SDK's default
            provider = config.model_provider
        self._provider = backing(provider, list(named.values()), models=models is not False)
        total, each = _limit("budget", budget), _limit("budget_per_client", budget_per_client)
        if total is not None or each is not None:
            check_accountable(self._provider, list(named.values()), config.model)
        self._clients = Clients(budget=total, budget_per_client=each, at_once=max_concurrent, queued=max_queued)
        self._problems = Problems(key_of(self._provider))
        if self._provider is not None:
            config = replace(config, model_provider=self._provider)
        terms = Terms(config=config, max_turns=max_turns, context=context)
        self._tools = self._tools_of(named, models, terms)
        calls = Calls(self._tools, self._clients, self._problems, seconds("timeout", timeout, zero=False))
        only = next(iter(named.values())).name if len(named) == 1 else "hanzo-agents"
        self.mcp: Server[Any] = Server(
            name or only, version=__version__, on_list_tools=calls.list_tools, on_call_tool=calls.call_tool
        )

    def _tools_of(
        self, named: Mapping[str, Agent[Any]], models: bool | Sequence[str], terms: Terms
    ) -> dict[str, ServedTool]:
        tools: list[ServedTool] = [AgentTool(name, agent, terms) for name, agent in named.items()]
        if models is not False:
            # Who asks for a model gets that one, and no other that all agents are to have.
            asking = replace(terms, context=None, config=replace(terms.config, model=None))
            catalogue = Catalogue.of(self._provider, models)
            tools += model_tools(catalogue, asking, lambda error: self._problems.explain(error)[0])
        if not tools:
            raise ConfigError("agents: expected an agent, several of them, or models=True, got nothing to serve")
        found = {tool.definition.name: tool for tool in tools}
        if len(found) < len(tools):
            names = [tool.definition.name for tool in tools]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f'agents: two tools would be named {twice!r}; name them with {{"name": agent}}')
        return found

    @property
    def tools(self) -> list[types.Tool]:
        """What clients are told of the tools."""
        return [tool.definition for tool in self._tools.values()]

    def spent(self, client: str) -> Run:
        """What a client has spent: "stdio", "token NAME" or "address ADDRESS"."""
        return self._clients.run_of(client)

    def under_way(self, client: str) -> tuple[int, int]:
        """Calls of a client that run, and that wait for their turn."""
        return self._clients.under_way(client)

    def run(self, http: str | None = None, **settings: Any) -> None:
        """Serve until the client leaves, or at SIGTERM or Ctrl-C. For what may be given, see `serve`."""
        asyncio.run(self.serve(http, **settings))

    async def serve(
        self,
        http: str | None = None,
        *,
        tokens: str | Mapping[str, str] | None = None,
        allowed_hosts: Sequence[str] = (),
        allow_insecure: bool = False,
        on_ready: Callable[[str], object] | None = None,
        wires: Wires | None = None,
    ) -> None:
        """Serve over standard input and output, or over HTTP.

        Standard output carries the protocol alone: while this runs, what is printed goes to standard error.

        Args:
            http: "host:port" to listen on; port 0 is a free one. None for standard input and output.
            tokens: who may call over HTTP: a token, or the tokens of several clients by name.
            allowed_hosts: further names by which the server may be called, as in the header Host.
            allow_insecure: listen on other addresses than this machine's own, in plain http and with tokens.
            on_ready: told the address once it is served.
            wires: streams to use in place of the process's own, as `standard_wires()` gives them.

        Raises:
            ConfigError: the address is none, is taken, or would be open to anybody.
        """
        if http is None:
            if tokens is not None or allowed_hosts or allow_insecure or on_ready is not None:
                raise ConfigError(
                    "tokens, allowed_hosts, allow_insecure, on_ready: they are for http=, which is None"
                )
            await serve_stdio(self.mcp, wires)
            return
        if wires is not None:
            raise ConfigError("wires: they are for standard input and output, and http= is given")
        await serve_http(
            self.mcp, http, tokens=tokens, allowed_hosts=allowed_hosts, allow_insecure=allow_insecure,
            on_ready=on_ready,
        )  # fmt: skip

    def app(
        self, *, tokens: str | Mapping[str, str] | None = None, allowed_hosts: Sequence[str] = ()
    ) -> Starlette:
        """The server as an ASGI application, to be mounted behind your own: it answers at `/mcp`.

        Args:
            tokens: as for `serve`.
            allowed_hosts: names by which it is called besides this machine's own.
        """
        return http_app(self.mcp, tokens=tokens, allowed_hosts=allowed_hosts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.mcp.name!r}, tools={list(self._tools)})"


def serve_agent(
    agents: _Agents,
    http: str | None = None,
    *,
    tokens: str | Mapping[str, str] | None = None,
    allowed_hosts: Sequence[str] = (),
    allow_insecure: bool = False,
    **settings: Any,
) -> None:
    """Serve agents to MCP clients until the client leaves, or at SIGTERM or Ctrl-C.

        serve_agent(agent, budget_per_client=1.00)

    Args:
        agents: one, several, or several by the name of their tool.
        http: "host:port" to listen on; None for standard input and output.
        tokens: who may call over HTTP: a token, or the tokens of several clients by name.
        allowed_hosts: further names by which the server may be called.
        allow_insecure: listen on other addresses than this machine's own.
        settings: as for `AgentServer`.

    Raises:
        ConfigError: a setting is wrong.
    """
    AgentServer(agents, **settings).run(
        http, tokens=tokens, allowed_hosts=allowed_hosts, allow_insecure=allow_insecure
    )


def _named(agents: Any) -> dict[str, Agent[Any]]:
    """The agents by the name of their tool."""
    if isinstance(agents, Agent):
        agents = (agents,)
    if not isinstance(agents, Iterable) or isinstance(agents, str):
        raise ConfigError(f"agents: expected an agent or several, got {type(agents).__name__}")
    pairs = cast(
        "list[tuple[Any, Any]]",
        [*agents.items()] if isinstance(agents, Mapping) else [(getattr(one, "name", ""), one) for one in agents],  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    )
    found: dict[str, Agent[Any]] = {}
    for name, agent in pairs:
        if not isinstance(agent, Agent):
            raise ConfigError(f"agents: expected agents, got {type(agent).__name__}")
        key = tool_name(name, "agents")
        if key in found:
            raise ConfigError(f'agents: two tools would be named {key!r}; name them with {{"name": agent}}')
        found[key] = agent
    return found


def _limit(field: str, value: Amount | None) -> Any:
    return None if value is None else checked(field, value)
