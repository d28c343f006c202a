"""With no policies AsyncHanzo puts on the wire what AsyncOpenAI does, and hands back the same objects.

Two differences are meant: `User-Agent` names us, and a stream is asked for its usage.
"""

import asyncio
import json
from typing import Literal

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import NOT_GIVEN, AsyncOpenAI, Omit, omit
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel
from upstream import (
    HELLO,
    KEY,
    URL,
    Upstream,
    call_chunks,
    call_item,
    completion,
    response,
    response_events,
    sse,
    text_chunks,
)

from hanzo_agents import AsyncHanzo
from hanzo_agents._wire.fast_lane import FastLane

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}}}
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is this? \u2028 naïve 你好 \U0001f600"}, IMAGE]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "3"},
    HELLO,
]


class Answer(BaseModel):
    n: int


CHAT_PLAIN = {
    "least": {},
    "long": {"messages": TALK},
    "tools": {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
    "sampling": {"temperature": 0, "top_p": 0.5, "seed": 7, "stop": ["x"], "n": 1, "logit_bias": {"1": -100}},
    "schema": {"response_format": SCHEMA, "max_completion_tokens": 5, "reasoning_effort": "low", "verbosity": "low"},
    "explicit none": {"temperature": None, "stop": None},
    "omitted": {"temperature": omit, "top_p": NOT_GIVEN, "tools": Omit()},
    "labels": {"user": "u1", "metadata": {"a": "b"}, "store": False, "service_tier": "auto"},
    "headers": {"extra_headers": {"X-One": "1", "x-two": "2"}},
    "header over ours": {"extra_headers": {"Content-Type": "application/json; a=b", "user-agent": "mine"}},
    "own time limit": {"timeout": 5},
    "own time limits": {"timeout": httpx2.Timeout(1, read=2)},
    "no time limit": {"timeout": None},
    "unusual order": dict(reversed(list({"messages": TALK, "model": "b", "tools": [TOOL], "temperature": 1}.items()))),
    "tuples": {"messages": (HELLO,), "stop": ("a", "b")},
}  # fmt: skip
CHAT_ORDINARY = {
    "a pydantic message": {"messages": [HELLO, ChatCompletionMessage(role="assistant", content="x"), HELLO]},
    "a generator": {"messages": lambda: (m for m in TALK)},
    "extra body": {"extra_body": {"own": {"deep": [1]}, "temperature": 0.25}},
    "extra query": {"extra_query": {"q": "1", "list": ["a", "b"]}},
    "omitted header": {"extra_headers": {"X-Stainless-Lang": omit, "X-One": "1"}},
    "nested omit": {"messages": [{"role": "user", "content": "x", "name": omit}]},
    "not a number": {"metadata": {"a": "b"}, "extra_body": {"x": 1}, "user": "u"},
}
RESPONSES_PLAIN = {
    "least": {},
    "items": {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:,"}]},
            {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "3"},
        ]
    },
    "tools": {"tools": [{"type": "function", "name": "add", "parameters": {}, "strict": True}], "tool_choice": "auto"},
    "settings": {
        "instructions": "Be brief.", "temperature": 0.5, "max_output_tokens": 9, "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"], "store": False, "truncation": "auto",
    },
    "schema": {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}}},
    "state": {"previous_response_id": "resp_0", "conversation": None},
    "a stored prompt": {"prompt": {"id": "pmpt_1", "version": "2"}},
}  # fmt: skip
RESPONSES_ORDINARY = {
    "extra body": {"extra_body": {"own": 1}, "extra_query": {"q": "1"}},
}


def clients(upstream):
    ours = AsyncHanzo(URL, KEY, model="m", policies=[], http_client=upstream.http)
    return AsyncOpenAI(base_url=URL, api_key=KEY, http_client=upstream.http), ours


def sent(request, *, stream=False):
    """Everything about a request that the other side, or the transport, can see."""
    headers = [(name.decode().lower(), value.decode()) for name, value in request.headers.raw]
    body = request.content
    if stream:
        body = json.loads(body)
        headers = [(n, "?" if n == "content-length" else v) for n, v in headers]
        body.pop("stream_options", None)
        body = list(body.items())
    headers = [(n, "?" if n == "user-agent" and "openai" in v.lower() else v) for n, v in headers]
    return request.method, str(request.url), headers, body, request.extensions.get("timeout")


