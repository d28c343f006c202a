"""The seed document is not part of this repository: where its folder is not there, its tests are not collected."""

import importlib.util
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from seed_blocks import DOCUMENT

_REDIS = importlib.util.spec_from_file_location(
    "stores_conftest", Path(__file__).parents[1] / "stores" / "conftest.py"
)

collect_ignore = [] if DOCUMENT.exists() else ["test_seed_blocks.py"]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    """A running Redis of this module's own."""
    stores = importlib.util.module_from_spec(_REDIS)
    _REDIS.loader.exec_module(stores)
    server = stores.Server(tmp_path_factory.mktemp("redis"))
    yield server.url
    server.kill()


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_CODE_SEARCH = """
import sys
from mcp.server.mcpserver import MCPServer

server = MCPServer("code")


@server.tool()
def search_codebase(query: str) -> str:
    return f"{query}: src/auth/login.py:12"


server.run("streamable-http", port=int(sys.argv[1]))
"""


@pytest.fixture
def code_search(unused_port):
    """An MCP server that searches code, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE_SEARCH, str(unused_port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", unused_port)) == 0:
                break
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"http://127.0.0.1:{unused_port}"
    process.kill()
    process.wait()
