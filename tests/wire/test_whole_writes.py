"""A request goes to the socket in one write, whatever else is written is written as before."""

# ruff: noqa: ASYNC109 - `timeout` is httpcore's

import asyncio

import httpcore2
import pytest

from hanzo_agents import AsyncHanzo
from hanzo_agents._wire.transport import LoopLocalTransport
from hanzo_agents._wire.whole_writes import LARGE, WholeWrites


class Wire(httpcore2.AsyncNetworkStream):
    """Notes what reaches the socket."""

    def __init__(self):
        self.seen = []

    async def write(self, buffer, timeout=None):
        self.seen.append((buffer, timeout))

    async def read(self, max_bytes, timeout=None):
        self.seen.append("read")
        return b"answer"

    async def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        self.seen.append(("tls", server_hostname, timeout))
        return self

    async def aclose(self):
        self.seen.append("closed")

    def get_extra_info(self, info):
        return f"about {info}"


@pytest.fixture
def wire():
    return Wire()


async def written(wire, *parts):
    stream = WholeWrites(wire)
    for part in parts:
        await stream.write(part, 5.0)
    assert await stream.read(10) == b"answer"
    return [one if one == "read" else one[0] for one in wire.seen]


async def test_the_head_goes_with_the_body(wire):
    assert await written(wire, b"head", b"body", b"") == [b"headbody", "read"]
    assert wire.seen[0][1] == 5.0


@pytest.mark.parametrize("parts", [(b"head", b""), (b"head",)])
async def test_a_head_without_a_body_is_not_kept(wire, parts):
    assert await written(wire, *parts) == [b"head", "read"]


async def test_the_rest_of_a_long_body_follows_as_it_comes(wire):
    assert await written(wire, b"head", b"one", b"two", b"three", b"") == [b"headone", b"two", b"three", "read"]


async def test_what_is_large_is_not_copied(wire):
    large = b"x" * LARGE
    assert await written(wire, b"head", large, b"") == [b"head", large, "read"]


async def test_the_next_request_is_whole_too(wire):
    stream = WholeWrites(wire)
    for body in (b"1", b"2"):
        await stream.write(b"head")
        await stream.write(body)
        await stream.read(10)
        await stream.read(10)
    assert wire.seen == [(b"head1", None), "read", "read", (b"head2", None), "read", "read"]


async def test_encrypted_connections_do_the_same(wire):
    stream = await WholeWrites(wire).start_tls(None, "router.test", 3.0)
    await stream.write(b"head")
    await stream.write(b"body")
    await stream.aclose()
    assert wire.seen == [("tls", "router.test", 3.0), (b"headbody", None), "closed"]
    assert stream.get_extra_info("socket") == "about socket"


async def test_a_server_gets_a_call_at_once():
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.read(1 << 16))
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, AsyncHanzo(base_url=f"http://127.0.0.1:{port}/v1", api_key="k", policies=[]) as client:
        with pytest.raises(Exception, match="400"):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert heard[0].startswith(b"POST /v1/chat/completions ")
    assert heard[0].endswith(b'"content":"hi"}]}')


def test_the_http_client_still_has_the_place_it_is_put_in():
    transport = LoopLocalTransport()
    for proxy in (None, "http://proxy.test:1"):
        pool = transport._open("https", proxy)._pool
        assert type(pool._network_backend).__module__ == "hanzo_agents._wire.whole_writes"
