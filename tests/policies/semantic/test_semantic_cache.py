"""Answers to similar questions: who gets them, who does not, and what is said of it."""

import asyncio
import gc
from decimal import Decimal

import httpx2
import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message
from semantic_scenes import AGAIN, CAPITAL, OTHER, Router, alike, ask, by_words, read, said, scene
from upstream import KEY, URL, completion, sse, text_chunks

from hanzo_agents import (
    Budget,
    BudgetExceeded,
    Cache,
    ConfigError,
    Fallback,
    Hanzo,
    Price,
    Retry,
    SemanticCache,
    Stack,
    StackWarning,
    Target,
    track,
    wrap,
)
from hanzo_agents.stores import MemoryStore, SQLiteStore
from hanzo_agents.testing.clock import FakeClock

PRICES = dict.fromkeys(("m", "e"), Price(input=1000, output=1000))
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


async def test_a_question_that_means_the_same_gets_the_same_answer():
    router, cache, client = scene()
    first = await ask(client, CAPITAL)
    with track() as journals:
        second = await ask(client, AGAIN)
    assert second == first
    assert (first.from_cache, second.from_cache) == (False, True)
    assert len(router.asked) == 1
    (journal,) = journals
    (attempt,) = journal.attempts
    assert (attempt.cache_hit, attempt.sent, attempt.model) == (True, False, "m-2024")
    assert journal.cost.amount == 0
    (hit,) = [decision for decision in journal.decisions if decision.policy == "SemanticCache"]
    assert hit.action == "hit"
    assert hit.data["similarity"] == pytest.approx(1.0)
    assert (hit.data["saved"], hit.data["tokens"]) == (Decimal("0.25"), 5)
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.kept, stats.state) == (1, 1, 1, "serving")
    assert (stats.saved, stats.saved_tokens) == (Decimal("0.25"), 5)
    assert "SemanticCache hit" in second.routing_reason


async def test_a_question_that_only_looks_the_same_does_not():
    router, cache, client = scene()
    await ask(client, CAPITAL)
    with track() as journals:
        assert await said(client, OTHER) == f"about {OTHER}"
    assert len(router.asked) == 2
    assert cache.stats().gated == 1
    assert [d.action for d in journals[0].decisions if d.policy == "SemanticCache"] == ["tells apart"]


async def test_the_matched_question_is_shown_only_where_content_may_be(monkeypatch):
    _, _, client = scene()
    await ask(client, CAPITAL)
    for flag, shown in ((None, False), ("1", False), ("true", False), ("0", True), ("false", True)):
        if flag is None:
            monkeypatch.delenv("OPENAI_AGENTS_DONT_LOG_MODEL_DATA", raising=False)
        else:
            monkeypatch.setenv("OPENAI_AGENTS_DONT_LOG_MODEL_DATA", flag)
        with track() as journals:
            await ask(client, AGAIN)
        (hit,) = [decision for decision in journals[0].decisions if decision.policy == "SemanticCache"]
        assert hit.data.get("question") == (CAPITAL if shown else None)
        assert "Australia" not in hit.reason


async def test_the_packaged_model_knows_numbers_in_words():
    router = Router()
    client = router.client(SemanticCache(threshold=0.95))
    await ask(client, "What is 2+2?")
    assert (await ask(client, "What is two plus two?")).from_cache
    assert not (await ask(client, "What is two plus three?")).from_cache
    assert not (await ask(client, "What is 2-2?")).from_cache
    assert len(router.asked) == 3


async def test_similarity_counts_before_the_gate_does():
    router, cache, client = scene(embed=by_words, threshold=0.99)
    await ask(client, CAPITAL)
    await ask(client, AGAIN)
    assert len(router.asked) == 2
    assert cache.stats().gated == 0


async def test_the_next_similar_question_may_pass_where_the_first_did_not():
    router, cache, client = scene()
    for text in (OTHER, CAPITAL):
        await ask(client, text)
    assert await said(client, AGAIN) == f"about {CAPITAL}"
    assert cache.stats().gated == 2
    assert len(router.asked) == 2


