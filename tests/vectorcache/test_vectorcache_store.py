"""Vectorcache behind a `SemanticCache`: hits, the service's own answers to misses, and who is billed for what."""

import asyncio
from decimal import Decimal

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel
from calls import make_call
from server import KEY, VectorcacheServer

from hanzo_agents import AsyncHanzo, ConfigError, Hanzo, HanzoModelProvider, track, wrap
from hanzo_agents.policies.semantic import Asked, SemanticCache
from hanzo_agents.testing._http import Http, Pause, Reset
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter
from hanzo_agents.vectorcache import AsyncVectorcacheClient, VectorcacheClient, VectorcacheStore

WHAT = "What is machine learning?"
LIKE = "What is machine learning exactly?"


@pytest.fixture
def router():
    with ScriptedRouter(lambda request: f"The router on: {request.prompt}") as made:
        yield made


@pytest.fixture
def keeper(service):
    return AsyncVectorcacheClient(KEY, service.url)


@pytest.fixture(params=["serve", "discard"])
def misses(request):
    return request.param


def store_of(keeper, misses="serve", **more):
    return SemanticCache(store=VectorcacheStore(keeper, misses=misses, **more), sample=0)


def client_of(router, cache, **settings):
    return AsyncHanzo(router.base_url, "sk-router", model="zen-1", policies=[cache], **settings)


async def ask(client, text, **more):
    messages = more.pop("messages", [{"role": "user", "content": text}])
    reply = await client.chat.completions.create(messages=messages, **more)
    if more.get("stream"):
        return "".join([chunk.choices[0].delta.content or "" async for chunk in reply if chunk.choices])
    return reply.choices[0].message.content


async def test_a_miss_is_answered_by_the_service_and_the_model_is_not_asked(router, keeper, service):
    client = client_of(router, store_of(keeper))
    with track() as journals:
        assert await ask(client, WHAT) == f"An answer to: {WHAT}"
        assert await ask(client, LIKE) == f"An answer to: {WHAT}"
    assert (router.hits, service.hits) == (0, 2)
    assert service.asked_models == ["zen-1"]

    assert len(journals) == 2  # the questions to the service are no calls of their own
    (miss,), (hit,) = (journal.attempts for journal in journals)
    assert (miss.cache_hit, miss.sent, miss.provider, miss.usage.basis) == (False, True, "openai", "estimated")
    assert (hit.cache_hit, hit.sent, hit.provider) == (True, False, "vectorcache")
    assert journals[0].cost.basis == "unknown"  # zen-1 has no price: the service was paid, nobody says how much
    assert journals[1].cost.amount == 0
    (decision,) = [one for one in journals[1].decisions if one.action == "hit"]
    assert (decision.data["saved"], decision.data["similarity"]) == (
        Decimal("0.0035"),
        pytest.approx(0.89, abs=0.01),
    )


async def test_a_discarded_miss_is_written_down_beside_the_models_answer(router, keeper, service):
    client = client_of(router, store_of(keeper, "discard"))
    with track() as journals:
        assert await ask(client, WHAT) == f"The router on: {WHAT}"
        assert await ask(client, LIKE) == f"An answer to: {WHAT}"
    assert (router.hits, service.asked_models) == (1, ["zen-1"])
    paid = journals[0].attempts
    assert len(paid) == 2
    assert (paid[0].provider, paid[0].sent, paid[0].aside) == ("openai", True, True)
    assert journals[0].answered is paid[1]
    assert journals[0].cost.basis == "unknown"
    assert any(one.policy == "VectorcacheStore" and one.action == "discards" for one in journals[0].decisions)


async def test_the_price_of_a_miss_is_reckoned_where_it_is_known(router, keeper):
    client = client_of(router, store_of(keeper))
    with track() as journals:
        await ask(client, WHAT, model="gpt-4o")
    assert (journals[0].cost.basis, journals[0].cost.amount > 0) == ("estimated", True)


async def test_streams_are_answered_too(router, keeper, misses):
    client = client_of(router, store_of(keeper, misses))
    await ask(client, WHAT)
    assert await ask(client, LIKE, stream=True) == f"An answer to: {WHAT}"


async def test_agents(router, keeper, service):
    config = RunConfig(
        model_provider=HanzoModelProvider(router.base_url, "sk-router", policies=[store_of(keeper)]),
        tracing_disabled=True,
    )
    agent = Agent(name="Bare", model="zen-1")
    for text in (WHAT, LIKE):
        result = await Runner.run(agent, text, run_config=config)
        assert result.final_output == f"An answer to: {WHAT}"
    told = Agent(name="Told", model="zen-1", instructions="Answer in French.")
    result = await Runner.run(told, WHAT, run_config=config)
    assert result.final_output == f"The router on: {WHAT}"
    assert service.hits == 2


TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": WHAT}]},
        {
            "messages": [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": WHAT},
            ]
        },
        {"tools": [TOOL]},
        {"response_format": {"type": "json_object"}},
        {"max_tokens": 20},
        {"max_completion_tokens": 20},
        {"temperature": 0.7},
        {"n": 2},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
    ],
    ids=["instructions", "conversation", "tools", "form", "limit", "limit too", "variety", "choices", "image"],
)
async def test_what_the_service_would_answer_otherwise_is_not_sent_to_it(router, keeper, service, asked, misses):
    client = client_of(router, store_of(keeper, misses))
    await ask(client, WHAT, **asked)
    assert (service.hits, router.hits) == (0, 1)


async def test_settings_models_tenants_and_keys_are_apart(router, keeper, service):
    cache = store_of(keeper)
    client = client_of(router, cache)
    await ask(client, WHAT)
    await ask(client, WHAT, temperature=0)
    await ask(client, WHAT, model="zen-2")
    await ask(client.with_options(api_key="sk-another"), WHAT)
    for tenant in ("a", "b"):
        apart = SemanticCache(store=VectorcacheStore(keeper, misses="serve"), tenant=tenant)
        await ask(client_of(router, apart), WHAT)
    assert len(service.asked_models) == service.hits == 6
    assert len({body["context"] for body in service.asked}) == 6
    assert all(len(body["context"]) == 64 for body in service.asked)


async def test_a_context_of_your_own_is_shared_with_who_asks_the_service_directly(router, keeper, service):
    await keeper.query(WHAT, "zen-1", context="support")
    client = client_of(router, store_of(keeper, context="support"))
    assert await ask(client, LIKE) == f"An answer to: {WHAT}"
    assert await ask(client, LIKE, temperature=0) == f"An answer to: {WHAT}"
    assert len(service.asked_models) == 1


async def test_a_model_of_the_services_own(router, keeper, service):
    client = client_of(router, store_of(keeper, model="gpt-4o"))
    with track() as journals:
        await ask(client, WHAT)
    assert service.asked_models == ["gpt-4o"]
    assert (journals[0].attempts[0].model, journals[0].cost.basis) == ("gpt-4o", "estimated")


async def test_responses(router, keeper, service):
    client = client_of(router, store_of(keeper))
    for _ in range(2):
        reply = await client.responses.create(input=WHAT)
        assert reply.output_text == f"An answer to: {WHAT}"
    reply = await client.responses.create(input=WHAT, instructions="Be brief.")
    assert reply.output_text == f"The router on: {WHAT}"
    assert service.hits == 2


async def test_models_of_any_make(router, keeper, service):
    model = wrap(ScriptedModel([]), store_of(keeper, model="gpt-4o"))
    agent = Agent(name="Bare", model=model)
    config = RunConfig(tracing_disabled=True)
    for _ in range(2):
        assert (await Runner.run(agent, WHAT, run_config=config)).final_output == f"An answer to: {WHAT}"
    assert service.asked_models == ["gpt-4o"]


def test_programs_without_a_loop(router, service):
    with (
        VectorcacheClient(KEY, service.url) as keeper,
        Hanzo(router.base_url, "sk-router", model="zen-1", policies=[store_of(keeper)]) as client,
    ):
        for _ in range(2):
            reply = client.chat.completions.create(messages=[{"role": "user", "content": WHAT}])
            assert reply.choices[0].message.content == f"An answer to: {WHAT}"
        assert keeper.stats.hits == 1


async def test_the_threshold_is_sent_and_held_to(router, keeper, service):
    cache = SemanticCache(store=VectorcacheStore(keeper, misses="discard"), threshold=0.97)
    client = client_of(router, cache)
    await ask(client, WHAT)
    assert await ask(client, LIKE) == f"The router on: {LIKE}"
    assert {body["similarity_threshold"] for body in service.asked} == {0.97}


async def test_a_service_that_takes_no_threshold_is_held_to_it(router):
    with VectorcacheServer(shape="js") as service:
        keeper = AsyncVectorcacheClient(KEY, service.url, dialect="js")
        cache = SemanticCache(store=VectorcacheStore(keeper, misses="serve"), threshold=0.97)
        client = client_of(router, cache)
        assert await ask(client, WHAT) == f"An answer to: {WHAT}"
        assert await ask(client, LIKE) == f"The router on: {LIKE}"  # a hit of 0.89, which is too little
        with track() as journals:
            await ask(client, "How do tides work?")
        assert (journals[0].cost.amount, journals[0].cost.basis) == (Decimal("0.0007"), "estimated")


@pytest.mark.parametrize("text", ["", "  ", "half a pair: \ud83d"])
async def test_a_text_that_cannot_be_sent_is_nobodys_trouble(keeper, service, text):
    asked = Asked(b"p" * 32, b"s", text, True, None, 60.0, make_call("zen-1"), None)
    assert await VectorcacheStore(keeper, misses="serve").find(asked) == ()
    assert service.hits == 0


