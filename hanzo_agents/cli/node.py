"""`hanzo-agents node`: the embedded node as a server of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hanzo_agents.cli.problem import Command

if TYPE_CHECKING:
    from hanzo_agents.node import LocalNode

__all__ = ["node"]


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on. Default: a free one.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on. There is no authentication."
)
@click.option(
    "--model",
    metavar="MODEL",
    help="What to serve: a GGUF file, or a model that was downloaded. Default: SmolLM2-135M-Instruct.",
)
@click.option("--name", help="Name to serve it under. Default: the file's, in short.")
def node(*, port: int, host: str, model: str | None, name: str | None) -> None:
    """Serve a small real model over the OpenAI API until Ctrl-C."""
    from hanzo_agents.node import LocalNode, run_node

    run_node(LocalNode(model, host=host, port=port, name=name), on_ready=_say_where)
    click.echo("Stopped.")


def _say_where(started: LocalNode) -> None:
    name = started.models[0]
    click.echo(f"{name} answers at {started.base_url}; Ctrl-C stops it.")
    click.echo("To use it from another terminal:")
    click.echo(f"  export HANZO_ROUTER_URL={started.base_url} HANZO_API_KEY=local HANZO_MODEL={name}")
    click.echo("  hanzo-agents chat")
