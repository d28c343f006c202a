"""Servers as real processes: one of our own that misbehaves, and others that were not written here."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
STRANGE = [sys.executable, str(Path(__file__).with_name("strange_server.py"))]
PATIENCE = 30.0


def foreign(name):
    """A program of the environment that scripts/test makes of tests/mcp/requirements.txt."""
    program = ROOT / ".venv-mcp" / "bin" / name
    assert program.exists(), f"{program} is missing: run scripts/test once"
    return str(program)


def until(true):
    """Poll, with a deadline."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def alive(pid):
    """Whether a process runs, and is not only unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second, if it goes while it is read
        return False


def dead(client, pid):
    """Whether a client's program has ended, and the client knows."""
    links = [connection._link for connection in client._toolbox._connections.values()]
    return not alive(pid) and all(link is None or link.over.done() for link in links)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def listening(command, port):
    """A server that listens on a port, as a process; ended with the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: process.poll() is not None or _answers(f"http://127.0.0.1:{port}/none"))
        assert process.poll() is None, f"{command} ended with {process.returncode}"
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def strange_http(transport, *more):
    """The address of the strange server, without a path."""
    port = free_port()
    with listening([*STRANGE, transport, str(port), *more], port):
        yield f"http://127.0.0.1:{port}"


class Tiny:
    """The hand-written server, and what its processes have done."""

    def __init__(self, folder):
        self.folder = folder
        self.command = [sys.executable, "-S", "-E", str(Path(__file__).with_name("tiny_server.py")), str(folder)]

    def lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def calls(self):
        return self.lines("calls")

    @property
    def starts(self):
        return len(self.lines("starts"))

    def offers(self, *tools):
        """Have it list these tools from now on: names, or whole definitions."""
        schema = {"type": "object", "properties": {}}
        listed = [{"name": t, "description": t, "inputSchema": schema} if isinstance(t, str) else t for t in tools]
        (self.folder / "tools.json").write_text(json.dumps(listed))
