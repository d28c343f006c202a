"""Connections on asyncio: a request is one write, data are read as they come, and what breaks is httpcore's error."""

import asyncio
import socket as sockets
import ssl
from contextlib import suppress

import httpcore2
import pytest
import trustme

from hanzo_agents import AsyncHanzo
from hanzo_agents._wire.connections import LARGE, MOST_UNREAD, Connection, Inbox
from hanzo_agents._wire.transport import LoopLocalTransport
from hanzo_agents.testing.fault_server import faults

BACKEND = LoopLocalTransport()._open("http", None)._pool._network_backend
MOMENT = 0.001


class Socket:
    """A transport that notes what it is told."""

    def __init__(self):
        self.inbox = Inbox()
        self.seen = []
        self.connection = Connection(self.inbox)
        self.inbox.connection_made(self)

    def set_write_buffer_limits(self, high):
        self.high = high

    def write(self, data):
        self.seen.append(data)

    def pause_reading(self):
        self.seen.append("pause")

    def resume_reading(self):
        self.seen.append("resume")

    def is_closing(self):
        return "abort" in self.seen

    def abort(self):
        self.seen.append("abort")

    def get_extra_info(self, name):
        return {"sockname": "here", "peername": "there"}.get(name)


@pytest.fixture
def socket():
    return Socket()


async def written(socket, *parts):
    for part in parts:
        await socket.connection.write(part, 5.0)
    socket.inbox.data_received(b"answer")
    assert await socket.connection.read(10) == b"answer"
    return socket.seen


class TestWriting:
    async def test_the_head_goes_with_the_body(self, socket):
        assert await written(socket, b"head", b"body", b"") == [b"headbody"]

    @pytest.mark.parametrize("parts", [(b"head", b""), (b"head",)])
    async def test_a_head_without_a_body_is_not_kept(self, socket, parts):
        assert await written(socket, *parts) == [b"head"]

    async def test_the_rest_of_a_long_body_follows_as_it_comes(self, socket):
        assert await written(socket, b"head", b"one", b"two", b"three", b"") == [b"headone", b"two", b"three"]

    async def test_what_is_large_is_not_copied(self, socket):
        large = b"x" * LARGE
        assert await written(socket, b"head", large, b"") == [b"head", large]

    async def test_the_next_request_is_whole_too(self, socket):
        await written(socket, b"head", b"1")
        assert await written(socket, b"head", b"2") == [b"head1", b"head2"]

    async def test_it_waits_for_a_socket_that_takes_no_more(self, socket):
        await socket.connection.write(b"head")
        socket.inbox.pause_writing()
        writing = asyncio.create_task(socket.connection.write(b"body"))
        await asyncio.sleep(0)
        assert not writing.done()
        socket.inbox.resume_writing()
        await writing

    async def test_but_not_for_ever(self, socket):
        await socket.connection.write(b"head")
        socket.inbox.pause_writing()
        with pytest.raises(httpcore2.WriteTimeout):
            await socket.connection.write(b"body", MOMENT)

    async def test_nor_for_one_that_is_lost(self, socket):
        await socket.connection.write(b"head")
        socket.inbox.pause_writing()
        writing = asyncio.create_task(socket.connection.write(b"body"))
        await asyncio.sleep(0)
        socket.inbox.connection_lost(ConnectionResetError("reset"))
        await writing
        with pytest.raises(httpcore2.ReadError, match="reset"):
            await socket.connection.read(10)

    async def test_a_closed_connection_takes_nothing(self, socket):
        await socket.connection.write(b"head")
        await socket.connection.aclose()
        with pytest.raises(httpcore2.WriteError):
            await socket.connection.write(b"body")


