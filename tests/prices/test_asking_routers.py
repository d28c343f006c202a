"""Clients that ask routers for their prices, over real sockets: which pages, with which key, and how often."""

import asyncio
import logging
import traceback

import pytest

from hanzo_agents import AsyncHanzo, Price, Target
from hanzo_agents.prices.public import PUBLIC
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.fault_server import FaultServer, answers, faults

KEY = "sk-canary-0123456789"
OTHER_KEY = "sk-other-9876543210"
INFO, GROUPS, MODELS = "/v1/model/info", "/model_group/info", "/v1/models"
COSTS = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
MINE = Price(input=1, output=2)
M = Target("m")


def info(name="m"):
    return answers.json({"data": [{"model_name": name, "model_info": COSTS, "litellm_params": {}}]})


@pytest.fixture
def server():
    with FaultServer() as server:
        yield server


@pytest.fixture
def client(server):
    return AsyncHanzo(server.base_url, KEY, model="m", policies=[])


def asked(server):
    return [(request.method, request.path) for request in server.requests]


async def test_the_page_of_deployments_is_asked_for_once(server, client):
    server.script(info(), repeat=True, path=INFO)
    assert client.prices.known(M) is None
    assert [await client.prices.learn(M) for _ in range(3)] == [MINE] * 3
    assert asked(server) == [("GET", INFO)]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].raw == b""


async def test_a_thousand_calls_ask_once(server, client):
    server.script(info(), repeat=True, path=INFO)
    found = await asyncio.gather(*(client.prices.learn(M) for _ in range(1000)))
    assert found == [MINE] * 1000
    assert server.hits == 1


async def test_a_key_that_may_not_read_deployments_reads_groups(server, client):
    server.script(faults.status(403), repeat=True, path=INFO)
    server.script(answers.json({"data": [{"model_group": "m", "providers": ["x"], **COSTS}]}), path=GROUPS)
    assert await client.prices.learn(M) == MINE
    assert asked(server) == [("GET", INFO), ("GET", GROUPS)]


async def test_a_gateway_with_prices_in_its_list_of_models(server, client):
    for path in (INFO, GROUPS):
        server.script(faults.status(404), repeat=True, path=path)
    pricing = {"prompt": "0.000001", "completion": "0.000002"}
    server.script(answers.json({"object": "list", "data": [{"id": "m", "pricing": pricing}]}), path=MODELS)
    assert await client.prices.learn(M) == MINE


@pytest.mark.parametrize(
    "reply",
    [faults.status(404), faults.status(401), faults.html(), faults.redirect("http://127.0.0.1:9/v1/model/info"),
     answers.json({"error": "no"}), answers.json([]), faults.body("null"), faults.body("{")],
    ids=["404", "401", "page", "redirect", "error in a 200", "list", "null", "cut"],
)  # fmt: skip
async def test_a_server_without_such_pages_is_left_alone_for_minutes(server, client, reply, caplog):
    for path in (INFO, GROUPS, MODELS):
        server.script(reply, repeat=True, path=path)
    with FakeClock() as clock:
        assert await client.prices.learn(M) is None
        clock.advance(299)
        assert await client.prices.learn(Target("gpt-4o")) == PUBLIC.of("gpt-4o")
    assert len(server.requests) == 3
    assert caplog.records == []


@pytest.mark.parametrize(
    "reply", [faults.status(500), faults.status(429), faults.reset(), faults.gzip_bomb()],
    ids=["500", "429", "reset", "bomb"],
)  # fmt: skip
async def test_a_router_that_fails_is_asked_again_after_a_minute(server, client, reply, caplog):
    server.script(reply, info(), repeat=True, path=INFO)
    with FakeClock() as clock:
        for _ in range(3):
            assert await client.prices.learn(M) is None
        clock.advance(61)
        assert await client.prices.learn(M) == MINE
    assert len(server.requests) == 2
    assert KEY not in caplog.text


async def test_a_router_that_hangs_delays_a_call_by_two_seconds_at_most(server, client):
    server.script(faults.hang(), path=INFO)
    with FakeClock() as clock:
        learning = asyncio.create_task(client.prices.learn(M))
        await server.until(lambda: server.requests)
        await clock.run_for(2)
        assert await learning is None


