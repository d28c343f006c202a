"""`hanzo-agents mcp serve` as real processes, and clients that speak to it, leave it, or die."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx2
import mcp
import pytest
from click.testing import CliRunner
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError
from served import KEY, PRICED, TOKENS, said

from hanzo_agents.cli import app
from hanzo_agents.testing.fault_server import answers, faults

HERE = Path(__file__).parent
SHOP = str(HERE / "shop.py")
OLD = HERE.parents[2] / ".venv-mcp" / "bin" / "python"
PATIENCE = 30.0
COMMAND = [sys.executable, "-m", "hanzo_agents.cli", "mcp", "serve"]


@pytest.fixture
def env(router):
    return {
        **os.environ,
        "HANZO_ROUTER_URL": router.base_url,
        "HANZO_API_KEY": KEY,
        "HANZO_MODEL": PRICED,
        "PYTHONWARNINGS": "error::ResourceWarning",
    }


class Stdio:
    """A server process, and the lines of the protocol by hand."""

    def __init__(self, process):
        self.process = process
        self._id = 0
        self.errors = ""
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def _read_errors(self):
        self.errors = self.process.stderr.read()

    def send(self, method, params=None, *, ask=True):
        message = {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}
        if ask:
            self._id += 1
            message["id"] = self._id
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def answer(self):
        """The next message that answers a question; each line must be one of the protocol."""
        while True:
            message = json.loads(self.process.stdout.readline())
            assert message["jsonrpc"] == "2.0"
            if message.get("id") == self._id:
                return message

    def greet(self):
        info = {"name": "by hand", "version": "1"}
        self.send("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info})
        assert self.answer()["result"]["serverInfo"]["name"]
        self.send("notifications/initialized", ask=False)

    def call(self, name, **arguments):
        self.send("tools/call", {"name": name, "arguments": arguments, "_meta": {"progressToken": 1}})

    def ends(self):
        """The exit code, and that it said nothing of a traceback."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert "Traceback" not in self.errors, self.errors
        assert KEY not in self.errors
        return code


@contextmanager
def stdio(env, *arguments):
    with subprocess.Popen(
        [*COMMAND, *arguments], env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield Stdio(process)
        finally:
            process.kill()


@contextmanager
def http(env, *arguments):
    """The process, and its address."""
    with subprocess.Popen(
        [*COMMAND, "--http", "127.0.0.1:0", *arguments], env=env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            for line in process.stderr:
                if found := re.match(r"Serving MCP at (\S+); Ctrl-C stops it\.$", line):
                    yield process, found[1]
                    break
            else:
                raise AssertionError("it never said where it serves")
        finally:
            process.kill()


async def test_a_client_of_today_over_standard_streams(router, env):
    router.script(answers.tool_call("stock", {"item": "pens"}), "Seven pens.")
    server = mcp.StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], f"{SHOP}:support"], env=env)
    async with mcp.Client(server) as client:
        result = await client.call_tool("support", {"input": "How many pens?"})
    assert said(result) == "Seven pens."


def old_client(env, *arguments):
    """What a client of the first generation sees of a server."""
    assert OLD.exists(), f"{OLD} is missing: run scripts/test once"
    command = [str(OLD), str(HERE / "old_client.py"), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=True)
    seen = json.loads(done.stdout)
    assert seen["tools"] == ["support", "quiet"]
    assert seen["good"] == ["Seven pens.", False, 2]
    assert seen["wrong"] == ["input: Field required", True]
    assert seen["told"][:3] == ["Support begins", "turn 1", "calls stock"]


def test_a_client_of_the_first_generation_over_standard_streams(router, env):
    router.script(answers.tool_call("stock", {"item": "pens"}), "Seven pens.")
    old_client(env, "stdio", *COMMAND, f"{SHOP}:everyone")


async def test_over_http_clients_of_both_generations_and_sigterm_in_the_middle_of_a_run(router, env):
    router.script(answers.tool_call("stock", {"item": "pens"}), "Seven pens.", faults.hang_mid_body())
    token = TOKENS["alice"]
    with http({**env, "HANZO_MCP_TOKEN": token}, f"{SHOP}:everyone") as (process, url):
        await asyncio.to_thread(old_client, env, "http", url, token)
        async with (
            create_mcp_http_client(headers={"authorization": f"Bearer {token}"}) as web,
            mcp.Client(streamable_http_client(url, http_client=web), mode="legacy") as client,
        ):
            call = asyncio.create_task(client.call_tool("quiet", {"input": "?"}))
            await router.until(lambda: router.paused == 1, PATIENCE)
            process.send_signal(signal.SIGTERM)
            with pytest.raises((MCPError, httpx2.HTTPError)):
                await call
            await router.until(lambda: router.paused == 0, PATIENCE)
            assert process.wait(PATIENCE) == 0
        assert "Traceback" not in process.stderr.read()


