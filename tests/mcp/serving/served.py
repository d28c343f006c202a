"""Serving over real sockets, and reading what comes back."""

import asyncio
from contextlib import asynccontextmanager

import mcp
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from hanzo_agents.mcp.serving import AgentServer

KEY = "sk-canary-0123456789"
PRICED = "gpt-4o-mini"  # in the public list: what it costs is known
TOKENS = {"alice": "alice-0123456789abcdef", "bob": "bob-0123456789abcdef"}


@asynccontextmanager
async def over_http(server, **settings):
    """Serve over real sockets, on this loop; gives `connect(token=None, mode=...)`."""
    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(server.serve("127.0.0.1:0", on_ready=ready.set_result, **settings))
    await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    url = ready.result()

    @asynccontextmanager
    async def connect(token=None, mode="auto", **headers):
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        async with (
            create_mcp_http_client(headers=headers) as http,
            mcp.Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            yield client

    connect.url, connect.stop = url, serving.cancel
    try:
        yield connect
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def server_of(*agents, provider, **settings):
    return AgentServer(agents, provider=provider, **settings)


def said(result):
    return "".join(part.text for part in result.content)


def usage(result):
    return result.meta["hanzo-agents/usage"]


def code(result):
    return result.meta["hanzo-agents/error"]["code"]


async def until(condition, patience=10.0):
    """Poll until `condition()` holds."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


def asked(router):
    """Questions to models; prices are looked up too."""
    return [request for request in router.requests if request.method == "POST"]
