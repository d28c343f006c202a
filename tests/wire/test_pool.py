"""Which connection a request goes over."""

import asyncio
import gc
import ssl
from contextlib import suppress

import httpcore2
import httpx2
import openai
import pytest

from hanzo_agents import AsyncHanzo
from hanzo_agents._wire import pool as pools
from hanzo_agents._wire.pool import KEPT, Pool
from hanzo_agents._wire.transport import LoopLocalTransport

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CLOSING = ANSWER.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)


class Server:
    """A real server that answers every request, and keeps count of its connections."""

    def __init__(self):
        self.answer, self.heard, self.writers, self.serving = ANSWER, [], [], []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await asyncio.gather(*self.serving)

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        self.serving.append(asyncio.current_task())
        with suppress(OSError):
            while heard := await reader.read(1 << 16):
                self.heard.append(heard)
                writer.write(self.answer)
                await writer.drain()
        writer.close()

    @property
    def connections(self):
        return len(self.writers)


@pytest.fixture
async def server():
    async with Server() as server:
        yield server


@pytest.fixture
async def pool(server):  # after it, as it leaves first
    made = Pool(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), most=4, most_free=2)
    yield made
    await made.aclose()


@pytest.fixture
def now(monkeypatch):
    """The time by the clock of connections, which stands still."""
    at = [100.0]
    monkeypatch.setattr(pools.time, "monotonic", lambda: at[0])
    return at


def request(url, wait=None):
    waits = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": wait}
    return httpcore2.Request("POST", url, headers=[("host", "h")], content=b"", extensions={"timeout": waits})


async def ask(pool, url):
    response = await pool.handle_async_request(request(url))
    body = b"".join([part async for part in response.stream])
    await response.aclose()
    return body


async def test_one_that_is_free_is_used_again(pool, server):
    for _ in range(3):
        assert await ask(pool, server.url) == b"hello"
    assert server.connections == 1


async def test_one_for_each_request_that_is_under_way(pool, server):
    await asyncio.gather(*(ask(pool, server.url) for _ in range(3)))
    assert server.connections == 3


async def test_the_one_used_last_comes_first(pool, server):
    await asyncio.gather(*(ask(pool, server.url) for _ in range(2)))
    used = [pool._free[-1]]
    for _ in range(3):
        await ask(pool, server.url)
        used.append(pool._free[-1])
    assert len(set(used)) == 1


async def test_no_more_are_kept_than_were_asked_for(pool, server):
    await asyncio.gather(*(ask(pool, server.url) for _ in range(4)))
    assert len(pool._free) == 2
    await asyncio.gather(*server.serving[:2])  # the server hears of it


async def test_nor_any_where_none_is_to_be_kept(server):
    pool = Pool(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), most=1, most_free=0)
    for _ in range(2):
        assert await ask(pool, server.url) == b"hello"
    await asyncio.gather(*server.serving)
    assert server.connections == 2


async def test_another_origin_gets_another(pool, server):
    async with Server() as other:
        for _ in range(2):
            await ask(pool, server.url)
            await ask(pool, other.url)
        assert (server.connections, other.connections) == (1, 1)
        await pool.aclose()


async def test_one_that_the_server_closed_is_left(pool, server):
    await ask(pool, server.url)
    [writer] = server.writers
    writer.close()
    await writer.wait_closed()
    assert await ask(pool, server.url) == b"hello"
    assert server.connections == 2


async def test_one_that_the_server_said_it_closes_is_left(pool, server):
    server.answer = CLOSING
    for _ in range(2):
        await ask(pool, server.url)
    assert server.connections == 2
    assert not pool._free


async def test_one_that_nobody_used_for_long_is_left(pool, server, now):
    await ask(pool, server.url)
    now[0] += KEPT
    await ask(pool, server.url)
    assert server.connections == 1
    now[0] += KEPT + 0.1
    await ask(pool, server.url)
    assert server.connections == 2


