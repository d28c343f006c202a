"""`node` serves the embedded node until Ctrl-C; `models --local` asks it."""

import os
import re
import signal
import subprocess
import sys

import httpx2
import pytest

pytestmark = pytest.mark.node

MODEL = "tiny"


@pytest.fixture
def served():
    command = subprocess.Popen(
        [sys.executable, "-m", "hanzo_agents.cli", "node", "--name", MODEL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with command:
        yield command
        command.kill()


def test_it_says_where_it_is_and_stops_at_ctrl_c(served):
    lines = [served.stdout.readline() for _ in range(4)]
    url = re.search(r"http://127\.0\.0\.1:\d+/v1", lines[0]).group()
    assert lines == [
        f"{MODEL} answers at {url}; Ctrl-C stops it.\n",
        "To use it from another terminal:\n",
        f"  export HANZO_ROUTER_URL={url} HANZO_API_KEY=local HANZO_MODEL={MODEL}\n",
        "  hanzo-agents chat\n",
    ]
    assert [model["id"] for model in httpx2.get(f"{url}/models").json()["data"]] == [MODEL]
    served.send_signal(signal.SIGINT)
    out, err = served.communicate(timeout=60)
    assert (out, err, served.returncode) == ("Stopped.\n", "", 0)


def test_a_file_that_is_not_there(run):
    result = run("node", "--model", "no/such/file.gguf")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: model: there is no file 'no/such/file.gguf'")


def test_its_models(run):
    assert run("models", "--local").stdout == "smollm2-135m-instruct\n"