async def test_shadow_mode_pays_twice_and_says_so(router, keeper, service):
    cache = SemanticCache(store=VectorcacheStore(keeper, misses="serve"), shadow=True)
    client = client_of(router, cache)
    with track() as journals:
        assert await ask(client, WHAT, model="gpt-4o") == f"The router on: {WHAT}"
    assert service.asked_models == ["gpt-4o"]
    assert len(journals[0].attempts) == 2
    assert (journals[0].attempts[0].provider, journals[0].attempts[0].aside) == ("openai", True)


async def test_what_is_not_cacheable_goes_to_the_model(router, keeper, service, misses):
    service.uncacheable.add(WHAT)
    client = client_of(router, store_of(keeper, misses))
    for _ in range(2):
        assert await ask(client, WHAT) == f"The router on: {WHAT}"
    assert service.hits == 2  # the service is well: it is asked again


@pytest.mark.parametrize(
    "trouble",
    [
        lambda service: service.refuse(500, "down", "internal"),
        lambda service: service.refuse(429, "slow down", "rate_limited", headers=(("Retry-After", "30"),)),
        lambda service: service.refuse(401, "Invalid API key", "unauthorized"),
        lambda service: Http(head=False, body=(Reset(),)),
        lambda service: Http(status=200, body=()),
    ],
    ids=["500", "429", "401", "reset", "empty"],
)
@pytest.mark.filterwarnings("ignore")
async def test_trouble_goes_to_the_model_at_once(router, keeper, service, trouble, misses):
    service.then(trouble(service))
    client = client_of(router, store_of(keeper, misses))
    with track() as journals:
        assert await ask(client, WHAT) == f"The router on: {WHAT}"
    assert (service.hits, router.hits) == (1, 1)
    assert len(journals) == 1
    assert journals[0].answered.target == "zen-1"
    assert journals[0].answered is journals[0].attempts[-1]


async def test_a_question_that_was_lost_on_its_way_may_have_cost_something(router, service):
    service.then(Http(head=False, body=(Pause(),)))
    keeper = AsyncVectorcacheClient(KEY, service.url, timeout=0.05)
    client = client_of(router, store_of(keeper))
    with track() as journals:
        assert await ask(client, WHAT, model="gpt-4o") == f"The router on: {WHAT}"
    assert journals[0].cost.basis == "unknown"
    assert journals[0].attempts[0].provider == "vectorcache"


async def test_a_miss_may_take_as_long_as_a_model(router, keeper, service):
    service.then(Http(head=False, body=(Pause(),)))
    with FakeClock() as clock, track() as journals:
        asking = asyncio.create_task(ask(client_of(router, store_of(keeper)), WHAT))
        await service.until(lambda: service.paused == 1)
        await clock.run_for(VectorcacheStore.patience - 1)
        assert router.hits == 0
        await clock.run_for(1)
        assert await asking == f"The router on: {WHAT}"
    lost = journals[0].attempts[0]
    assert (lost.provider, lost.aside, lost.cost.basis) == ("vectorcache", True, "unknown")


async def test_a_cancelled_call_cancels_the_question(router, keeper, service):
    service.then(Http(head=False, body=(Pause(),)))
    asking = asyncio.create_task(ask(client_of(router, store_of(keeper)), WHAT))
    await service.until(lambda: service.paused == 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await service.until(lambda: service.open_connections == 0)
    assert router.hits == 0


async def test_hits_are_counted_by_the_client_and_the_cache(router, keeper):
    cache = store_of(keeper)
    client = client_of(router, cache)
    for _ in range(3):
        await ask(client, WHAT)
    assert (keeper.stats.queries, keeper.stats.hits, keeper.stats.saved) == (3, 2, Decimal("0.0070"))
    assert cache.stats().hits == 2


async def test_nothing_can_be_dropped(keeper):
    cache = store_of(keeper)
    with pytest.raises(ConfigError, match=r"^store: vectorcache 127\.0\.0\.1:\d+ cannot be cleared"):
        await cache.clear()


def test_a_synchronous_client_will_do(service):
    client = VectorcacheClient(KEY, service.url)
    assert VectorcacheStore(client, misses="serve").client is client.asynchronous


def test_what_a_store_takes_and_prints(keeper):
    for arguments, field in (
        ({"client": KEY, "misses": "serve"}, "client"),
        ({"client": keeper, "misses": "keep"}, "misses"),
        ({"client": keeper, "misses": "serve", "context": " "}, "context"),
        ({"client": keeper, "misses": "serve", "context": 4}, "context"),
        ({"client": keeper, "misses": "serve", "model": ""}, "model"),
    ):
        with pytest.raises(ConfigError, match=f"^{field}: "):
            VectorcacheStore(**arguments)
    with pytest.raises(TypeError, match="misses"):
        VectorcacheStore(keeper)
    store = VectorcacheStore(keeper, misses="serve")
    assert KEY not in repr(store)
    assert store.scope == f"vectorcache {keeper.server}"
