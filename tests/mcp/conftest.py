"""No server of this machine is meant by accident; a router whose model uses tools; the hand-written server."""

from contextlib import ExitStack
from functools import cache

import pytest
from mcp_servers import Tiny, strange_http

from hanzo_agents.testing.scripted import ScriptedRouter, answers


@pytest.fixture(autouse=True)
def _no_servers_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("HANZO_MCP_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def strange_at():
    """Gives the address of the strange server over a transport: one process each, for tests that leave it alive."""
    with ExitStack() as stack:
        yield cache(lambda *transport: stack.enter_context(strange_http(*transport)))


@pytest.fixture
def router():
    """A router whose model asks for `router.wants` (name, arguments), and then says what the tools gave back."""

    def say(request):
        results = [message["content"] for message in request.messages if message["role"] == "tool"]
        wanted = scripted.wants[len(results) : len(results) + 1]
        return answers.tool_call(*wanted[0]) if wanted else " | ".join(map(str, results))

    scripted = ScriptedRouter(say, models=["m"])
    scripted.wants = [("echo", {"text": "hello"})]
    with scripted:
        yield scripted


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    return Tiny(folder)
