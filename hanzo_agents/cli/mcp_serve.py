"""`hanzo-agents mcp serve`: agents for other programs to use."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanzo_agents.cli.connection import Connection, connected
from hanzo_agents.cli.problem import Command, Problem

if TYPE_CHECKING:
    from hanzo_agents.mcp.serving import AgentServer

__all__ = ["serve"]

_TOKEN = "HANZO_MCP_TOKEN"  # noqa: S105 - where the token is, not the token


@click.command(cls=Command)
@click.argument("agents", nargs=-1, metavar="[MODULE:AGENT]...")
@click.option("--http", metavar="HOST:PORT", help="Serve over HTTP instead of standard input and output.")
@click.option("--models", is_flag=True, help="Offer the tools ask, compare and models, with every model.")
@click.option("--offer", multiple=True, metavar="NAME", help="The same, with this model only; repeatable.")
@click.option("--name", help="Name of the server.")
@click.option("--budget", metavar="USD", help="What all clients together may spend.")
@click.option("--budget-per-client", metavar="USD", help="What each client may spend.")
@click.option("--max-concurrent", type=int, default=4, show_default=True, help="Calls of a client at once.")
@click.option("--max-queued", type=int, default=16, show_default=True, help="Calls of a client that may wait.")
@click.option("--max-turns", type=int, default=10, show_default=True, help="Model calls of an agent for one call.")
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds a call may run.")
@click.option(
    "--tokens", type=click.Path(exists=True, dir_okay=False), help="A file of lines CLIENT=TOKEN, for HTTP."
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="A further name of this server; repeatable.")
@click.option(
    "--allow-insecure", is_flag=True, help="Listen on other addresses too, in plain http and with tokens."
)
@connected
def serve(
    *,
    connection: Connection,
    agents: tuple[str, ...],
    http: str | None,
    tokens: str | None,
    allow_host: tuple[str, ...],
    allow_insecure: bool,
    **settings: Any,
) -> None:
    """Serve agents to MCP clients, until the client leaves or Ctrl-C.

    MODULE:AGENT names an Agent, several in a list, or a function that returns them: `shop.agents:support`, or
    `shop/agents.py:support`. With --models the models of the router are tools too. A token for HTTP is taken from
    HANZO_MCP_TOKEN, or those of several clients from --tokens.
    """
    if http is None and (tokens or allow_host or allow_insecure):
        raise click.UsageError("--tokens, --allow-host and --allow-insecure are for --http")
    with ExitStack() as stack:
        given: dict[str, Any] = {}
        if http is None:
            from hanzo_agents.mcp.serving.stdio import standard_wires

            # Before anything is imported or started: what it prints is no protocol.
            given["wires"] = stack.enter_context(standard_wires())
        else:
            given = {
                "http": http, "tokens": _tokens(tokens), "allowed_hosts": allow_host,
                "allow_insecure": allow_insecure, "on_ready": _say_where,
            }  # fmt: skip
        _server(connection, agents, settings).run(**given)


def _server(connection: Connection, names: tuple[str, ...], settings: dict[str, Any]) -> AgentServer:
    from agents import RunConfig

    from hanzo_agents.mcp.serving import AgentServer

    offered = settings.pop("offer")
    settings["models"] = list(offered) or settings["models"]
    if not names and not settings["models"]:
        raise click.UsageError("name an agent, as MODULE:AGENT, or add --models")
    agents = [agent for name in names for agent in _found(name)]
    # As other commands: what clients say leaves this machine for the models alone.
    config = RunConfig(tracing_disabled=True)
    return AgentServer(agents, provider=connection.open(), run_config=config, **settings)


def _found(name: str) -> list[Any]:
    """What MODULE:AGENT names."""
    place, _, attribute = name.partition(":")
    if not place or not attribute:
        raise Problem(f"{name}: expected MODULE:AGENT, such as shop.agents:support or shop/agents.py:support")
    path = Path(place)
    if path.suffix == ".py":
        if not path.is_file():
            raise Problem(f"{name}: there is no file {place}")
        folder, place = str(path.resolve().parent), path.stem
    else:
        folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise
        raise Problem(f"{name}: there is no module {error.name} in {folder} or among what is installed") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise Problem(f"{name}: {place} has no {attribute}")
        found = getattr(found, part)
    from agents import Agent

    if not isinstance(found, Agent) and callable(found):
        found = found()
    return [*found] if isinstance(found, list | tuple) else [found]  # pyright: ignore[reportUnknownVariableType]


def _tokens(file: str | None) -> dict[str, str] | str | None:
    if file is None:
        return os.environ.get(_TOKEN) or None
    from dotenv import dotenv_values

    found = dotenv_values(file, interpolate=False)
    missing = [name for name, token in found.items() if not token]
    if missing or not found:
        raise Problem(f"--tokens: expected lines CLIENT=TOKEN in {file}, got {', '.join(missing) or 'none'}")
    return {name: token for name, token in found.items() if token}


def _say_where(url: str) -> None:
    click.echo(f"Serving MCP at {url}; Ctrl-C stops it.", err=True)
