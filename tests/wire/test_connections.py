"""HTTP/1.1 on asyncio: a request is one write, an answer is read as it comes, and no connection outlives a doubt."""

import asyncio
from itertools import pairwise

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents._wire import connections
from hanzo_agents._wire.connections import LARGE, Connection
from hanzo_agents._wire.sockets import Socket

ORIGIN = httpcore2.URL("http://router.test:81/").origin
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nhello"
TOLD = b"HTTP/1.1 103 Early Hints\r\n\r\n"


class Line:
    """What a connection's socket leads to: it notes what is written, and brings what it is told to."""

    def __init__(self):
        self.socket, self.seen, self.closed = Socket(), [], False
        self.socket.connection_made(self)

    def set_write_buffer_limits(self, high):
        self.high = high

    def write(self, data):
        self.seen.append(bytes(data))

    def say(self, *parts):
        for part in parts:
            self.socket.data_received(part)

    def pause_reading(self):
        pass

    resume_reading = pause_reading

    def is_closing(self):
        return self.closed

    def abort(self):
        self.closed = True

    def get_extra_info(self, name):
        return None


def connected():
    return Connection(ORIGIN, None, lambda connection: None)


@pytest.fixture
def line(monkeypatch):
    made = Line()

    async def opened(*_):
        return made.socket

    monkeypatch.setattr(connections, "open_socket", opened)
    monkeypatch.setattr("hanzo_agents._wire.sockets.is_socket_readable", lambda _: False)
    return made


def request(content=b"body", method="POST", timeout=None, headers=()):
    given_headers = [("host", "router.test"), *headers]
    if isinstance(content, bytes) and content:
        given_headers.append(("content-length", str(len(content))))
    waits = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    return httpcore2.Request(
        method, "http://router.test:81/v1", headers=given_headers, content=content, extensions={"timeout": waits}
    )


async def parts(*given_parts):
    for part in given_parts:
        yield part


async def body_of(response):
    return b"".join([part async for part in response.stream])


async def answered(connection, line, *said, of=None, ends=False):
    """Send a request, have these bytes come back, and read the answer."""
    sending = asyncio.ensure_future(connection.send(of or request()))
    await asyncio.sleep(0)
    line.say(*said)
    if ends:
        line.socket.eof_received()
    response = await sending
    body = await body_of(response)
    await response.aclose()
    return response, body


async def sent(line, content, headers=()):
    connection = connected()
    await answered(connection, line, PLAIN, of=request(content, headers=headers))
    return line.seen


class TestRequests:
    async def test_the_head_goes_with_the_body(self, line):
        [written] = await sent(line, b"body")
        assert written.startswith(b"POST /v1 HTTP/1.1\r\n")
        assert written.endswith(b"\r\n\r\nbody")

    async def test_a_head_without_a_body(self, line):
        [written] = await sent(line, b"")
        assert written.endswith(b"\r\n\r\n")

    async def test_the_rest_of_a_long_body_follows_as_it_comes(self, line):
        seen = await sent(line, parts(b"one", b"two"), [("transfer-encoding", "chunked")])
        assert [written.rpartition(b"\r\n\r\n")[2] or written for written in seen] == [
            b"3\r\none\r\n",
            b"3\r\ntwo\r\n",
            b"0\r\n\r\n",
        ]

    async def test_what_is_large_is_not_copied(self, line):
        large = b"x" * LARGE
        head, body = await sent(line, large)
        assert head.endswith(b"\r\n\r\n")
        assert body == large

    async def test_a_body_that_breaks_its_word_is_not_sent_on(self, line):
        with pytest.raises(httpcore2.LocalProtocolError):
            await sent(line, parts(b"one"), [("content-length", "7")])
        assert line.closed

    async def test_a_header_cannot_bring_another(self, line):
        with pytest.raises(httpcore2.LocalProtocolError):
            await sent(line, b"", [("x-name", "a\r\nx-other: b")])
        assert not line.seen

    async def test_the_source_of_a_body_is_closed_when_its_sender_leaves(self, line):
        ended = []

        async def endless():
            try:
                while True:
                    yield b"more"
            finally:
                ended.append(True)

        line.socket.pause_writing()
        sending = asyncio.create_task(
            connected().send(request(endless(), headers=[("transfer-encoding", "chunked")]))
        )
        for _ in range(3):
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert ended == [True]
        assert line.closed


