"""Servers that were not written here, as people run them: real processes, on the first generation of MCP's SDK."""

import asyncio
import json
import subprocess

import pytest
from agents import Agent, RunConfig, Runner
from mcp_servers import foreign, free_port, listening

from hanzo_agents import HanzoModelProvider, ToolError
from hanzo_agents.mcp import AsyncMCPClient, MCPClient


def test_the_time(tmp_path):
    with MCPClient([foreign("mcp-server-time"), "--local-timezone", "UTC"]) as client:
        assert set(client.list_tools()) == {"get_current_time", "convert_time"}
        assert json.loads(client.call_tool("get_current_time", {"timezone": "UTC"}).text)["timezone"] == "UTC"
        wrong = client.call_tool("get_current_time", {"timezone": "Mars/Olympus"})
        assert wrong.failed
        assert "Mars/Olympus" in wrong.text
        with pytest.raises(ToolError, match="'timezone' is a required property"):
            client.call_tool("get_current_time")


def test_a_database(tmp_path):
    with MCPClient([foreign("mcp-server-sqlite"), "--db-path", str(tmp_path / "a.db")]) as client:
        client.call_tool("create_table", {"query": "CREATE TABLE t (n INTEGER)"})
        client.call_tool("write_query", {"query": "INSERT INTO t VALUES (345)"})
        assert "345" in client.call_tool("read_query", {"query": "SELECT n FROM t"}).text


def test_a_repository(tmp_path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "new.txt").write_text("x")
    with MCPClient([foreign("mcp-server-git"), "--repository", str(tmp_path)]) as client:
        assert "new.txt" in client.call_tool("git_status", {"repo_path": str(tmp_path)}).text
        read_only = {name for name, tool in client.list_tools().items() if tool.read_only}
        assert "git_status" in read_only
        assert "git_commit" not in read_only


@pytest.fixture(scope="module")
def proxy():
    """The address of a community server that serves another one over HTTP."""
    port = free_port()
    command = [
        foreign("mcp-proxy"),
        "--port",
        str(port),
        "--",
        foreign("mcp-server-time"),
        "--local-timezone",
        "UTC",
    ]
    with listening(command, port):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("path", ["", "/mcp", "/sse"])
def test_one_behind_a_proxy(proxy, path):
    with MCPClient(f"{proxy}{path}") as client:
        assert '"timezone": "UTC"' in client.call_tool("get_current_time", {"timezone": "UTC"}).text


async def test_an_agent_with_three_of_them(tmp_path, router):
    router.wants = [
        ("create_table", {"query": "CREATE TABLE t (n INTEGER)"}),
        ("convert_time", {"source_timezone": "UTC", "time": "10:00", "target_timezone": "Asia/Tokyo"}),
        ("list_tables", {}),
    ]
    await asyncio.to_thread(subprocess.run, ["git", "init", "--quiet", str(tmp_path)], check=True)
    config = {
        "mcpServers": {
            "time": {"command": foreign("mcp-server-time"), "args": ["--local-timezone", "UTC"]},
            "database": {"command": foreign("mcp-server-sqlite"), "args": ["--db-path", str(tmp_path / "a.db")]},
            "git": {"command": foreign("mcp-server-git"), "args": ["--repository", str(tmp_path)]},
        }
    }
    (tmp_path / "mcp.json").write_text(json.dumps(config))
    provider = HanzoModelProvider(router.base_url, "sk-router-key", model="m")
    async with AsyncMCPClient(config="mcp.json") as client:
        agent = Agent(name="A", tools=await client.get_tools())
        result = await Runner.run(
            agent, "Go", run_config=RunConfig(model_provider=provider, tracing_disabled=True)
        )
    assert "+9.0h" in result.final_output
    assert "'t'" in result.final_output
