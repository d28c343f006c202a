"""The tools of servers, over each transport, in agents and in plain chat."""

import asyncio
import gc
import json
import subprocess
import sys
import threading

import pytest
from agents import Agent, RunConfig, Runner
from mcp_servers import STRANGE, alive, until

from hanzo_agents import AsyncHanzo, Hanzo, HanzoModelProvider, ToolError
from hanzo_agents.mcp import AsyncMCPClient, MCPClient, ToolRules

ASK = [{"role": "user", "content": "Say hello"}]
TRANSPORTS = {"streamable": ("streamable-http",), "json": ("streamable-http", "json"), "sse": ("sse",)}


@pytest.fixture(scope="module")
def mcp():
    with MCPClient(STRANGE) as client:
        yield client


@pytest.fixture
def config(router):
    provider = HanzoModelProvider(router.base_url, "sk-router-key", model="m")
    return RunConfig(model_provider=provider, tracing_disabled=True)


@pytest.fixture
def hanzo(router):
    with Hanzo(router.base_url, "sk-router-key", model="m") as client:
        yield client


def run(agent, said, run_config):
    # Not `run_sync`: it leaves its event loop unclosed.
    return asyncio.run(Runner.run(agent, said, run_config=run_config))


# --- transports ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRANSPORTS)
def test_an_address_without_a_path_finds_what_answers(strange_at, kind):
    with MCPClient(strange_at(*TRANSPORTS[kind])) as client:
        assert client.call_tool("echo", {"text": "over http"}).text == "over http"


@pytest.mark.parametrize(("kind", "path"), [("streamable", "/mcp"), ("sse", "/sse")])
def test_an_address_with_its_path(strange_at, kind, path):
    with MCPClient(strange_at(*TRANSPORTS[kind]) + path) as client:
        assert "echo" in client.list_tools()


def test_several_servers_at_once(strange_at):
    with MCPClient({"near": STRANGE, "far": strange_at("streamable-http")}) as client:
        names = {name for name in client.list_tools() if "echo" in name}
        assert names == {"near__echo", "far__echo"}
        calls = [{"id": n, "function": {"name": n, "arguments": json.dumps({"text": n})}} for n in sorted(names)]
        assert [m["content"] for m in client.execute_tool_calls(calls)] == ["far__echo", "near__echo"]


# --- agents -------------------------------------------------------------------------------------------------------


def test_an_agent_uses_the_tools(mcp, router, config):
    agent = Agent(name="A", tools=mcp.get_tools())
    assert run(agent, "Say hello", run_config=config).final_output == "hello"
    tool = next(t for t in router.requests[0].json["tools"] if t["function"]["name"] == "echo")
    assert tool["function"]["parameters"]["required"] == ["text"]
    assert tool["function"]["description"] == "Give back the text."


async def test_an_agent_streams_with_the_tools(mcp, config):
    result = Runner.run_streamed(Agent(name="A", tools=mcp.get_tools()), "Say hello", run_config=config)
    kinds = [event.name async for event in result.stream_events() if event.type == "run_item_stream_event"]
    assert {"tool_called", "tool_output"} <= set(kinds)
    assert result.final_output == "hello"