async def test_and_closed_when_another_is_left(pool, server, now):
    async with Server() as other:
        await ask(pool, server.url)
        now[0] += KEPT + 0.1
        await ask(pool, other.url)
        await asyncio.gather(*server.serving)
        assert len(pool._free) == 1
        await pool.aclose()


async def test_who_comes_when_all_are_taken_waits(pool, server):
    responses = [await pool.handle_async_request(request(server.url)) for _ in range(4)]
    waiting = asyncio.create_task(ask(pool, server.url))
    await asyncio.sleep(0)
    assert not waiting.done()
    await responses[0].aclose()  # unread, and so closed
    assert await waiting == b"hello"
    assert server.connections == 5
    for response in responses:
        await response.aclose()


async def test_but_not_for_ever(pool, server):
    responses = [await pool.handle_async_request(request(server.url)) for _ in range(4)]
    with pytest.raises(httpcore2.PoolTimeout):
        await pool.handle_async_request(request(server.url, 0.001))
    for response in responses:
        await response.aclose()
    assert await ask(pool, server.url) == b"hello"


@pytest.mark.parametrize("steps", range(12))
async def test_who_is_cancelled_gives_its_turn_back(pool, server, steps):
    asking = [asyncio.create_task(ask(pool, server.url)) for _ in range(9)]
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert await asyncio.gather(*(ask(pool, server.url) for _ in range(9))) == [b"hello"] * 9
    assert not pool._busy
    assert pool._turns._value == 4


async def test_who_finds_nobody_gives_its_turn_back(pool, server):
    server.server.close()
    for _ in range(5):
        with pytest.raises(httpcore2.ConnectError):
            await ask(pool, server.url)


async def test_closing_it_ends_those_under_way(pool, server):
    server.answer = ANSWER[:-1]
    response = await pool.handle_async_request(request(server.url))
    reading = asyncio.create_task(anext(response.stream.__aiter__()))
    await reading
    reading = asyncio.create_task(anext(response.stream.__aiter__()))
    await asyncio.sleep(0)
    await pool.aclose()
    with pytest.raises(httpcore2.ReadError, match="closed"):
        await reading
    await response.aclose()
    assert not pool._free


@pytest.mark.parametrize("steps", range(1, 9))
async def test_who_is_late_leaves_nothing_behind_in_one_that_is_closed(pool, server, steps):
    asking = [asyncio.create_task(ask(pool, server.url)) for _ in range(9)]  # 4 connect, 5 wait
    for _ in range(steps):
        await asyncio.sleep(0)
    await pool.aclose()
    await asyncio.gather(*asking, return_exceptions=True)
    assert not pool._free
    assert not pool._busy
    await asyncio.gather(*server.serving)


async def test_what_is_no_http_is_refused(pool):
    with pytest.raises(httpcore2.UnsupportedProtocol, match="ftp://"):
        await pool.handle_async_request(request("ftp://files.test/"))


async def test_a_transport_sends_through_it(server):
    transport = LoopLocalTransport()
    sending = httpx2.Request("POST", server.url)
    for _ in range(2):
        assert await (await transport.handle_async_request(sending)).aread() == b"hello"
    assert server.connections == 1
    await transport.aclose()


async def test_a_server_gets_a_call_at_once(server):
    server.answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}"
    async with AsyncHanzo(base_url=server.url, api_key="k", policies=[]) as client:
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert server.heard[0].startswith(b"POST /v1/chat/completions ")
    assert server.heard[0].endswith(b'"content":"hi"}]}')


async def test_an_answer_that_is_read_keeps_its_connection_when_its_client_is_dropped(server):
    server.answer = ANSWER[:-1]
    transport = LoopLocalTransport()
    response = await transport.handle_async_request(httpx2.Request("POST", server.url))
    parts = response.aiter_bytes()
    assert await anext(parts) == b"hell"
    del transport
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    server.writers[0].write(b"o")
    assert await anext(parts) == b"o"
    await response.aclose()


def test_a_proxy_is_left_to_the_http_client():
    transport = LoopLocalTransport()._open("https", "http://proxy.test:1")
    assert type(transport._pool) is httpcore2.AsyncHTTPProxy
