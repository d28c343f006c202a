"""Encrypted sockets: who is at the other end is known, what comes is read, and what breaks is httpcore's error."""

import asyncio
import shutil
import socket as plain
import ssl
from contextlib import suppress

import httpcore2
import pytest
import trustme
from socket_ends import echo, everything

from hanzo_agents._wire import encrypted
from hanzo_agents._wire.addresses import open_socket

NAME = "router.test"


@pytest.fixture(scope="module")
def contexts():
    """A server's context and that of a client who trusts it."""
    authority, server, client = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(NAME).configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.fixture
async def serving():
    """Start a server that does what a handler says; its port."""
    servers, handlers = [], []

    async def start(handler, context=None):
        async def handle(reader, writer):
            handlers.append(asyncio.current_task())
            with suppress(OSError):
                await handler(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()
    await asyncio.gather(*handlers, return_exceptions=True)


@pytest.fixture
async def opened(serving, contexts):
    """Open an encrypted socket to a server that does what a handler says."""
    sockets = []

    async def start(handler, *, server=contexts[0], client=contexts[1], within=5.0):
        port = await serving(handler, server)
        socket = await open_socket("127.0.0.1", port, (client, NAME), within)
        sockets.append(socket)
        return socket

    yield start
    for socket in sockets:
        socket.close()


async def wait(reader, _):
    await reader.read()


async def test_megabytes_there_and_back(opened):
    data = bytes(range(256)) * (1 << 14)
    socket = await opened(echo)
    assert socket.tls.version().startswith("TLS")
    await socket.write(b"%d\n" % len(data))
    await socket.write(data, 5.0)
    assert await everything(socket) == data


async def test_the_oldest_tls_that_is_still_in_use(opened, contexts):
    old = ssl.create_default_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_verify_locations(cadata="".join(ssl.DER_cert_to_PEM_cert(c) for c in contexts[1].get_ca_certs(True)))
    socket = await opened(echo, client=old)
    assert socket.tls.version() == "TLSv1.2"
    await socket.write(b"5\nhello")
    assert await everything(socket) == b"hello"


async def test_a_certificate_that_nobody_vouches_for(opened):
    with pytest.raises(httpcore2.ConnectError, match="certificate"):
        await opened(echo, client=ssl.create_default_context())


async def test_a_certificate_of_somebody_else(opened, contexts):
    authority, server, client = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("another.test").configure_cert(server)
    authority.configure_trust(client)
    with pytest.raises(httpcore2.ConnectError, match=r"router\.test"):
        await opened(echo, server=server, client=client)


async def test_the_server_hears_why_it_is_refused(serving, contexts):
    why = asyncio.get_running_loop().create_future()

    async def shake_hands(reader, writer):
        try:
            await writer.start_tls(contexts[0])
            await reader.read()
        except ssl.SSLError as error:
            why.set_result(error)

    port = await serving(shake_hands)
    with pytest.raises(httpcore2.ConnectError):
        await open_socket("127.0.0.1", port, (ssl.create_default_context(), NAME), 5.0)
    async with asyncio.timeout(5):
        assert "UNKNOWN_CA" in str(await why)


async def test_a_server_that_never_encrypts(opened):
    gone = asyncio.Event()

    async def listen(reader, _):
        await reader.read()
        gone.set()

    with pytest.raises(httpcore2.ConnectTimeout):
        await opened(listen, server=None, within=0.05)
    async with asyncio.timeout(5):
        await gone.wait()


async def test_one_that_speaks_http(opened):
    async def answer(_, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    with pytest.raises(httpcore2.ConnectError, match="WRONG_VERSION"):
        await opened(answer, server=None)


async def test_one_that_hangs_up(opened):
    async def hang_up(reader, _):
        await reader.read(1)

    with pytest.raises(httpcore2.ConnectError):
        await opened(hang_up, server=None)


async def test_who_gives_up_leaves_no_connection(serving, contexts):
    gone = asyncio.Event()

    async def listen(reader, _):
        await reader.read()
        gone.set()

    port = await serving(listen)
    connecting = asyncio.create_task(open_socket("127.0.0.1", port, (contexts[1], NAME)))
    await asyncio.sleep(0.01)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    async with asyncio.timeout(5):
        await gone.wait()


@pytest.mark.parametrize("name", ["", ".test", "a" * 64 + ".test"])
async def test_a_name_that_no_certificate_can_have(serving, contexts, name):
    port = await serving(wait)
    with pytest.raises(httpcore2.ConnectError):
        await open_socket("127.0.0.1", port, (contexts[1], name))


async def test_the_end_is_empty(opened):
    async def speak(_, writer):
        writer.write(b"last")
        await writer.drain()

    socket = await opened(speak)
    assert await everything(socket) == b"last"
    assert await socket.read() == b""
    assert not socket.at_rest


async def test_the_end_of_the_connection_is_one_too(opened):
    async def vanish(_, writer):
        writer.write(b"last")
        await writer.drain()
        writer.transport.get_extra_info("socket").shutdown(plain.SHUT_WR)

    assert await everything(await opened(vanish)) == b"last"


async def test_what_nobody_encrypted_is_no_data(opened):
    async def corrupt(_, writer):
        writer.write(b"true")
        await writer.drain()
        writer.transport._ssl_protocol._transport.write(b"HTTP/1.1 200 OK\r\n\r\nforged")

    socket = await opened(corrupt)
    with pytest.raises(httpcore2.ReadError):
        await everything(socket)
    await socket.write(b"more")  # is lost, and the next to read hears of it
    with pytest.raises(httpcore2.ReadError):
        await socket.read()


async def test_it_waits_for_a_socket_that_takes_no_more(opened):
    async def read_nothing(_, writer):
        writer.transport.pause_reading()
        await go_on.wait()

    go_on = asyncio.Event()
    socket = await opened(read_nothing)
    with pytest.raises(httpcore2.WriteTimeout):
        await socket.write(bytes(1 << 24), 0.05)
    assert len(socket.transport._buffer) < 3 * encrypted.PART, "and encrypts no more than is sent"
    go_on.set()


async def test_a_server_that_has_said_all_while_it_is_sent_to(opened):
    async def refuse(_, writer):
        writer.transport.pause_reading()
        writer.write(b"413")
        await writer.drain()
        writer.transport.get_extra_info("socket").shutdown(plain.SHUT_WR)
        await heard.wait()
        writer.transport.resume_reading()

    heard = asyncio.Event()
    socket = await opened(refuse)
    writing = asyncio.create_task(socket.write(bytes(1 << 25), 5.0))
    async with asyncio.timeout(5):
        while not socket.ended:  # noqa: ASYNC110 - it is the socket that knows
            await asyncio.sleep(0)
    heard.set()
    await writing
    assert await everything(socket) == b"413"
    socket.close()


async def test_nor_is_one_waited_for_that_agrees_no_more(opened):
    socket = await opened(wait)
    socket.tls = Busy(socket.tls, times=1 << 20)
    writing = asyncio.create_task(socket.write(b"hello"))
    await asyncio.sleep(0)
    socket.eof_received()
    async with asyncio.timeout(5):
        await writing


async def test_who_is_told_goodbye_leaves(opened):
    async def say_goodbye(reader, writer):
        inner = writer.transport._ssl_protocol
        with suppress(ssl.SSLWantReadError):
            inner._sslobj.unwrap()
        inner._process_outgoing()
        await reader.read()
        gone.set()

    gone = asyncio.Event()
    socket = await opened(say_goodbye)
    async with asyncio.timeout(5):
        await gone.wait()
    assert not socket.at_rest


async def test_much_at_once_takes_no_memory_for_good(opened):
    """OpenSSL keeps room for the most that it ever held."""

    async def speak(_, writer):
        writer.write(data)
        await writer.drain()

    class Measured:
        def write(self, part):
            received.write(part)
            held.append(received.pending)

    data, parts, held = bytes(1 << 18), [], []
    socket = await opened(speak)
    socket.data_received, received = parts.append, socket._received
    async with asyncio.timeout(5):
        while sum(map(len, parts)) < len(data):  # noqa: ASYNC110 - these are not waited for
            await asyncio.sleep(0)
    del socket.data_received
    socket._received = Measured()
    socket.data_received(b"".join(parts))
    assert await everything(socket) == data
    assert max(held) < 2 * encrypted.PART


async def test_a_slow_reader_is_not_flooded(opened):
    sent = 0

    async def flood(_, writer):
        nonlocal sent
        while sent < 1 << 26:
            writer.write(bytes(1 << 16))
            await writer.drain()
            sent += 1 << 16

    socket = await opened(flood)
    first = b""
    while not first:
        first = await socket.read(5.0)
    before = -1
    async with asyncio.timeout(10):
        while sent != before:
            before = sent
            await asyncio.sleep(0.02)
    assert sent < 1 << 25
    assert len(socket.unread) < 1 << 20


class Busy:
    """An encryption that has to hear from the other side before it takes data."""

    def __init__(self, tls, *, times):
        self._tls, self._times = tls, times

    def __getattr__(self, name):
        return getattr(self._tls, name)

    def write(self, data):
        self._times -= 1
        if self._times >= 0:
            raise ssl.SSLWantReadError
        return self._tls.write(data)


async def test_what_is_to_be_sent_waits_while_they_agree_anew(opened):
    socket = await opened(echo)
    socket.tls = Busy(socket.tls, times=1)
    writing = asyncio.create_task(socket.write(b"5\nhello", 5.0))
    await asyncio.sleep(0)
    assert not writing.done()
    socket.data_received(b"")
    await writing
    assert await everything(socket) == b"hello"


async def test_but_not_for_ever(opened):
    socket = await opened(wait)
    socket.tls = Busy(socket.tls, times=2)
    with pytest.raises(httpcore2.WriteTimeout):
        await socket.write(b"hello", 0.001)


class OpenSSL:
    """OpenSSL's own server, which does at a command what Python's cannot."""

    def __init__(self, process):
        self._process = process

    async def command(self, letter):
        self._process.stdin.write(letter + b"\n")
        await self._process.stdin.drain()

    async def heard(self, what):
        text = b""
        async with asyncio.timeout(10):
            while what not in text:
                more = await self._process.stdout.read(4096)
                assert more, text
                text += more
        return text


@pytest.fixture
async def openssl(tmp_path, contexts):
    """Start `openssl s_server`, and connect to it; both ends."""
    processes, sockets = [], []
    authority, client = trustme.CA(), ssl.create_default_context()
    authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.configure_trust(client)

    async def start(version):
        command = [
            "openssl",
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            tmp_path / "server.pem",
            f"-{version}",
        ]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, "-legacy_renegotiation", "-msg", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        processes.append(process)
        server = OpenSSL(process)
        text = await server.heard(b"ACCEPT")
        if b":" not in text.partition(b"ACCEPT")[2]:
            text += await server.heard(b"\n")
        port = int(text.partition(b"ACCEPT")[2].split()[0].rpartition(b":")[2])
        socket = await open_socket("127.0.0.1", port, (client, NAME), 10.0)
        sockets.append(socket)
        return server, socket

    yield start
    for socket in sockets:
        socket.close()
    for process in processes:
        process.kill()
        await process.communicate()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
@pytest.mark.parametrize(
    ("version", "letter", "message"),
    [("tls1_3", b"K", b"KeyUpdate"), ("tls1_3", b"k", b"KeyUpdate"), ("tls1_2", b"r", b"HelloRequest")],
)
async def test_a_server_that_agrees_anew_in_the_middle(openssl, version, letter, message):
    """New keys in TLS 1.3, asked for in return or not, and the renegotiation of TLS 1.2."""
    server, socket = await openssl(version)
    await socket.write(b"before\n")
    await server.heard(b"before")
    await server.command(letter)
    await server.heard(message)
    await socket.write(b"between\n", 5.0)
    await server.heard(b"between")
    await server.command(b"said")
    async with asyncio.timeout(10):
        said = b""
        while b"said" not in said:
            said += await socket.read(5.0)
    await socket.write(b"after\n", 5.0)
    await server.heard(b"after")
