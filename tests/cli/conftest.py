"""The command line in this process, before a router that does what the test says."""

import pytest
from click.testing import CliRunner

from hanzo_agents.cli import app
from hanzo_agents.testing.fault_server import FaultServer, answers

KEY = "sk-canary-0123456789"


@pytest.fixture
def run():
    """Run `hanzo-agents` with these arguments; the result has `exit_code`, `stdout` and `stderr`."""

    def run(*arguments, stdin=None):
        result = CliRunner().invoke(app, arguments, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert KEY not in result.output
        return result

    return run


@pytest.fixture
def router(monkeypatch):
    """A router with one model, alive; HANZO_ROUTER_URL and HANZO_API_KEY lead to it."""
    with FaultServer() as server:
        server.script(answers.json("I'm alive!"), path="/health/liveliness", repeat=True)
        server.script(answers.models("zen-1"), path="/v1/models", repeat=True)
        monkeypatch.setenv("HANZO_ROUTER_URL", server.base_url)
        monkeypatch.setenv("HANZO_API_KEY", KEY)
        yield server


@pytest.fixture
def always(router):
    """Let the router answer a path with one reply from now on."""

    def always(path, reply):
        lane = router.lane(path)
        while lane.left:
            lane.take()
        lane.script(reply, repeat=True)

    return always
