"""What a reply knows of its call, beside what the SDK's object says."""

import copy
import pickle
from decimal import Decimal

import openai
import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from pydantic import BaseModel
from upstream import (
    HELLO,
    KEY,
    ROLE,
    URL,
    Upstream,
    call_chunks,
    call_item,
    chunk,
    completion,
    response,
    response_events,
    sse,
    status,
    text_chunks,
    value,
)

from hanzo_agents import AsyncHanzo, Cost, Hanzo, Reply, Retry, Target, track
from hanzo_agents._wire.replies import HanzoChatCompletion
from hanzo_agents.testing.clock import FakeClock

EMBEDDED = {
    "object": "list", "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1},
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
}  # fmt: skip


class City(BaseModel):
    name: str


def priced(body, **headers):
    return value(body, x_litellm_response_cost="0.25", **headers)


async def ask(client, **more):
    return await client.chat.completions.create(messages=[HELLO], **more)


CALLS = {
    "chat": (lambda c: c.chat.completions.create(messages=[HELLO]), completion),
    "raw": (
        lambda c: parsed(c.chat.completions.with_raw_response.create(messages=[HELLO], model="m")),
        completion,
    ),
    "parse": (
        lambda c: c.chat.completions.parse(messages=[HELLO], response_format=City),
        lambda: completion('{"name": "Rome"}'),
    ),
    "responses": (lambda c: c.responses.create(input="x"), response),
    "responses.parse": (
        lambda c: c.responses.parse(input="x", text_format=City),
        lambda: response(text='{"name": "Rome"}'),
    ),
    "embeddings": (lambda c: c.embeddings.create(input=["x"], encoding_format="float"), lambda: EMBEDDED),
}
EACH_CALL = pytest.mark.parametrize("name", CALLS)


async def parsed(asking):
    return (await asking).parse()


@EACH_CALL
async def test_every_kind_of_reply_knows_what_it_took(name):
    request, body = CALLS[name]
    upstream = Upstream(status(503), priced(body()))
    with FakeClock(auto=True) as clock, track() as journals:
        got = await request(upstream.client(policies=[Retry(jitter=lambda: 0.5)]))
    assert isinstance(got, ChatCompletion | Response | CreateEmbeddingResponse)
    assert (got.cost, got.cost_basis) == (journals[0].cost.amount, journals[0].cost.basis)
    assert got.cost == Decimal("0.25")
    assert got.provider == "router.test"
    assert got.from_cache is False
    assert [(a.number, a.status_code) for a in got.attempts] == [(1, 503), (2, 200)]
    assert got.latency == clock.now() == 0.25
    assert got.routing_reason == "m was asked for"


@EACH_CALL
async def test_content_is_that_of_the_sdk(name):
    request, body = CALLS[name]
    got = await request(Upstream(priced(body())).client())
    kind = next(kind for kind in (ChatCompletion, Response, CreateEmbeddingResponse) if isinstance(got, kind))
    bare = kind.construct(**body())
    if "parse" not in name:
        assert got.model_dump() == bare.model_dump()
        assert got.model_dump_json() == bare.model_dump_json()
        assert got.to_dict() == bare.to_dict()
        assert dict(got) == dict(bare)
        assert got == bare
        assert bare == got
    for text in (repr(got), got.model_dump_json(warnings=False), str(dict(got))):
        assert "outcome" not in text


async def test_other_content_is_not_equal():
    one, other = [await ask(Upstream(completion(text)).client()) for text in ("a", "b")]
    again = await ask(Upstream(completion("a")).client())
    assert one == again
    assert one != other
    assert one != "a"
    assert one != await Upstream(response()).client().responses.create(input="x")


@EACH_CALL
async def test_copies_and_pickles_know_it_too(name):
    request, body = CALLS[name]
    upstream = Upstream(status(503), priced(body()))
    with FakeClock(auto=True):
        got = await request(upstream.client(fallbacks=["b"]))
    copies = [copy.copy(got), copy.deepcopy(got), got.model_copy(), got.model_copy(deep=True)]
    if name != "parse":  # a class of the SDK that does not pickle by itself
        copies.append(pickle.loads(pickle.dumps(got)))
    for one in copies:
        assert one == got
        assert (one.cost, one.cost_basis, one.provider) == (got.cost, got.cost_basis, got.provider)
        assert (one.routing_reason, one.latency) == (got.routing_reason, got.latency)
        assert [a.status_code for a in one.attempts] == [503, 200]
        assert str(one.attempts[0].error).endswith(str(got.attempts[0].error))


