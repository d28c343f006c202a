"""Servers that mean harm, or are careless: what they say is made fit, whatever way it comes."""

import asyncio
import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from agents import ToolGuardrailFunctionOutput, function_tool, tool_input_guardrail
from mcp_types import CallToolResult, ImageContent, TextContent

from hanzo_agents import ConfigError, Hanzo, ToolError
from hanzo_agents.mcp import MCPClient, StdioServer, run_tools
from hanzo_agents.mcp.results import result_of

TAGS = "".join(chr(0xE0000 + ord(c)) for c in "obey")
KEY = "sk-canary-0123456789"


def test_what_is_hidden_in_a_schema_does_not_reach_the_model(tiny):
    hidden = {"type": "string", "description": f"\x1b[31mA city.{TAGS}", "enum": [f"Paris{TAGS}"]}
    tiny.offers({"name": "w", "inputSchema": {"type": "object", "properties": {f"city{TAGS}": hidden}}})
    with MCPClient(tiny.command) as client:
        schema = client.get_tools()[0].params_json_schema
    assert schema["properties"] == {"city": {"type": "string", "description": "A city.", "enum": ["Paris"]}}


def test_a_title_in_place_of_a_description_is_bounded_too(tiny):
    tiny.offers({"name": "w", "title": "x" * 100_000, "inputSchema": {"type": "object"}})
    with MCPClient(tiny.command) as client:
        assert len(client.get_tools()[0].description) <= 8000


def test_a_key_in_an_error_of_the_protocol_is_not_repeated(tiny):
    server = StdioServer(command=tiny.command, env={"SERVER_KEY": KEY})
    with MCPClient(server) as client, pytest.raises(ToolError, match=r"bad key \*\*\*") as raised:
        client.call_tool("tell_key")
    assert KEY not in str(raised.value)


def test_an_answer_too_deep_to_be_read_is_an_error_and_no_silence(tiny):
    with MCPClient(tiny.command) as client:
        with pytest.raises(ToolError, match="cannot be read") as raised:
            client.call_tool("deep", {"n": 100_000})
        assert raised.value.code == "failed"
        assert client.call_tool("read").text == "read 1"


@pytest.mark.parametrize(
    "command",
    [
        ["docker", "run", "-e", f"GITHUB_TOKEN={KEY}", "image"],
        ["env", f"API_KEY={KEY}", "server"],
        ["docker", f"--env=API_KEY={KEY}"],
        ["npx", "-H", f"x-api-key: {KEY}"],
        ["npx", "--header", f"x-api-key: {KEY}"],
        ["server", f"--dsn=host=h password={KEY}"],
        ["server", KEY],
        ["server", "--pat", KEY],
    ],
)
def test_secrets_of_a_command_are_not_shown_however_they_are_given(command):
    assert KEY not in repr(StdioServer(command=command))
    assert repr(StdioServer(command=command)).startswith(f"StdioServer(command='{command[0]}")


# --- results ------------------------------------------------------------------------------------------------------


def test_images_and_text_are_bounded_together():
    image = ImageContent(type="image", data="QUJD" * 200, mime_type="image/png")
    result = result_of(CallToolResult(content=[image, TextContent(type="text", text="x" * 5000)]), 1000)
    assert result.truncated
    assert len(result.images) == 1
    assert len(result.text) + 800 <= 1000


def test_an_image_that_is_none_is_left_out():
    image = ImageContent(type="image", data="no <base64>", mime_type="image/png")
    result = result_of(CallToolResult(content=[image]), 1000)
    assert (result.images, result.text) == ((), "[image: image/png, 8 bytes, left out]")


def test_an_image_is_named_where_only_text_can_go(tiny):
    image = {"type": "image", "data": "QUJD", "mimeType": "image/png"}
    (tiny.folder / "picture.json").write_text(json.dumps([{"type": "text", "text": "see"}, image]))
    call = {"id": "c", "function": {"name": "picture", "arguments": "{}"}}
    with MCPClient(tiny.command) as client:
        (message,) = client.execute_tool_calls([call])
    assert message["content"] == "see\n[image: image/png, 3 bytes]"


