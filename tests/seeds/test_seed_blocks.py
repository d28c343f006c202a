"""The seed, literally: every Python block of the document runs, and does what the text around it claims."""

import json
import logging
import re
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from seed_blocks import COMPILED_ONLY, DOCUMENT, PATCHES, blocks

from hanzo_agents import CircuitOpen, ConfigError, Hanzo
from hanzo_agents.facade import watching
from hanzo_agents.modes.provider import DIRECT
from hanzo_agents.node.discovery import forget_nodes
from hanzo_agents.observe.exposition import Page
from hanzo_agents.policies.budget import alerts
from hanzo_agents.testing.scripted import ScriptedRouter, Usage, answers

NODE_MODELS = ("llama-3-8b", "qwen-2-7b")
ROUTER_MODELS = ("gpt-4", "gpt-3.5-turbo", "gpt-4o-mini", "claude-3-opus", "llama-3-70b")


class Upstream:
    """A scripted server that says who it is, or whatever `says` gives."""

    def __init__(self, name, models):
        self.says = lambda request: f"{name} says hello"
        self.server = ScriptedRouter(self._answer, models=models)

    def _answer(self, request):
        if request.path == "/health":
            return answers.json({"status": "ok"})
        if request.method == "GET":
            return answers.json({"error": "no such page"}, status=404)
        return self.says(request)

    @property
    def address(self):
        return self.server.base_url.removesuffix("/v1")

    @property
    def asked(self):
        """The bodies of the model calls, in order."""
        return [request.json for request in self.server.requests if request.method == "POST"]

    @property
    def models_asked(self):
        return [body["model"] for body in self.asked]


class World:
    """Who there is: a node, a router, and the two providers that can be asked directly."""

    def __init__(self):
        self.node = Upstream("the node", NODE_MODELS)
        self.router = Upstream("the router", ROUTER_MODELS)
        self.openai = Upstream("openai", ("gpt-4.1-mini",))
        self.anthropic = Upstream("anthropic", ("claude-haiku-4-5",))
        self.everybody = (self.node, self.router, self.openai, self.anthropic)
        self.mcp = "http://localhost:8081"
        self.clients = []

    def asked(self):
        return {name: getattr(self, name).models_asked for name in ("node", "router", "openai", "anthropic")}

    def run(self, heading, *, patched=True, **names):
        """Run a block; its names afterwards."""
        block = blocks()[heading]
        addresses = {"http://localhost:8080": self.node.address, "http://localhost:8081": self.mcp}
        source = block.source(addresses, patched=patched)
        names = {"__name__": "__main__", **names}
        exec(compile("\n" * (block.line - 1) + source, str(DOCUMENT), "exec", dont_inherit=True), names)
        self.clients.append(names.get("hanzo"))
        return names


@pytest.fixture
def world(monkeypatch, tmp_path):
    everybody = World()
    with everybody.node.server, everybody.router.server, everybody.openai.server, everybody.anthropic.server:
        monkeypatch.setenv("HANZO_NODE_URL", everybody.node.address)
        monkeypatch.setenv("HANZO_ROUTER_URL", everybody.router.server.base_url)
        monkeypatch.setenv("HANZO_API_KEY", "sk-router")
        monkeypatch.setenv("HANZO_STATE_DIR", str(tmp_path / "state"))
        for name in ("openai", "anthropic"):
            address = getattr(everybody, name).server.base_url
            monkeypatch.setitem(DIRECT, name, replace(DIRECT[name], base_url=address))
        forget_nodes()
        yield everybody
        for client in everybody.clients:
            if isinstance(client, Hanzo):
                client.close()
    forget_nodes()


@pytest.fixture
def cloud(world, monkeypatch):
    """The same without a node: what no model is named for goes to one that costs something."""
    monkeypatch.delenv("HANZO_NODE_URL")
    monkeypatch.setenv("HANZO_MODEL", "gpt-4o-mini")
    forget_nodes()
    return world


@pytest.fixture(autouse=True)
def _metrics_leave(monkeypatch):
    monkeypatch.setattr(watching, "_shared", watching._Shared())
    yield
    for page in {page for page in REGISTRY._collector_to_names if isinstance(page, Page)}:
        REGISTRY.unregister(page)


def until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def failing(status=503):
    return lambda request: answers.json(
        {"error": {"message": "down"}}, status=status, headers={"x-should-retry": "false"}
    )


# --- the document itself ------------------------------------------------------------------------------------------


def test_every_block_is_tested_and_every_patch_fits():
    source = Path(__file__).read_text()
    for heading, block in blocks().items():
        assert repr(heading)[1:-1] in source or heading in COMPILED_ONLY, f"nothing runs {heading!r}"
        block.source({})
    assert set(PATCHES) <= set(blocks())
    assert all(patch.why for patches in PATCHES.values() for patch in patches)


