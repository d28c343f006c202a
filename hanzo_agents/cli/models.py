"""`hanzo-agents models`: what the router offers."""

from __future__ import annotations

import click

from hanzo_agents.cli.connection import Connection
from hanzo_agents.cli.problem import Command, printable

__all__ = ["models"]


@click.command(cls=Command)
@click.option("--local", is_flag=True, help="Ask the embedded node instead of the router.")
@click.option(
    "--env-file", type=click.Path(exists=True, dir_okay=False), help="Read HANZO_* settings from this file."
)
def models(*, local: bool, env_file: str | None) -> None:
    """List the models of the router, one a line."""
    connection = Connection(local=local, env_file=env_file)
    for name in connection.run(lambda provider: provider.list_models()):
        click.echo(printable(name))
