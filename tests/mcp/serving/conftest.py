"""A router that does what the test says, and agents' way to it."""

import pytest
from served import KEY, PRICED

from hanzo_agents import HanzoModelProvider
from hanzo_agents.testing.fault_server import FaultServer


@pytest.fixture
def router():
    with FaultServer() as server:
        yield server


@pytest.fixture
def provider(router):
    return HanzoModelProvider(router.base_url, KEY, model=PRICED, policies=[])


@pytest.fixture(params=["legacy", "auto"])
def era(request):
    """The protocol before 2026 with its handshake and sessions, and the one after, without."""
    return request.param