class TestReading:
    async def test_data_that_come_later_are_waited_for(self, socket):
        reading = asyncio.create_task(socket.connection.read(10, 5.0))
        await asyncio.sleep(0)
        socket.inbox.data_received(b"one")
        socket.inbox.data_received(b"two")
        assert await reading == b"onetwo"

    async def test_no_more_is_given_than_is_asked_for(self, socket):
        socket.inbox.data_received(b"onetwo")
        assert [await socket.connection.read(3), await socket.connection.read(9)] == [b"one", b"two"]

    async def test_the_end_is_empty(self, socket):
        socket.inbox.data_received(b"last")
        assert socket.inbox.eof_received() is True, "the other direction stays open"
        assert [await socket.connection.read(9), await socket.connection.read(9)] == [b"last", b""]

    async def test_what_came_before_an_error_is_read(self, socket):
        socket.inbox.data_received(b"last")
        socket.inbox.connection_lost(OSError("broken"))
        assert await socket.connection.read(9) == b"last"
        with pytest.raises(httpcore2.ReadError, match="broken"):
            await socket.connection.read(9)

    async def test_nothing_comes_in_time(self, socket):
        with pytest.raises(httpcore2.ReadTimeout):
            await socket.connection.read(9, MOMENT)
        socket.inbox.data_received(b"late")
        assert await socket.connection.read(9) == b"late"

    async def test_who_stops_waiting_takes_nothing_along(self, socket):
        reading = asyncio.create_task(socket.connection.read(9, 5.0))
        await asyncio.sleep(0)
        socket.inbox.data_received(b"late")
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await socket.connection.read(9) == b"late"

    async def test_a_slow_reader_is_not_flooded(self, socket):
        for _ in range(3):
            socket.inbox.data_received(b"x" * (MOST_UNREAD // 2))
        assert socket.seen == ["pause"]
        await socket.connection.read(MOST_UNREAD)
        assert socket.seen == ["pause"]
        await socket.connection.read(MOST_UNREAD)
        assert socket.seen == ["pause", "resume"]

    async def test_closing_is_not_the_end_of_an_answer(self, socket):
        reading = asyncio.create_task(socket.connection.read(9))
        await asyncio.sleep(0)
        await socket.connection.aclose()
        socket.inbox.connection_lost(None)
        with pytest.raises(httpcore2.ReadError, match="closed"):
            await reading


async def test_it_says_where_it_leads(socket):
    told = [socket.connection.get_extra_info(name) for name in ("client_addr", "server_addr", "ssl_object")]
    assert told == ["here", "there", None]


@pytest.fixture
async def opened():
    """Open a connection to a server that does what a handler says."""
    servers, connections, serving = [], [], []

    async def serve(handler, context=None):
        async def handle(reader, writer):
            serving.append(asyncio.current_task())
            await handler(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        connection = await BACKEND.connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1], 5.0)
        connections.append(connection)
        return connection

    yield serve
    for connection in connections:
        await connection.aclose()
    await asyncio.gather(*serving, return_exceptions=True)
    for server in servers:
        server.close()


async def everything(connection):
    parts = []
    while part := await connection.read(1 << 16, 5.0):
        parts.append(part)
    return b"".join(parts)


async def echo(reader, writer):
    size = int(await reader.readline())
    writer.write(await reader.readexactly(size))
    await writer.drain()


class TestSockets:
    async def test_idle_connections_that_the_server_closed_are_known(self, opened):
        gone = asyncio.Event()

        async def close(_, writer):
            await gone.wait()
            writer.write_eof()

        connection = await opened(close)
        assert not connection.get_extra_info("is_readable")
        gone.set()
        assert await everything(connection) == b""
        assert connection.get_extra_info("is_readable")

    async def test_also_when_the_loop_has_not_looked_yet(self, opened):
        async def speak(reader, writer):
            writer.write(b"408")
            await reader.read()

        connection = await opened(speak)
        connection._inbox.transport.pause_reading()
        async with asyncio.timeout(5):
            while not connection.get_extra_info("is_readable"):  # noqa: ASYNC110 - it is the socket that knows
                await asyncio.sleep(0)
        assert not connection._inbox.unread

    async def test_megabytes_there_and_back(self, opened):
        data = bytes(range(256)) * (1 << 14)
        connection = await opened(echo)
        await connection.write(b"%d\n" % len(data))
        await connection.write(data, 5.0)
        assert await everything(connection) == data

    async def test_megabytes_there_and_back_encrypted(self, opened):
        authority, server, client = (
            trustme.CA(),
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
            ssl.create_default_context(),
        )
        authority.issue_cert("router.test").configure_cert(server)
        authority.configure_trust(client)
        data = bytes(range(256)) * (1 << 14)
        plain = await opened(echo, server)
        encrypted = await plain.start_tls(client, "router.test", 5.0)
        assert encrypted.get_extra_info("ssl_object").version().startswith("TLS")
        await encrypted.write(b"%d\n" % len(data))
        await encrypted.write(data, 5.0)
        assert await everything(encrypted) == data

    async def test_a_certificate_that_nobody_vouches_for(self, opened):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("router.test").configure_cert(server)
        connection = await opened(echo, server)
        with pytest.raises(httpcore2.ConnectError, match="certificate"):
            await connection.start_tls(ssl.create_default_context(), "router.test", 5.0)

    async def test_a_server_that_never_encrypts(self, opened):
        connection = await opened(echo)
        with pytest.raises(httpcore2.ConnectTimeout):
            await connection.start_tls(ssl.create_default_context(), "router.test", MOMENT)

    async def test_nobody_there(self):
        with faults.closed_port() as url, pytest.raises(httpcore2.ConnectError):
            await BACKEND.connect_tcp("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))

    async def test_nobody_there_in_time(self):
        with pytest.raises(httpcore2.ConnectTimeout):
            await BACKEND.connect_tcp("127.0.0.1", 9, 0)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_who_is_cancelled_while_connecting_leaves_no_connection(self, host):
        ended = []

        async def wait(reader, writer):
            ended.append(await reader.read())
            writer.close()

        async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            for steps in range(30):
                connecting = asyncio.ensure_future(BACKEND.connect_tcp(host, port, 5.0))
                for _ in range(steps):
                    await asyncio.sleep(0)
                connecting.cancel()
                with suppress(asyncio.CancelledError):
                    await (await connecting).aclose()
            accepted = await BACKEND.connect_tcp(host, port, 5.0)  # whoever came before has been accepted too
            await accepted.aclose()
            async with asyncio.timeout(5):
                while server._active_count:  # noqa: ASYNC110 - it is the server that knows
                    await asyncio.sleep(0)
            assert ended

    async def test_the_address_and_the_options_that_are_asked_for(self, opened):
        server = await opened(echo)
        host, port = server.get_extra_info("server_addr")
        option = (sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
        connection = await BACKEND.connect_tcp(host, port, 5.0, "127.0.0.1", [option])
        assert connection.get_extra_info("client_addr")[0] == "127.0.0.1"
        assert connection.get_extra_info("socket").getsockopt(*option[:2]) == 1
        await connection.aclose()


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
        assert type(pool._network_backend).__module__ == "hanzo_agents._wire.connections"