@pytest.mark.parametrize("heading", COMPILED_ONLY)
def test_what_is_not_ours_is_python(heading):
    compile(blocks()[heading].source({}), heading, "exec")


# --- quick start --------------------------------------------------------------------------------------------------


def test_basic_usage_stays_at_the_node(world, capsys):
    world.run("Basic Usage (Local Inference)")
    assert capsys.readouterr().out == "the node says hello\n"
    assert world.asked() == {"node": ["llama-3-8b"], "router": [], "openai": [], "anthropic": []}
    assert (world.node.asked[0]["temperature"], world.node.asked[0]["max_tokens"]) == (0.7, 500)


def test_hybrid_mode_chooses_and_says_why(world, capsys):
    names = world.run("Hybrid Mode (Local + Cloud with Auto-Routing)")
    out = capsys.readouterr().out
    assert re.search(r"^Model used: \S+$", out, re.MULTILINE)
    assert re.search(r"^Provider: \S+$", out, re.MULTILINE)
    assert re.search(r"^Reasoning: Route chose: .*complexity", out, re.MULTILINE)
    assert re.search(r"^Cost: \$\d+\.\d{4}$", out, re.MULTILINE)
    assert sum(map(len, world.asked().values())) == 1
    assert "sk-" not in repr(names["hanzo"])


def test_hybrid_mode_sends_hard_questions_elsewhere(world):
    client = world.run("Hybrid Mode (Local + Cloud with Auto-Routing)")["hanzo"]
    easy = client.chat.completions.create(messages=[{"role": "user", "content": "Say hi"}], max_tokens=10)
    best = client.chat.completions.create(
        messages=[{"role": "user", "content": "Say hi"}], quality_threshold="excellent", max_tokens=10
    )
    assert easy.model != best.model
    assert easy.cost <= best.cost


# --- configuration patterns ---------------------------------------------------------------------------------------


def test_privacy_first_never_leaves(world):
    client = world.run("1. Privacy-First (Local Only)")["hanzo"]
    world.node.says = failing()
    with pytest.raises(Exception, match="down"):
        client.chat.completions.create(model="llama-3-8b", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(ConfigError, match="gpt-4"):
        client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "x"}])
    asked = world.asked()
    assert not asked["router"] + asked["openai"] + asked["anthropic"]


def test_cost_optimized_prefers_the_free_model(world):
    names = world.run("2. Cost-Optimized")
    assert names["response"].cost is not None
    assert names["response"].cost <= 0.01
    stack = repr(names["hanzo"])
    assert "Budget" in stack
    assert "AutoRoute" in stack


def test_latency_optimized_streams_and_warms(world, capsys):
    world.run("3. Latency-Optimized")
    assert "says hello" in capsys.readouterr().out
    warmed = lambda: {b["model"] for u in world.everybody for b in u.asked if b.get("max_tokens") == 1}  # noqa: E731
    until(lambda: {"llama-3-8b", "gpt-3.5-turbo"} <= warmed())


def test_quality_focused_takes_the_preferred_models(world):
    names = world.run("4. Quality-Focused")
    assert names["response"].model == "gpt-4"
    assert world.router.asked[0]["temperature"] == 0.2


# --- advanced features --------------------------------------------------------------------------------------------


def test_custom_routing_logic(world):
    client = world.run("Custom Routing Logic")["hanzo"]

    def ask(text, **options):
        message = {"role": "user", "content": text}
        return client.chat.completions.create(messages=[message], options=options).model

    assert ask("Hello", user_role="enterprise") == "gpt-4"
    assert ask("Hello", user_role="pro") == "llama-3-70b"
    assert ask("Hello") == "llama-3-8b"
    assert world.asked()["node"] == ["llama-3-8b"]
    before = len(world.router.asked)
    assert ask("My mail is jane.doe@example.com", user_role="enterprise") in NODE_MODELS
    assert len(world.router.asked) == before
    assert not any("options" in body for upstream in world.everybody for body in upstream.asked)


def test_caching_hits_at_the_second_call_and_at_a_similar_one(world, monkeypatch, redis_url, capsys):
    monkeypatch.setenv("HANZO_REDIS_URL", redis_url)
    names = world.run("Caching and Memoization")
    assert not names["response1"].from_cache
    assert names["response2"].from_cache
    assert names["response2"].cost == 0
    assert capsys.readouterr().out == "Cache hit: True\n"
    assert len(world.node.asked) == 1


def test_batch_processing_keeps_the_order(world, capsys):
    world.node.says = lambda request: f"about {request.messages[-1]['content'].split()[-1]}"
    world.run("Batch Processing")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Document {i}: about {i}..." for i in range(100)]
    assert world.asked()["router"] == []


