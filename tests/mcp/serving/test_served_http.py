"""Serving over HTTP, on real sockets: who may call, whose money it is, and what becomes of clients that leave."""

import asyncio

import httpx2
import pytest
from agents import Agent
from mcp.shared.exceptions import MCPError
from served import PRICED, TOKENS, asked, code, over_http, said, server_of, until, usage

from hanzo_agents import ConfigError
from hanzo_agents.testing.fault_server import Usage, answers, faults

AGENT = Agent(name="agent", model=PRICED)
HERE = "address 127.0.0.1"
JSON = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


async def test_it_answers_and_tells_of_its_progress(router, provider, era):
    router.script("Hello over HTTP.")
    told = []

    async def tell(progress, total, message):
        told.append(message)

    async with over_http(server_of(AGENT, provider=provider)) as connect, connect(mode=era) as client:
        result = await client.call_tool("agent", {"input": "?"}, progress_callback=tell)
    assert said(result) == "Hello over HTTP."
    assert told == ["agent begins", "turn 1", "answers"]


async def test_each_token_has_a_budget_and_a_new_session_is_no_new_purse(router, provider, era):
    router.script(answers.text("Long.", usage=Usage(100, 5000)), repeat=True)
    server = server_of(AGENT, provider=provider, budget_per_client=0.002)
    async with over_http(server, tokens=TOKENS) as connect:
        async with connect(TOKENS["alice"], mode=era) as alice, connect(TOKENS["bob"], mode=era) as bob:
            assert usage(await alice.call_tool("agent", {"input": "?"}))["remaining"] == "0"
            assert code(await alice.call_tool("agent", {"input": "?"})) == "budget_exceeded"
            assert not (await bob.call_tool("agent", {"input": "?"})).is_error
        async with connect(TOKENS["alice"], mode=era) as again:
            assert code(await again.call_tool("agent", {"input": "?"})) == "budget_exceeded"
    assert len(asked(router)) == 2
    assert server.spent("token alice").spent == server.spent("token bob").spent > 0


async def test_without_tokens_the_address_is_the_client(router, provider, era):
    router.script(answers.text("Long.", usage=Usage(100, 5000)), repeat=True)
    server = server_of(AGENT, provider=provider, budget_per_client=0.002)
    async with over_http(server) as connect:
        async with connect(mode=era) as one:
            await one.call_tool("agent", {"input": "?"})
        async with connect(mode=era) as other:
            assert code(await other.call_tool("agent", {"input": "?"})) == "budget_exceeded"
    assert server.spent(HERE).spent > 0


@pytest.mark.parametrize("token", [None, "wrong-0123456789abcdef", TOKENS["alice"][:-1]])
async def test_without_a_right_token_nobody_gets_in(provider, token):
    headers = {**JSON} if token is None else {**JSON, "authorization": f"Bearer {token}"}
    async with (
        over_http(server_of(AGENT, provider=provider), tokens=TOKENS) as connect,
        httpx2.AsyncClient() as http,
    ):
        reply = await http.post(connect.url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=headers)
    assert reply.status_code == 401
    assert all(known not in reply.text for known in TOKENS.values())


async def test_a_session_cannot_be_taken_over(router, provider):
    opening = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "alice", "version": "1"},
        },
    }
    async with (
        over_http(server_of(AGENT, provider=provider), tokens=TOKENS) as connect,
        httpx2.AsyncClient() as http,
    ):
        alice, bob = ({**JSON, "authorization": f"Bearer {TOKENS[name]}"} for name in ("alice", "bob"))
        opened = await http.post(connect.url, json=opening, headers=alice)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        assert (await http.post(connect.url, json=ping, headers=alice | session)).status_code == 200
        assert (await http.post(connect.url, json=ping, headers=bob | session)).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:8081"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"host": "tools.example"}, 400),  # allowed in: then it is no message of the protocol
        ({"origin": "https://tools.example"}, 400),
    ],
)
async def test_a_page_that_calls_it_by_another_name_is_refused(provider, headers, status):
    server = server_of(AGENT, provider=provider)
    async with over_http(server, allowed_hosts=["tools.example"]) as connect, httpx2.AsyncClient() as http:
        reply = await http.post(connect.url, json={}, headers={**JSON, **headers})
    assert reply.status_code == status


async def test_a_cancelled_call_stops_the_run(router, provider, era):
    router.script(faults.hang_mid_body(), "Next.")
    server = server_of(AGENT, provider=provider, max_concurrent=1, budget_per_client=1)
    async with over_http(server) as connect, connect(mode=era) as client:
        call = asyncio.create_task(client.call_tool("agent", {"input": "?"}))
        await router.until(lambda: router.paused == 1)
        call.cancel()
        await router.until(lambda: router.paused == 0)
        await until(lambda: server.under_way(HERE) == (0, 0))
        assert server.spent(HERE).reserved == 0
        assert server.spent(HERE).spent > 0
        assert said(await client.call_tool("agent", {"input": "?"})) == "Next."


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_a_client_that_hangs_up_stops_its_run(router, provider, version):
    """Without a word: the connection is closed, as when the client dies."""
    router.script(faults.hang_mid_body())
    server = server_of(AGENT, provider=provider, max_concurrent=1)
    async with over_http(server) as connect:
        async with httpx2.AsyncClient() as http:
            headers, body = await _call_of(http, connect.url, version)
            call = asyncio.create_task(http.post(connect.url, json=body, headers=headers))
            await router.until(lambda: router.paused == 1)
            assert server.under_way(HERE) == (1, 0)
            call.cancel()
            await asyncio.wait([call])
        await router.until(lambda: router.paused == 0)
        await until(lambda: server.under_way(HERE) == (0, 0))


