"""One connection pool per running event loop.

A connection belongs to the loop that opened it. A client that is cached across `asyncio.run` calls, or shared
by threads, would hand a loop the dead sockets of another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import weakref
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib import request as urllib_request

import httpx2
from typing_extensions import override

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

__all__ = ["LoopLocalTransport", "is_here", "is_loopback"]

KEEPALIVE = 10
"""Idle connections kept. The pool probes each on every request: 100 of them cost more than reconnecting."""
CONNECTIONS = 1000


class LoopLocalTransport(httpx2.AsyncBaseTransport):
    """An httpx2 transport that keeps a pool for each running loop and closes it with the loop.

    HTTP(S)_PROXY, ALL_PROXY and NO_PROXY are honoured; loopback never goes through a proxy.

    Args:
        proxy: a proxy for everything but loopback, instead of the environment's.
        verify: an ssl context, or True for the system's certificates.
        cert: a client certificate file, with its key.
        stays_here: refuse, with a ConfigError, every request that is not for this machine.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        cert: str | Path | None = None,
        stays_here: bool = False,
    ) -> None:
        if proxy is not None and not isinstance(proxy, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"proxy: expected a URL, got {type(proxy).__name__}")
        if not isinstance(verify, bool | ssl.SSLContext):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"verify: expected True, False or an ssl.SSLContext, got {type(verify).__name__}")
        if cert is not None:
            _check_certificate(cert)
        self._proxy = _with_scheme(proxy) if proxy else None
        self._environment = {} if proxy else urllib_request.getproxies_environment()
        self._verify = verify
        self._cert = cert
        self._stays_here = stays_here
        self._context: ssl.SSLContext | None = verify if isinstance(verify, ssl.SSLContext) else None
        self._pools: _PoolsByLoop = weakref.WeakKeyDictionary()
        # Holds the pools, so that connections do not go down with a client nobody closed: their loop closes them.
        weakref.finalize(self, _abandon, self._pools, os.getpid()).atexit = False

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send through the running loop's pool."""
        if self._stays_here and not is_here(request.url.host):
            raise ConfigError(f'base_url: inference_mode="local" sends nothing to {request.url.host}')
        loop = asyncio.get_running_loop()
        pools = self._pools.get(loop)
        if pools is None:
            self._forget_closed()
            # `run_sync` shuts its loop's generators down and then uses the loop again: that starts new pools.
            pools = self._pools[loop] = _Pools(partial(self._pools.pop, loop, None))
            await pools.opened(loop)
        url = request.url
        proxy = self._proxy_for(url.scheme, url.host)
        pool = pools.get(url.scheme, proxy)
        if pool is None:
            pool = pools.add(url.scheme, proxy, self._open(url.scheme, proxy))
        response = await pool.handle_async_request(request)
        # Whoever reads it may have nothing else of the client, which closes its connections when it goes.
        response.extensions["hanzo_agents.transport"] = self
        return response

    def _forget_closed(self) -> None:
        # Their connections hold their loops: where neither was closed but the loop itself, they would never go.
        for known in self._pools.keyrefs():
            loop = known()
            if loop is not None and loop.is_closed():
                self._pools.pop(loop, None)

    def _open(self, scheme: str, proxy: str | None) -> httpx2.AsyncHTTPTransport:
        # Here, as httpx2 does it: nothing is sent by who only imports us.
        from hanzo_agents._wire.pool import Pool, connect_directly

        context = self._ssl_context(needed=scheme == "https" or proxy is not None)
        limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=KEEPALIVE)
        transport = httpx2.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy)
        if proxy is not None:
            return transport
        return connect_directly(transport, Pool(context, most=CONNECTIONS, most_free=KEEPALIVE))

    def _ssl_context(self, *, needed: bool) -> ssl.SSLContext:
        """One context for all loops: loading certificates takes 19 ms. Plain http gets one that trusts nobody."""
        if not needed:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._context is None:
            self._context = httpx2.create_ssl_context(verify=self._verify)
            if self._cert is not None:
                self._context.load_cert_chain(self._cert)
        return self._context

    def _proxy_for(self, scheme: str, host: str) -> str | None:
        if (not self._proxy and not self._environment) or is_loopback(host):
            return None
        if self._proxy:
            return self._proxy
        # CPython has it on every platform; typeshed does not know it.
        bypass: Callable[..., int] = urllib_request.proxy_bypass_environment  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        if bypass(host, self._environment):
            return None
        found = self._environment.get(scheme) or self._environment.get("all")
        return _with_scheme(found) if found else None

    @override
    async def aclose(self) -> None:
        """Close the running loop's pool; other loops close their own when they end. Safe to repeat."""
        pools = self._pools.pop(asyncio.get_running_loop(), None)
        if pools is not None:
            await pools.aclose()


_closing: set[asyncio.Task[None]] = set()


def _abandon(pools: _PoolsByLoop, process: int) -> None:
    """Have each loop close its pool. Called by any thread when a transport is gone; never waits."""
    if process != os.getpid():  # the loops are the parent's, and so are their wake-up sockets
        return
    for loop, one in list(pools.items()):
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_close_soon, one)
    pools.clear()


def _close_soon(pools: _Pools) -> None:
    task = asyncio.get_running_loop().create_task(pools.aclose())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


class _Pools:
    """The pools of one loop, closed by the loop itself when it shuts its generators down."""

    def __init__(self, closed: Callable[[], object]) -> None:
        self._closed = closed
        self._by_route: dict[tuple[str, str | None], httpx2.AsyncHTTPTransport] = {}
        self._life = self._live()

    async def opened(self, loop: asyncio.AbstractEventLoop) -> None:
        # The first step of an async generator registers it with the loop, which closes it at shutdown_asyncgens.
        # `run_sync` calls that after each run, and a loop that goes on after it warns of what registers. This one
        # is closed by the next such call, so it registers without the warning.
        registered: Any = getattr(loop, "_asyncgens", None)
        before = sys.get_asyncgen_hooks().firstiter
        if registered is not None:
            sys.set_asyncgen_hooks(firstiter=registered.add)
        try:
            await anext(self._life)
        finally:
            sys.set_asyncgen_hooks(firstiter=before)

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._closed()
            pools = list(self._by_route.values())
            self._by_route.clear()
            for pool in pools:
                await pool.aclose()

    def get(self, scheme: str, proxy: str | None) -> httpx2.AsyncHTTPTransport | None:
        return self._by_route.get((scheme, proxy))

    def add(self, scheme: str, proxy: str | None, pool: httpx2.AsyncHTTPTransport) -> Any:
        return self._by_route.setdefault((scheme, proxy), pool)

    async def aclose(self) -> None:
        await self._life.aclose()


def _check_certificate(cert: object) -> None:
    if not isinstance(cert, str | Path):
        raise ConfigError(f"cert: expected the path of a certificate file, got {type(cert).__name__}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert)
    except (OSError, ValueError) as error:
        why = type(error).__name__
    else:
        return
    raise ConfigError(f"cert: expected a PEM file with a certificate and its key, could not read it ({why})")


_PoolsByLoop = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools]


def _with_scheme(proxy: str) -> str:
    """A proxy's URL; a bare `host:port`, as the variables often have it, means http.

    Raises:
        ConfigError: it is none, or a kind that needs another package.
    """
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        parsed = httpx2.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or " " in url:
        raise ConfigError("proxy: expected http(s)://host:port, got something else")
    return url


def is_here(host: str) -> bool:
    """Whether a host is this machine without asking anybody: of names, only `localhost` is."""
    return is_loopback(host) and not host.lower().endswith(".localhost")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    name = host.strip("[]").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
