"""The pytest plugin, in sessions of its own."""

import json
import os
import socket
import subprocess
import sys

import pytest

from hanzo_agents.testing.plugin import NetworkBlocked, no_network

pytest_plugins = ["pytester"]

POSTS = """
import httpx2
import pytest

def post(body):
    return httpx2.post("{url}/v1/chat/completions", json=body)
"""


@pytest.fixture
def session(pytester, upstream):
    """Run pytest on test code that can `post(body)` to the upstream."""

    def run(code, *arguments):
        pytester.makepyfile(test_it=POSTS.format(url=upstream.url) + code)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


RECORDED = """
import uuid

class TestRuns:
    @pytest.mark.parametrize("name", ["a/b", "c"])
    def test_named_after_the_test(self, hanzo_cassette, name):
        assert post({"name": name}).json() == {"ok": True}

@pytest.mark.hanzo_cassette("shared/name", ignore=["id"], all_used=True)
def test_marked(hanzo_cassette):
    post({"id": str(uuid.uuid4())})

@pytest.mark.block_network
def test_blocked(hanzo_cassette):
    post({})

def test_that_swallows_a_miss(hanzo_cassette, request):
    try:
        post({"said": "hello" if request.config.getoption("--hanzo-record") else "goodbye"})
    except BaseException:
        pass

def test_that_fails_while_recording(hanzo_cassette):
    post({})
    assert False, "the model said something else"
"""


def test_record_then_replay(session, pytester, upstream):
    """One session that records and one that replays: a session takes seconds to start."""
    recording = session(RECORDED, "--hanzo-record")
    recording.assert_outcomes(passed=5, failed=1)
    recording.stdout.fnmatch_lines(["*the model said something else*"])
    assert upstream.hits == 6
    directory = pytester.path / "cassettes" / "test_it"
    assert sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.yaml")) == [
        "TestRuns.test_named_after_the_test[a-b].yaml",
        "TestRuns.test_named_after_the_test[c].yaml",
        "shared/name.yaml",
        "test_blocked.yaml",
        "test_that_swallows_a_miss.yaml",
    ]
    replay = session(RECORDED)
    # Two errors: the miss that was swallowed, and the cassette that was not written.
    replay.assert_outcomes(passed=5, errors=2)
    replay.stdout.fnmatch_lines(["*CassetteMiss*", '*+*"said": "goodbye"*', "*CassetteNotFoundError*"])
    assert upstream.hits == 6


def test_blocked_networks_servers_and_clocks(session, upstream):
    code = """
from hanzo_agents.testing.plugin import NetworkBlocked

@pytest.mark.block_network
def test_marker():
    with pytest.raises(NetworkBlocked):
        post({})

@pytest.mark.block_network
async def test_async():
    async with httpx2.AsyncClient() as client:
        with pytest.RaisesGroup(NetworkBlocked):  # anyio connects in a task group
            await client.get("http://127.0.0.1:1/")

def test_fixture(block_network):
    with pytest.raises(NetworkBlocked):
        post({})

@pytest.fixture
def greedy():
    post({})

@pytest.mark.block_network
def test_it_comes_before_other_fixtures(greedy):
    pass

@pytest.mark.block_network(allow_loopback=True)
def test_loopback():
    assert post({}).status_code == 200
    with pytest.raises(NetworkBlocked):
        httpx2.get("http://192.0.2.1/")

def test_afterwards():
    assert post({}).status_code == 200

def test_server(fault_server):
    assert fault_server.base_url.startswith("http://127.0.0.1:")

def test_clock(fake_clock):
    assert fake_clock.now() == fake_clock.now()
"""
    session(code, "-o", "asyncio_mode=auto").assert_outcomes(passed=7, errors=1)
    assert upstream.hits == 2


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
@pytest.mark.parametrize("address", [("127.0.0.1", 9), ("::1", 9), ("192.0.2.1", 9), "/run/nothing.sock"])
def test_no_network(address, method):
    family = (
        socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    )
    with no_network(), socket.socket(family) as plain, pytest.raises(NetworkBlocked):
        getattr(plain, method)(address)


@pytest.mark.parametrize("arguments", [(), (0,)])
def test_no_network_stops_datagrams(arguments):
    with (
        no_network(allow_loopback=True),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        pytest.raises(NetworkBlocked),
    ):
        datagrams.sendto(b"x", *arguments, ("192.0.2.1", 9))


def test_no_network_stops_name_lookups():
    with no_network(allow_loopback=True):
        with pytest.raises(NetworkBlocked, match="look up"):
            socket.getaddrinfo("example.com", 443)
        assert socket.getaddrinfo("127.0.0.1", 443)
        assert socket.getaddrinfo("localhost", 443)


def test_the_plugin_imports_nothing_of_its_own():
    """It is imported in every pytest session of everybody who has the package installed."""
    code = "import json, sys, pytest, hanzo_agents.testing; before = set(sys.modules); "
    code += "import hanzo_agents.testing.plugin; "
    code += "print(json.dumps(sorted(set(sys.modules) - before)))"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean
    ).stdout
    assert json.loads(printed) == ["hanzo_agents.testing.plugin"]
