"""Whatever an upstream sends, callers meet an answer or an error of openai's tree: never AttributeError or the like."""

import asyncio
import copy
import json

import httpx2
import openai
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from upstream import (
    HELLO,
    Upstream,
    call_chunks,
    call_item,
    completion,
    message_item,
    response,
    response_events,
    sse,
    text_chunks,
)

JUNK = st.sampled_from([None, [], {}, "", "x", 0, -1, 1.5, True, False, [None], [[]], {"x": None}, "NaN", 10**30])
EMBEDDINGS = {
    "object": "list",
    "model": "e",
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
}


def paths(value, at=()):
    """Every place in a JSON value."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*at, key))


def changed(value, path, new):
    """The value with one place replaced, or removed (new is ...)."""
    if not path:
        return None if new is ... else new
    made = copy.deepcopy(value)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return made


@st.composite
def mangled(draw, *originals):
    """A good body with one to three of its places removed or replaced by junk."""
    value = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 3))):
        value = changed(value, draw(st.sampled_from(list(paths(value)))), draw(st.just(...) | JUNK))
    return value


CALL = completion(None, calls=[("c1", "add", '{"a": 1}'), ("c2", "add", '{"a": 2}')])
CHAT = (completion(), CALL)
RESPONSES = (response(), response(message_item(), call_item("c1", "add", "{}")))


async def outcome(ask):
    """The answer, or the error if it is one that callers can expect."""
    try:
        value = await ask
        if isinstance(value, openai.AsyncStream):
            return [event async for event in value]
    except openai.OpenAIError as error:
        str(error), repr(error)
        return error
    return value


def run(reply, ask):
    async def once():
        upstream = Upstream(reply)
        return await outcome(ask(upstream.client(policies=[])))

    return asyncio.run(once())


QUIET = settings(max_examples=250)


def body(value):
    return httpx2.Response(200, content=json.dumps(value), headers={"content-type": "application/json"})


@QUIET
@given(mangled(*CHAT))
def test_any_chat_body(value):
    found = run(body(value), lambda client: client.chat.completions.create(messages=[HELLO]))
    if not isinstance(found, Exception):
        assert found.choices


@QUIET
@given(mangled(*RESPONSES))
def test_any_responses_body(value):
    run(body(value), lambda client: client.responses.create(input="x"))


@settings(max_examples=100)
@given(mangled(EMBEDDINGS))
def test_any_embeddings_body(value):
    run(body(value), lambda client: client.embeddings.create(model="e", input="x", encoding_format="float"))


@QUIET
@given(mangled(text_chunks("a", "b"), call_chunks("c1", "add", '{"a"', ": 1}")), st.booleans())
def test_any_chat_stream(events, done):
    if not isinstance(events, list):
        events = [events]
    reply = sse(*(json_event(event) for event in events), done=done)
    found = run(reply, lambda client: client.chat.completions.create(messages=[HELLO], stream=True))
    if isinstance(found, list):
        finished = [
            c for e in events if isinstance(e, dict) for c in listed(e.get("choices")) if isinstance(c, dict)
        ]
        assert any(choice.get("finish_reason") is not None for choice in finished), "a success without an end"


@QUIET
@given(mangled(response_events(), response_events(call_item("c1", "add", "{}"))))
def test_any_responses_stream(events):
    if not isinstance(events, list):
        events = [events]
    reply = sse(*(json_event(event) for event in events), done=False)
    found = run(reply, lambda client: client.responses.create(input="x", stream=True))
    if isinstance(found, list):
        kinds = {event.get("type") for event in events if isinstance(event, dict)}
        assert kinds & {"response.completed", "response.incomplete"}, "a success without an end"


def json_event(event):
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def listed(value):
    return value if isinstance(value, list) else []


@settings(max_examples=150)
@given(
    st.binary(max_size=60),
    st.sampled_from(["application/json", "text/html", "text/plain", "", "text/event-stream"]),
)
@example(b"", "application/json")
@example(b"[]", "application/json")
@example(b"null", "application/json")
@example(b'""', "application/json")
@example(b'{"id": "x", "choices": [{"mess', "application/json")
@example(b"\xff\xfe", "application/json")
@example(b"<html>login</html>", "text/html")
@example(b"data: [DONE]\n\n", "text/event-stream")
@example(b": ping\n\n", "text/event-stream")
@example(b"data: {\xff}\n\n", "text/event-stream")
@example(b"[" * 60, "application/json")
def test_any_bytes_are_an_error_and_never_an_answer(content, kind):
    reply = httpx2.Response(200, content=content, headers={"content-type": kind} if kind else {})
    for ask in (
        lambda client: client.chat.completions.create(messages=[HELLO]),
        lambda client: client.chat.completions.create(messages=[HELLO], stream=True),
        lambda client: client.responses.create(input="x"),
        lambda client: client.responses.create(input="x", stream=True),
        lambda client: client.embeddings.create(model="e", input="x"),
    ):
        assert isinstance(run(reply, ask), openai.OpenAIError)


def test_json_nested_beyond_reason_is_an_error():
    reply = httpx2.Response(200, content=b'{"choices": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")
    found = run(reply, lambda client: client.chat.completions.create(messages=[HELLO]))
    assert isinstance(found, openai.OpenAIError)


@settings(max_examples=100)
@given(
    st.sampled_from([301, 302, 307, 308, 400, 401, 404, 418, 429, 500, 503, 599]),
    st.binary(max_size=40)
    | mangled({"error": {"message": "x", "code": "c", "type": "t"}}).map(lambda v: json.dumps(v).encode()),
)
def test_any_error_body(status, content):
    reply = httpx2.Response(status, content=content, headers={"location": "https://elsewhere.test/"})
    found = run(reply, lambda client: client.chat.completions.create(messages=[HELLO]))
    assert isinstance(found, openai.OpenAIError)
    assert found.status_code == status


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("x"), httpx2.ConnectTimeout("x"), httpx2.ReadTimeout("x"), httpx2.WriteError("x"),
        httpx2.PoolTimeout("x"), httpx2.RemoteProtocolError("x"), httpx2.LocalProtocolError("x"),
        httpx2.ProxyError("x"), httpx2.UnsupportedProtocol("x"), httpx2.DecodingError("x"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_any_failure_of_the_transport(error, stream):
    found = run(error, lambda client: client.chat.completions.create(messages=[HELLO], stream=stream))
    assert isinstance(found, openai.APIConnectionError)
    assert isinstance(found, openai.APITimeoutError) is isinstance(error, httpx2.TimeoutException)
    assert type(found.__cause__) is type(error)
