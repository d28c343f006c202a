"""Sockets on asyncio: data are read as they come, and what breaks is httpcore's error."""

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress

import httpcore2
import pytest
import trustme
from socket_ends import echo, everything

from hanzo_agents._wire import addresses as addressing
from hanzo_agents._wire.addresses import open_socket
from hanzo_agents._wire.sockets import MOST_UNREAD, Socket
from hanzo_agents.testing.fault_server import faults

MOMENT = 0.001


class Transport:
    """A transport that notes what it is told."""

    def __init__(self):
        self.seen = []
        self.socket = Socket()
        self.socket.connection_made(self)

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
        return None


@pytest.fixture
def transport():
    return Transport()


@pytest.fixture
def socket(transport):
    return transport.socket


class TestWriting:
    async def test_it_waits_for_a_socket_that_takes_no_more(self, socket):
        socket.pause_writing()
        writing = asyncio.create_task(socket.write(b"body"))
        await asyncio.sleep(0)
        assert not writing.done()
        socket.resume_writing()
        await writing

    async def test_but_not_for_ever(self, socket):
        socket.pause_writing()
        with pytest.raises(httpcore2.WriteTimeout):
            await socket.write(b"body", MOMENT)

    async def test_nor_while_it_says_this_and_that(self, socket):
        socket.pause_writing()
        writing = asyncio.create_task(socket.write(b"body", MOMENT))
        async with asyncio.timeout(5):
            while not writing.done():
                socket.data_received(b"HTTP/1.1 102 Processing\r\n\r\n")
                await asyncio.sleep(0)
        with pytest.raises(httpcore2.WriteTimeout):
            await writing

    async def test_nor_for_one_that_is_lost(self, socket):
        socket.pause_writing()
        writing = asyncio.create_task(socket.write(b"body"))
        await asyncio.sleep(0)
        socket.connection_lost(ConnectionResetError("reset"))
        await writing
        with pytest.raises(httpcore2.ReadError, match="reset"):
            await socket.read()

    async def test_a_closed_one_takes_nothing(self, transport, socket):
        socket.close()
        await socket.write(b"body")
        assert transport.seen == ["abort"]
        with pytest.raises(httpcore2.ReadError, match="closed"):
            await socket.read()