def test_an_object_that_no_call_brought_knows_nothing():
    made = HanzoChatCompletion.model_validate(completion())
    assert (made.provider, made.cost, made.cost_basis, made.latency) == (None, None, "unknown", None)
    assert (made.attempts, made.from_cache, made.routing_reason, made.tool_calls) == ((), False, "", [])
    assert pickle.loads(pickle.dumps(made)) == made


# --- one by one ---------------------------------------------------------------------------------------------------


async def test_an_unknown_cost_is_none():
    got = await ask(Upstream().client(), model="a-model-nobody-prices")
    assert (got.cost, got.cost_basis) == (None, "unknown")


async def test_the_routers_cache_counts_as_one():
    got = await ask(Upstream(priced(completion(), x_litellm_cache_key="k")).client())
    assert got.from_cache
    assert got.cost == 0


async def test_an_answer_for_which_nothing_was_sent_came_from_a_cache():
    async def cache(call, send):
        call.note("Cache", "answers", "the same question was asked before")
        return Reply(HanzoChatCompletion.model_validate(completion()))

    got = await ask(Upstream().client(policies=[cache]))
    assert got.from_cache
    assert (got.cost, got.cost_basis) == (0, "reported")
    assert got.attempts == ()
    assert got.provider is None
    assert got.routing_reason == "Cache answers: the same question was asked before"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.anthropic.com:443", "anthropic"),
        ("https://user:secret@gpu.internal:8000/v1", "gpu.internal:8000"),
        ("http://127.0.0.1:3690/v1", "127.0.0.1:3690"),
    ],
)
async def test_the_provider_behind_a_router_is_named(address, name):
    got = await ask(Upstream(value(completion(), x_litellm_model_api_base=address)).client())
    assert got.provider == name
    assert "secret" not in repr(got.attempts)


async def test_a_provider_that_the_body_names_is_believed():
    got = await ask(Upstream(completion(provider="Together")).client())
    assert got.provider == "Together"
    assert got.to_dict()["provider"] == "Together"


async def test_the_reason_names_the_way_through_a_chain():
    upstream = Upstream(status(503), completion())
    target = Target("b", base_url="https://api.openai.com/v1", api_key="sk-openai-01234")
    got = await ask(upstream.client(policies=[Retry(attempts=1)], fallbacks=[target]))
    assert got.provider == "openai"
    assert got.routing_reason == "Fallback moves on: m failed: InternalServerError"


async def test_tool_calls_of_each_kind():
    calls = [("c1", "f", '{"a": 1}'), ("c2", "g", "{}")]
    got = await ask(Upstream(completion(None, calls=calls)).client())
    assert got.tool_calls == got.choices[0].message.tool_calls
    assert [call.id for call in got.tool_calls] == ["c1", "c2"]
    assert (await ask(Upstream().client())).tool_calls == []
    client = Upstream(response(call_item("c1", "f", "{}"))).client()
    assert [call.call_id for call in (await client.responses.create(input="x")).tool_calls] == ["c1"]
    assert (await Upstream(response()).client().responses.create(input="x")).tool_calls == []


# --- streams ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [None, {"include_usage": True}, {"include_usage": False}], ids=str)
@pytest.mark.parametrize("usage", [(3, 2), None], ids=["reported", "estimated"])
async def test_the_last_chunk_knows(asked, usage):
    chunks = text_chunks("a", "b", usage=usage)
    if usage:
        chunks[-1]["usage"]["cost"] = "0.5"
    more = {} if asked is None else {"stream_options": asked}
    known = []
    with track() as journals:
        async for got in await ask(Upstream(sse(*chunks)).client(), stream=True, **more):
            # Read at once: a reader may never come back after the last chunk.
            known.append((got.cost, got.latency is not None, len(got.attempts), journals[0].ended is not None))
            assert isinstance(got, ChatCompletionChunk)
            assert got.from_cache is False
    assert set(known[:-1]) == {(None, False, 0, False)}
    assert known[-1] == (Decimal("0.5") if usage else None, True, 1, True)
    assert got.provider == "router.test"
    assert got.routing_reason == "m was asked for"