def test_function_calling(world, capsys):
    world.router.says = lambda request: answers.tool_call("get_weather", {"location": "Paris"})
    world.run("Function Calling")
    assert capsys.readouterr().out == "Model wants weather for: Paris\n"
    assert world.router.asked[0]["tool_choice"] == "auto"


# --- the ecosystem ------------------------------------------------------------------------------------------------


@pytest.mark.node
def test_hanzo_node_lists_fetches_and_serves(world, monkeypatch, tmp_path, capsys):
    from hanzo_agents.node.weights import find_packaged

    monkeypatch.delenv("HANZO_NODE_URL")
    monkeypatch.setenv("HANZO_MODELS_DIR", str(tmp_path))
    # What the hub would bring: the address is changed for a file that is there.
    (tmp_path / "qwen-2-7b.gguf").symlink_to(find_packaged())
    forget_nodes()
    names = world.run("With Hanzo Node (Local Inference)")
    assert re.search(r"^\S+: \d+ tokens, [\d.]+B params$", capsys.readouterr().out, re.MULTILINE)
    assert names["response"].model == "qwen-2-7b"
    assert names["response"].provider == "local"
    assert not any(world.asked().values())


def test_a_web_socket_streams(world):
    from starlette.testclient import TestClient
    from starlette.websockets import WebSocketDisconnect

    names = world.run("With @hanzo/ui (Web Applications)")
    said = ""
    # The loop of the block ends as the server's do: by the client that leaves.
    with pytest.raises(WebSocketDisconnect), TestClient(names["app"]).websocket_connect("/ws/chat") as socket:  # noqa: PT012
        socket.send_json({"messages": [{"role": "user", "content": "Hello"}]})
        while said != "the node says hello":
            said += socket.receive_json()["content"]
    assert len(world.node.asked) == 1


def test_mcp_tools_are_offered_and_used(world, code_search, capsys):
    world.mcp = code_search

    def say(request):
        return answers.tool_call("search_codebase", {"query": "auth"})

    for upstream in world.everybody:
        upstream.says = say
    names = world.run("With Hanzo MCP (Agentic Workflows)")
    with names["mcp"]:
        (asked,) = [body for upstream in world.everybody for body in upstream.asked]
        assert [tool["function"]["name"] for tool in asked["tools"]] == ["search_codebase"]
        assert asked["tool_choice"] == "auto"
        (result,) = names["results"]
        assert capsys.readouterr().out == f"{names['results']}\n"
        assert result == {
            "role": "tool", "tool_call_id": names["response"].tool_calls[0].id, "content": "auth: src/auth/login.py:12",
        }  # fmt: skip


# --- monitoring ---------------------------------------------------------------------------------------------------


def test_built_in_analytics(world, capsys):
    names = world.run("Built-in Analytics")
    out = capsys.readouterr().out
    assert "Total requests: 100\n" in out
    assert "Total cost: $0.00\n" in out
    assert "Cache hit rate: 0.0%\n" in out
    assert "Local vs cloud: 100.0% local\n" in out
    assert "llama-3-8b: 100 requests, $0.00\n" in out
    assert names["analytics"].avg_latency_ms > 0


def test_prometheus_metrics(world, monkeypatch, unused_port):
    block = blocks()["Prometheus Metrics"]
    monkeypatch.setitem(
        blocks(),
        "Prometheus Metrics",
        replace(block, code=block.code.replace("9090,", f"{unused_port},").replace("=9090", f"={unused_port}")),
    )
    names = world.run("Prometheus Metrics")
    client = names["hanzo"]
    client.chat.completions.create(messages=[{"role": "user", "content": "Hello"}])
    with urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/metrics") as page:
        text = page.read().decode()
    for name in re.findall(r"# - (hanzo_\w+)", blocks()["Prometheus Metrics"].code):
        assert f"# TYPE {name}" in text or f"# TYPE {name.removesuffix('_total')}" in text, name
    assert re.search(r'^hanzo_requests_total\{.*outcome="ok".*\} 1\.0$', text, re.MULTILINE)
    client.metrics.close()


def test_custom_logging(world, caplog):
    caplog.set_level(logging.INFO, "hanzo")
    client = world.run("Custom Logging")["hanzo"]
    client.chat.completions.create(
        messages=[{"role": "user", "content": "A secret question"}], temperature=0.3, max_tokens=50
    )
    by_name = {record.name: record.getMessage() for record in caplog.records}
    assert "temperature=0.3" in by_name["hanzo.requests"]
    assert "max_tokens=50" in by_name["hanzo.requests"]
    assert "asks" in by_name["hanzo.decisions"]
    assert re.search(r"ok after \d.*tokens", by_name["hanzo.calls"])
    assert "secret question" not in caplog.text


# --- errors and resilience ----------------------------------------------------------------------------------------


