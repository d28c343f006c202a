"""The port of a node, and the HTTP server behind it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

__all__ = ["http_server", "listen"]

_BACKLOG = 128


def http_server(app: Starlette) -> uvicorn.Server:
    """A server of the application, quiet, and without a lifespan."""
    import uvicorn

    # `log_config=None` leaves the host program's logging alone; "off" because there is no lifespan to run
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is a free one.

    Raises:
        ConfigError: There is no such address, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"host, port: cannot listen on {host}:{port}: {error}") from error
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port: cannot listen on {host}:{port}: {error.strerror or error}; 0 takes a free one"
        ) from error
    return listener