def made(value):
    return {name: item() if callable(item) else item for name, item in value.items()}


async def both(ask, reply, *, stream=False):
    """Ask through both clients; what was sent and what came back."""
    requests, values = [], []
    for which in (0, 1):
        upstream = Upstream(reply)
        client = clients(upstream)[which]
        value = await ask(client)
        if stream:
            value = [event async for event in value]
        values.append(value)
        requests.append(upstream.requests)
    assert [sent(r, stream=stream) for r in requests[1]] == [sent(r, stream=stream) for r in requests[0]]
    return values


def same_object(theirs, ours):
    assert isinstance(ours, type(theirs))
    assert ours == theirs
    assert theirs == ours
    assert ours.to_dict(warnings=False) == theirs.to_dict(warnings=False)
    fields = set(type(theirs).model_fields)
    assert ours.model_fields_set & fields == theirs.model_fields_set & fields
    assert getattr(ours, "_request_id", None) == getattr(theirs, "_request_id", None)
    assert repr(ours).replace("Hanzo", "") == repr(theirs)
    assert ours.model_dump_json(warnings=False) == theirs.model_dump_json(warnings=False)


CHAT_REPLIES = {
    "text": completion(),
    "tool calls": completion(None, calls=[("c9", "add", '{"a": 1}')]),
    "outside the schema": completion(own={"x": 1}, service_tier="weird", system_fingerprint=None),
    "details": {
        **completion(),
        "usage": {
            "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1},
        },
    },
    "integers as floats": completion(created=1.0),
    "refusal": {**completion(), "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop", "logprobs": None}]},
}  # fmt: skip
RESPONSES_REPLIES = {
    "text": response(),
    "tool call": response(call_item("c9", "add", "{}")),
    "reasoning": response(
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "x"}, call_item("c9", "f", "{}")
    ),
    "unknown item": response({"id": "x_1", "type": "own_thing", "data": 1}),
    "incomplete": response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
}


@pytest.mark.parametrize(
    "arguments", {**CHAT_PLAIN, **CHAT_ORDINARY}.values(), ids={**CHAT_PLAIN, **CHAT_ORDINARY}
)
async def test_chat_requests(arguments):
    await both(
        lambda c: c.chat.completions.create(**{"model": "m", "messages": [HELLO], **made(arguments)}), completion()
    )


@pytest.mark.parametrize(
    "arguments", {**CHAT_PLAIN, **CHAT_ORDINARY}.values(), ids={**CHAT_PLAIN, **CHAT_ORDINARY}
)
async def test_streamed_chat_requests(arguments):
    def ask(client):
        return client.chat.completions.create(
            **{"model": "m", "messages": [HELLO], "stream": True, **made(arguments)}
        )

    await both(ask, sse(*text_chunks("a")), stream=True)


@pytest.mark.parametrize(
    "arguments", {**RESPONSES_PLAIN, **RESPONSES_ORDINARY}.values(), ids={**RESPONSES_PLAIN, **RESPONSES_ORDINARY}
)
@pytest.mark.parametrize("stream", [False, True])
async def test_responses_requests(arguments, stream):
    def ask(client):
        more = {"stream": True} if stream else {}
        return client.responses.create(**{"model": "m", "input": "Hello!", **more, **made(arguments)})

    await both(ask, sse(*response_events(), done=False) if stream else response(), stream=stream)


@pytest.mark.parametrize("reply", CHAT_REPLIES.values(), ids=CHAT_REPLIES)
async def test_chat_values(reply):
    same_object(*await both(lambda c: c.chat.completions.create(model="m", messages=[HELLO]), reply))


@pytest.mark.parametrize("reply", RESPONSES_REPLIES.values(), ids=RESPONSES_REPLIES)
async def test_responses_values(reply):
    same_object(*await both(lambda c: c.responses.create(model="m", input="x"), reply))


@pytest.mark.parametrize(
    "events",
    [text_chunks("a", "b"), text_chunks("a", usage=(1, 2)), call_chunks("c9", "add", '{"a"', ": 1}")],
    ids=["text", "usage", "call"],
)
async def test_chat_streams_that_ask_for_usage_themselves(events):
    def ask(client):
        return client.chat.completions.create(
            model="m", messages=[HELLO], stream=True, stream_options={"include_usage": True}
        )

    theirs, ours = await both(ask, sse(*events), stream=True)
    assert len(ours) == len(theirs)
    for one, other in zip(theirs, ours, strict=True):
        same_object(one, other)


