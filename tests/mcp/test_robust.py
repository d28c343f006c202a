"""Servers that die, hang, restart, lie and change: bounded, clear errors, and the run goes on."""

import os
import signal

import pytest
from agents import Agent, RunConfig, Runner
from mcp_servers import STRANGE, dead, free_port, listening, until

from hanzo_agents import Breaker, ConfigError, HanzoModelProvider, RateLimit, ToolError
from hanzo_agents.mcp import AsyncMCPClient, HTTPServer, MCPClient, ToolRules
from hanzo_agents.testing.scripted import ScriptedRouter, answers


def told(client, name, arguments="{}"):
    """What the model is told."""
    (message,) = client.execute_tool_calls([{"id": "c", "function": {"name": name, "arguments": arguments}}])
    return message["content"]


# --- it dies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["die_reading", "die_repeatably"])
def test_what_may_be_repeated_is_repeated_when_the_server_dies(tiny, name):
    with MCPClient(tiny.command) as client:
        assert client.call_tool(name).text == f"{name} 2"
    assert (tiny.calls, tiny.starts) == ([name, name], 2)


def test_what_writes_is_not_repeated(tiny):
    with MCPClient(tiny.command) as client:
        with pytest.raises(ToolError, match=r"lost during the call.*it may have been done") as raised:
            client.call_tool("die_writing")
        assert raised.value.code == "lost"
        assert "the roof is on fire" in str(raised.value)
        assert tiny.calls == ["die_writing"]
        assert client.call_tool("read").text == "read 1"  # by a new process
    assert tiny.starts == 2


def test_no_retries_are_none(tiny):
    with MCPClient(tiny.command, rules=ToolRules(retries=0)) as client, pytest.raises(ToolError, match="lost"):
        client.call_tool("die_reading")
    assert tiny.calls == ["die_reading"]


def test_a_server_that_died_between_two_calls_is_started_again_whatever_the_tool(tiny):
    with MCPClient(tiny.command) as client:
        client.call_tool("leave_after")
        until(lambda: dead(client, tiny.lines("starts")[0]))
        assert client.call_tool("write").text == "write 1"
    assert tiny.starts == 2


def test_a_killed_server_is_started_again(tiny):
    with MCPClient(tiny.command) as client:
        client.call_tool("read")
        os.kill(int(tiny.lines("starts")[0]), signal.SIGKILL)
        until(lambda: dead(client, tiny.lines("starts")[0]))
        assert client.call_tool("read").text == "read 2"


def test_an_http_server_that_restarts_is_found_again():
    port = free_port()
    with MCPClient(f"http://127.0.0.1:{port}", rules=ToolRules(retries=0)) as client:
        with listening([*STRANGE, "streamable-http", str(port)], port):
            assert client.call_tool("echo", {"text": "1"}).text == "1"
        with pytest.raises(ToolError) as raised:
            client.call_tool("echo", {"text": "2"})
        assert raised.value.code in {"unreachable", "lost"}
        with listening([*STRANGE, "streamable-http", str(port)], port):
            until(lambda: told(client, "echo", '{"text": "3"}') == "3")


def test_a_server_that_forgot_the_session_is_asked_anew():
    port = free_port()
    with MCPClient(f"http://127.0.0.1:{port}") as client:
        with listening([*STRANGE, "streamable-http", str(port)], port):
            client.call_tool("echo", {"text": "1"})
        with listening([*STRANGE, "streamable-http", str(port)], port):
            # Not a word was sent to the new one before this; and `note` changes something.
            assert client.call_tool("note", {"file": os.devnull, "text": "x"}).text == "noted"


# --- it cannot be reached -----------------------------------------------------------------------------------------


def test_nobody_there():
    with pytest.raises(ToolError, match="All connection attempts failed") as raised:
        MCPClient("http://127.0.0.1:9").get_tools()
    assert raised.value.code == "unreachable"


def test_no_such_program():
    with pytest.raises(ConfigError, match="there is no program 'mcp-server-of-nobody' on its PATH"):
        MCPClient(["mcp-server-of-nobody"]).get_tools()


def test_a_program_that_ends_says_why(tiny):
    (tiny.folder / "refuse").touch()
    with pytest.raises(ToolError, match="ended before it answered; it said last: no licence") as raised:
        MCPClient(tiny.command).get_tools()
    assert raised.value.code == "unreachable"


def test_a_program_that_says_nothing(monkeypatch):
    monkeypatch.setattr("hanzo_agents.mcp.stdio.GRACE", 0.05)
    with pytest.raises(ToolError, match=r"MCP server sleep: no answer within 0\.2 s"):
        MCPClient(["sleep", "1000"], connect_timeout=0.2).get_tools()


def test_what_answers_and_is_no_mcp_server(router):
    with pytest.raises(ToolError, match=r"MCP server .* does not speak MCP|answered with status"):
        MCPClient(router.base_url).get_tools()


def test_a_wrong_key_is_named_as_such():
    with ScriptedRouter(lambda request: answers.json({"error": "no"}, status=401)) as refusing:
        server = HTTPServer(url=refusing.url, headers={"Authorization": "Bearer sk-wrong-key"})
        with pytest.raises(ToolError, match="answered with status 401") as raised:
            MCPClient(server).get_tools()
    assert {request.headers["authorization"] for request in refusing.requests} == {"Bearer sk-wrong-key"}
    assert "sk-wrong" not in str(raised.value)