async def test_without_a_gate_similarity_decides():
    _, _, client = scene(gate=None)
    await ask(client, CAPITAL)
    assert await said(client, OTHER) == f"about {CAPITAL}"


async def test_a_gate_of_ones_own():
    asked = []
    _, _, client = scene(gate=lambda one, other: asked.append((one, other)) or "never")
    await ask(client, CAPITAL)
    assert not (await ask(client, AGAIN)).from_cache
    assert asked == [(AGAIN, CAPITAL)]


@pytest.mark.parametrize(
    "more",
    [
        {"model": "other"},
        {"max_tokens": 5},
        {"seed": 7},
        {"response_format": {"type": "json_object"}},
        {"extra_headers": {"x-tenant": "b"}},
        {"extra_body": {"something": "new"}},
        {"stop": ["."]},
    ],
    ids=str,
)
async def test_everything_else_must_be_the_same(more):
    router, _, client = scene()
    await ask(client, CAPITAL)
    await ask(client, AGAIN, **more)
    assert len(router.asked) == 2
    assert (await ask(client, AGAIN, **more)).from_cache


async def test_the_conversation_must_be_the_same():
    router, _, client = scene()
    system = {"role": "system", "content": "Be brief."}
    earlier = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello."}]
    for number, before in enumerate(((), (system,), tuple(earlier), (system, *earlier)), 1):
        await ask(client, CAPITAL, *before)
        assert len(router.asked) == number
    for before in ((), (system,), tuple(earlier), (system, *earlier)):
        assert (await ask(client, AGAIN, *before)).from_cache
    assert len(router.asked) == 4


async def test_a_text_in_parts_is_the_same_text():
    router, _, client = scene()
    await ask(client, CAPITAL)
    assert (await ask(client, [{"type": "text", "text": AGAIN}])).from_cache
    assert len(router.asked) == 1


async def test_tenants_endpoints_and_keys_are_apart():
    store = MemoryStore()
    router = Router()
    clients = [
        router.upstream.client(policies=[SemanticCache(embed=alike, store=store, tenant=tenant)], base_url=url, api_key=key)
        for tenant, url, key in (
            (None, URL, KEY), ("a", URL, KEY), ("b", URL, KEY), (None, "https://other.test/v1", KEY), (None, URL, "sk-other"),
        )
    ]  # fmt: skip
    for number, client in enumerate(clients, 1):
        await ask(client, CAPITAL)
        assert len(router.asked) == number
    for client in clients:
        assert (await ask(client, AGAIN)).from_cache


async def test_a_tenant_that_is_none_passes_by():
    router, cache, client = scene(tenant=lambda call: None)
    await ask(client, CAPITAL)
    await ask(client, CAPITAL)
    assert len(router.asked) == 2
    assert cache.stats().bypassed == 2


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"temperature": 0.7}, "temperature"),
        ({"n": 2}, "several answers"),
        ({"tools": [TOOL]}, "offers tools"),
        ({"store": True}, "store"),
    ],
)
async def test_what_passes_by(more, reason):
    router, cache, client = scene()
    await ask(client, CAPITAL)
    with track() as journals:
        await ask(client, AGAIN, **more)
    assert len(router.asked) == 2
    assert cache.stats().bypassed == 1
    (said,) = [d for d in journals[0].decisions if d.policy == "SemanticCache"]
    assert said.action == "passes by"
    assert reason in said.reason


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": CAPITAL}, {"role": "assistant", "content": "Well,"}],
        [{"role": "user", "content": [{"type": "text", "text": CAPITAL}, {"type": "image_url", "image_url": {"url": "x"}}]}],
        [{"role": "user", "content": "  "}],
        [
            {"role": "user", "content": CAPITAL},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "Canberra"},
        ],
    ],
    ids=["the assistant last", "an image", "nothing", "a tool loop"],
)  # fmt: skip
async def test_no_text_of_a_user_comes_last(messages):
    _, cache, client = scene(tools=True, says=lambda text: "fine")
    for _ in range(2):
        await client.chat.completions.create(messages=messages)
    assert cache.stats().bypassed == 2


