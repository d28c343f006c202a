"""`mcp.json`, as Claude Desktop and others write it, and which servers `MCPClient()` means."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hanzo_agents._kernel.shapes import as_list
from hanzo_agents.errors import ConfigError
from hanzo_agents.mcp.servers import HTTPServer, Server, StdioServer, named_servers

__all__ = ["chosen_servers"]

URL = "HANZO_MCP_URL"
FILE = "mcp.json"
_OF_STDIO = frozenset({"command", "args", "env", "cwd"})
_OF_HTTP = frozenset({"url", "serverUrl", "headers"})
_VARIABLE = re.compile(r"\$\{(?:env:)?([^{}]+)\}")
_STDIO, _HTTP = (
    frozenset({"stdio"}),
    frozenset({"http", "sse", "streamable-http", "streamableHttp", "streamable_http"}),
)


def chosen_servers(given: tuple[Any, ...], config: Any) -> dict[str, Server]:
    """The servers that a client's arguments mean; without any, HANZO_MCP_URL's or those of `mcp.json` here.

    Raises:
        ConfigError: there are none, or one is wrong.
    """
    if given and config is not None:
        raise ConfigError("config: give servers or a config, not both")
    if given:
        return named_servers(given)
    if config is not None:
        return _read(config)
    if url := os.environ.get(URL, "").strip():
        return named_servers([url])
    if Path(FILE).is_file():
        return _read(FILE)
    raise ConfigError(
        f"MCPClient: expected a server; pass a URL or a command as a list, set {URL}, or put an {FILE} into the "
        "current folder"
    )


def _read(config: Any) -> dict[str, Server]:
    if isinstance(config, Mapping):
        return _entries("config", config)
    if not isinstance(config, str | Path):
        raise ConfigError(f"config: expected a path or a mapping, got {type(config).__name__}")
    try:
        content = json.loads(Path(config).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"config: cannot read {str(config)!r}: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"config: expected JSON in {str(config)!r}") from None
    return _entries(str(config), content)


def _entries(where: str, content: Any) -> dict[str, Server]:
    """The servers of a config: an object with `mcpServers` (or `servers`), names to what each is."""
    table: Any = None
    if isinstance(content, Mapping):
        held: Mapping[Any, Any] = content  # pyright: ignore[reportUnknownVariableType]
        table = held.get("mcpServers", held.get("servers"))
    if not isinstance(table, Mapping) or not table:
        raise ConfigError(f'{where}: expected {{"mcpServers": {{"name": {{"command": ... or "url": ...}}}}}}')
    entries: Mapping[Any, Any] = table  # pyright: ignore[reportUnknownVariableType]
    return {
        name: _entry(f"{where}: {name}", entry)
        for name, entry in entries.items()
        if not (isinstance(entry, Mapping) and entry.get("disabled") is True)  # pyright: ignore[reportUnknownMemberType]
    } or _none_enabled(where)


def _none_enabled(where: str) -> dict[str, Server]:
    raise ConfigError(f"{where}: expected a server that is not disabled")


def _entry(where: str, entry: Any) -> Server:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: expected an object, got {type(entry).__name__}")
    given: dict[str, Any] = {str(key): value for key, value in entry.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    stdio, http = _OF_STDIO & given.keys(), _OF_HTTP & given.keys()
    kind = given.get("type", given.get("transport"))
    if bool(stdio) == bool(http) or (kind is not None and kind not in (_STDIO if stdio else _HTTP)):
        raise ConfigError(f"{where}: expected a command or a url, got the keys {sorted(given)}")
    try:
        if http:
            url = given.get("url", given.get("serverUrl"))
            return HTTPServer(url=url, headers=_expanded(where, given.get("headers") or {}))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        arguments = as_list(given.get("args"))
        if not isinstance(given.get("command"), str) or not isinstance(given.get("args", []), list):
            raise ConfigError("expected command as a string and args as a list")  # noqa: TRY301 - completed below
        env = _expanded(where, given.get("env") or {})
        return StdioServer(command=[given["command"], *arguments], env=env, cwd=given.get("cwd"))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _expanded(where: str, values: Any) -> Any:
    """`${NAME}` in a value is the variable of that name: so no key has to be written into the file."""
    if not isinstance(values, Mapping):
        return values  # its owner says what is wrong
    given: Mapping[Any, Any] = values  # pyright: ignore[reportUnknownVariableType]

    def variable(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise ConfigError(f"{where}: {found[1]} is not set in the environment")
        return os.environ[found[1]]

    return {
        name: _VARIABLE.sub(variable, value) if isinstance(value, str) else value for name, value in given.items()
    }
