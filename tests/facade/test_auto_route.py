"""`auto_route`: among the models there are, which are asked for once, and what must stay on this machine stays."""

import asyncio
import gc

import pytest
from nodes import HELLO, Node, Router, listed
from upstream import KEY

from hanzo_agents import AsyncHanzo, ConfigError, Hanzo, Refused
from hanzo_agents._kernel import asking
from hanzo_agents.node import discovery
from hanzo_agents.routing import pii
from hanzo_agents.testing._http import problem
from hanzo_agents.testing.clock import FakeClock

PRIVATE = [{"role": "user", "content": "Write to jane.doe@example.com."}]


class Lister(Router):
    """A router that lists its models, or fails to."""

    def __init__(self, *models):
        super().__init__()
        self.lists = list(models)

    @property
    def times_listed(self):
        return sum(request.path == "/v1/models" for request in self.requests)

    def _reply_to(self, request):
        if request.method == "GET" and request.path == "/v1/models":
            return listed(*self.lists) if self.lists else problem(503, "down")
        return super()._reply_to(request)


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch):
    monkeypatch.setattr(discovery, "KNOWN_PORTS", ())
    discovery.forget_nodes()
    yield
    discovery.forget_nodes()


async def ask(client, **more):
    return await client.chat.completions.create(messages=HELLO, **more)


async def test_the_router_is_asked_once_for_its_models_by_all_calls_together():
    with Lister("gpt-4o", "gpt-4o-mini") as router:
        client = AsyncHanzo(f"{router.url}/v1", KEY, auto_route=True)
        await asyncio.gather(*(ask(client) for _ in range(8)))
        await ask(client)
        assert router.times_listed == 1
        assert set(router.asked) <= {"gpt-4o", "gpt-4o-mini"}
        await client.close()


async def test_and_again_when_that_is_old():
    clock = FakeClock()
    with Lister("gpt-4o-mini") as router, clock:
        client = AsyncHanzo(f"{router.url}/v1", KEY, auto_route=True)
        await ask(client)
        router.lists = ["gpt-4.1-nano"]
        await ask(client)
        clock.advance(asking.REMEMBERED + 1)
        await ask(client)
        assert router.asked == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4.1-nano"]
        await client.close()


async def test_a_router_that_lists_nothing_is_left_alone_for_a_while(caplog):
    clock = FakeClock()
    with Lister() as router, Node("llama-3-8b") as node, clock:
        client = AsyncHanzo(f"{router.url}/v1", KEY, inference_mode="hybrid", node_url=node.url, auto_route=True)
        for _ in range(3):
            assert (await ask(client)).model == "llama-3-8b"
        assert router.times_listed == 1
        assert [record.getMessage() for record in caplog.records if "auto_route" in record.getMessage()] == [
            "auto_route: the router does not list its models (InternalServerError)"
        ]
        clock.advance(asking.FAILURE_REMEMBERED + 1)
        await ask(client)
        assert router.times_listed == 2
        await client.close()


async def test_a_copy_that_outlives_its_client_can_ask():
    with Lister("gpt-4o-mini") as router:
        copy = AsyncHanzo(f"{router.url}/v1", KEY, auto_route=True).with_options(timeout=5)
        gc.collect()
        assert (await ask(copy)).model == "gpt-4o-mini"
        await copy.close()


async def test_what_was_learned_of_models_outlives_a_new_list():
    clock = FakeClock()
    with Lister("gpt-4o-mini") as router, clock:
        client = AsyncHanzo(f"{router.url}/v1", KEY, auto_route=True)
        await ask(client)
        route = client._inherited.beside.route
        before = route._route(client.prices)
        router.lists = ["gpt-4o-mini", "gpt-4o"]
        clock.advance(asking.REMEMBERED + 1)
        await ask(client)
        after = route._route(client.prices)
        assert after is not before
        assert after.memory is before.memory
        assert after.latencies is before.latencies
        await client.close()


def test_who_prefers_local_models_need_not_list_them():
    with Lister() as router, Node("llama-3-8b") as node:
        more = {"inference_mode": "hybrid", "node_url": node.url, "auto_route": True, "models": ["gpt-4o-mini"]}
        for settings, model in (
            ({}, "gpt-4o-mini"),
            ({"prefer_local": True}, "llama-3-8b"),
            ({"models": ["llama-3-8b"]}, "llama-3-8b"),
        ):
            with Hanzo(f"{router.url}/v1", KEY, **{**more, **settings}) as client:
                assert client.chat.completions.create(messages=HELLO).model == model


class TestLocalFor:
    def client(self, router, node, **more):
        return Hanzo(
            f"{router.url}/v1", KEY, inference_mode="hybrid", node_url=node.url, auto_route=True, local_for=pii,
            preferred_models=["gpt-4o"], **more,
        )  # fmt: skip

    def test_what_is_personal_stays(self):
        with Lister("gpt-4o") as router, Node("llama-3-8b") as node, self.client(router, node) as client:
            ask = client.chat.completions.create
            assert ask(messages=HELLO).model == "gpt-4o"
            assert ask(messages=PRIVATE).model == "llama-3-8b"
            assert client.responses.create  # the same road
            for named in (lambda: ask(messages=PRIVATE, model="gpt-4o"),
                          lambda: client.embeddings.create(input="jane.doe@example.com", model="text-embedding-3-small")):  # fmt: skip
                with pytest.raises(Refused) as error:
                    named()
                assert error.value.code == "local_only"
            assert router.asked == ["gpt-4o"]

    def test_also_when_the_node_fails(self):
        with (
            Lister("gpt-4o") as router,
            Node("llama-3-8b") as node,
            self.client(router, node, max_retries=0) as client,
        ):
            node.failing = True
            with pytest.raises(Exception):  # noqa: B017 - what matters is who was asked
                client.chat.completions.create(messages=PRIVATE)
            assert router.asked == []

    def test_with_nobody_here_it_is_refused(self):
        with Lister("gpt-4o") as router, Hanzo(f"{router.url}/v1", KEY, auto_route=True, local_for=pii) as client:
            for model in ({}, {"model": "gpt-4o"}):
                with pytest.raises(Refused, match="must stay on this machine") as error:
                    client.chat.completions.create(messages=PRIVATE, **model)
                assert error.value.code == "local_only"
                assert "would refuse" in str(client.explain(messages=PRIVATE, **model))
            with pytest.raises(Refused, match="must stay on this machine"):
                client.images.generate(prompt="jane.doe@example.com")
            assert client.chat.completions.create(messages=HELLO).model == "gpt-4o"
            assert router.asked == ["gpt-4o"]

    def test_what_is_none(self):
        with pytest.raises(ConfigError, match=r"^local_for: expected a function of a text, got str$"):
            Hanzo("http://127.0.0.1:9/v1", KEY, auto_route=True, local_for="pii")
        with pytest.raises(ConfigError, match=r"^local_for: has no effect without auto_route=True"):
            Hanzo("http://127.0.0.1:9/v1", KEY, local_for=pii)
