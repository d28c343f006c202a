"""`hanzo-agents mcp`: the tools of MCP servers, tried from a terminal, and what is served to others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hanzo_agents._kernel.shapes import as_dict, as_list
from hanzo_agents.cli.mcp_serve import serve
from hanzo_agents.cli.problem import Command, Problem, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from hanzo_agents.mcp import MCPClient, ToolDefinition

__all__ = ["mcp"]

_REST: dict[str, Any] = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""What follows the server is the server's: `mcp-server-time --local-timezone UTC`."""
_CONFIG = click.option(
    "--config", type=click.Path(exists=True, dir_okay=False), help="Servers of an mcp.json, as Claude Desktop's."
)
_TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds to wait.",
)


@click.group()
def mcp() -> None:
    """Try the tools of MCP servers, or serve agents as one."""


mcp.add_command(serve)


@mcp.command(cls=Command, context_settings=_REST)
@_CONFIG
@_TIMEOUT
@click.option("--json", "as_json", is_flag=True, help="Print definitions as JSON.")
@click.argument("server", nargs=-1, type=click.UNPROCESSED)
def tools(*, server: tuple[str, ...], config: str | None, timeout: float, as_json: bool) -> None:
    """List the tools of SERVER: a URL, or a command with arguments.

    Without one, those of HANZO_MCP_URL or of mcp.json in this folder. Options of ours come before the server.
    """
    from hanzo_agents.errors import ToolError

    with _client(server, config, timeout) as client:
        try:
            listed = client.list_tools()
        except ToolError as error:
            raise Problem(str(error)) from error
    if as_json:
        click.echo(json.dumps([_described(name, tool) for name, tool in listed.items()], indent=2))
        return
    from rich.console import Console

    console = Console()
    console.print(_table(listed))
    console.print(f"{len(listed)} tool{'' if len(listed) == 1 else 's'}; * is required", style="dim")


@mcp.command(cls=Command, context_settings=_REST)
@_CONFIG
@_TIMEOUT
@click.argument("words", nargs=-1, type=click.UNPROCESSED, required=True, metavar="[SERVER] TOOL [ARGUMENTS]")
def call(*, words: tuple[str, ...], config: str | None, timeout: float) -> None:
    """Use a tool once.

    SERVER is a URL or a command, ARGUMENTS a JSON object such as '{"a": 1}'.

    Exits with 1 when the tool reports an error. Options of ours come before the server.
    """
    from hanzo_agents.errors import ToolError

    given = words[-1] if words[-1].lstrip().startswith("{") else None
    *server, tool = words if given is None else words[:-1] or ("",)
    arguments = _parsed(given or "{}")
    if not tool:
        raise click.UsageError("name the tool before its arguments")
    with _client(tuple(server), config, timeout) as client:
        try:
            result = client.call_tool(tool, arguments)
        except ToolError as error:
            raise Problem(str(error)) from error
    if result.failed:
        raise Problem(result.text)
    click.echo(printable(result.text))


def _client(server: tuple[str, ...], config: str | None, timeout: float) -> MCPClient:
    from hanzo_agents.mcp import MCPClient, ToolRules

    rules = ToolRules(timeout=timeout)
    servers = () if not server else (server[0],) if len(server) == 1 and "://" in server[0] else (list(server),)
    return MCPClient(*servers, config=config, rules=rules, connect_timeout=timeout)


def _parsed(text: str) -> dict[str, Any]:
    try:
        arguments: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"the arguments are no JSON: {error}") from None
    return arguments


def _table(listed: Mapping[str, ToolDefinition]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 1, 0), header_style="bold")
    table.add_column("Tool", overflow="fold", min_width=12)
    table.add_column("What it does", overflow="fold", ratio=1)
    table.add_column("Arguments", overflow="fold", ratio=1)
    table.add_column("", overflow="fold")
    for name, tool in listed.items():
        what = tool.description or tool.title
        about = printable(what.strip().partition("\n\n")[0])
        kind = "reads" if tool.read_only else "may be repeated" if tool.idempotent else "may change things"
        table.add_row(Text(printable(name)), Text(about), Text(_arguments(tool)), Text(kind, style="dim"))
    return table


def _arguments(tool: ToolDefinition) -> str:
    """One a line: its name, a star where it is required, and its type."""
    properties: Any = tool.schema.get("properties") or {}
    required: Any = tool.schema.get("required") or ()
    lines = (
        f"{name}{'*' if name in required else ''}{f': {kind}' if (kind := _kind(schema)) else ''}"
        for name, schema in properties.items()
    )
    return printable("\n".join(lines))


def _kind(schema: Any) -> str:
    """The type of an argument, in a word or two."""
    fields = as_dict(schema)
    if "enum" in fields:
        return " | ".join(map(str, fields["enum"]))
    if (either := fields.get("anyOf")) is not None:
        return " | ".join(filter(None, map(_kind, either)))
    kind: Any = fields.get("type", "")
    if kind == "array" and (inner := _kind(fields.get("items"))):
        return f"list of {inner}"
    return " | ".join(map(str, as_list(kind))) or str(kind)


def _described(name: str, tool: ToolDefinition) -> dict[str, Any]:
    return {
        "name": name, "server": tool.server, "tool": tool.name, "title": tool.title,
        "description": tool.description, "schema": tool.schema, "read_only": tool.read_only,
        "idempotent": tool.idempotent, "digest": tool.digest,
    }  # fmt: skip