async def test_long_texts_are_left_to_the_exact_cache():
    router, cache, client = scene(embed="e")
    for _ in range(2):
        await ask(client, "word " * 500)
    assert router.embedded == []
    assert cache.stats().bypassed == 2
    _, _, client = scene(gate=None)
    await ask(client, "word " * 500)
    assert (await ask(client, "words " * 500)).from_cache


async def test_tools_may_be_let_in_but_not_their_calls():
    router, cache, client = scene(tools=True)
    await ask(client, CAPITAL, tools=[TOOL])
    assert (await ask(client, AGAIN, tools=[TOOL])).from_cache
    assert not (await ask(client, AGAIN)).from_cache
    router.says = lambda text: httpx2.Response(200, json=completion(None, calls=[("c1", "f", "{}")]))
    kept = cache.stats().kept
    await ask(client, "Call it", tools=[TOOL])
    assert cache.stats().kept == kept


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_only_whole_answers_are_kept(finish):
    router, cache, client = scene()
    router.says = lambda text: httpx2.Response(200, json=completion("half", finish=finish))
    await ask(client, CAPITAL)
    await ask(client, AGAIN)
    assert len(router.asked) == 2
    assert cache.stats().kept == 0


async def test_hits_stream_and_streams_are_kept():
    router, _, client = scene()
    live = await read(await ask(client, CAPITAL, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in live if c.choices).startswith("about")
    value = await ask(client, AGAIN)
    assert value.from_cache
    stream = await ask(client, AGAIN, stream=True, stream_options={"include_usage": True})
    chunks = await read(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 5
    assert (
        "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == value.choices[0].message.content
    )
    assert len(router.asked) == 1


async def test_a_stream_that_is_left_or_breaks_is_not_kept():
    router, cache, client = scene()
    async with await ask(client, CAPITAL, stream=True) as stream:
        await anext(stream)
    router.says = lambda text: sse(*text_chunks("a", "b")[:2], done=False)
    with pytest.raises(Exception, match="ended"):
        await read(await ask(client, CAPITAL, stream=True))
    assert cache.stats().kept == 0


async def test_what_a_reader_does_to_an_answer_is_seen_by_nobody_else():
    _, _, client = scene()
    await ask(client, CAPITAL)
    for _ in range(3):
        answer = await ask(client, AGAIN)
        assert answer.choices[0].message.content == f"about {CAPITAL}"
        answer.choices[0].message.content = "changed"
        answer.choices.clear()


async def test_responses_are_answered_too():
    router, _, client = scene()
    first = await client.responses.create(input=CAPITAL, instructions="Be brief.")
    again = await client.responses.create(
        input=[{"role": "user", "content": [{"type": "input_text", "text": AGAIN}]}], instructions="Be brief."
    )
    assert again.output_text == first.output_text
    assert again.from_cache
    events = await read(await client.responses.create(input=AGAIN, instructions="Be brief.", stream=True))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert not (await client.responses.create(input=AGAIN)).from_cache
    assert not (
        await client.responses.create(input=AGAIN, previous_response_id="resp_9", instructions="Be brief.")
    ).from_cache
    assert len(router.asked) == 3


async def test_agents_are_answered_too():
    router = Router()
    cache = SemanticCache(embed=alike, sample=0)
    provider = router.upstream.provider(policies=[cache])
    agent = Agent(name="Assistant", instructions="Be brief.")
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    first = await Runner.run(agent, CAPITAL, run_config=config)
    again = await Runner.run(agent, AGAIN, run_config=config)
    assert again.final_output == first.final_output
    assert cache.stats().hits == 1
    streamed = Runner.run_streamed(agent, AGAIN, run_config=config)
    async for _ in streamed.stream_events():
        pass
    assert streamed.final_output == first.final_output
    assert len(router.asked) == 1


async def test_models_of_any_make_are_answered_too():
    model = ScriptedModel([[assistant_message("one")], [assistant_message("two")]])
    cache = SemanticCache(embed=alike, sample=0)
    wrapped = wrap(model, cache)
    config = RunConfig(tracing_disabled=True)
    agent = Agent(name="Assistant", model=wrapped)
    for text in (CAPITAL, AGAIN):
        assert (await Runner.run(agent, text, run_config=config)).final_output == "one"
    assert (await Runner.run(agent, OTHER, run_config=config)).final_output == "two"
    assert cache.stats().hits == 1


def test_the_sync_client_is_answered_too():
    router = Router()
    client = Hanzo(URL, KEY, model="m", policies=[SemanticCache(embed=alike, sample=0)])
    client.asynchronous._client = router.upstream.http
    with client:
        first, again = (
            client.chat.completions.create(messages=[{"role": "user", "content": text}])
            for text in (CAPITAL, AGAIN)
        )
    assert (first.from_cache, again.from_cache) == (False, True)


async def test_the_answer_goes_when_its_time_is_over():
    with FakeClock() as clock:
        router, _, client = scene(ttl=10)
        await ask(client, CAPITAL)
        clock.advance(9)
        assert (await ask(client, AGAIN)).from_cache
        clock.advance(1)
        assert not (await ask(client, AGAIN)).from_cache
        assert len(router.asked) == 2


async def test_the_exact_cache_stands_before_it():
    router, semantic, client = scene(policies=[Cache()])
    await ask(client, CAPITAL)
    with track() as journals:
        await ask(client, CAPITAL)
    assert {d.policy for d in journals[0].decisions} == {"Cache"}
    assert (await ask(client, AGAIN)).from_cache
    # The exact cache keeps none of its hits: they would outlive their time there, and its shutting off.
    assert (await ask(client, AGAIN)).from_cache
    assert semantic.stats().hits == 2
    assert len(router.asked) == 1


async def test_a_hit_does_not_outlive_its_time_in_the_exact_cache():
    with FakeClock() as clock:
        router, _, client = scene(policies=[Cache(ttl=100)], ttl=100)
        await ask(client, CAPITAL)
        clock.advance(90)
        assert (await ask(client, AGAIN)).from_cache
        clock.advance(20)
        assert not (await ask(client, AGAIN)).from_cache
        assert len(router.asked) == 2


async def test_a_stream_that_is_dropped_is_settled_at_once():
    _, _, client = scene()
    with track() as journals:
        stream = await ask(client, CAPITAL, stream=True)
        await anext(stream)
        assert journals[0].ended is None
        gc.collect()
        gc.disable()
        try:
            del stream
            assert journals[0].ended is not None
        finally:
            gc.enable()


async def test_a_substitutes_answer_is_not_kept():
    router = Router(says=lambda text: httpx2.Response(503) if len(router.asked) % 2 else f"about {text}")
    for substitutes, kept in ((False, 0), (True, 1)):
        router.asked.clear()
        cache = SemanticCache(embed=alike, substitutes=substitutes)
        client = router.client(cache, policies=[Fallback(to=["b"]), Retry(attempts=1)])
        await ask(client, CAPITAL)
        assert cache.stats().kept == kept


async def test_embeddings_of_the_endpoint_pass_the_stack_and_are_billed():
    router, _, client = scene(
        embed="text-embedding-3-small", threshold=0.2, policies=[Budget(per_call=1, store=MemoryStore(), max_output=10, allow_unpriced=True)]
    )  # fmt: skip
    with track() as journals:
        await ask(client, CAPITAL)
        again = await ask(client, AGAIN)
    assert again.from_cache
    assert [body["model"] for body in router.embedded] == ["text-embedding-3-small"] * 2
    assert [len(journal.attempts) for journal in journals] == [2, 2]
    assert [journal.cost.amount for journal in journals] == [Decimal("0.251"), Decimal("0.001")]
    assert all(journal.answered.target == "m" for journal in journals)
    assert journals[1].attempts[0].aside


async def test_an_embedding_is_asked_of_that_model_only_and_once():
    router, cache, client = scene(
        embed="e", embeds=lambda text: httpx2.Response(503), policies=[Fallback(to=["b"]), Retry(attempts=3)]
    )
    with FakeClock(auto=True) as clock:
        assert await said(client, CAPITAL) == f"about {CAPITAL}"
    assert [body["model"] for body in router.embedded] == ["e"]
    assert clock.sleeps == []
    assert cache.stats().failed == 1


@pytest.mark.parametrize(
    "embeds",
    [
        lambda text: httpx2.Response(500),
        lambda text: httpx2.ConnectError("away"),
        lambda text: httpx2.Response(200, json={"object": "list", "data": []}),
        lambda text: [],
        lambda text: [0.0, 0.0],
    ],
    ids=["500", "no connection", "no data", "no numbers", "zero"],
)
async def test_without_embeddings_the_model_is_asked_and_that_is_said_once(embeds, caplog):
    with FakeClock() as clock:
        router, cache, client = scene(embed="e", embeds=embeds)
        for _ in range(3):
            with track() as journals:
                assert await said(client, CAPITAL) == f"about {CAPITAL}"
            clock.advance(6)
        assert "goes on without" in [d.action for d in journals[0].decisions]
        assert len(router.asked) == 3
        assert cache.stats().failed == 3
        assert [r.message for r in caplog.records if "semantic cache is away" in r.message] == [
            caplog.records[0].message
        ]
        assert "Australia" not in caplog.text
        router.embeds = by_words
        await ask(client, CAPITAL)
        assert (await ask(client, CAPITAL)).from_cache


async def test_after_a_failure_it_is_left_alone_for_a_while():
    with FakeClock() as clock:
        router, _, client = scene(embed="e", embeds=lambda text: httpx2.Response(500))
        for _ in range(5):
            await ask(client, CAPITAL)
        assert len(router.embedded) == 1
        clock.advance(5)
        await ask(client, CAPITAL)
        assert len(router.embedded) == 2


async def test_looking_has_its_time():
    async def hang(text):
        await asyncio.Event().wait()

    with FakeClock() as clock:
        router, cache, client = scene(embed=hang, patience=2)
        call = asyncio.create_task(said(client, CAPITAL))
        await clock.run_for(1.9)
        assert not call.done()
        await clock.run_for(0.2)
        assert await call == f"about {CAPITAL}"
    assert len(router.asked) == 1
    assert cache.stats().failed == 1


async def test_a_budget_that_is_used_up_refuses_the_call_as_it_would_without():
    router, _, client = scene(
        embed="e", policies=[Budget(per_call="0.0001", store=MemoryStore(), max_output=10, prices=PRICES)]
    )
    with pytest.raises(BudgetExceeded):
        await ask(client, CAPITAL)
    assert router.asked == []


async def test_functions_may_be_async():
    async def embed(text):
        await asyncio.sleep(0)
        return alike(text)

    _, _, client = scene(embed=embed)
    await ask(client, CAPITAL)
    assert (await ask(client, AGAIN)).from_cache


async def test_an_embedding_of_another_length_does_not_end_the_caching():
    """As when the model behind a name is replaced: what was kept before is not found, what comes after is."""
    lengths = [2, 3, 3]
    _, cache, client = scene(embed=lambda text: [1.0] * lengths.pop(0))
    await ask(client, CAPITAL)
    assert not (await ask(client, AGAIN)).from_cache
    assert (await ask(client, CAPITAL)).from_cache
    assert cache.stats().kept == 2


async def test_a_gate_that_fails_lets_nothing_pass_and_fails_no_call(caplog):
    _, cache, client = scene(gate=lambda one, other: 1 / 0)
    await ask(client, CAPITAL)
    assert await said(client, AGAIN) == f"about {AGAIN}"
    assert cache.stats().failed == 1
    assert "ZeroDivisionError" in caplog.text


async def test_another_embedding_model_finds_nothing_of_the_first():
    store = MemoryStore()
    router, _, client = scene(embed="one", store=store, threshold=0.1)
    await ask(client, CAPITAL)
    other = router.client(SemanticCache(embed="two", store=store, threshold=0.1))
    assert not (await ask(other, CAPITAL)).from_cache
    assert (await ask(client, CAPITAL)).from_cache


async def test_many_loops_and_a_file(tmp_path):
    store = SQLiteStore(tmp_path / "answers.db")
    router = Router()

    async def once(text):
        client = router.client(SemanticCache(embed=alike, store=store, sample=0))
        return (await ask(client, text)).from_cache

    assert not await once(CAPITAL)
    assert await asyncio.to_thread(lambda: asyncio.run(once(AGAIN)))
    store.close()
    assert await once(AGAIN)
    store.close()


async def test_what_it_would_do_is_explained():
    router, _, client = scene(shadow=True)
    plan = await client.explain(messages=[{"role": "user", "content": CAPITAL}])
    (step,) = [step for step in plan.steps if step.policy == "SemanticCache"]
    assert step.decision.action == "compares"
    plan = await client.explain(messages=[{"role": "user", "content": CAPITAL}], tools=[TOOL])
    (step,) = [step for step in plan.steps if step.policy == "SemanticCache"]
    assert step.decision.action == "passes by"
    assert router.asked == []


async def test_everything_can_be_dropped():
    _, cache, client = scene()
    await ask(client, CAPITAL)
    assert await cache.clear() == 1
    assert not (await ask(client, AGAIN)).from_cache


def test_it_has_its_place():
    cache, semantic, retry = Cache(), SemanticCache(embed=alike), Retry()
    client = Router().upstream.client(policies=[retry, semantic, cache])
    names = [type(policy).__name__ for policy in client.stack]
    assert names == ["Trace", "Deadline", "Cache", "SemanticCache", "Retry"]
    with pytest.warns(StackWarning, match="SemanticCache stands outside Cache"):
        Stack(semantic, cache)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"threshold": 0}, r"^SemanticCache.threshold: .*got 0"),
        ({"threshold": 1.2}, r"^SemanticCache.threshold: "),
        ({"ttl": 0}, r"^SemanticCache.ttl: "),
        ({"patience": -1}, r"^SemanticCache.patience: "),
        ({"embed": ""}, r"^SemanticCache.embed: .*empty"),
        ({"embed": 3}, r"^SemanticCache.embed: .*got int"),
        ({"embed": dict}, r"^SemanticCache.embed: .*class dict"),
        ({"gate": "strict"}, r"^SemanticCache.gate: "),
        ({"agree": None}, r"^SemanticCache.agree: "),
        ({"when": 1}, r"^SemanticCache.when: "),
        ({"shadow": 0.5}, r"^SemanticCache.shadow: "),
        ({"shadow": -1}, r"^SemanticCache.shadow: "),
        ({"sample": 2}, r"^SemanticCache.sample: "),
        ({"max_false_hits": 0}, r"^SemanticCache.max_false_hits: "),
        ({"tenant": ""}, r"^SemanticCache.tenant: "),
        ({"max_temperature": -1}, r"^SemanticCache.max_temperature: "),
        ({"tools": 1}, r"^SemanticCache.tools: "),
        ({"store": MemoryStore}, r"^SemanticCache.store: "),
        ({"store": "memory"}, r"^SemanticCache.store: "),
        ({"max_entries": 0}, r"^SemanticCache.max_entries: "),
        ({"max_bytes": 1.5}, r"^SemanticCache.max_bytes: "),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_at_once(fields, match):
    with pytest.raises(ConfigError, match=match):
        SemanticCache(**{"embed": alike, **fields})


def test_the_packaged_model_must_be_there(monkeypatch):
    monkeypatch.setattr("hanzo_agents.policies.semantic.embedders.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"hanzo-agents-provider\[semantic\]"):
        SemanticCache()
    with pytest.raises(ConfigError, match=r"^semantic_cache: .*hanzo-agents-provider\[semantic\]"):
        Hanzo(URL, KEY, enable_cache=True, semantic_cache=True)
    SemanticCache(embed=alike)


async def test_a_target_of_its_own_is_asked_for_the_embedding(tmp_path):
    _, _, client = scene(embed="e", policies=[Fallback(to=[Target("b", "https://away.test/v1", "sk-away")])])
    await ask(client, CAPITAL)
    await ask(client, CAPITAL)
