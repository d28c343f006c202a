"""Which MCP servers there are, and how each is reached: what users write, checked before anything is started."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hanzo_agents._wire.transport import is_loopback
from hanzo_agents.errors import ConfigError
from hanzo_agents.mcp.commands import shown
from hanzo_agents.settings import checked_headers

__all__ = ["HTTPServer", "Server", "StdioServer", "named_servers", "secrets_of"]


@dataclass(frozen=True, kw_only=True, repr=False)
class StdioServer:
    """A server that is a program of this machine, spoken to over its standard input and output.

    It is started without a shell, in a process group of its own, and sees of the environment only HOME, LOGNAME,
    PATH, SHELL, TERM and USER, and what `env` adds.

    Attributes:
        command: the program and its arguments, a list.
        env: further variables; their values are never shown.
        cwd: the folder it runs in; this process's by default.
    """

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: str | Path | None = None

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        given: Any = self.command
        if isinstance(given, str | bytes) or not isinstance(given, Sequence):
            raise ConfigError(
                "StdioServer.command: expected a list, the program and its arguments, got "
                f"{type(given).__name__}; a string would have to be taken apart by a shell"
            )
        if not given or not all(isinstance(part, str) and "\0" not in part for part in given) or not given[0]:  # pyright: ignore[reportUnknownVariableType]
            raise ConfigError(
                "StdioServer.command: expected the program and its arguments as strings, got something else"
            )
        object.__setattr__(self, "command", tuple(given))  # pyright: ignore[reportUnknownArgumentType]
        object.__setattr__(self, "env", _checked_env(self.env))
        if self.cwd is not None and not Path(self.cwd).is_dir():
            raise ConfigError(f"StdioServer.cwd: expected an existing folder, got {str(self.cwd)!r}")

    @property
    def environment(self) -> dict[str, str]:
        """What the program sees of the environment."""
        from mcp.client.stdio import get_default_environment

        return {**get_default_environment(), **self.env}

    @property
    def program(self) -> str | None:
        """The file that would run, None when there is none. Looked for on our PATH, not on one of `env`."""
        found = shutil.which(self.command[0])
        return None if found is None else str(Path(found).absolute())

    @property
    def label(self) -> str:
        """What it is called where nobody gave it a name: the program's."""
        return Path(self.command[0]).name.removesuffix(".exe")

    def __str__(self) -> str:
        return shown(self.command)

    def __repr__(self) -> str:
        return f"StdioServer(command={str(self)!r})"


@dataclass(frozen=True, kw_only=True)
class HTTPServer:
    """A server at an address: streamable HTTP, or the older SSE where that is what answers.

    Attributes:
        url: its address. One without a path is also tried with `/mcp` and `/sse`, where servers listen by default.
        headers: sent with every request, an `Authorization` for example; never shown.
        allow_insecure: permit plain http to other machines.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    allow_insecure: bool = False

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except (ValueError, TypeError, AttributeError):
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname or " " in self.url:
            raise ConfigError(
                f"HTTPServer.url: expected http(s)://host..., got {type(self.url).__name__} that is none"
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigError("HTTPServer.url: expected a URL without a user or password in it; use headers")
        if parts.scheme == "http" and not self.allow_insecure and not is_loopback(parts.hostname):
            raise ConfigError(
                f"HTTPServer.url: over plain http to {parts.hostname} anybody on the way could change the tools; "
                "use https, or allow_insecure=True if the network is yours"
            )
        object.__setattr__(self, "headers", checked_headers("HTTPServer.headers", self.headers))

    @property
    def label(self) -> str:
        """What it is called where nobody gave it a name: its host's name."""
        return (urlsplit(self.url).hostname or "server").replace(".", "_")

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"  # a query may hold a key

    def __repr__(self) -> str:
        return f"HTTPServer(url={str(self)!r})"


Server = StdioServer | HTTPServer


def named_servers(given: Sequence[Any]) -> dict[str, Server]:
    """The servers by name, from what users write: URLs, commands as lists, servers, mappings of names to those.

    Raises:
        ConfigError: something is none of them.
    """
    named: dict[str, Server] = {}
    for one in given:
        if isinstance(one, Mapping):
            entries: Mapping[Any, Any] = one  # pyright: ignore[reportUnknownVariableType]
            for name, entry in entries.items():
                if not isinstance(name, str) or not name or name in named:
                    raise ConfigError(f"MCPClient: expected each server under a name of its own, got {name!r}")
                named[name] = _server(entry)
        else:
            server = _server(one)
            named[_free_name(server.label, named)] = server
    return named


def secrets_of(server: Server) -> list[str]:
    """What a server was given that it must not be quoted with: it may say its key in its own errors."""
    if isinstance(server, StdioServer):
        return list(server.env.values())
    given = [*server.headers.values(), urlsplit(server.url).query]
    return [*given, *(value.rpartition(" ")[2] for value in given)]


def _server(given: Any) -> Server:
    if isinstance(given, StdioServer | HTTPServer):
        return given
    if isinstance(given, str):
        if "://" not in given:
            shown = given.split() or ["mcp-server-time"]
            raise ConfigError(
                f"MCPClient: expected a URL, or a command as a list such as {shown!r}, got the string {given!r}"
            )
        return HTTPServer(url=given)
    if isinstance(given, Sequence) and not isinstance(given, bytes):
        return StdioServer(command=given)  # pyright: ignore[reportUnknownArgumentType]
    raise ConfigError(f"MCPClient: expected a URL, a command as a list, or a server, got {type(given).__name__}")


def _free_name(label: str, taken: Mapping[str, Any]) -> str:
    numbers = (label if n == 1 else f"{label}-{n}" for n in range(1, len(taken) + 2))
    return next(name for name in numbers if name not in taken)


def _checked_env(env: Any) -> dict[str, str]:
    if not isinstance(env, Mapping):
        raise ConfigError(f"StdioServer.env: expected a mapping of strings, got {type(env).__name__}")
    given: Mapping[Any, Any] = env  # pyright: ignore[reportUnknownVariableType]
    for name, value in given.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise ConfigError(f"StdioServer.env: expected names of variables, got {name!r}")
        if not isinstance(value, str) or "\0" in value:
            raise ConfigError(f"StdioServer.env: expected strings, {name} is {type(value).__name__}")
    return dict(given)