async def test_usage_on_the_last_useful_chunk_is_enough():
    chunks = [ROLE, chunk({"content": "a"}), chunk(finish="stop", usage=(3, 2))]
    got = [c async for c in await ask(Upstream(sse(*chunks)).client(), stream=True)]
    assert got[-1].attempts[0].usage.output_tokens == 2
    assert got[-1].latency is not None


async def test_usage_counted_along_is_taken_at_the_end():
    chunks = [ROLE, chunk({"content": "a"}, usage=(3, 1)), chunk({"content": "b"}, usage=(3, 2)), chunk(finish="stop"), chunk(choices=[], usage=(3, 9))]  # fmt: skip
    for asked in (None, {"include_usage": True}):
        got = [c async for c in await ask(Upstream(sse(*chunks)).client(), stream=True, stream_options=asked)]
        assert got[-1].attempts[0].usage.output_tokens == 9


async def test_the_last_chunk_has_the_calls_whole():
    got = [
        c async for c in await ask(Upstream(sse(*call_chunks("c1", "f", '{"a"', ": 1}"))).client(), stream=True)
    ]
    assert [c.tool_calls for c in got[:-1]] == [[]] * (len(got) - 1)
    ((call,),) = [got[-1].tool_calls]
    assert (call.id, call.function.name, call.function.arguments) == ("c1", "f", '{"a": 1}')


async def test_a_chunk_pickles_with_its_calls():
    got = [c async for c in await ask(Upstream(sse(*call_chunks("c1", "f", "{}"))).client(), stream=True)]
    assert pickle.loads(pickle.dumps(got[-1])).tool_calls == got[-1].tool_calls
    assert pickle.loads(pickle.dumps(got[0])) == got[0]


async def test_the_last_event_of_a_response_knows():
    client = Upstream(sse(*response_events(call_item("c1", "f", "{}")), done=False)).client()
    with track() as journals:
        async for event in await client.responses.create(input="x", stream=True):
            if event.type == "response.completed":
                assert journals[0].ended is not None
                assert event.response.attempts[0].usage.output_tokens == 2
                assert [call.call_id for call in event.response.tool_calls] == ["c1"]
                break


async def test_a_whole_answer_in_one_chunk():
    got = [c async for c in await ask(Upstream(sse(chunk({"content": "a"}, finish="stop", usage=(3, 2)))).client(), stream=True)]  # fmt: skip
    assert len(got) == 1
    assert got[0].latency is not None


async def test_a_reader_who_leaves_after_the_last_event_has_read_it_all():
    settled = []

    async def watch(call, send):
        reply = await send(call)
        reply.on_settled(settled.append)
        return reply

    stream = await ask(Upstream(sse(*text_chunks("a"))).client(policies=[watch]), stream=True)
    async for got in stream:
        if got.usage is not None:
            break
    assert [(one.complete, one.error) for one in settled] == [(True, None)]
    await stream.close()
    assert len(settled) == 1


def test_replies_of_the_synchronous_client_know_the_same():
    upstream = Upstream(priced(completion()), sse(*text_chunks("a")))
    client = Hanzo(URL, KEY, model="m", http_client=upstream.http)
    assert client.chat.completions.create(messages=[HELLO]).cost == Decimal("0.25")
    *_, last = client.chat.completions.create(messages=[HELLO], stream=True)
    assert last.latency is not None
    assert isinstance(client.errors.ConfigError("x"), openai.OpenAIError)
    assert AsyncHanzo(URL, KEY).errors is client.errors


async def test_a_cost_that_changes_later_is_read_later():
    """A hedge that lost may end, and be priced, after the answer is in hand."""
    got = await ask(Upstream(priced(completion())).client())
    got.attempts[0].cost = Cost(Decimal(2), "estimated")
    assert (got.cost, got.cost_basis) == (2, "estimated")
