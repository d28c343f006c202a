"""Which servers are meant: arguments, HANZO_MCP_URL, mcp.json."""

import json
from pathlib import Path

import pytest

from hanzo_agents import ConfigError
from hanzo_agents.mcp import HTTPServer, MCPClient, StdioServer
from hanzo_agents.mcp.config import chosen_servers

FILE = {
    "mcpServers": {
        "time": {"command": "mcp-server-time", "args": ["--local-timezone", "UTC"], "env": {"TZ": "UTC"}},
        "web": {"type": "http", "url": "https://example.com/mcp", "headers": {"Authorization": "${WEB_KEY}"}},
        "off": {"command": "x", "disabled": True},
    }
}


def test_without_anything_it_says_what_to_give():
    with pytest.raises(
        ConfigError, match=r"pass a URL or a command as a list, set HANZO_MCP_URL, or put an mcp\.json"
    ):
        MCPClient()


def test_the_environment_names_one(monkeypatch):
    Path("mcp.json").write_text(json.dumps(FILE))
    monkeypatch.setenv("HANZO_MCP_URL", " http://localhost:8081 ")
    assert chosen_servers((), None) == {"localhost": HTTPServer(url="http://localhost:8081")}


def test_the_file_of_the_folder_is_read(monkeypatch):
    monkeypatch.setenv("WEB_KEY", "Bearer sk-secret")
    Path("mcp.json").write_text(json.dumps(FILE))
    servers = chosen_servers((), None)
    assert servers == {
        "time": StdioServer(command=["mcp-server-time", "--local-timezone", "UTC"], env={"TZ": "UTC"}),
        "web": HTTPServer(url="https://example.com/mcp", headers={"Authorization": "Bearer sk-secret"}),
    }
    assert "sk-secret" not in repr(servers)
    assert "sk-secret" not in repr(MCPClient(config=FILE))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, 'expected {"mcpServers"'),
        ({"mcpServers": []}, 'expected {"mcpServers"'),
        ({"mcpServers": {"a": 5}}, "config: a: expected an object"),
        ({"mcpServers": {"a": {}}}, "a: expected a command or a url, got the keys \\[\\]"),
        ({"mcpServers": {"a": {"command": "x", "url": "http://localhost"}}}, "expected a command or a url"),
        ({"mcpServers": {"a": {"command": "x", "type": "sse"}}}, "expected a command or a url"),
        ({"mcpServers": {"a": {"command": ["x", "y"]}}}, "a: expected command as a string"),
        ({"mcpServers": {"a": {"command": "x", "args": "--y"}}}, "args as a list"),
        ({"mcpServers": {"a": {"command": "x", "args": [5]}}}, "a: StdioServer.command"),
        ({"mcpServers": {"a": {"command": "x", "env": {"K": "${NOT_SET}"}}}}, "a: NOT_SET is not set"),
        ({"mcpServers": {"a": {"url": "http://example.com"}}}, "a: HTTPServer.url: over plain http"),
        ({"mcpServers": {"a": {"command": "x", "disabled": True}}}, "a server that is not disabled"),
        (5, "config: expected a path or a mapping"),
        ("no/such.json", "cannot read 'no/such.json'"),
        ("broken.json", "expected JSON in 'broken.json'"),
    ],
)
def test_a_file_that_is_none(config, said):
    Path("broken.json").write_text("{")
    with pytest.raises(ConfigError, match=said):
        MCPClient(config=config)


def test_servers_or_a_file():
    with pytest.raises(ConfigError, match="not both"):
        MCPClient(["a"], config=FILE)


def test_servers_get_names():
    given = (["/usr/bin/tool"], ["tool", "-x"], "http://127.0.0.1:1", {"mine": ["b"]}, StdioServer(command=["c"]))
    assert list(chosen_servers(given, None)) == ["tool", "tool-2", "127_0_0_1", "mine", "c"]
