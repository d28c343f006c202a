"""`hanzo-agents mcp tools` and `mcp call`, before a real server."""

import json
import sys
from pathlib import Path

import pytest

TINY = Path(__file__).parents[1] / "mcp" / "tiny_server.py"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.delenv("HANZO_MCP_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return [sys.executable, "-S", "-E", str(TINY), str(tmp_path)]


@pytest.fixture
def offers(tmp_path):
    def offer(*tools):
        (tmp_path / "tools.json").write_text(json.dumps(tools))

    return offer


def test_tools_are_listed_as_a_person_reads_them(run, server, offers):
    properties = {
        "n": {"type": "integer"},
        "how": {"enum": ["fast", "slow"]},
        "more": {"type": "array", "items": {"type": "string"}},
    }
    offers({
        "name": "count", "description": "Count.\n\nAt length.", "annotations": {"readOnlyHint": True},
        "inputSchema": {"type": "object", "properties": properties, "required": ["n"]},
    })  # fmt: skip
    result = run("mcp", "tools", *server)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines() if line.strip()]
    assert lines == [
        "Tool What it does Arguments",
        "count Count. n*: integer reads",
        "how: fast | slow",
        "more: list of string",
        "1 tool; * is required",
    ]


def test_tools_as_json(run, server):
    (tool, *_) = json.loads(run("mcp", "tools", "--json", *server).stdout)
    assert (tool["name"], tool["server"], tool["read_only"]) == ("read", Path(sys.executable).name, True)
    assert tool["schema"]["properties"] == {"n": {"type": "integer"}}
    assert len(tool["digest"]) == 64


def test_tools_of_a_file(run, server, tmp_path):
    config = {"mcpServers": {"mine": {"command": server[0], "args": server[1:]}}}
    (tmp_path / "mcp.json").write_text(json.dumps(config))
    assert "die_reading" in run("mcp", "tools").stdout
    (tmp_path / "mcp.json").rename(tmp_path / "other.json")
    assert "die_reading" in run("mcp", "tools", "--config", "other.json").stdout
    assert run("mcp", "call", "--config", "other.json", "read", "{}").stdout == "read 1\n"


def test_a_tool_is_tried(run, server):
    assert run("mcp", "call", *server, "read", '{"n": 1}').stdout == "read 1\n"
    assert run("mcp", "call", *server, "read").stdout == "read 2\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["read", '{"n": "x"}'], "Error: read: arguments.n: 'x' is not of type 'integer'"),
        (["refuse"], "Error: refuse: the server answered with an error: no thanks"),
        (["nothing"], "Error: 'nothing': there is no such tool; there is announce, big"),
        (["die_writing"], "the connection was lost during the call; it said last: the roof is on fire"),
    ],
)
def test_what_goes_wrong_is_one_message(run, server, arguments, said):
    result = run("mcp", "call", *server, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["tools"], 1, "Error: MCPClient: expected a server"),
        (["tools", "mcp-server-of-nobody"], 1, "there is no program 'mcp-server-of-nobody' on its PATH"),
        (["tools", "http://127.0.0.1:9"], 1, "All connection attempts failed"),
        (["tools", "http://example.com"], 1, "over plain http to example.com"),
        (["tools", "--timeout", "0", "x"], 2, "timeout"),
        (["call"], 2, "Missing argument"),
        (["call", "{}"], 2, "name the tool before its arguments"),
        (["call", "server", "tool", "{"], 2, "the arguments are no JSON"),
    ],
)
def test_wrong_usage(run, server, arguments, code, said):
    result = run("mcp", *arguments)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
