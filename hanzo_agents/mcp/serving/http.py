"""Serving over streamable HTTP."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl

from hanzo_agents._wire.transport import is_loopback
from hanzo_agents.errors import ConfigError
from hanzo_agents.mcp.serving.signals import asked_to_stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server import Server
    from starlette.applications import Starlette

__all__ = ["http_app", "serve_http"]

PATH = "/mcp"
SHORTEST_TOKEN = 16
"""Characters; shorter ones can be guessed."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class _Tokens:
    """Who has which token. Prints as nothing."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = {name: token.encode() for name, token in tokens.items()}

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is; every one is compared, so that time tells nothing."""
        given = token.encode()
        found = [name for name, known in self._tokens.items() if hmac.compare_digest(given, known)]
        return AccessToken(token="***", client_id=found[0], scopes=[]) if found else None  # noqa: S106 - no token


def http_app(
    server: Server[Any],
    *,
    tokens: str | Mapping[str, str] | None = None,
    allowed_hosts: Sequence[str] = (),
    address: str | None = None,
) -> Starlette:
    """The ASGI application.

    Raises:
        ConfigError: a token is too short, or a host is none.
    """
    known = _checked_tokens(tokens)
    # It has no authorization server: the address only stands where the settings want one.
    auth = AuthSettings(issuer_url=AnyHttpUrl("http://localhost"), resource_server_url=None) if known else None
    return server.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=_security(allowed_hosts, address),
        auth=auth,
        token_verifier=_Tokens(known) if known else None,
    )


async def serve_http(
    server: Server[Any],
    address: str,
    *,
    tokens: str | Mapping[str, str] | None = None,
    allowed_hosts: Sequence[str] = (),
    allow_insecure: bool = False,
    on_ready: Callable[[str], object] | None = None,
) -> None:
    """Listen until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: see `AgentServer.serve`.
    """
    import uvicorn

    from hanzo_agents.node.listening import listen

    host, port = _host_and_port(address)
    here = is_loopback(host)
    if not here and not (allow_insecure and tokens):
        raise ConfigError(
            f"http: {host} can be reached from other machines, in plain http and by anybody; listen on 127.0.0.1 "
            "behind a proxy with TLS, or give tokens= and allow_insecure=True"
        )
    shown = f"[{host}]" if ":" in host else host
    app = http_app(server, tokens=tokens, allowed_hosts=allowed_hosts, address=None if here else shown)
    listener = listen(host, port)
    config = uvicorn.Config(
        app, log_config=None, log_level="critical", access_log=False, lifespan="on", server_header=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    web = uvicorn.Server(config)
    port = listener.getsockname()[1]
    with listener, asked_to_stop(lambda: None):  # uvicorn stops by itself, and sends on the signal it was sent
        if on_ready is not None:
            on_ready(f"http://{shown}:{port}{PATH}")
        serving = asyncio.create_task(web.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            # uvicorn leaves everything as it is when it is cancelled; asked to stop, it closes what it opened.
            web.should_exit = True
            await asyncio.wait([serving])
            raise


def _host_and_port(address: object) -> tuple[str, int]:
    parts = urlsplit(f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not isinstance(address, str) or host is None or port is None or parts.netloc != address or "@" in address:
        raise ConfigError(f'http: expected "host:port", such as "127.0.0.1:8081", got {address!r}')
    return host, port


def _security(allowed_hosts: object, address: str | None) -> TransportSecuritySettings:
    """Only requests that were meant for this server: a page in a browser may call it by another's name."""
    given = cast("Sequence[Any]", allowed_hosts)
    own = [] if address is None else [address]
    if (
        isinstance(allowed_hosts, str)
        or not isinstance(allowed_hosts, Sequence)
        or not all(isinstance(host, str) and host and "/" not in host for host in given)
    ):
        raise ConfigError(f"allowed_hosts: expected a list of host names, got {allowed_hosts!r}")
    hosts = [form for host in (*LOOPBACK, *own, *given) for form in (host, f"{host}:*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=hosts, allowed_origins=origins
    )


def _checked_tokens(tokens: object) -> dict[str, str]:
    if tokens is None:
        return {}
    given = {"client": tokens} if isinstance(tokens, str) else tokens
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(
            f"tokens: expected a token, or tokens by the name of their client, got {type(tokens).__name__}"
        )
    found: dict[str, str] = {}
    for name, token in given.items():  # pyright: ignore[reportUnknownVariableType]
        if (
            not isinstance(token, str)
            or not isinstance(name, str)
            or not token.isascii()
            or len(token) < SHORTEST_TOKEN
        ):
            raise ConfigError(f"tokens[{name!r}]: expected at least {SHORTEST_TOKEN} ASCII characters")
        found[name] = token
    if len(set(found.values())) < len(found):
        raise ConfigError("tokens: two clients have the same one")
    return found