class TestAnswers:
    @pytest.mark.parametrize("said", [PLAIN, CHUNKED, TOLD + TOLD + CHUNKED])
    async def test_are_read_whole_and_leave_the_connection_idle(self, line, said):
        connection = connected()
        for _ in range(2):
            response, body = await answered(connection, line, said)
            assert (response.status, body) == (200, b"hello")
            assert connection.free
        assert len(line.seen) == 2
        assert not line.closed

    async def test_one_without_an_end_ends_with_its_connection(self, line):
        connection = connected()
        assert (await answered(connection, line, ENDLESS, ends=True))[1] == b"hello"
        assert not connection.free

    @given(said=st.sampled_from([PLAIN, CHUNKED, TOLD + CHUNKED]), cuts=st.lists(st.integers(1, 90), max_size=9))
    def test_come_in_any_pieces(self, said, cuts):
        async def read():
            line = Line()
            connection = connected()
            connection._socket = line.socket
            bounds = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
            pieces = [said[one:two] for one, two in pairwise(bounds)]
            sending = asyncio.ensure_future(body_after(connection))
            for piece in pieces:
                await asyncio.sleep(0)
                line.say(piece)
            assert await sending == b"hello"
            assert connection.free

        async def body_after(connection):
            response = await connection.send(request())
            body = await body_of(response)
            await response.aclose()
            return body

        asyncio.run(read())

    async def test_an_answer_to_nobody_keeps_no_connection(self, line):
        connection = connected()
        assert (await answered(connection, line, PLAIN + PLAIN))[1] == b"hello"
        assert not connection.free, "the next request would take the second for its own"

    async def test_nor_does_one_that_comes_while_nobody_asks(self, line):
        connection = connected()
        await answered(connection, line, PLAIN)
        assert connection.stands
        line.say(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert not connection.stands

    @pytest.mark.parametrize(
        "said",
        [b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello", PLAIN.replace(b"1.1", b"1.0")],
    )
    async def test_a_server_that_will_close_is_not_asked_again(self, line, said):
        connection = connected()
        assert (await answered(connection, line, said))[1] == b"hello"
        assert not connection.free

    async def test_what_has_no_body_by_nature(self, line):
        connection = connected()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
        assert (await answered(connection, line, head, of=request(b"", "HEAD")))[1] == b""
        assert (await answered(connection, line, b"HTTP/1.1 204 No Content\r\n\r\n"))[1] == b""
        assert connection.free


class TestFaults:
    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-le", PLAIN[:-1], CHUNKED[:-2]])
    async def test_an_answer_that_is_cut_is_no_answer(self, line, said):
        connection = connected()
        with pytest.raises(httpcore2.RemoteProtocolError):
            await answered(connection, line, said, ends=True)
        assert not connection.free

    @pytest.mark.parametrize("said", [b"", PLAIN[:-1]])
    async def test_nor_is_one_whose_connection_breaks(self, line, said):
        connection = connected()
        sending = asyncio.ensure_future(answered(connection, line, said))
        for _ in range(3):
            await asyncio.sleep(0)
        line.socket.connection_lost(ConnectionResetError("reset"))
        with pytest.raises(httpcore2.ReadError, match="reset"):
            await sending
        assert not connection.free

    @pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
    async def test_what_is_no_http(self, line, said):
        with pytest.raises(httpcore2.RemoteProtocolError):
            await answered(connected(), line, said)

    async def test_nor_does_one_go_on_that_becomes_something_else(self, line):
        line.say(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\n\r\n")
        asked = request(headers=[("upgrade", "other"), ("connection", "upgrade")])
        with pytest.raises(httpcore2.RemoteProtocolError, match="another protocol"):
            await connected().send(asked)
        assert line.closed

    async def test_a_head_without_end_is_not_kept(self, line):
        with pytest.raises(httpcore2.RemoteProtocolError):
            await answered(connected(), line, b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000)

    async def test_an_answer_that_comes_before_the_request_is_taken(self, line):
        refused = b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        line.closed = True
        line.say(refused)
        response = await connected().send(request())
        assert response.status == 413

    async def test_nothing_comes_in_time(self, line):
        connection = connected()
        with pytest.raises(httpcore2.ReadTimeout):
            await connection.send(request(timeout=0.001))
        assert not connection.free

    async def test_who_is_cancelled_leaves_a_closed_connection(self, line):
        connection = connected()
        line.say(PLAIN[:-1])
        response = await connection.send(request())
        reading = asyncio.ensure_future(body_of(response))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not connection.free
        assert line.closed

    async def test_who_leaves_half_way_leaves_a_closed_connection(self, line):
        connection = connected()
        line.say(CHUNKED)
        response = await connection.send(request())
        await response.aclose()
        assert not connection.free
