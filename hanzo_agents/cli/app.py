"""The command `hanzo-agents` and its subcommands."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import click

from hanzo_agents._version import __version__
from hanzo_agents.cli.chat import chat
from hanzo_agents.cli.check import check
from hanzo_agents.cli.mcp import mcp
from hanzo_agents.cli.models import models
from hanzo_agents.cli.node import node
from hanzo_agents.cli.quickstart import quickstart
from hanzo_agents.cli.usage import usage

__all__ = ["app", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hanzo-agents")
def app() -> None:
    """Run agents through the Hanzo router, or on the embedded node with no key and no network.

    The router is where HANZO_ROUTER_URL says, its key is HANZO_API_KEY, and HANZO_MODEL is asked when no model is
    named.
    """


for command in (quickstart, chat, models, node, check, usage, mcp):
    app.add_command(command)


def main() -> None:
    """Run the command line; the entry point of the script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no tick shows a question mark
    app()