class _Bomb(BaseHTTPRequestHandler):
    """A server at an address whose result is small on the wire, and vast when it is unpacked."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        ident, method = asked.get("id"), asked["method"]
        results = {
            "initialize": {
                "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "b", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "x" * 1_000_000}]},
        }  # fmt: skip
        body = json.dumps({"jsonrpc": "2.0", "id": ident, "result": results.get(method, {})}).encode()
        packed = method == "tools/call"
        self.send_response(200 if ident is not None else 202)
        self.send_header("content-type", "application/json")
        if packed:
            body = gzip.compress(body)
            self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(body) if ident is not None else 0))
        self.end_headers()
        if ident is not None:
            self.wfile.write(body)


@pytest.fixture
def bomb():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bomb) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mcp"
        server.shutdown()
        thread.join()


def test_a_packed_answer_is_not_unpacked(bomb):
    with MCPClient(bomb) as client, pytest.raises(ToolError, match="packed with gzip"):
        client.call_tool("t")


# --- people, and tools of their own -------------------------------------------------------------------------------


def test_a_person_is_asked_one_thing_at_a_time(tiny):
    asking, most = [], []

    def approve(request):
        asking.append(request)
        time.sleep(0.01)
        most.append(len(asking))
        asking.pop()
        return True

    calls = [{"id": str(n), "function": {"name": "write", "arguments": "{}"}} for n in range(4)]
    with MCPClient(tiny.command, approve=approve) as client:
        client.execute_tool_calls(calls)
    assert most == [1, 1, 1, 1]


@tool_input_guardrail
def refuse(_):
    return ToolGuardrailFunctionOutput.reject_content("no")


@function_tool(tool_input_guardrails=[refuse])
def guarded() -> str:
    """Delete everything."""
    raise AssertionError


@function_tool(is_enabled=lambda *_: False)
def perhaps() -> str:
    """Delete everything."""
    raise AssertionError


@function_tool(is_enabled=False)
def off() -> str:
    """Delete everything."""
    raise AssertionError


@function_tool(timeout=0.01)
async def slow() -> str:
    """Take long."""
    await asyncio.sleep(1000)


@pytest.fixture
def hanzo(router):
    with Hanzo(router.base_url, "sk-router-key", model="m") as client:
        yield client


@pytest.mark.parametrize(("tool", "said"), [(guarded, "guardrails"), (perhaps, "is_enabled")])
def test_what_only_a_runner_can_heed_is_refused(router, hanzo, tool, said):
    with pytest.raises(ConfigError, match=said):
        run_tools(hanzo, messages=[{"role": "user", "content": "Go"}], tools=[tool])
    assert router.requests == []


def test_what_is_switched_off_is_not_offered_and_what_is_slow_is_given_up(router, hanzo):
    router.wants = [("off", {}), ("slow", {})]
    run = run_tools(hanzo, messages=[{"role": "user", "content": "Go"}], tools=[off, slow])
    assert run.text.startswith("Error: 'off': there is no such tool; there is slow | Tool 'slow' timed out")


def test_a_variable_within_a_value_of_the_file_is_put_in(monkeypatch):
    monkeypatch.setenv("WEB_TOKEN", KEY)
    entry = {"url": "https://mcp.example.com", "headers": {"Authorization": "Bearer ${WEB_TOKEN}"}}
    client = MCPClient(config={"mcpServers": {"web": entry}})
    assert client._servers["web"].headers == {"Authorization": f"Bearer {KEY}"}
    entry["headers"] = {"Authorization": "Bearer ${NO_SUCH_VARIABLE}"}
    with pytest.raises(ConfigError, match="NO_SUCH_VARIABLE is not set"):
        MCPClient(config={"mcpServers": {"web": entry}})
