"""`run_tools`: the loop for who has no agents."""

import pytest
from agents import function_tool

from hanzo_agents import AsyncHanzo, BudgetExceeded, ConfigError, Hanzo, TurnsExceeded
from hanzo_agents.mcp import MCPClient, run_tools
from hanzo_agents.testing.scripted import ScriptedRouter, answers

ASK = [{"role": "user", "content": "Go"}]


@pytest.fixture
def hanzo(router):
    with Hanzo(router.base_url, "sk-router-key", model="m") as client:
        yield client


def test_it_asks_until_there_is_an_answer(tiny, router, hanzo):
    router.wants = [("read", {}), ("read", {})]
    with MCPClient(tiny.command) as mcp:
        run = run_tools(hanzo, messages=ASK, tools=mcp, temperature=0)
    assert (run.text, run.turns) == ("read 1 | read 2", 3)
    assert [message["role"] for message in run.messages] == ["user", *["assistant", "tool"] * 2, "assistant"]
    assert ASK == [{"role": "user", "content": "Go"}]
    assert [request.json["temperature"] for request in router.requests] == [0, 0, 0]
    assert [request.json["messages"] for request in router.requests] == [run.messages[:n] for n in (1, 3, 5)]


async def test_asynchronously(tiny, router):
    router.wants = [("read", {})]
    with MCPClient(tiny.command) as mcp:
        async with AsyncHanzo(router.base_url, "sk-router-key") as client:
            run = await run_tools(client, model="m", messages=ASK, tools=mcp.get_tools())
    assert run.text == "read 1"
    assert run.reply.model == "m"


def test_functions_of_your_own_beside_them(tiny, router, hanzo):
    @function_tool
    def double(n: int) -> int:
        """Double it."""
        return 2 * n

    router.wants = [("double", {"n": 4}), ("read", {}), ("nobody", {})]
    with MCPClient(tiny.command) as mcp:
        run = run_tools(hanzo, messages=ASK, tools=[double, *mcp.get_tools()])
    assert run.text.startswith("8 | read 1 | Error: 'nobody': there is no such tool; there is double, read")


def test_it_is_bounded_in_turns_and_can_go_on(tiny, router, hanzo):
    router.wants = [("read", {})] * 3
    with MCPClient(tiny.command) as mcp:
        with pytest.raises(TurnsExceeded, match="max_turns=2") as raised:
            run_tools(hanzo, messages=ASK, tools=mcp, max_turns=2)
        assert len(router.requests) == 2
        assert raised.value.code == "max_turns"
        assert run_tools(hanzo, messages=raised.value.messages, tools=mcp).text == "read 1 | read 2 | read 3"


def test_it_is_bounded_in_money(tiny):
    def say(request):
        return answers.tool_call("read", {})

    with ScriptedRouter(say, models=["gpt-4o-mini"]) as router, MCPClient(tiny.command, only=["read"]) as mcp:
        client = Hanzo(router.base_url, "sk-router-key", model="gpt-4o-mini")
        # Each call may cost at most a fiftieth of a cent, and is settled for less.
        with client, pytest.raises(BudgetExceeded, match="per_run"):
            run_tools(client, messages=ASK, tools=mcp, budget="0.0003", max_tokens=300, max_turns=1000)
        asked = [request for request in router.requests if request.method == "POST"]
        assert 1 <= len(asked) < 1000


def test_it_adds_up_what_the_calls_cost(tiny, router):
    router.wants = [("read", {})]
    with Hanzo(router.base_url, "sk-router-key", model="gpt-4o-mini") as client, MCPClient(tiny.command) as mcp:
        run = run_tools(client, messages=ASK, tools=mcp, budget=1)
    assert run.cost.basis == "estimated"
    assert run.cost.amount > 0


def test_results_of_a_run_are_bounded_together(tiny, router, hanzo):
    router.wants = [("big", {"n": 900})] * 2
    with MCPClient(tiny.command, max_results=1000) as mcp:
        first, second = run_tools(hanzo, messages=ASK, tools=mcp).text.split(" | ")
    assert first == "x" * 900
    assert second.startswith("[left out: the results of this run have reached")


def test_what_needs_an_approval_is_not_done(tiny, router, hanzo):
    router.wants = [("write", {})]
    with MCPClient(tiny.command) as mcp:
        run = run_tools(hanzo, messages=ASK, tools=mcp.get_tools(needs_approval=True))
    assert run.text == "Error: write: it needs an approval, which nobody can give here"
    assert tiny.calls == []


def test_without_tools_it_is_a_call(router, hanzo):
    router.wants = []
    run_tools(hanzo, messages=ASK, tools=[])
    assert "tools" not in router.requests[0].json


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tools": "read"}, "tools: expected an MCPClient or a list"),
        ({"tools": [{"type": "function"}]}, "tools: expected FunctionTools, got dict"),
        ({"tools": [], "stream": True}, "stream: run_tools asks for one whole answer"),
        ({"tools": [], "max_turns": 0}, "max_turns: expected an integer"),
        ({"tools": [], "budget": "lots"}, "run_budget"),
    ],
)
def test_wrong_settings(router, hanzo, wrong, said):
    with pytest.raises(ConfigError, match=said):
        run_tools(hanzo, messages=ASK, **wrong)
    assert router.requests == []
