"""The seed document is not part of this repository: where its folder is not there, its tests are not collected."""

import importlib.util
import socket
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