@pytest.mark.parametrize(
    "events",
    [
        response_events(),
        response_events(call_item("c9", "add", "{}")),
        response_events(
            {
                "id": "ws_1",
                "type": "web_search_call",
                "status": "completed",
                "action": {"type": "search", "query": "q"},
            }
        ),
    ],
    ids=["text", "call", "search"],
)
async def test_responses_streams(events):
    def ask(client):
        return client.responses.create(model="m", input="x", stream=True)

    theirs, ours = await both(ask, sse(*events, done=False), stream=True)
    for one, other in zip(theirs, ours, strict=True):
        same_object(one, other)


async def test_responses_events_may_have_their_type_at_any_place():
    """vLLM writes the fields of an event in the order of its classes: `item` before `type`."""
    events = [
        dict(sorted(e.items(), key=lambda field: field[0] == "type"))
        for e in response_events(call_item("c9", "f", "{}"))
    ]

    def ask(client):
        return client.responses.create(model="m", input="x", stream=True)

    theirs, ours = await both(ask, sse(*events, done=False), stream=True)
    for one, other in zip(theirs, ours, strict=True):
        same_object(one, other)


async def test_embeddings():
    reply = {
        "object": "list", "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    }  # fmt: skip
    same_object(
        *await both(lambda c: c.embeddings.create(model="e", input=["x", "y"], encoding_format="float"), reply)
    )


async def test_embeddings_come_packed_by_default():
    """The SDK asks for base64 and unpacks it in a post parser."""
    reply = {
        "object": "list", "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1},
        "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgD4="}],
    }  # fmt: skip
    theirs, ours = await both(lambda c: c.embeddings.create(model="e", input="x"), reply)
    assert list(ours.data[0].embedding) == list(theirs.data[0].embedding) == [0.5, 0.25]


async def test_parse():
    class Weather(BaseModel):
        city: str
        unit: Literal["C", "F"]

    reply = completion('{"city": "Paris", "unit": "C"}')
    theirs, ours = await both(
        lambda c: c.chat.completions.parse(model="m", messages=[HELLO], response_format=Weather), reply
    )
    assert ours == theirs
    assert ours.choices[0].message.parsed == Weather(city="Paris", unit="C")
    theirs, ours = await both(
        lambda c: c.responses.parse(model="m", input="x", text_format=Weather),
        response(text='{"city": "Rome", "unit": "F"}'),
    )
    assert ours == theirs
    assert ours.output_parsed == Weather(city="Rome", unit="F")


async def test_the_stream_helpers():
    async def chat(client):
        async with client.chat.completions.stream(model="m", messages=[HELLO]) as stream:
            events = [event.type async for event in stream]
            return events, await stream.get_final_completion()

    (kinds, theirs), (our_kinds, ours) = await _helper(chat, sse(*text_chunks("a", "b", usage=None)))
    assert our_kinds == kinds
    assert ours.choices[0].message.content == theirs.choices[0].message.content == "ab"

    async def responses(client):
        async with client.responses.stream(model="m", input="x") as stream:
            events = [event.type async for event in stream]
            return events, await stream.get_final_response()

    (kinds, theirs), (our_kinds, ours) = await _helper(responses, sse(*response_events(), done=False))
    assert our_kinds == kinds
    assert ours.output_text == theirs.output_text == "Hello!"


async def _helper(ask, reply):
    return [await ask(client) for client in clients(Upstream(reply))]


@pytest.mark.parametrize("stream", [False, True])
async def test_raw_responses(stream):
    def reply():
        return sse(*text_chunks("a")) if stream else completion()

    async def raw(client):
        got = await client.chat.completions.with_raw_response.create(
            model="m", messages=[HELLO], **({"stream": True} if stream else {})
        )
        parsed = got.parse()
        if stream:
            parsed = [event async for event in parsed]
        return (
            got.status_code,
            got.request_id,
            got.headers.get("content-type"),
            got.http_request.url,
            parsed,
            type(got),
        )

    async def streaming(client):
        async with client.chat.completions.with_streaming_response.create(
            model="m", messages=[HELLO], **({"stream": True} if stream else {})
        ) as got:
            parsed = await got.parse()
            if stream:
                parsed = [event async for event in parsed]
            return (
                got.status_code,
                got.request_id,
                got.headers.get("content-type"),
                got.http_request.url,
                parsed,
                type(got),
            )

    for ask in (raw, streaming):
        theirs, ours = await _helper(ask, reply())
        assert ours[:4] == theirs[:4]
        assert ours[5] is theirs[5]
        if stream:
            assert [e.choices[0].delta.content for e in ours[4] if e.choices] == ["", "a", None]
        else:
            same_object(theirs[4], ours[4])


