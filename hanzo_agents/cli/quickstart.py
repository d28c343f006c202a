"""`hanzo-agents quickstart`: a real agent with a tool, streamed, and what it took."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hanzo_agents.cli.connection import Connection, address, chosen_model
from hanzo_agents.cli.problem import Command, printable

if TYPE_CHECKING:
    from hanzo_agents.cli.summary import Summary
    from hanzo_agents.provider import HanzoModelProvider

__all__ = ["quickstart"]

QUESTION = "What's the weather in Paris?"


@click.command(cls=Command)
@click.option("--local", is_flag=True, help="Use the embedded node even when a router is configured.")
@click.option("-m", "--model", metavar="NAME", help="The model to ask. Default: HANZO_MODEL.")
def quickstart(*, local: bool, model: str | None) -> None:
    """Run an agent with a tool, and show what it took.

    The answer is streamed. The embedded node gives it; or the router, when HANZO_ROUTER_URL and HANZO_API_KEY
    are set.
    """
    from rich.console import Console

    connection = Connection(local=local or not os.environ.get("HANZO_ROUTER_URL"), model=model)
    if connection.local:
        click.echo("Starting a small model on this machine: no key, no network.")
    summary = connection.run(_ask)
    click.echo()
    Console().print(summary.table())
    click.echo("\nTry next:  hanzo-agents chat" + (" --local" if connection.local else ""))
    click.echo("Or read:   examples/tools.py, which is this agent in a few lines of Python")


async def _ask(provider: HanzoModelProvider) -> Summary:
    from agents import Agent, function_tool

    from hanzo_agents import track
    from hanzo_agents.cli.answer import run_shown
    from hanzo_agents.cli.summary import Summary

    @function_tool
    def get_weather(city: str) -> str:
        """Get the current weather in a city."""
        return f"It is sunny and 24 degrees in {city}."

    agent = Agent(name="Assistant", instructions="You are a helpful assistant.", tools=[get_weather])
    model = await chosen_model(provider)
    click.echo(f"Asking {printable(model)} at {address(provider)}\n\nYou:    {QUESTION}")
    lines = _Lines()
    try:
        with track() as journals:
            await run_shown(agent, QUESTION, provider=provider, model=model, screen=lines)
    finally:
        lines.end()
    return Summary.of(journals)


class _Lines:
    """Shows a run as lines that begin with who speaks."""

    def __init__(self) -> None:
        self._speaking = False

    def text(self, delta: str) -> None:
        if not self._speaking:
            click.echo("Agent:  ", nl=False)
            self._speaking = True
        click.echo(printable(delta), nl=False)

    def tool_called(self, name: str, arguments: str) -> None:
        self.end()
        click.echo(printable(f"Tool:   {name}({arguments})"))

    def tool_returned(self, output: object) -> None:
        click.echo(printable(f"        returned: {output}"))

    def end(self) -> None:
        """End the line that an answer, or the part of one, has left open."""
        if self._speaking:
            click.echo()
            self._speaking = False
