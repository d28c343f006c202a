"""The cache, as a user of the client meets it."""

import asyncio
import gc
import json
import logging
import time
from decimal import Decimal

import httpx2
import pytest
from calls import Inner, make_call
from pydantic import BaseModel
from upstream import (
    HELLO,
    URL,
    Upstream,
    call_chunks,
    call_item,
    chunk,
    completion,
    message_item,
    response,
    response_events,
    sse,
    status,
    text_chunks,
    value,
)

from hanzo_agents import Cache, ConfigError, Fallback, Hanzo, Retry, Stack, Target, track
from hanzo_agents._kernel.codec import Kept, Question
from hanzo_agents._kernel.reply import Reply
from hanzo_agents._kernel.tap import Tap
from hanzo_agents._wire.keeping.codec import follow
from hanzo_agents.stores import MemoryStore, RedisStore, SQLiteStore
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def client_of(*replies, policies=None, cache=None, **settings):
    upstream = Upstream(*replies)
    cache = cache or Cache()
    return upstream, cache, upstream.client(policies=[cache, *(policies or ())], **settings)


async def ask(client, text="Hello!", **more):
    return await client.chat.completions.create(messages=[{"role": "user", "content": text}], **more)


async def read(stream):
    return [event async for event in stream]


async def test_the_same_question_is_answered_once():
    upstream, cache, client = client_of(value(completion("Hi"), x_litellm_response_cost="0.25"))
    first = await ask(client)
    with track() as journals:
        second = await ask(client)
    assert first == second
    assert upstream.hits == 1
    (journal,) = journals
    (attempt,) = journal.attempts
    assert (attempt.cache_hit, attempt.sent, attempt.model) == (True, False, "m-2024")
    assert journal.cost.amount == 0
    assert journal.cost.basis == "reported"
    (hit,) = [decision for decision in journal.decisions if decision.policy == "Cache"]
    assert hit.action == "hit"
    assert hit.data["saved"] == Decimal("0.25")
    assert hit.data["tokens"] == 5
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.kept, stats.saved, stats.saved_tokens) == (1, 1, 1, Decimal("0.25"), 5)


async def test_the_answer_goes_when_its_time_is_over():
    with FakeClock() as clock:
        upstream, _, client = client_of(cache=Cache(ttl=10))
        await ask(client)
        clock.advance(9)
        await ask(client)
        assert upstream.hits == 1
        clock.advance(2)
        await ask(client)
        assert upstream.hits == 2


async def test_what_a_reader_does_to_an_answer_is_seen_by_nobody_else():
    upstream, _, client = client_of(completion("Hi", calls=[("call_1", "f", "{}")]))
    for _ in range(3):
        answer = await ask(client, tools=[TOOL])
        assert answer.choices[0].message.content == "Hi"
        answer.choices[0].message.content = "changed"
        answer.choices[0].message.tool_calls.clear()
        answer.choices.append(None)
        answer.usage.total_tokens = 0
    for chunks in [await read(await ask(client, tools=[TOOL], stream=True)) for _ in range(2)]:
        assert chunks[1].choices[0].delta.content == "Hi"
        for piece in chunks:
            piece.choices.clear()
    assert upstream.hits == 1


async def test_a_reader_of_a_live_stream_changes_only_its_own_events():
    upstream, _, client = client_of(sse(*text_chunks("Hel", "lo")))
    async for piece in await ask(client, stream=True):
        for choice in piece.choices:
            choice.delta.content = "changed"
        piece.choices.clear()
    assert (await ask(client)).choices[0].message.content == "Hello"
    assert upstream.hits == 1