def test_standard_output_carries_the_protocol_alone_until_sigterm_in_the_middle_of_a_run(router, env):
    router.script(answers.tool_call("stock", {"item": "pens"}), "Seven pens.", faults.hang_mid_body())
    with stdio(env, f"{SHOP}:everyone") as server:
        server.greet()
        server.call("support", input="How many pens?")
        assert server.answer()["result"]["content"][0]["text"] == "Seven pens."
        server.call("quiet", input="?")
        router.wait_for(lambda: router.paused == 1, PATIENCE)
        server.process.send_signal(signal.SIGTERM)
        assert {json.loads(line)["jsonrpc"] for line in server.process.stdout} <= {"2.0"}
        assert server.ends() == 0
    for noise in ("noise at import", "noise of a program", "noise of a tool"):
        assert noise in server.errors
    router.wait_for(lambda: router.open_connections == 0, PATIENCE)


def test_a_client_that_dies_in_the_middle_of_a_run_stops_it(router, env):
    router.script(faults.hang_mid_body())
    with stdio(env, f"{SHOP}:quiet") as server:
        server.greet()
        server.call("quiet", input="?")
        router.wait_for(lambda: router.paused == 1, PATIENCE)
        server.process.stdout.close()
        server.process.stdin.close()
        router.wait_for(lambda: router.paused == 0, PATIENCE)
        assert server.ends() == 0


def test_a_tool_that_ends_the_program_ends_it_and_leaves_no_client_waiting(router, env):
    router.script(answers.tool_call("leave", {}))
    with stdio(env, f"{SHOP}:leaver") as server:
        server.greet()
        server.call("leaver", input="Go")
        assert server.process.wait(PATIENCE) == 3


@pytest.mark.node
def test_the_embedded_node_keeps_off_standard_output_too(env):
    with stdio(env, "--local", "--offer", "smollm2-135m-instruct", "--budget-per-client", "0.5") as server:
        server.greet()
        server.call("ask", prompt="Say hello.", max_tokens=5)
        result = server.answer()["result"]
        assert result["structuredContent"]["answer"]
        assert result["_meta"]["hanzo-agents/usage"]["remaining"] == "0.5"  # the node says that it is free
        server.process.stdin.close()
        assert server.process.stdout.read() == ""
        assert server.ends() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "name an agent, as MODULE:AGENT, or add --models"),
        (["shop"], 1, "Error: shop: expected MODULE:AGENT, such as shop.agents:support"),
        (["nowhere.py:support"], 1, "there is no file nowhere.py"),
        (["nowhere_at_all:support"], 1, "there is no module nowhere_at_all"),
        ([f"{SHOP}:nobody"], 1, "shop has no nobody"),
        ([f"{SHOP}:nothing"], 1, "agents: expected agents, got int"),
        ([f"{SHOP}:support", "--tokens", SHOP], 2, "--tokens, --allow-host and --allow-insecure are for --http"),
        ([f"{SHOP}:support", "--http", "8081"], 1, 'http: expected "host:port"'),
        ([f"{SHOP}:support", "--budget", "much"], 1, "budget: expected US dollars"),
    ],
)
def test_what_cannot_be_served_is_said(env, monkeypatch, arguments, code, says):
    for name in ("HANZO_ROUTER_URL", "HANZO_API_KEY"):
        monkeypatch.setenv(name, env[name])
    result = CliRunner().invoke(app, ["mcp", "serve", *arguments])
    assert result.exit_code == code
    assert says in result.stderr


def test_tokens_of_several_clients_are_read_from_a_file(env, monkeypatch, tmp_path):
    for name in ("HANZO_ROUTER_URL", "HANZO_API_KEY"):
        monkeypatch.setenv(name, env[name])
    file = tmp_path / "tokens"
    file.write_text("alice=alice-0123456789abcdef\nbob=\n")
    result = CliRunner().invoke(app, ["mcp", "serve", "--models", "--http", "127.0.0.1:0", "--tokens", str(file)])
    assert (result.exit_code, "expected lines CLIENT=TOKEN" in result.stderr) == (1, True)
    assert "alice-0123456789abcdef" not in result.output
    file.write_text("alice=short\n")
    result = CliRunner().invoke(app, ["mcp", "serve", "--models", "--http", "127.0.0.1:0", "--tokens", str(file)])
    assert "tokens['alice']: expected at least 16 ASCII characters" in result.stderr