class TestReading:
    async def test_data_that_come_later_are_waited_for(self, socket):
        reading = asyncio.create_task(socket.read(5.0))
        await asyncio.sleep(0)
        socket.data_received(b"one")
        socket.data_received(b"two")
        assert await reading == b"onetwo"

    async def test_nothing_is_read_twice(self, socket):
        socket.data_received(b"one")
        first = await socket.read()
        socket.data_received(b"two")
        assert [first, await socket.read()] == [b"one", b"two"]

    async def test_the_end_is_empty(self, socket):
        socket.data_received(b"last")
        assert socket.eof_received() is True, "the other direction stays open"
        assert [await socket.read(), await socket.read()] == [b"last", b""]

    async def test_what_came_before_an_error_is_read(self, socket):
        socket.data_received(b"last")
        socket.connection_lost(OSError("broken"))
        assert await socket.read() == b"last"
        with pytest.raises(httpcore2.ReadError, match="broken"):
            await socket.read()

    async def test_nothing_comes_in_time(self, socket):
        with pytest.raises(httpcore2.ReadTimeout):
            await socket.read(MOMENT)
        socket.data_received(b"late")
        assert await socket.read() == b"late"

    async def test_who_stops_waiting_takes_nothing_along(self, socket):
        reading = asyncio.create_task(socket.read(5.0))
        await asyncio.sleep(0)
        socket.data_received(b"late")
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await socket.read() == b"late"

    async def test_a_slow_reader_is_not_flooded(self, transport, socket):
        for _ in range(3):
            socket.data_received(b"x" * (MOST_UNREAD // 2))
        assert transport.seen == ["pause"]
        assert len(await socket.read()) == 3 * MOST_UNREAD // 2
        assert transport.seen == ["pause", "resume"]

    async def test_closing_is_not_the_end_of_an_answer(self, socket):
        reading = asyncio.create_task(socket.read())
        await asyncio.sleep(0)
        socket.close()
        socket.connection_lost(None)
        with pytest.raises(httpcore2.ReadError, match="closed"):
            await reading


@pytest.fixture
async def opened():
    """Open a socket to a server that does what a handler says."""
    servers, sockets, serving = [], [], []

    async def serve(handler, context=None, encryption=None, within=5.0):
        async def handle(reader, writer):
            serving.append(asyncio.current_task())
            await handler(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        socket = await open_socket("127.0.0.1", server.sockets[0].getsockname()[1], encryption, within)
        sockets.append(socket)
        return socket

    yield serve
    for socket in sockets:
        socket.close()
    for server in servers:
        server.close()
    await asyncio.gather(*serving, return_exceptions=True)


async def test_one_that_the_server_closed_is_not_quiet(opened):
    gone = asyncio.Event()

    async def close(_, writer):
        await gone.wait()
        writer.write_eof()

    socket = await opened(close)
    assert socket.quiet
    gone.set()
    assert await everything(socket) == b""
    assert not socket.quiet


async def test_also_when_the_loop_has_not_looked_yet(opened):
    async def speak(reader, writer):
        writer.write(b"408")
        await reader.read()

    socket = await opened(speak)
    socket.transport.pause_reading()
    async with asyncio.timeout(5):
        while socket.quiet:  # noqa: ASYNC110 - it is the socket that knows
            await asyncio.sleep(0)
    assert not socket.unread


async def test_megabytes_there_and_back(opened):
    data = bytes(range(256)) * (1 << 14)
    socket = await opened(echo)
    await socket.write(b"%d\n" % len(data))
    await socket.write(data, 5.0)
    assert await everything(socket) == data


async def test_nobody_there():
    with faults.closed_port() as url, pytest.raises(httpcore2.ConnectError):
        await open_socket("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))


@pytest.mark.parametrize("host", ["api..test", "a" * 64 + ".test"])
async def test_a_name_that_nobody_can_have(host):
    with pytest.raises(httpcore2.ConnectError, match="label"):
        await open_socket(host, 443)


async def test_nobody_there_in_time():
    with pytest.raises(httpcore2.ConnectTimeout):
        await open_socket("127.0.0.1", 9, timeout=0)


class TestAddresses:
    """Which of a host's addresses is connected to."""

    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch):
        monkeypatch.setattr(addressing, "NEXT_ADDRESS_AFTER", MOMENT)

    @pytest.fixture
    async def addresses(self, monkeypatch):
        found = []

        async def getaddrinfo(*_, **__):
            return [(":" in address, 1, 6, "", (address, 0)) for address in found]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return found

    @asynccontextmanager
    async def listening(self, address, port=0, context=None):
        """A server that takes one connection, says nothing, and waits for its end."""
        gone = asyncio.Event()

        async def wait(reader, writer):
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
            gone.set()

        async with await asyncio.start_server(wait, address, port, ssl=context) as server:
            yield server.sockets[0].getsockname()[1]
            async with asyncio.timeout(5):
                await gone.wait()

    async def test_one_that_refuses_is_left_for_the_next(self, addresses):
        addresses += ["127.0.0.2", "127.0.0.1"]
        async with self.listening("127.0.0.1") as port:
            (await open_socket("router.test", port)).close()

    async def test_as_is_one_that_does_not_answer(self, addresses):
        addresses += ["127.0.0.2", "127.0.0.1"]
        authority = trustme.CA()
        theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.issue_cert("router.test").configure_cert(theirs)
        authority.configure_trust(ours)
        async with self.listening("127.0.0.1", 0, theirs) as port, self.listening("127.0.0.2", port):
            socket = await open_socket("router.test", port, (ours, "router.test"), 5.0)
            assert socket.transport.get_extra_info("peername")[0] == "127.0.0.1"
            socket.close()

    async def test_the_last_tells_why_none_is(self, addresses):
        addresses += ["127.0.0.2", "127.0.0.1"]
        with faults.closed_port() as url, pytest.raises(httpcore2.ConnectError, match="127"):
            await open_socket("router.test", int(url.rpartition(":")[2].partition("/")[0]))

    async def test_there_may_be_none(self, addresses):
        assert not addresses
        with pytest.raises(httpcore2.ConnectError, match="no address"):
            await open_socket("router.test", 80)

    async def test_families_take_turns(self, addresses):
        addresses += ["::1", "::2", "::3", "127.0.0.1"]
        assert await addressing._addresses("router.test", 80) == ["::1", "127.0.0.1", "::2", "::3"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("late", [False, True])
async def test_who_leaves_while_connecting_leaves_no_connection(host, late):
    open_now, ended = set(), []

    async def wait(reader, writer):
        open_now.add(writer)
        ended.append(await reader.read())
        open_now.remove(writer)
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for steps in range(60):
            connecting = asyncio.ensure_future(open_socket(host, port, None, steps * 2e-5 if late else 5.0))
            for _ in range(steps):
                await asyncio.sleep(0)
            if not late:
                connecting.cancel()
            with suppress(asyncio.CancelledError, httpcore2.ConnectTimeout):
                (await connecting).close()
        last = await open_socket(host, port, None, 5.0)
        await last.write(b"last")  # whoever came before has been accepted too
        last.close()
        async with asyncio.timeout(5):
            while b"last" not in ended or open_now:  # noqa: ASYNC110 - it is the server that knows
                await asyncio.sleep(0)