async def _call_of(http, url, version):
    """The headers and the body of a call, as a client of that version sends it."""
    headers = {**JSON, "mcp-protocol-version": version}
    body = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "agent", "arguments": {"input": "?"}},
    }
    info, key = {"name": "t", "version": "1"}, "io.modelcontextprotocol"
    if version > "2026":
        body["params"]["_meta"] = {
            f"{key}/protocolVersion": version, f"{key}/clientInfo": info, f"{key}/clientCapabilities": {},
        }  # fmt: skip
        return headers | {"mcp-method": "tools/call", "mcp-name": "agent"}, body
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": info}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    opened = await http.post(url, json=opening, headers=JSON)
    headers["mcp-session-id"] = opened.headers["mcp-session-id"]
    await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    return headers, body


async def test_calls_of_one_client_do_not_hold_up_another(router, provider):
    router.script(faults.hang_mid_body(), "For Bob.")
    server = server_of(AGENT, provider=provider, max_concurrent=1, max_queued=0)
    async with (
        over_http(server, tokens=TOKENS) as connect,
        connect(TOKENS["alice"]) as alice,
        connect(TOKENS["bob"]) as bob,
    ):
        first = asyncio.create_task(alice.call_tool("agent", {"input": "?"}))
        await router.until(lambda: router.paused == 1)
        assert code(await alice.call_tool("agent", {"input": "?"})) == "queue_full"
        assert said(await bob.call_tool("agent", {"input": "?"})) == "For Bob."
        router.release()
        assert said(await first) == "Hello!"


async def test_a_server_that_is_stopped_stops_its_runs(router, provider, era):
    router.script(faults.hang_mid_body())
    server = server_of(AGENT, provider=provider)
    async with over_http(server) as connect, connect(mode=era) as client:
        call = asyncio.create_task(client.call_tool("agent", {"input": "?"}))
        await router.until(lambda: router.paused == 1)
        connect.stop()
        with pytest.raises((MCPError, httpx2.HTTPError)):
            await call
        await router.until(lambda: router.paused == 0)


@pytest.mark.parametrize(
    ("address", "settings", "says"),
    [
        (None, {"tokens": TOKENS}, "tokens, allowed_hosts, allow_insecure, on_ready: they are for http="),
        ("127.0.0.1:0", {"wires": (0, 1)}, "wires: they are for standard input and output"),
        ("8081", {}, 'http: expected "host:port", such as "127.0.0.1:8081", got \'8081\''),
        ("127.0.0.1:http", {}, "http: expected"),
        ("http://127.0.0.1:1", {}, "http: expected"),
        ("me@127.0.0.1:1", {}, "http: expected"),
        ("0.0.0.0:0", {}, "http: 0.0.0.0 can be reached from other machines"),
        ("0.0.0.0:0", {"tokens": TOKENS}, "http: 0.0.0.0 can be reached"),
        ("0.0.0.0:0", {"allow_insecure": True}, "http: 0.0.0.0 can be reached"),
        ("127.0.0.1:0", {"tokens": "short"}, "tokens['client']: expected at least 16 ASCII characters"),
        ("127.0.0.1:0", {"tokens": {}}, "tokens: expected a token"),
        ("127.0.0.1:0", {"tokens": {"a": "x" * 16, "b": "x" * 16}}, "tokens: two clients have the same one"),
        ("127.0.0.1:0", {"allowed_hosts": "a.example"}, "allowed_hosts: expected a list of host names"),
        ("127.0.0.1:0", {"allowed_hosts": ["https://a.example"]}, "allowed_hosts: expected"),
    ],
)
async def test_an_address_that_is_none_or_open_to_anybody_is_refused(provider, address, settings, says):
    with pytest.raises(ConfigError) as caught:
        await server_of(AGENT, provider=provider).serve(address, **settings)
    assert str(caught.value).startswith(says)
    assert all(token not in str(caught.value) for token in TOKENS.values())


async def test_it_can_be_mounted_in_an_application_of_ones_own(router, provider):
    app = server_of(AGENT, provider=provider).app(allowed_hosts=["app.example"])
    opening = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://app.example") as http:
            assert (await http.post("/mcp", json=opening, headers=JSON)).status_code in (200, 400)
            assert (await http.post("http://other.example/mcp", json=opening, headers=JSON)).status_code == 421