async def test_the_modes_of_raw_responses_are_not_sent():
    upstream = Upstream()
    ours = clients(upstream)[1]
    await ours.chat.completions.with_raw_response.create(model="m", messages=[HELLO])
    async with ours.chat.completions.with_streaming_response.create(model="m", messages=[HELLO]):
        pass
    for request in upstream.requests:
        assert not [name for name in request.headers if "raw-response" in name or "override-cast" in name]


async def test_the_bytes_of_a_raw_value_can_still_be_read():
    upstream = Upstream()
    ours = clients(upstream)[1]
    got = await ours.chat.completions.with_raw_response.create(model="m", messages=[HELLO])
    assert json.loads(got.text)["choices"][0]["message"]["content"] == "Hello!"
    async with ours.chat.completions.with_streaming_response.create(model="m", messages=[HELLO]) as streamed:
        assert json.loads(await streamed.read())["id"] == "chatcmpl-1"


@pytest.mark.parametrize("arguments", CHAT_PLAIN.values(), ids=CHAT_PLAIN)
async def test_plain_requests_take_the_fast_lane(arguments, monkeypatch):
    """Otherwise this file would compare the SDK's road with itself."""
    entered = []
    enter = FastLane.enter

    def seen(self, engine, kwargs):
        result = enter(self, engine, kwargs)
        entered.append(result is not None)
        return result

    monkeypatch.setattr(FastLane, "enter", seen)
    ours = clients(Upstream())[1]
    await ours.chat.completions.create(**{"model": "m", "messages": [HELLO], **arguments})
    assert entered == [True]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "developer", "tool"])},
        optional={"content": st.text(max_size=20) | st.none(), "name": st.text(max_size=4), "own": JSON},
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60)
@given(
    messages=MESSAGES,
    more=st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(0, 2) | st.none(),
            "metadata": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
            "tools": st.just([TOOL]),
            "response_format": st.just(SCHEMA),
            "prediction": JSON.map(lambda content: {"type": "content", "content": content}),
            "seed": st.integers(-5, 5),
            "user": st.text(max_size=4),
        },
    ),
)
def test_any_plain_json_is_sent_as_the_sdk_sends_it(messages, more):
    async def ask(client):
        return await client.chat.completions.create(model="m", messages=messages, **more)

    asyncio.run(both(ask, completion()))


async def test_a_second_request_is_like_the_first():
    """The second comes from a template."""
    theirs, ours = Upstream(), Upstream()
    for _ in range(3):
        await clients(theirs)[0].chat.completions.create(model="m", messages=[HELLO])
    client = clients(ours)[1]
    for _ in range(3):
        await client.chat.completions.create(model="m", messages=[HELLO])
    assert [sent(r) for r in ours.requests] == [sent(r) for r in theirs.requests]


async def test_a_client_changed_by_hand_is_obeyed():
    upstream = Upstream()
    client = clients(upstream)[1]
    await client.chat.completions.create(messages=[HELLO])
    client.api_key = "sk-another-key"
    client.timeout = 3
    await client.chat.completions.create(messages=[HELLO])
    last = upstream.requests[-1]
    assert last.headers["authorization"] == "Bearer sk-another-key"
    assert last.extensions["timeout"]["read"] == 3


async def test_what_the_sdk_refuses_is_refused():
    client = clients(Upstream())[1]
    with pytest.raises(TypeError):
        await client.chat.completions.create(messages=[HELLO], no_such_argument=1)
    with pytest.raises(TypeError, match="BaseModel"):
        await client.chat.completions.create(messages=[HELLO], response_format=Answer)
    with pytest.raises(TypeError):
        await client.chat.completions.create(model="m")