def test_tools_outlive_the_loop_they_were_made_on(mcp, config):
    agent = Agent(name="A", tools=mcp.get_tools())
    outputs = []

    def once():
        outputs.append(run(agent, "Say hello", config).final_output)

    once()
    threads = [threading.Thread(target=once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == ["hello"] * 4


async def test_the_asynchronous_client(config):
    async with AsyncMCPClient(STRANGE) as client:
        tools = await client.get_tools()
        assert (
            await Runner.run(Agent(name="A", tools=tools), "Say hello", run_config=config)
        ).final_output == "hello"
        assert (await client.call_tool("echo", {"text": "x"})).text == "x"
        assert {t["function"]["name"] for t in await client.as_openai()} == set(await client.list_tools())


async def test_the_synchronous_client_works_inside_a_running_loop(mcp):
    assert mcp.call_tool("echo", {"text": "inside"}).text == "inside"


def test_what_goes_wrong_is_told_to_the_model_and_the_run_goes_on(mcp, router, config):
    router.wants = [("fail", {}), ("echo", {"text": 5}), ("echo", {"text": "after all"})]
    output = run(Agent(name="A", tools=mcp.get_tools()), "Go", run_config=config).final_output
    failed, mistyped, echoed = output.split(" | ")
    assert failed == "Error executing tool fail"
    assert mistyped == "Error: echo: arguments.text: 5 is not of type 'string'"
    assert echoed == "after all"


def test_images_reach_the_model_as_images(mcp, router, config):
    router.wants = [("both", {})]
    agent = Agent(name="A", tools=mcp.get_tools())
    result = run(agent, "Go", run_config=config)
    output = next(i for i in result.to_input_list() if i.get("type") == "function_call_output")["output"]
    assert [part["type"] for part in output] == ["input_text", "input_image"]
    assert output[1]["image_url"].startswith("data:image/png;base64,")


async def test_the_client_that_the_environment_means(strange_at, config, monkeypatch):
    monkeypatch.setenv("HANZO_MCP_URL", strange_at("streamable-http"))
    mcp_client = MCPClient()
    tools = mcp_client.get_tools()
    agent = Agent(name="MCPAgent", instructions="Use MCP tools to help users.", tools=tools)
    assert (await Runner.run(agent, "Say hello", run_config=config)).final_output == "hello"
    mcp_client.close()


# --- plain chat ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_chat_takes_the_tools_and_their_results(mcp, router, hanzo, stream):
    tools = mcp.get_tools()
    reply = hanzo.chat.completions.create(messages=ASK, tools=tools, tool_choice="auto", stream=stream)
    if stream:
        *_, reply = reply
    results = mcp.execute_tool_calls(reply.tool_calls)
    assert results == [{"role": "tool", "tool_call_id": reply.tool_calls[0].id, "content": "hello"}]
    asked = {"role": "assistant", "tool_calls": [call.model_dump() for call in reply.tool_calls]}
    final = hanzo.chat.completions.create(messages=[*ASK, asked, *results], tools=tools)
    assert final.choices[0].message.content == "hello"
    assert router.requests[0].json["tools"] == mcp.as_openai()


@pytest.mark.parametrize("stream", [False, True])
async def test_asynchronous_chat_takes_them_too(mcp, router, stream):
    async with AsyncHanzo(router.base_url, "sk-router-key", model="m") as client:
        reply = await client.chat.completions.create(messages=ASK, tools=mcp.get_tools(), stream=stream)
        if stream:
            reply = [chunk async for chunk in reply][-1]
        assert mcp.execute_tool_calls(reply.tool_calls)[0]["content"] == "hello"


def test_responses_take_them_too(mcp, router, hanzo):
    reply = hanzo.responses.create(input="Say hello", tools=mcp.get_tools())
    (result,) = mcp.execute_tool_calls(reply.tool_calls)
    assert result == {"type": "function_call_output", "call_id": reply.tool_calls[0].call_id, "output": "hello"}
    tool = next(t for t in router.requests[0].json["tools"] if t["name"] == "echo")
    assert (tool["type"], tool["strict"]) == ("function", False)


def test_the_other_methods_take_them_too(mcp, router, hanzo):
    tools = mcp.get_tools()
    hanzo.chat.completions.parse(messages=ASK, tools=[t for t in tools if t.strict_json_schema])
    with hanzo.chat.completions.stream(messages=ASK, tools=[t for t in tools if t.strict_json_schema]) as stream:
        for _ in stream:
            pass
    hanzo.chat.completions.batch_create([ASK], tools=iter(tools))
    assert [len(r.json["tools"]) for r in router.requests] == [
        *[sum(t.strict_json_schema for t in tools)] * 2,
        len(tools),
    ]


def test_what_a_call_would_take_counts_the_tools(mcp, router):
    with Hanzo(router.base_url, "sk-router-key", model="gpt-4o-mini") as hanzo:
        bare = hanzo.estimate_cost(messages=ASK)
        with_tools = hanzo.estimate_cost(messages=ASK, tools=mcp.get_tools())
        assert with_tools.input_tokens > bare.input_tokens
        assert with_tools == hanzo.estimate_cost(messages=ASK, tools=mcp.as_openai())
        assert hanzo.explain(messages=ASK, tools=mcp.get_tools()) is not None
    assert "POST" not in {request.method for request in router.requests}


def test_no_calls_no_messages(mcp):
    assert mcp.execute_tool_calls([]) == mcp.execute_tool_calls(None) == []


def test_calls_of_tools_that_are_not_there(mcp):
    call = {"id": "c1", "type": "function", "function": {"name": "rm_rf", "arguments": "{}"}}
    (message,) = mcp.execute_tool_calls([call])
    assert message["content"].startswith("Error: 'rm_rf': there is no such tool; there is ")


@pytest.mark.parametrize("written", ["{", "[1]", "7", '{"text": "a"', "[" * 100000])
def test_arguments_that_are_none(mcp, written):
    (message,) = mcp.execute_tool_calls([{"id": "c", "function": {"name": "echo", "arguments": written}}])
    assert message["content"].startswith("Error: echo: the arguments are ")


# --- its life -----------------------------------------------------------------------------------------------------


def test_a_closed_client_connects_again(tiny):
    client = MCPClient(tiny.command)
    with client:
        first = client.call_tool("pid").text
    with client:
        assert client.call_tool("pid").text != first


def test_a_closed_client_leaves_no_process(tiny):
    with MCPClient(tiny.command) as client:
        pid = int(client.call_tool("pid").text)
        assert alive(pid)
    assert not alive(pid)


def test_a_dropped_client_leaves_no_process(tiny):
    client = MCPClient(tiny.command)
    pid = int(client.call_tool("pid").text)
    tools = client.get_tools()
    del client
    gc.collect()
    assert alive(pid)  # its tools are still somebody's
    del tools
    gc.collect()
    until(lambda: not alive(pid))


async def test_a_cancelled_call_leaves_the_connection_to_others(tiny):
    client = AsyncMCPClient(tiny.command)
    async with client:
        await client.list_tools()
        task = asyncio.create_task(client.call_tool("hang"))
        await asyncio.sleep(0)
        before = (await client.call_tool("pid")).text
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.call_tool("pid")).text == before


def test_it_says_what_it_is_and_no_secrets():
    client = MCPClient({"a": ["prog"]}, rules=ToolRules(timeout=1))
    assert repr(client) == "MCPClient(a: prog)"
    with pytest.raises(ToolError):
        MCPClient("http://127.0.0.1:9/mcp?key=sk-secret", connect_timeout=5).get_tools()
    assert "sk-secret" not in repr(MCPClient("http://127.0.0.1:9/mcp?key=sk-secret"))


def test_the_end_of_the_process_is_the_end_of_its_servers(tiny):
    code = (
        "import sys\n"
        "from hanzo_agents.mcp import MCPClient\n"
        "client = MCPClient(sys.argv[1:])\n"
        "tools = client.get_tools()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *tiny.command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    (pid,) = tiny.lines("starts")
    until(lambda: not alive(pid))