async def test_a_page_of_thousands_of_models(server, client):
    entries = [{"model_name": f"m{number}", "model_info": COSTS} for number in range(5000)]
    server.script(answers.json({"data": entries}), path=INFO)
    assert await client.prices.learn(Target("m4999")) == MINE


async def test_a_target_that_cannot_be_sent_to_is_unknown(client):
    """Its calls say what is wrong with it; asking for prices raises nothing."""
    assert await client.prices.learn(Target("m", "http://elsewhere.test/v1", OTHER_KEY)) is None


async def test_nobody_there_is_unknown_too():
    with faults.closed_port() as url:
        client = AsyncHanzo(url, KEY, model="m", policies=[])
        assert await client.prices.learn(M) is None


async def test_copies_of_a_client_share_what_was_learned(server, client):
    server.script(info(), repeat=True, path=INFO)
    await client.prices.learn(M)
    copy = client.with_options(max_retries=0, timeout=3)
    assert copy.prices.known(M) == await copy.prices.learn(M) == MINE
    assert server.hits == 1


async def test_a_copy_with_another_key_asks_for_itself(server, client):
    server.script(info(), answers.json({"data": []}), path=INFO)
    await client.prices.learn(M)
    copy = client.with_options(api_key=OTHER_KEY)
    assert copy.prices.known(M) is None
    assert await copy.prices.learn(M) is None
    assert [request.headers["authorization"] for request in server.requests] == [
        f"Bearer {KEY}",
        f"Bearer {OTHER_KEY}",
    ]


async def test_an_endpoint_away_from_home_is_asked_with_its_own_key_and_headers_only(server):
    with FaultServer() as away:
        server.script(info("home"), repeat=True, path=INFO)
        away.script(info("away"), repeat=True, path=INFO)
        client = AsyncHanzo(server.base_url, KEY, model="m", headers={"x-home": "1"}, user_id="u", policies=[])
        there = Target("away", away.base_url, OTHER_KEY, headers={"x-away": "1"})
        assert await client.prices.learn(there) == await client.prices.learn(there) == MINE
        assert await client.prices.learn(Target("home", away.base_url, OTHER_KEY, headers={"x-away": "1"})) is None
        assert await client.prices.learn(Target("away")) is None
        assert (away.hits, server.hits) == (1, 1)
        sent = away.requests[0].headers
        assert (sent["authorization"], sent["x-away"]) == (f"Bearer {OTHER_KEY}", "1")
        assert KEY not in str(sent)
        assert "x-home" not in sent
        assert OTHER_KEY not in str(server.requests[0].headers)


async def test_a_router_below_a_path_is_asked_below_it():
    with FaultServer() as server:
        server.script(faults.status(404), path="/gate/v1/model/info")
        server.script(answers.json({"data": [{"model_group": "m", **COSTS}]}), path="/gate/model_group/info")
        base = server.base_url.removesuffix("/v1")
        client = AsyncHanzo(f"{base}/gate/v1/", KEY, model="m", policies=[])
        assert await client.prices.learn(M) == MINE


def test_clients_on_many_loops_learn_once(server, client):
    server.script(info(), repeat=True, path=INFO)

    async def learn():
        found = await client.prices.learn(M)
        await client.close()
        return found

    assert [asyncio.run(learn()) for _ in range(3)] == [MINE] * 3
    assert server.hits == 1


async def test_no_key_in_anything_that_is_printed(server, client, caplog):
    caplog.set_level(logging.DEBUG)
    there = Target("m", server.base_url, OTHER_KEY)
    server.script(faults.echo_authorization(500), repeat=True, path=INFO)
    await client.prices.learn(M)
    await client.prices.learn(there)
    printed = repr(client.prices) + repr(client._inherited.learned) + caplog.text
    try:
        raise RuntimeError(client.prices)
    except RuntimeError as error:
        printed += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "does not tell the prices" in caplog.text
    assert KEY not in printed
    assert OTHER_KEY not in printed
