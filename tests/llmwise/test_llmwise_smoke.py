"""The example that reads an account, run as its reader would run it."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from hanzo_agents.testing._http import json_http

SMOKE = Path(__file__).parents[2] / "examples" / "llmwise_smoke.py"


@pytest.fixture
def smoke(server, monkeypatch, capsys):
    """Runs the script; its exit status and what it printed."""
    monkeypatch.setenv("LLMWISE_API_KEY", "mm_sk_0123456789")
    monkeypatch.setenv("LLMWISE_BASE_URL", server.base_url)

    def run():
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(SMOKE), run_name="__main__")
        return left.value.code, capsys.readouterr().out

    return run


def test_all_is_well(server, smoke):
    status, printed = smoke()
    assert status == 0
    assert printed.startswith(f"asking {server.base_url}\nok    models: 3 of them\n")
    assert printed.endswith("\nall is well\n")
    assert {request.method for request in server.requests} == {"GET"}
    assert server.hits == printed.count("ok    ") == 23


def test_what_fails_is_named(server, smoke):
    server.script = [json_http({"error": "Invalid key mm_sk_0123456789"}, status=401)]
    status, printed = smoke()
    assert status == 1
    assert "FAIL  models: Invalid key *** (status 401)\n" in printed
    assert printed.endswith("\n1 failed\n")


def test_without_a_key():
    done = subprocess.run(
        [sys.executable, SMOKE], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 1
    assert done.stderr == "set LLMWISE_API_KEY to a key of LLMWise (mm_sk_...)\n"