def test_automatic_retries_and_fallbacks(world, capsys):
    failed = iter([answers.json({"error": {"message": "busy"}}, status=503)])
    world.node.says = lambda request: next(failed, "the node says hello")
    names = world.run("Automatic Retries")
    assert "says" in names["response"].choices[0].message.content
    for upstream in world.everybody:
        upstream.says = failing()
    world.run("Automatic Retries")
    out = capsys.readouterr().out
    assert out.startswith("All providers failed: ")
    assert out.count("Failure(") == 3


def test_circuit_breaking(cloud):
    client = cloud.run("Circuit Breaking")["hanzo"].with_options(max_retries=0)
    cloud.router.says = failing()

    def ask():
        client.chat.completions.create(messages=[{"role": "user", "content": "x"}])

    for _ in range(5):
        with pytest.raises(Exception, match="down"):
            ask()
    with pytest.raises(CircuitOpen) as refused:
        ask()
    assert 0 < refused.value.retry_after <= 60
    assert len(cloud.router.asked) == 5


def test_budget_limits(cloud, monkeypatch, capsys):
    told = []
    monkeypatch.setattr(alerts, "post", lambda url, body, secret=None: told.append((url, json.loads(body))))
    cloud.router.says = lambda request: answers.text("dear", usage=Usage(cost=10.5))
    cloud.run("Budget Limits")
    assert capsys.readouterr().out == ""
    cloud.run("Budget Limits")
    assert re.fullmatch(r"Budget exceeded: daily limit of \$10(\.0+)?\n", capsys.readouterr().out)
    assert len(cloud.router.asked) == 1
    daily = lambda: sorted(alert["threshold"] for _, alert in told if alert["budget_type"] == "daily")  # noqa: E731
    until(lambda: daily() == [0.5, 0.8, 0.9, 1.0])
    assert {url for url, _ in told} == {"https://api.example.com/budget-alert"}


def test_cost_estimation(world, capsys):
    names = world.run("Cost Estimation")
    out = capsys.readouterr().out
    cost = float(re.search(r"^Estimated cost: \$(\d+\.\d{4})$", out, re.MULTILINE)[1])
    tokens = int(re.search(r"^Input tokens: (\d+)$", out, re.MULTILINE)[1])
    assert "Max output tokens: 1000\n" in out
    assert 2_000 < tokens < 6_000
    # gpt-4: $30 and $60 a million tokens
    assert cost == pytest.approx(tokens * 30e-6 + 1000 * 60e-6, abs=1e-4)
    assert ("response" in names) is (names["estimate"].cost < 0.10)


# --- best practices -----------------------------------------------------------------------------------------------


def test_three_lines(world):
    response = world.run("Hanzo SDK (3 lines)")["response"]
    assert "Route chose" in response.routing_reason
    assert response.cost is not None


def test_use_hybrid_mode_for_production(world):
    client = world.run("1. Use Hybrid Mode for Production")["hanzo"]
    client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "x"}])
    assert world.asked() == {"node": [], "router": ["gpt-4"], "openai": [], "anthropic": []}


def test_enable_caching(world, monkeypatch, redis_url):
    monkeypatch.setenv("HANZO_REDIS_URL", redis_url)
    client = world.run("2. Enable Caching")["hanzo"]
    assert "Cache" not in repr(client)  # the last one of the block is the one to avoid


def test_set_budget_limits(world):
    assert "Budget" not in repr(world.run("3. Set Budget Limits")["hanzo"])


def test_use_streaming(cloud, capsys):
    cloud.run("4. Use Streaming for Long Responses")
    out = capsys.readouterr().out
    assert out.endswith("the router says hello\n")
    assert [body.get("stream") for body in cloud.router.asked] == [True, None]


def test_monitor_and_alert(world):
    world.run("5. Monitor and Alert")


# --- troubleshooting ----------------------------------------------------------------------------------------------


def test_finding_the_node(world, capsys):
    client = world.run("SDK Not Finding Local Hanzo Node")["hanzo"]
    assert capsys.readouterr().out == "Hanzo Node status: {'status': 'ok'}\n"
    assert str(client.base_url).startswith(world.node.address)


def test_high_latency(world):
    names = world.run("High Latency")
    response = names["response"]
    assert response.choices[0].message.content.endswith("says hello")
    asked = next(body for upstream in world.everybody for body in upstream.asked if body.get("max_tokens") == 100)
    assert asked["stream"] is True  # prefer_streaming: the wire streams, the caller gets the whole
    assert asked["temperature"] == 0


def test_high_costs(world):
    client = world.run("High Costs")["hanzo"]
    ask = lambda: client.chat.completions.create(messages=[{"role": "user", "content": "x"}])  # noqa: E731
    first, again = ask(), ask()
    assert first.model == "llama-3-8b"
    assert again.from_cache
    assert world.asked() == {"node": ["llama-3-8b"], "router": [], "openai": [], "anthropic": []}
