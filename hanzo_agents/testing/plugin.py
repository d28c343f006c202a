"""The pytest plugin, loaded by the entry point `hanzo_agents`.

    hanzo_cassette   a cassette named after the test; `pytest --hanzo-record` records it
    block_network    no connection leaves the test; also a marker, `block_network(allow_loopback=True)`
    fault_server     a real HTTP server that misbehaves on command
    fake_clock       time that passes only when told to

pytest imports this module in every session of everybody who has the package installed, so it imports nothing
but pytest and what pytest has imported already.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from hanzo_agents.testing.cassettes import Cassette
    from hanzo_agents.testing.clock import FakeClock
    from hanzo_agents.testing.fault_server import FaultServer

__all__ = ["NetworkBlocked", "no_network"]

_MARKERS = (
    "hanzo_cassette(name=None, **options): the name of this test's cassette, and options of use_cassette",
    "block_network(allow_loopback=False): fail on any connection; those to this machine can be allowed",
)
_ERROR = pytest.StashKey[BaseException]()
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3}")
_ADDRESS = re.compile(r"[\d.]+|[\da-f]*:[\da-f:.%\w]*", re.IGNORECASE)


class NetworkBlocked(RuntimeError):
    """A test with its network blocked tried to use it.

    Not an OSError, which code that copes with lost connections would hide.
    """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--hanzo-record`."""
    parser.getgroup("hanzo").addoption(
        "--hanzo-record",
        action="store_true",
        help="record the cassettes of the tests that use hanzo_cassette, instead of replaying them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give tests marked `block_network` the fixture, before all others."""
    if isinstance(item, pytest.Function) and item.get_closest_marker("block_network"):
        item.fixturenames.insert(0, "block_network")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how a test with a cassette ended: a failed one writes no recording."""
    if call.when == "call" and call.excinfo and "hanzo_cassette" in getattr(item, "fixturenames", ()):
        item.stash[_ERROR] = call.excinfo.value
    return (yield)


@pytest.fixture
def hanzo_cassette(request: pytest.FixtureRequest) -> Generator[Cassette]:
    """Replay this test's HTTP from `cassettes/<test file>/<test>.yaml` beside the test file.

    With `--hanzo-record` the test goes live and the file is written anew, unless the test fails.
    """
    from hanzo_agents.testing.cassettes import use_cassette

    options = _marker(request.node, "hanzo_cassette", "name")
    name = options.pop("name", None) or re.sub(r"[^\w.\[\]-]+", "-", _name(request.node))
    options.setdefault("directory", request.path.parent / "cassettes" / request.path.stem)
    options.setdefault("mode", "all" if request.config.getoption("--hanzo-record") else "none")
    context = use_cassette(name, **options)
    yield context.__enter__()
    error: BaseException | None = request.node.stash.get(_ERROR, None)
    context.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


@pytest.fixture
def block_network(request: pytest.FixtureRequest) -> Generator[None]:
    """Let no connection leave the test, except while its cassette is recorded."""
    allow_loopback = _marker(request.node, "block_network", "allow_loopback").get("allow_loopback", False)
    recording = request.config.getoption("--hanzo-record") and "hanzo_cassette" in request.fixturenames
    if recording:
        yield
        return
    with no_network(allow_loopback=bool(allow_loopback)):
        yield


@pytest.fixture
def fault_server() -> Generator[FaultServer]:
    """A real HTTP server on loopback that misbehaves on command."""
    from hanzo_agents.testing.fault_server import FaultServer

    with FaultServer() as server:
        yield server


@pytest.fixture
def fake_clock() -> FakeClock:
    """Time that passes only when told to."""
    from hanzo_agents.testing.clock import FakeClock

    return FakeClock()


@contextmanager
def no_network(*, allow_loopback: bool = False) -> Generator[None]:
    """Make every connection, datagram and name lookup of Python's `socket` raise `NetworkBlocked`.

    Not seen by it: subprocesses, and extensions that make their own system calls (uvloop among them).

    Args:
        allow_loopback: let pass what stays on this machine: 127.0.0.0/8, ::1, localhost, Unix sockets.
    """
    import socket

    patch = pytest.MonkeyPatch()

    def check(host: object, what: str) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if not (allow_loopback and _LOOPBACK.fullmatch(name)):
            raise NetworkBlocked(f"the network is blocked in this test, which tried to {what}")

    def guarded(real: Callable[..., Any], position: int) -> Callable[..., Any]:
        def connect(self: socket.socket, *args: Any) -> Any:
            address: Any = args[position]
            # The address of a Unix socket is a path.
            host: object = "localhost" if isinstance(address, str | bytes) else address[0]
            try:
                check(host, f"connect to {address}")
            except NetworkBlocked:
                self.close()  # callers close it after an OSError only
                raise
            return real(self, *args)

        return connect

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not _ADDRESS.fullmatch(str(host)):
            check(host, f"look up {host}")
        return getaddrinfo(host, *args, **kwargs)

    getaddrinfo = socket.getaddrinfo
    for method, position in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
        patch.setattr(socket.socket, method, guarded(getattr(socket.socket, method), position))
    patch.setattr(socket, "getaddrinfo", look_up)
    try:
        yield
    finally:
        patch.undo()


def _name(node: pytest.Item) -> str:
    """`Class.test[param]`: what the test is called in its file."""
    return node.nodeid.partition("::")[2].replace("::", ".") or node.name


def _marker(node: pytest.Item, name: str, first: str) -> dict[str, Any]:
    """The arguments of the closest marker of that name; its one positional argument is called `first`."""
    marker = node.get_closest_marker(name)
    if marker is None:
        return {}
    if len(marker.args) > 1:
        raise pytest.UsageError(f"@pytest.mark.{name} takes one positional argument, {first}")
    named = {first: marker.args[0]} if marker.args else {}
    return {**named, **marker.kwargs}
