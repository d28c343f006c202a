"""What every test may rely on: no keys, addresses or proxies from outside, and no traces that leave the machine."""

import gc
import os
import signal

import agents
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's business. With CI set, the examples are the same on every run.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")

# A shell has what it starts in the background ignore Ctrl-C, its children too; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """What is imported by now stays: collections of garbage walk only what comes after, some fifty times faster."""
    gc.collect()
    gc.freeze()


_OUTSIDE = ("HANZO_", "OPENAI_")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path_factory):
    # A budget without a store writes to the user's state folder: not to that of whoever runs the tests.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    for name in list(os.environ):
        if name.startswith(_OUTSIDE) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _no_exported_traces():
    """Traces go nowhere: a test that wants to see some sets a processor of its own (see tests/agents)."""
    agents.set_trace_processors([])
    agents.set_tracing_disabled(disabled=True)