def test_a_redirect_is_not_followed():
    def move(request):
        return answers.json({}, status=307, headers={"location": f"{elsewhere.url}/mcp"})

    with ScriptedRouter([]) as elsewhere, ScriptedRouter(move) as moved, pytest.raises(ToolError) as raised:
        MCPClient(f"{moved.url}/mcp").get_tools()
    assert raised.value.code == "unreachable"
    assert elsewhere.requests == []


def test_one_of_two_servers_is_away(tiny, caplog):
    with MCPClient({"here": tiny.command, "away": "http://127.0.0.1:9"}) as client:
        assert "read" in {tool.name for tool in client.get_tools()}
    assert "its tools are left out: MCP server away" in caplog.text


# --- it hangs -----------------------------------------------------------------------------------------------------


def test_a_call_that_hangs_is_given_up(tiny):
    rules = {"hang": ToolRules(timeout=0.2)}
    with MCPClient(tiny.command, tool_rules=rules) as client:
        with pytest.raises(ToolError, match=r"no answer from hang within 0\.2 s; it may have been done") as raised:
            client.call_tool("hang")
        assert raised.value.code == "timeout"
        assert client.call_tool("read").text == "read 1"
    assert (tiny.calls, tiny.starts) == (["hang", "read"], 1)


def test_a_server_that_froze_is_replaced(tiny, monkeypatch):
    monkeypatch.setattr("hanzo_agents.mcp.link.ALIVE_WITHIN", 0.2)
    monkeypatch.setattr("hanzo_agents.mcp.stdio.GRACE", 0.2)
    with MCPClient(tiny.command, rules=ToolRules(timeout=0.3, breaker=None)) as client:
        client.list_tools()
        assert "no answer from freeze within 0.3 s" in told(client, "freeze")
        until(lambda: told(client, "read").startswith("read"))
    assert tiny.starts == 2


def test_a_list_that_hangs(tiny):
    (tiny.folder / "silent").touch()
    with (
        pytest.raises(ToolError, match=r"no answer within 0\.2 s"),
        MCPClient(tiny.command, rules=ToolRules(timeout=0.2)) as client,
    ):
        client.get_tools()


# --- it says strange things ---------------------------------------------------------------------------------------


def test_fifty_megabytes_do_not_reach_the_model(tiny):
    with MCPClient(tiny.command) as client:
        result = client.call_tool("big", {"n": 50_000_000})
    assert result.truncated
    assert 99_000 < len(result.text) <= 100_000
    assert result.text.endswith("of 50,000,000 characters]")


def test_a_result_beyond_all_measure_is_not_even_read(tiny):
    with MCPClient(tiny.command) as client:
        with pytest.raises(ToolError, match="more than 67,108,864 are not read") as raised:
            client.call_tool("flood", {"n": 80})
        assert raised.value.code == "failed"
        assert client.call_tool("read").text == "read 1"
    assert tiny.starts == 1


def test_a_body_beyond_all_measure_is_not_even_read(strange_at, monkeypatch):
    monkeypatch.setattr("hanzo_agents.mcp.http.MOST_BYTES", 50_000)
    with MCPClient(strange_at("streamable-http", "json")) as client:
        with pytest.raises(ToolError, match="more than 50,000 bytes, which are not read"):
            client.call_tool("echo", {"text": "x" * 100_000})
        assert client.call_tool("echo", {"text": "still here"}).text == "still here"


def test_lines_that_are_no_messages(tiny):
    with MCPClient(tiny.command) as client:
        assert client.call_tool("junk").text == "after all"


def test_an_error_of_the_protocol_is_told_clean(tiny):
    with MCPClient(tiny.command) as client:
        assert told(client, "refuse") == "Error: refuse: the server answered with an error: no thanks"
    assert tiny.calls == ["refuse"]


# --- circuits and limits ------------------------------------------------------------------------------------------


def test_a_tool_that_keeps_failing_is_left_alone_and_the_others_are_not(tiny):
    rules = ToolRules(timeout=0.1, breaker=Breaker(failure_threshold=2))
    with MCPClient(tiny.command, tool_rules={"hang": rules}) as client:
        codes = [_code(client, "hang") for _ in range(3)]
        assert codes == ["timeout", "timeout", "refused"]
        assert _code(client, "read") is None
    assert tiny.calls.count("hang") == 2


def test_a_tool_has_its_pace(tiny):
    rules = ToolRules(rate_limit=RateLimit(requests_per_minute=2, max_wait=0))
    with MCPClient(tiny.command, rules=rules) as client:
        assert [_code(client, "read") for _ in range(3)] == [None, None, "refused"]
        assert _code(client, "write") is None
    assert tiny.calls == ["read", "read", "write"]


def _code(client, name):
    try:
        client.call_tool(name)
    except ToolError as error:
        return error.code
    return None


# --- a whole run --------------------------------------------------------------------------------------------------


async def test_a_run_goes_on_through_all_of_it(tiny, router):
    router.wants = [(name, {}) for name in ("die_writing", "read", "refuse", "hang", "read")]
    provider = HanzoModelProvider(router.base_url, "sk-router-key", model="m")
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    async with AsyncMCPClient(tiny.command, tool_rules={"hang": ToolRules(timeout=0.2)}) as client:
        agent = Agent(name="A", tools=await client.get_tools())
        output = (await Runner.run(agent, "Go", run_config=config)).final_output.split(" | ")
    assert [part.partition(":")[0] for part in output] == ["Error", "read 1", "Error", "Error", "read 2"]