class TestForms:
    """Streams and values, each from the other."""

    async def test_a_stream_of_a_value(self):
        upstream, _, client = client_of(completion("Hello there"))
        await ask(client)
        chunks = await read(await ask(client, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello there"
        assert [c.choices[0].finish_reason for c in chunks] == [None, None, "stop"]
        assert chunks[-1].usage.total_tokens == 5
        assert upstream.hits == 1

    async def test_a_value_of_a_stream(self):
        upstream, _, client = client_of(sse(*text_chunks("Hel", "lo", usage=(3, 2))))
        await read(await ask(client, stream=True))
        answer = await ask(client)
        assert answer.to_dict() == completion("Hello", usage=(3, 2)) | {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
            ]
        }
        assert upstream.hits == 1

    async def test_usage_comes_in_a_chunk_of_its_own_when_it_was_asked_for(self):
        _, _, client = client_of()
        await ask(client)
        chunks = await read(await ask(client, stream=True, stream_options={"include_usage": True}))
        assert chunks[-1].choices == []
        assert chunks[-1].usage.total_tokens == 5
        assert all(piece.usage is None for piece in chunks[:-1])

    async def test_the_helper_of_the_sdk_reads_a_replay(self):
        upstream, _, client = client_of(completion("Hello there"))
        await ask(client)
        async with client.chat.completions.stream(messages=[HELLO]) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_completion()
        assert final.choices[0].message.content == "Hello there"
        assert "content.done" in kinds
        assert upstream.hits == 1

    async def test_parsed_answers(self):
        class City(BaseModel):
            name: str

        upstream, _, client = client_of(completion('{"name": "Rome"}'))
        for _ in range(2):
            answer = await client.chat.completions.parse(messages=[HELLO], response_format=City)
            assert answer.choices[0].message.parsed == City(name="Rome")
        assert upstream.hits == 1

    async def test_raw_responses(self):
        upstream, _, client = client_of(completion("Hi"))
        create = client.chat.completions.with_raw_response.create
        await create(messages=[HELLO])
        raw = await create(messages=[HELLO])
        assert raw.status_code == 200
        assert raw.http_request.url == f"{URL}/chat/completions"
        assert "authorization" not in raw.http_request.headers
        assert raw.headers["x-hanzo-cache"] == "hit"
        assert raw.elapsed.total_seconds() == 0
        assert json.loads(raw.text) == completion("Hi")
        assert raw.parse().choices[0].message.content == "Hi"
        assert upstream.hits == 1

    async def test_streaming_raw_responses(self):
        upstream, _, client = client_of(completion("Hi"))
        await ask(client)
        streaming = client.chat.completions.with_streaming_response.create
        async with streaming(messages=[HELLO], stream=True) as raw:
            lines = [line async for line in raw.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        assert json.loads(lines[1].removeprefix("data: "))["choices"][0]["delta"] == {"content": "Hi"}
        async with streaming(messages=[HELLO], stream=True) as raw:
            chunks = await read(await raw.parse())
        assert chunks[1].choices[0].delta.content == "Hi"
        async with streaming(messages=[HELLO]) as raw:
            assert (await raw.json())["choices"][0]["message"]["content"] == "Hi"
        assert upstream.hits == 1

    async def test_every_choice(self):
        body = completion("one")
        body["choices"].append(
            {**body["choices"][0], "index": 1, "message": {"role": "assistant", "content": "two"}}
        )
        _, _, client = client_of(body)
        await ask(client, n=2)
        chunks = await read(await ask(client, n=2, stream=True))
        texts = {0: "", 1: ""}
        for piece in chunks:
            for choice in piece.choices:
                texts[choice.index] += choice.delta.content or ""
        assert texts == {0: "one", 1: "two"}

    async def test_a_router_that_strays_from_the_schema(self):
        body = completion("Hi", created="yesterday", provider="somebody")
        upstream, _, client = client_of(body)
        first = await ask(client)
        second = await ask(client)
        assert second.to_dict(warnings=False) == first.to_dict(warnings=False) == body
        chunks = await read(await ask(client, stream=True))
        assert chunks[0].created == "yesterday"
        assert upstream.hits == 1

    async def test_reasoning_and_what_else_a_message_holds(self):
        body = completion("Hi")
        body["choices"][0]["message"] |= {
            "reasoning_content": "Hm.",
            "refusal": None,
            "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}],
        }
        _, _, client = client_of(body)
        await ask(client)
        chunks = await read(await ask(client, stream=True))
        assert any((c.choices[0].delta.model_extra or {}).get("reasoning_content") == "Hm." for c in chunks)
        assert (await ask(client)).to_dict() == body

    async def test_a_replay_may_be_left(self):
        _, cache, client = client_of(completion("Hi"))
        await ask(client)
        async with await ask(client, stream=True) as stream:
            async for _ in stream:
                break
        await (await ask(client, stream=True)).close()
        stream = await ask(client, stream=True)
        await stream.response.aclose()
        await ask(client, stream=True)
        gc.collect()
        assert cache.stats().hits == 4


class TestTools:
    async def test_fresh_ids_every_time(self):
        upstream, _, client = client_of(
            completion(None, calls=[("call_1", "f", '{"a": 1}'), ("call_2", "f", "{}")])
        )
        answers = [await ask(client, tools=[TOOL]) for _ in range(3)]
        chunks = await read(await ask(client, tools=[TOOL], stream=True))
        ids = [call.id for answer in answers for call in answer.choices[0].message.tool_calls]
        calls = [call for piece in chunks for call in piece.choices[0].delta.tool_calls or ()]
        assert len({*ids, *(call.id for call in calls)}) == 8
        assert [(call.index, call.function.name, call.function.arguments) for call in calls] == [
            (0, "f", '{"a": 1}'),
            (1, "f", "{}"),
        ]
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
        assert upstream.hits == 1

    async def test_a_whole_turn_is_found_again_although_its_ids_are_new(self):
        upstream, _, client = client_of(completion(None, calls=[("call_1", "f", "{}")]), completion("Done"))
        for _ in range(3):
            answer = await ask(client, tools=[TOOL])
            message = answer.choices[0].message
            history = [
                HELLO,
                message.to_dict(),
                {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "4"},
            ]
            last = await client.chat.completions.create(messages=history, tools=[TOOL])
            assert last.choices[0].message.content == "Done"
        assert upstream.hits == 2

    async def test_which_call_an_output_belongs_to_counts(self):
        def turn(first, second):
            calls = [
                {"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ("a", "b")
            ]
            return [
                HELLO,
                {"role": "assistant", "content": None, "tool_calls": calls},
                {"role": "tool", "tool_call_id": first, "content": "1"},
                {"role": "tool", "tool_call_id": second, "content": "2"},
            ]

        upstream, _, client = client_of()
        await client.chat.completions.create(messages=turn("a", "b"))
        await client.chat.completions.create(messages=turn("b", "a"))
        assert upstream.hits == 2

    async def test_of_a_stream(self):
        upstream, _, client = client_of(sse(*call_chunks("call_1", "f", '{"a"', ": 1}")))
        await read(await ask(client, tools=[TOOL], stream=True))
        answer = await ask(client, tools=[TOOL])
        (call,) = answer.choices[0].message.tool_calls
        assert (call.type, call.function.name, call.function.arguments) == ("function", "f", '{"a": 1}')
        assert call.id != "call_1"
        assert answer.choices[0].message.content is None
        assert upstream.hits == 1

    async def test_they_may_be_left_out(self):
        upstream, _, client = client_of(
            completion(None, calls=[("call_1", "f", "{}")]), cache=Cache(tool_calls=False)
        )
        with track() as journals:
            await ask(client, tools=[TOOL])
        await ask(client, tools=[TOOL])
        assert upstream.hits == 2
        assert ("Cache", "keeps nothing", "it calls tools") in [
            (d.policy, d.action, d.reason) for d in journals[0].decisions
        ]


def cut(finish):
    body = completion("Hel")
    body["choices"][0]["finish_reason"] = finish
    return body


def message_with(**fields):
    body = completion("Hi")
    body["choices"][0]["message"] |= fields
    return body


NOT_KEPT = {
    "cut at its length": cut("length"),
    "filtered": cut("content_filter"),
    "a finish of no known kind": cut("odd"),
    "a refusal": message_with(refusal="No.", content=None),
    "empty": message_with(content=""),
    "a call of the old kind": message_with(function_call={"name": "f", "arguments": "{}"}),
    "audio": message_with(audio={"id": "a", "data": "x", "expires_at": 1, "transcript": "t"}),
    "a custom tool": message_with(
        tool_calls=[{"id": "1", "type": "custom", "custom": {"name": "n", "input": "i"}}]
    ),
    "an answer of the router's own fallback": value(completion("Hi"), x_litellm_attempted_fallbacks="1"),
    "a stream cut at its length": sse(
        *text_chunks("Hel")[:-2], chunk(finish="length"), chunk(choices=[], usage=(1, 1))
    ),
    "one of two choices cut": {
        **completion("Hi"),
        "choices": [completion("Hi")["choices"][0], {**cut("length")["choices"][0], "index": 1}],
    },
}


@pytest.mark.parametrize("name", NOT_KEPT)
async def test_only_whole_finished_answers_are_kept(name):
    reply = NOT_KEPT[name]
    upstream, cache, client = client_of(reply, reply, completion("Hi"))
    streams = isinstance(reply, httpx2.Response) and "event-stream" in reply.headers["content-type"]
    for _ in range(2):
        answer = await ask(client, stream=streams)
        if streams:
            await read(answer)
            upstream.replies[1] = completion("Hi")
            streams = False
    assert upstream.hits == 2
    assert cache.stats().kept <= 1


@pytest.mark.parametrize(
    "failure",
    [
        status(500),
        status(429),
        status(400),
        httpx2.ReadError("reset"),
        value([]),
        value({"error": {"message": "no"}}),
    ],
    ids=repr,
)
async def test_errors_are_not_kept(failure):
    upstream, _, client = client_of(failure, completion("Hi"), cache=Cache(), policies=[Retry(attempts=1)])
    with pytest.raises(Exception):  # noqa: B017
        await ask(client)
    assert (await ask(client)).choices[0].message.content == "Hi"
    assert upstream.hits == 2


@pytest.mark.parametrize(
    "broken",
    [
        sse(*text_chunks("Hel")[:2], done=False),
        sse(*text_chunks("Hel")[:2], b"data: {", done=False),
        sse(*text_chunks("Hel")[:2], httpx2.ReadError("reset"), done=False),
    ],
    ids=["cut between events", "cut inside an event", "reset"],
)
async def test_half_a_stream_is_not_kept(broken):
    upstream, _, client = client_of(broken, completion("Hi"))
    with pytest.raises(Exception):  # noqa: B017
        await read(await ask(client, stream=True))
    assert (await ask(client)).choices[0].message.content == "Hi"
    assert upstream.hits == 2


async def test_a_stream_that_its_reader_left_is_not_kept():
    upstream, _, client = client_of(sse(*text_chunks("Hel", "lo")), completion("Hi"))
    async with await ask(client, stream=True) as stream:
        await anext(stream)
    assert (await ask(client)).choices[0].message.content == "Hi"
    assert upstream.hits == 2


async def test_a_stream_that_was_dropped_lets_the_next_one_ask():
    upstream, _, client = client_of(sse(*text_chunks("Hel", "lo")), completion("Hi"))
    stream = await ask(client, stream=True)
    del stream
    gc.collect()
    async with asyncio.timeout(5):
        assert (await ask(client)).choices[0].message.content == "Hi"
    assert upstream.hits == 2


class TestWhatIsLeftAlone:
    """Calls that are none of the cache's business."""

    @pytest.mark.parametrize(
        "more",
        [
            {"temperature": 0.7},
            {"temperature": 2},
            {"store": True},
            {"modalities": ["text", "audio"], "audio": {"voice": "v", "format": "wav"}},
        ],
        ids=str,
    )
    async def test_chat(self, more):
        upstream, cache, client = client_of()
        with track() as journals:
            await ask(client, **more)
        await ask(client, **more)
        assert upstream.hits == 2
        assert cache.stats().bypassed == 2
        assert [d.action for d in journals[0].decisions if d.policy == "Cache"] == ["skips"]

    @pytest.mark.parametrize(
        "more", [{"temperature": 0}, {"temperature": 0.0}, {"temperature": None}, {"store": False}, {}], ids=str
    )
    async def test_but_these_are(self, more):
        upstream, _, client = client_of()
        await ask(client, **more)
        await ask(client, **more)
        assert upstream.hits == 1

    @pytest.mark.parametrize(
        "more",
        [
            {"previous_response_id": "resp_0"},
            {"conversation": "conv_0"},
            {"prompt": {"id": "pmpt_0"}},
            {"background": True},
            {"store": True},
            {"input": [{"type": "item_reference", "id": "msg_0"}]},
        ],
        ids=str,
    )
    async def test_responses_that_lean_on_state(self, more):
        upstream, _, client = client_of(response())
        for _ in range(2):
            await client.responses.create(**{"input": "Hi", **more})
        assert upstream.hits == 2

    async def test_any_temperature_when_told_so(self):
        upstream, _, client = client_of(cache=Cache(max_temperature=None))
        await ask(client, temperature=1.5)
        await ask(client, temperature=1.5)
        assert upstream.hits == 1

    async def test_up_to_a_temperature(self):
        upstream, _, client = client_of(cache=Cache(max_temperature=0.5))
        for temperature in (0.5, 0.5, 0.6, 0.6):
            await ask(client, temperature=temperature)
        assert upstream.hits == 3

    async def test_what_a_predicate_says(self):
        upstream, _, client = client_of(cache=Cache(when=lambda call: "Hello" in call.view.text))
        for text in ("Hello!", "Hello!", "Bye!", "Bye!"):
            await ask(client, text)
        assert upstream.hits == 3

    async def test_what_fails_in_a_predicate_is_not_hidden(self):
        _, _, client = client_of(cache=Cache(when=lambda _: 1 / 0))
        with pytest.raises(ZeroDivisionError):
            await ask(client)

    async def test_other_requests(self):
        upstream, _, client = client_of(httpx2.Response(200, json={"object": "list", "data": []}), cache=Cache())
        await client.models.list()
        await client.models.list()
        assert upstream.hits == 2

    async def test_a_call_nobody_can_keep(self):
        cache, inner = Cache(), Inner("answer")
        for _ in range(2):
            assert (await cache(make_call(), inner)).value == "answer"
        assert len(inner.calls) == 2

    async def test_without_a_predicate_temperatures_and_state_are_planned_too(self):
        decision = Cache().plan(make_call(pinned=True))
        assert (decision.policy, decision.action) == ("Cache", "skips")


class TestWhoAnswered:
    async def test_a_substitute_is_not_kept(self):
        upstream, _, client = client_of(
            status(404), completion("from b"), completion("from a"), policies=[Fallback(to=["b"])]
        )
        with track() as journals:
            assert (await ask(client)).choices[0].message.content == "from b"
        assert "b answered for m" in [d.reason for d in journals[0].decisions if d.policy == "Cache"]
        assert (await ask(client)).choices[0].message.content == "from a"
        assert (await ask(client)).choices[0].message.content == "from a"
        assert upstream.hits == 3

    async def test_unless_it_may_be(self):
        body = completion("from b") | {"model": "b-2024"}
        upstream, _, client = client_of(
            status(404), body, policies=[Fallback(to=["b"])], cache=Cache(substitutes=True)
        )
        await ask(client)
        with track() as journals:
            assert (await ask(client)).model == "b-2024"
        assert journals[0].attempts[0].model == "b-2024"
        assert upstream.hits == 2

    async def test_another_chain_is_another_question(self):
        store = MemoryStore()
        upstream = Upstream()
        for to in (["b"], ["c"], ["b", "c"], [Target("b", "https://b.test/v1", "k")]):
            client = upstream.client(policies=[Cache(store=store), Fallback(to=to)])
            await ask(client)
            await ask(client)
        assert upstream.hits == 4

    async def test_inside_a_chain_every_endpoint_has_its_own_answers(self):
        upstream, cache = Upstream(status(500), completion("b"), status(500), completion("c")), Cache()
        for host, key in (("b", "k"), ("c", "k"), ("b", "l")):
            upstream.requests.clear()
            upstream.replies = [status(500), completion(host + key)]
            chain = Fallback(to=[Target("m", f"https://{host}.test/v1", key)])
            client = upstream.client(policies=Stack(chain, cache))
            assert (await ask(client)).choices[0].message.content == host + key


class TestWhose:
    """Endpoints, keys and tenants."""

    async def hits(self, *clients):
        upstream, store = Upstream(), MemoryStore()
        for settings in clients:
            tenant = settings.pop("tenant", None)
            await ask(upstream.client(policies=[Cache(store=store, tenant=tenant)], **settings))
        return upstream.hits

    async def test_clients_that_are_alike_share(self):
        assert await self.hits({}, {}) == 1

    @pytest.mark.parametrize(
        "other",
        [
            {"base_url": "https://other.test/v1"},
            {"api_key": "sk-other"},
            {"headers": {"x-region": "eu"}},
            {"model": "other"},
            {"default_query": {"api-version": "2"}},
            {"metadata": {"tags": ["eu"]}},
            {"tenant": "a"},
        ],
        ids=str,
    )
    async def test_others_do_not(self, other):
        assert await self.hits({}, dict(other)) == 2
        assert await self.hits(dict(other), dict(other)) == 1

    @pytest.mark.parametrize("other", [{"user_id": "u"}, {"metadata": {"run": "1"}}, {"timeout": 3}], ids=str)
    async def test_labels_are_no_part_of_the_question(self, other):
        assert await self.hits({}, other) == 1

    async def test_copies_share(self):
        upstream, _, client = client_of()
        await ask(client)
        await ask(client.with_options(timeout=5))
        await ask(client.with_options(max_retries=0))
        assert upstream.hits == 1
        await ask(client.with_options(api_key="sk-other"))
        assert upstream.hits == 2

    async def test_a_key_that_is_changed(self):
        upstream, _, client = client_of()
        await ask(client)
        client.api_key = "sk-other"
        await ask(client)
        assert upstream.hits == 2

    async def test_keys_made_by_a_function_tell_nobody_apart(self):
        async def key():
            return "sk-new"

        upstream = Upstream()
        client = upstream.client(api_key=key, policies=[Cache()])
        await ask(client)
        await ask(client)
        assert upstream.hits == 2
        client = upstream.client(api_key=key, policies=[Cache(tenant="me")])
        await ask(client)
        await ask(client)
        assert upstream.hits == 3

    async def test_a_tenant_of_the_call(self):
        tenants = iter(["a", "b", "a", None, None])
        upstream, _, client = client_of(cache=Cache(tenant=lambda _: next(tenants)))
        for _ in range(5):
            await ask(client)
        assert upstream.hits == 4

    @pytest.mark.parametrize("tenant", ["", 3, b"a"])
    async def test_a_tenant_that_is_none_is_refused(self, tenant):
        _, _, client = client_of(cache=Cache(tenant=lambda _: tenant))
        with pytest.raises(ConfigError, match="tenant"):
            await ask(client)

    async def test_a_tenant_can_be_cleared(self):
        store, upstream = MemoryStore(), Upstream()
        caches = {name: Cache(store=store, tenant=name) for name in ("a", "b")}
        clients = {name: upstream.client(policies=[cache]) for name, cache in caches.items()}
        for name in "ab":
            await ask(clients[name])
        assert await caches["a"].clear(tenant="a") == 1
        await ask(clients["b"])
        assert upstream.hits == 2
        await ask(clients["a"])
        assert upstream.hits == 3
        assert await caches["a"].clear() == 2


class TestResponses:
    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("kept_as", ["value", "stream"])
    async def test_values_and_streams(self, stream, kept_as):
        items = [
            {
                "id": "rs_1",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "status": None,
            },
            message_item("Hello"),
            call_item("call_1", "f", "{}"),
        ]
        upstream, _, client = client_of(sse(*response_events(*items)) if kept_as == "stream" else response(*items))
        first = await client.responses.create(input="Hi", stream=kept_as == "stream")
        if kept_as == "stream":
            first = (await read(first))[-1].response
        again = await client.responses.create(input="Hi", stream=stream)
        if stream:
            events = await read(again)
            assert [event.sequence_number for event in events] == list(range(len(events)))
            assert [events[0].type, events[1].type, events[-1].type] == [
                "response.created", "response.in_progress", "response.completed",
            ]  # fmt: skip
            assert events[0].response.output == []
            again = events[-1].response
        assert again.output_text == "Hello"
        assert again.id == first.id
        before, after = first.to_dict(), again.to_dict()
        fresh = after["output"][2].pop("call_id")
        assert before["output"][2].pop("call_id") != fresh
        assert after == before
        assert upstream.hits == 1

    async def test_the_helper_of_the_sdk_reads_a_replay(self):
        upstream, _, client = client_of(response(message_item("Hello")))
        await client.responses.create(input="Hi")
        async with client.responses.stream(input="Hi", model="m") as stream:
            text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
            final = await stream.get_final_response()
        assert text == final.output_text == "Hello"
        assert upstream.hits == 1

    @pytest.mark.parametrize(
        "body",
        [
            response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            response({"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}, message_item("Hi")),
            response({**message_item(), "content": [{"type": "refusal", "refusal": "No."}]}),
            response(message_item("")),
        ],
        ids=["incomplete", "a hosted tool", "a refusal", "empty"],
    )  # fmt: skip
    async def test_what_is_not_kept(self, body):
        upstream, _, client = client_of(body)
        for _ in range(2):
            await client.responses.create(input="Hi")
        assert upstream.hits == 2


class TestEmbeddings:
    async def test_they_are_kept(self):
        body = {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}],
            "model": "e",
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        upstream, _, client = client_of(body)
        for _ in range(2):
            answer = await client.embeddings.create(model="e", input="Hi")
            assert answer.data[0].embedding == [0.25, 0.5]
            answer.data[0].embedding.clear()
        await client.embeddings.create(model="e", input="Ho")
        assert upstream.hits == 2

    async def test_as_bytes_too(self):
        body = {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": "AACAPgAAAD8="}],
            "model": "e",
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        upstream, _, client = client_of(body)
        for _ in range(2):
            assert (await client.embeddings.create(model="e", input="Hi")).data[0].embedding == [0.25, 0.5]
        assert upstream.hits == 1


class TestDamage:
    """An entry that is none is a miss, and goes."""

    @pytest.fixture
    def store(self, tmp_path):
        store = SQLiteStore(tmp_path / "cache.db")
        yield store
        store.close()

    async def damaged(self, store, damage):
        upstream, cache, client = client_of(cache=Cache(store=store))
        await ask(client)

        def work(connection):
            content = bytes(connection.execute("SELECT content FROM entries").fetchone()[0])
            connection.execute("UPDATE entries SET content = ?", (damage(content),))

        await store.submit(work, what="damaging an entry")
        assert (await ask(client)).choices[0].message.content == "Hello!"
        assert upstream.hits == 2
        await ask(client)
        assert upstream.hits == 2
        assert cache.stats().dropped == 1

    @pytest.mark.parametrize(
        "damage",
        [
            lambda _: b"",
            lambda c: c[:-1],
            lambda c: c[: len(c) // 2],
            lambda c: c[:-10] + bytes([c[-10] ^ 1]) + c[-9:],
            lambda c: c.replace(b'{"hanzo_entry":2', b'{"hanzo_entry":1', 1),
            lambda c: c.replace(b"Hello!", b"Bad!!!"),
            lambda _: b"\x80\x04cos\nsystem\n(S'touch /tmp/owned'\ntR.",
            lambda _: b"\xff" * 100,
            lambda _: b"null",
            lambda _: b"[" * 100_000,
        ],
        ids=["empty", "cut by one", "cut in half", "a bit flipped", "another version", "forged", "a pickle", "no text", "null", "deep"],
    )  # fmt: skip
    async def test_is_a_miss(self, store, damage):
        await self.damaged(store, damage)

    async def test_an_entry_of_another_key(self, store):
        upstream, _, client = client_of(completion("one"), completion("two"), cache=Cache(store=store))
        await ask(client, "1")
        await ask(client, "2")

        def swap(connection):
            (one, a), (two, b) = connection.execute("SELECT key, content FROM entries").fetchall()
            connection.execute("UPDATE entries SET content = ? WHERE key = ?", (b, one))
            connection.execute("UPDATE entries SET content = ? WHERE key = ?", (a, two))

        await store.submit(swap, what="moving entries")
        upstream.replies = [completion("new")]
        assert (await ask(client, "1")).choices[0].message.content == "new"

    async def test_a_seal_does_not_make_an_answer(self, store):
        """Signed by ourselves, and still no answer of the dialect."""
        from hanzo_agents._kernel.journal import Cost
        from hanzo_agents.policies import sealed

        upstream, _, client = client_of(cache=Cache(store=store))
        await ask(client)
        secret = client._engine._codec._secret

        def work(connection):
            (key,) = connection.execute("SELECT key FROM entries").fetchone()
            for_nobody = sealed.sealed(bytes(key), secret, sealed.Facts("m", None, 0.0, None, Cost()), b"[1]")
            connection.execute("UPDATE entries SET content = ?", (for_nobody,))

        await store.submit(work, what="forging an entry")
        assert (await ask(client)).choices[0].message.content == "Hello!"
        assert upstream.hits == 2

    async def test_nothing_in_it_is_secret_but_the_answer(self, store):
        _, _, client = client_of(cache=Cache(store=store))
        await ask(client, "my-secret-question")

        def work(connection):
            return [bytes(v) for row in connection.execute("SELECT key, content FROM entries") for v in row]

        kept = b"".join(await store.submit(work, what="reading"))
        assert b"sk-canary" not in kept
        assert b"my-secret-question" not in kept
        assert b"Hello!" in kept


class TestTheStoreIsAway:
    async def test_calls_go_on_and_it_is_said_once(self, tmp_path, caplog):
        path = tmp_path / "folder"
        store = SQLiteStore(path / "cache.db")
        path.write_text("no folder")
        upstream, _, client = client_of(cache=Cache(store=store))
        with caplog.at_level(logging.WARNING, "hanzo_agents"), track() as journals:
            for _ in range(3):
                assert (await ask(client)).choices[0].message.content == "Hello!"
        assert upstream.hits == 3
        assert len([r for r in caplog.records if r.name == "hanzo_agents"]) == 1
        assert any(d.action == "goes on without" for d in journals[0].decisions)
        path.unlink()
        with FakeClock() as clock:
            clock.advance(1e6)
            await ask(client)
            await ask(client)
        assert upstream.hits == 4
        store.close()

    async def test_a_store_that_takes_nothing(self, tmp_path, caplog):
        store = SQLiteStore(tmp_path / "cache.db")
        upstream, cache, client = client_of(
            completion("before"), completion("x" * 100_000), cache=Cache(store=store)
        )
        await ask(client, "before")

        def pages(most):
            def work(connection):
                connection.execute(f"PRAGMA max_page_count = {most}")

            return store.submit(work, what="making the disk smaller")

        with FakeClock() as clock, caplog.at_level(logging.INFO, "hanzo_agents"):
            clock.advance(time.time() - clock.wall())
            await pages(1)  # no more than there are
            for number in range(5):
                assert len((await ask(client, str(number))).choices[0].message.content) == 100_000
            assert (await ask(client, "before")).choices[0].message.content == "before"
            assert upstream.hits == 6
            assert [r.levelname for r in caplog.records] == ["WARNING"]
            await pages(1 << 30)
            clock.advance(31)
            for _ in range(2):
                await ask(client, "after")
        assert upstream.hits == 7
        assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]
        assert cache.stats().hits == 2
        store.close()


class TestWhatCannotBeHeard:
    """An answer that cannot be kept is an answer all the same."""

    async def answered(self, reply, listen):
        class Codec:
            def question(self, call):
                return Question(b"asked", b"secret")

            async def reply(self, call, body, attempt):
                raise KeyError("no answer")

        Codec.listen = listen
        cache, inner = Cache(), Inner(reply)
        for _ in range(2):
            assert (await cache(make_call(codec=Codec()), inner)).value == "answer"
        assert len(inner.calls) == 2
        return cache.stats()

    async def test_a_codec_that_fails(self, caplog):
        def listen(*_):
            raise RuntimeError("broken")

        stats = await self.answered("answer", listen)
        assert stats.kept == 0
        assert "could not be kept" in caplog.text

    async def test_what_cannot_be_read_again(self):
        def listen(_self, call, reply, heard, moved):
            heard(Kept(b"{}"), reply.settled)

        stats = await self.answered("answer", listen)
        assert (stats.kept, stats.dropped) == (2, 1)

    async def test_a_stream_that_shows_nothing(self):
        heard = []
        follow(Reply("stream"), print, lambda: None, lambda kept, end: heard.append(kept), lambda: None)
        assert heard == ["its stream cannot be listened to"]

    async def test_a_stream_of_an_odd_shape(self):
        heard, tap = [], Tap()
        reply = Reply("stream", tap=lambda hear: tap.open(["held"], hear))
        follow(
            reply, lambda event: event.choices, lambda: None, lambda kept, end: heard.append(kept), lambda: None
        )
        assert heard == ["it does not have the shape of an answer"]

    def test_several_may_listen(self):
        first, second, tap = [], [], Tap()
        tap.show(["nobody"])
        tap.open(["held"], first.append)
        tap.show(["one"])
        tap.open([], second.append)
        tap.show(["two"])
        assert (first, second) == (["held", "one", "two"], ["two"])


async def test_it_can_be_explained():
    upstream, cache, client = client_of()
    await ask(client)
    stats = cache.stats()
    plan = str(await client.explain(messages=[HELLO]))
    assert "for an answer to the same question in this process" in plan
    plan = str(await client.explain(messages=[HELLO], temperature=1))
    assert "the call asks for a temperature of 1" in plan
    assert upstream.hits == 1
    assert cache.stats() == stats


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": float("nan")}, "ttl"),
        ({"ttl": float("inf")}, "ttl"),
        ({"ttl": None}, "ttl"),
        ({"ttl": "1h"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"store": "redis://x"}, "store"),
        ({"store": MemoryStore}, "store"),
        ({"tenant": ""}, "tenant"),
        ({"tenant": 5}, "tenant"),
        ({"when": True}, "when"),
        ({"max_temperature": -1}, "max_temperature"),
        ({"max_temperature": float("nan")}, "max_temperature"),
        ({"max_temperature": "hot"}, "max_temperature"),
        ({"max_temperature": True}, "max_temperature"),
        ({"tool_calls": None}, "tool_calls"),
        ({"substitutes": 1}, "substitutes"),
        ({"max_entries": 0}, "max_entries"),
        ({"max_entries": True}, "max_entries"),
        ({"max_bytes": -1}, "max_bytes"),
        ({"max_bytes": 1.5}, "max_bytes"),
    ],
    ids=str,
)
def test_what_makes_no_cache(fields, named):
    with pytest.raises(ConfigError, match=rf"Cache\.{named}"):
        Cache(**fields)


async def test_a_large_answer_is_not_kept_but_given():
    upstream, cache, client = client_of(completion("x" * 5000), cache=Cache(max_bytes=1000))
    for _ in range(2):
        assert len((await ask(client)).choices[0].message.content) == 5000
    assert upstream.hits == 2
    assert cache.stats().kept == 0


async def test_the_oldest_goes_first():
    upstream, _, client = client_of(cache=Cache(max_entries=2))
    for text in ("1", "2", "1", "3", "1", "2"):
        await ask(client, text)
    assert upstream.hits == 4


async def test_a_hit_needs_no_upstream():
    upstream, cache, client = client_of()
    await ask(client)
    upstream.replies = [httpx2.ConnectError("no network")]
    assert (await ask(client)).choices[0].message.content == "Hello!"
    assert cache.stats().hits == 1


def test_the_synchronous_client():
    with ScriptedRouter(["Hi"]) as router:
        client = Hanzo(router.base_url, "k", model="m", policies=[Cache()])
        for _ in range(2):
            answer = client.chat.completions.create(messages=[HELLO])
            assert answer.choices[0].message.content == "Hi"
        chunks = list(client.chat.completions.create(messages=[HELLO], stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hi"
        raw = client.chat.completions.with_raw_response.create(messages=[HELLO])
        assert raw.parse().choices[0].message.content == "Hi"
        assert raw.headers["x-hanzo-cache"] == "hit"
        assert len(router.requests) == 1
        client.close()


def test_one_client_in_many_loops():
    upstream, cache, client = client_of()
    for _ in range(4):
        assert asyncio.run(ask(client)).choices[0].message.content == "Hello!"
    assert cache.stats().hits == 3
    assert upstream.hits == 1


async def test_it_may_stand_alone():
    upstream = Upstream()
    client = upstream.client(policies=Stack(Cache()))
    await ask(client)
    await ask(client)
    assert upstream.hits == 1


def test_it_says_where_it_keeps():
    assert repr(Cache(ttl=60)) == "Cache(ttl=60, scope='this process')"
    assert repr(Cache(tenant="me", store=RedisStore("redis://cache:6379/0"))) == (
        "Cache(ttl=3600, tenant='me', scope='redis cache:6379/0 hanzo')"
    )
