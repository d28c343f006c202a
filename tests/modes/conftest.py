"""No node is found on this machine but those that a test starts."""

import sys

import pytest

import hanzo_agents.modes.plan  # noqa: F401 - the module; the package gives a function under its name
from hanzo_agents.node import discovery


@pytest.fixture(autouse=True)
def ports(monkeypatch, tmp_path):
    """The known ports; a test puts its own in."""
    for name in ("ANTHROPIC_API_KEY", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HANZO_MODELS_DIR", str(tmp_path / "models"))
    known = []
    monkeypatch.setattr(discovery, "KNOWN_PORTS", known)
    discovery.forget_nodes()
    yield known
    discovery.forget_nodes()


@pytest.fixture
def no_engine(monkeypatch):
    """As if the extra `local` was not installed."""
    monkeypatch.setattr(sys.modules["hanzo_agents.modes.plan"], "embedded_node", lambda: None)
