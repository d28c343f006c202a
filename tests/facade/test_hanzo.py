"""Hanzo, the synchronous client: an `openai.OpenAI` in every respect, its calls run by the engine of AsyncHanzo."""

import asyncio
import contextlib
import gc
import json
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, field_validator
from upstream import (
    HANG,
    HELLO,
    KEY,
    ROLE,
    URL,
    Upstream,
    call_chunks,
    chunk,
    completion,
    response,
    response_events,
    sse,
    status,
    text_chunks,
)

from hanzo_agents import (
    AsyncHanzo,
    Cache,
    ConfigError,
    Deadline,
    Hanzo,
    InvalidResponse,
    Retry,
    Stack,
    StreamTruncated,
    Target,
    errors,
    track,
)
from hanzo_agents._wire.sync.calls import call_off_loop, run
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter

MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]}


class City(BaseModel):
    name: str


def sync(upstream, base_url=URL, api_key=KEY, **settings):
    return Hanzo(base_url, api_key, http_client=upstream.http, **{"model": "m", **settings})


def bare(upstream):
    """The SDK's own client, before the same replies."""

    def answer(request):
        reply = run(upstream._answer(request))
        parts = getattr(reply.stream, "parts", None)
        content = b"".join(parts) if parts is not None else reply.content
        return httpx2.Response(reply.status_code, headers=reply.headers, content=content)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, http_client=http)


def ask(client, **more):
    return client.chat.completions.create(messages=[HELLO], **more)


# --- the same client ----------------------------------------------------------------------------------------------


def test_it_is_the_sdks_client():
    client = sync(Upstream())
    assert isinstance(client, openai.OpenAI)
    assert repr(client) == "Hanzo(base_url='https://router.test/v1/', model='m', Stack(Trace, Deadline, Retry))"
    assert KEY not in repr(client)
    assert client.default_model == "m"
    assert client.errors is errors
    assert client.user_agent.startswith("hanzo-agents/")


def test_it_does_not_pickle():
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(sync(Upstream()))


REQUESTS = {
    "chat": (lambda c: c.chat.completions.create(model="m", messages=[HELLO], temperature=0.5), completion),
    "parse": (
        lambda c: c.chat.completions.parse(model="m", messages=[HELLO], response_format=City),
        lambda: completion('{"name": "Rome"}'),
    ),
    "responses": (lambda c: c.responses.create(model="m", input="x"), response),
    "responses.parse": (
        lambda c: c.responses.parse(model="m", input="x", text_format=City),
        lambda: response(text='{"name": "Rome"}'),
    ),
    "embeddings": (
        lambda c: c.embeddings.create(model="m", input=["x"]),
        lambda: {
            "object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgD4="}],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        },
    ),
    "models": (lambda c: list(c.models.list()), lambda: MODELS),
    "a file": (
        lambda c: c.files.create(file=("a.txt", b"text"), purpose="user_data"),
        lambda: {
            "id": "f", "object": "file", "bytes": 4, "created_at": 1, "filename": "a", "purpose": "user_data",
            "status": "processed",
        },
    ),
    "the content of a file": (
        lambda c: c.files.content("f").read(),
        lambda: httpx2.Response(200, content=b"\x00bytes", headers={"content-type": "application/octet-stream"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_objects_and_requests_are_those_of_the_sdk(name):
    request, reply = REQUESTS[name]
    theirs, ours = Upstream(reply()), Upstream(reply())
    expected, got = request(bare(theirs)), request(sync(ours))
    assert got == expected
    if hasattr(expected, "model_dump"):
        assert got.model_dump(warnings=False) == expected.model_dump(warnings=False)
        assert isinstance(got, type(expected)) or type(expected).__name__.startswith("Parsed")
    assert ours.requests[0].url == theirs.requests[0].url
    assert ours.requests[0].method == theirs.requests[0].method
    if name != "a file":  # its boundary is random
        assert ours.requests[0].content == theirs.requests[0].content


STREAMS = {
    "chat": (lambda c: c.chat.completions.create(model="m", messages=[HELLO], stream=True, stream_options={"include_usage": True}), lambda: sse(*text_chunks("a", "b"))),
    "a call": (lambda c: c.chat.completions.create(model="m", messages=[HELLO], stream=True, stream_options={"include_usage": True}), lambda: sse(*call_chunks("c1", "f", '{"a"', ":1}"))),
    "responses": (lambda c: c.responses.create(model="m", input="x", stream=True), lambda: sse(*response_events(), done=False)),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_streams_are_those_of_the_sdk(name):
    request, reply = STREAMS[name]
    expected, stream = list(request(bare(Upstream(reply())))), request(sync(Upstream(reply())))
    assert isinstance(stream, openai.Stream)
    assert list(stream) == expected
    assert stream.response.is_closed
    assert list(stream) == []


@pytest.mark.parametrize("name", ["chat", "responses"])
def test_both_clients_send_the_same(name):
    request, reply = REQUESTS[name]
    ours, theirs = Upstream(reply()), Upstream(reply())
    request(sync(ours, user_id="u", headers={"X-A": "a"}))
    run(request(theirs.client(user_id="u", headers={"X-A": "a"})))
    assert ours.requests[0].headers == theirs.requests[0].headers
    assert ours.requests[0].content == theirs.requests[0].content


def test_the_stream_helper_of_chat():
    client = sync(Upstream(sse(*text_chunks('{"name": ', '"Rome"}'))))
    with client.chat.completions.stream(messages=[HELLO], response_format=City) as events:
        kinds = [event.type for event in events]
        final = events.get_final_completion()
    assert "content.delta" in kinds
    assert final.choices[0].message.parsed == City(name="Rome")


def test_the_stream_helper_of_responses():
    client = sync(Upstream(sse(*response_events(text='{"name": "Rome"}'), done=False)))
    with client.responses.stream(input="x", text_format=City) as events:
        final = events.get_final_response()
    assert final.output_parsed == City(name="Rome")


def test_a_stream_helper_that_is_left_is_settled():
    upstream = Upstream(sse(ROLE, chunk({"content": "a"}), HANG))
    with track() as journals, sync(upstream).chat.completions.stream(messages=[HELLO]) as events:
        next(iter(events))
    assert journals[0].ended is not None
    assert upstream.replies[0].extensions["body"].closed


def test_raw_responses_can_be_read_and_parsed():
    raw = sync(Upstream()).chat.completions.with_raw_response.create(messages=[HELLO], model="m")
    assert raw.headers["x-request-id"] == raw.request_id == "req-1"
    assert raw.http_response.json()["choices"][0]["message"]["content"] == "Hello!"
    assert isinstance(raw.http_response, httpx2.Response)
    parsed = raw.parse()
    assert isinstance(parsed, ChatCompletion)
    assert parsed.attempts
    assert parsed._request_id == "req-1"


def test_a_compressed_raw_response_reads_as_text():
    import gzip

    body = gzip.compress(json.dumps(completion()).encode())
    reply = httpx2.Response(200, headers={"content-type": "application/json"}, content=b"")
    upstream = Upstream(lambda _: reply)
    upstream.http = httpx2.AsyncClient(
        transport=httpx2.MockTransport(
            lambda _: httpx2.Response(
                200, headers={"content-type": "application/json", "content-encoding": "gzip"}, content=body
            )
        )
    )
    raw = sync(upstream).chat.completions.with_raw_response.create(messages=[HELLO], model="m")
    assert raw.http_response.json()["id"] == "chatcmpl-1"
    assert raw.parse().id == "chatcmpl-1"


@pytest.mark.parametrize("way", ["parse", "lines", "bytes", "text"])
def test_raw_streams_can_be_read_one_way_or_the_other(way):
    client = sync(Upstream(sse(*text_chunks("a", "b"))))
    with track() as journals:
        raw = client.chat.completions.with_raw_response.create(messages=[HELLO], model="m", stream=True)
        got = {
            "parse": lambda: "".join(c.choices[0].delta.content or "" for c in raw.parse()),
            "lines": lambda: "\n".join(raw.http_response.iter_lines()),
            "bytes": lambda: b"".join(raw.http_response.iter_bytes()).decode(),
            "text": lambda: raw.http_response.read().decode(),
        }[way]()
        raw.http_response.close()
    assert (
        got == "ab" if way == "parse" else got.endswith("data: [DONE]\n\n" if way != "lines" else "data: [DONE]\n")
    )
    assert journals[0].ended is not None


def test_a_raw_response_that_nobody_keeps_does_not_take_its_stream_along():
    client = sync(Upstream(sse(*text_chunks("a", "b"))))
    create = client.chat.completions.with_raw_response.create
    chunks = list(create(messages=[HELLO], model="m", stream=True).parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "ab"


def test_a_raw_response_knows_how_long_it_took():
    with ScriptedRouter(lambda _: "Hello!", models=["m"]) as router, Hanzo(router.base_url, KEY) as client:
        raw = client.chat.completions.with_raw_response
        assert raw.create(messages=[HELLO], model="m").elapsed.total_seconds() > 0
        assert client.models.with_raw_response.list().elapsed.total_seconds() > 0
        with client.models.with_streaming_response.list() as listing:
            listing.read()
        assert listing.http_response.elapsed.total_seconds() > 0


@pytest.mark.parametrize("read", ["parsed", "raw"])
def test_a_stream_that_was_read_knows_how_long_it_took(read):
    with ScriptedRouter(lambda _: "Hello!", models=["m"]) as router, Hanzo(router.base_url, KEY) as client:
        raw = client.chat.completions.with_raw_response.create(messages=[HELLO], model="m", stream=True)
        took = raw.parse() if read == "parsed" else raw.http_response.iter_bytes()
        assert list(took)
        assert raw.elapsed.total_seconds() > 0
        stream = client.chat.completions.create(messages=[HELLO], model="m", stream=True)
        assert list(stream)
        assert stream.response.elapsed.total_seconds() > 0


@pytest.mark.parametrize("read", ["parsed", "raw"])
async def test_a_stream_that_was_awaited_knows_how_long_it_took(read):
    with ScriptedRouter(lambda _: "Hello!", models=["m"]) as router:
        async with AsyncHanzo(router.base_url, KEY) as client:
            raw = await client.chat.completions.with_raw_response.create(messages=[HELLO], model="m", stream=True)
            took = raw.parse() if read == "parsed" else raw.http_response.aiter_bytes()
            assert [piece async for piece in took]
            assert raw.elapsed.total_seconds() > 0
            stream = await client.chat.completions.create(messages=[HELLO], model="m", stream=True)
            assert [chunk async for chunk in stream]
            assert stream.response.elapsed.total_seconds() > 0


def test_streaming_responses_are_left_with_their_block():
    upstream = Upstream(sse(ROLE, chunk({"content": "a"}), HANG))
    with track() as journals:
        streaming = sync(upstream).chat.completions.with_streaming_response
        with streaming.create(messages=[HELLO], model="m", stream=True) as answer:
            assert next(answer.iter_lines()).startswith("data: ")
    assert upstream.replies[0].extensions["body"].closed
    assert journals[0].ended is not None
    with sync(Upstream()).chat.completions.with_streaming_response.create(messages=[HELLO], model="m") as answer:
        assert answer.parse().id == "chatcmpl-1"
        assert answer.json()["id"] == "chatcmpl-1"


@pytest.mark.parametrize("mode", ["with_raw_response", "with_streaming_response"])
def test_other_requests_have_raw_responses_too(mode):
    client = sync(Upstream(MODELS))
    listing = getattr(client.models, mode).list()
    with listing if mode == "with_streaming_response" else contextlib.nullcontext(listing) as answer:
        assert answer.status_code == 200
        assert [model.id for model in answer.parse()] == ["m"]


def test_a_file_is_streamed():
    reply = httpx2.Response(200, content=b"ab" * 5000, headers={"content-type": "application/octet-stream"})
    with sync(Upstream(reply)).files.with_streaming_response.content("f") as answer:
        assert b"".join(answer.iter_bytes()) == b"ab" * 5000
    assert answer.is_closed


def test_pages_follow_each_other():
    page = {"object": "list", "data": [{"id": "f1"}], "has_more": True}
    upstream = Upstream(page, {**page, "data": [{"id": "f2"}], "has_more": False})
    assert [file.id for file in sync(upstream).files.list()] == ["f1", "f2"]
    assert upstream.requests[1].url.params["after"] == "f1"


def test_what_a_transport_of_another_kind_answers_is_the_same():
    httpx = pytest.importorskip("httpx")

    def answer(request):
        if json.loads(request.content).get("stream"):
            events = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in text_chunks("a"))
            return httpx.Response(200, content=events, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=completion())

    client = Hanzo(URL, KEY, model="m", http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    assert ask(client).id == "chatcmpl-1"
    assert "".join(c.choices[0].delta.content or "" for c in ask(client, stream=True)) == "a"
    raw = client.chat.completions.with_raw_response.create(messages=[HELLO], model="m")
    assert raw.http_response.json()["id"] == "chatcmpl-1"


# --- its settings -------------------------------------------------------------------------------------------------


def test_it_takes_the_arguments_of_the_asynchronous_client():
    import inspect

    from hanzo_agents.facade.keywords import MoreSettings
    from hanzo_agents.sync_client import HanzoSettings

    theirs = set(inspect.signature(AsyncHanzo.__init__).parameters) | set(MoreSettings.__annotations__)
    ours = set(HanzoSettings.__annotations__) | set(inspect.signature(Hanzo.__init__).parameters)
    assert theirs - {"more", "_inherit", "_provider"} == ours - {"settings", "_inner"}
    assert not HanzoSettings.__required_keys__


def test_policies_come_along_with_every_copy():
    upstream = Upstream(status(503))
    client = sync(upstream, policies=[Retry(attempts=2, base_delay=0)])
    copied = client.with_options(timeout=5).copy(default_headers={"X-A": "a"})
    assert type(copied) is Hanzo
    assert (copied.timeout, client.timeout) == (5, sync(upstream).timeout)
    with pytest.raises(openai.InternalServerError):
        ask(copied)
    assert upstream.hits == 2
    assert upstream.requests[0].headers["x-a"] == "a"
    with pytest.raises(openai.InternalServerError):
        ask(client.with_options(max_retries=0))
    assert upstream.hits == 3
    assert client.with_options(max_retries=4).max_retries == 4


def test_what_is_set_on_the_client_is_used():
    upstream = Upstream()
    client = sync(upstream)
    client.api_key = "sk-another-0123"
    client.base_url = "https://elsewhere.test/v1"
    client.timeout = 7
    ask(client)
    (request,) = upstream.requests
    assert request.headers["authorization"] == "Bearer sk-another-0123"
    assert request.url.host == "elsewhere.test"
    assert request.extensions["timeout"]["read"] == 7
    assert client.models.with_raw_response.list().http_request.headers["authorization"] == "Bearer sk-another-0123"


def test_openai_variables_reach_nobody(monkeypatch):
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET", "ADMIN_KEY"):
        monkeypatch.setenv(f"OPENAI_{name}", f"secret-{name.lower()}")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: secret-header")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://secret.test/v1")
    upstream = Upstream(completion(), completion(), MODELS)
    client = sync(upstream)
    ask(client)
    ask(client.with_options(timeout=3))
    client.models.list()
    for request in upstream.requests:
        assert "secret" not in str(request.url) + repr(request.headers.multi_items())
    assert (client.organization, client.project, client.webhook_secret, client.admin_api_key) == (None,) * 4


def test_an_address_of_another_machine_needs_its_own_key():
    with pytest.raises(ConfigError, match="needs its own api_key"):
        sync(Upstream()).with_options(base_url="https://other.test/v1")
    upstream = Upstream()
    ask(sync(upstream).with_options(base_url="https://other.test/v1", api_key="sk-other-01234"))
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-other-01234"


def test_fallbacks_have_keys_of_their_own():
    upstream = Upstream(status(503), completion())
    target = Target("b", base_url="https://other.test/v1", api_key="sk-other-01234")
    answer = ask(sync(upstream, policies=[Retry(attempts=1)], fallbacks=[target]))
    assert [r.headers["authorization"] for r in upstream.requests] == [f"Bearer {KEY}", "Bearer sk-other-01234"]
    assert answer.provider == "other.test"
    assert "InternalServerError" in answer.routing_reason


def test_without_any_model_the_call_is_refused_by_name():
    client = Hanzo(URL, KEY, http_client=Upstream().http)
    for call in (
        lambda: ask(client),
        lambda: client.chat.completions.parse(messages=[HELLO]),
        lambda: client.chat.completions.stream(messages=[HELLO]),
        lambda: client.responses.create(input="x"),
        lambda: client.responses.stream(input="x"),
        lambda: client.embeddings.create(input="x"),
    ):
        with pytest.raises(ConfigError, match="model: expected"):
            call()


def test_it_explains_what_it_would_do():
    upstream = Upstream()
    plan = sync(upstream, fallbacks=["b"]).explain(messages=[HELLO])
    assert "Fallback" in str(plan)
    assert upstream.hits == 0


def test_cached_answers_say_so():
    upstream = Upstream(completion("a"))
    client = sync(upstream, policies=[Cache()])
    first, second = ask(client, temperature=0), ask(client, temperature=0)
    *_, last = ask(client, temperature=0, stream=True)
    assert upstream.hits == 1
    assert [first.from_cache, second.from_cache, last.from_cache] == [False, True, True]
    assert (second.cost, second.cost_basis) == (last.cost, last.cost_basis) == (0, "reported")
    assert "Cache" in second.routing_reason
    assert second.model_dump() == first.model_dump()


def test_web_sockets_are_refused():
    client = sync(Upstream())
    for opening in (
        lambda: client.realtime,
        client.responses.connect,
        lambda: client.beta.realtime,
        client.beta.responses.connect,
    ):
        with pytest.raises(ConfigError, match="WebSocket"):
            opening()


def test_beta_chat_is_the_clients_own():
    upstream = Upstream(completion('{"name": "Paris"}'))
    client = sync(upstream, model="own")
    assert client.beta.chat is client.chat
    assert client.beta.chat.completions.create(messages=[HELLO]).attempts
    assert upstream.bodies[0]["model"] == "own"


def test_the_sdks_own_transport_is_no_way_around():
    with pytest.raises(RuntimeError, match="sends its requests itself"):
        sync(Upstream())._client.get("https://router.test/v1/models")


# --- errors -------------------------------------------------------------------------------------------------------


def test_errors_are_those_of_the_asynchronous_client():
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(sync(Upstream(status(401, {"error": {"message": f"bad {KEY}"}}))))
    assert KEY not in str(caught.value)
    with pytest.raises(InvalidResponse):
        ask(sync(Upstream({"choices": []}), policies=[]))
    with pytest.raises(StreamTruncated):
        list(ask(sync(Upstream(sse(ROLE, chunk({"content": "a"}), done=False)), policies=[]), stream=True))
    with pytest.raises(openai.APIConnectionError):
        ask(sync(Upstream(httpx2.ConnectError("refused")), policies=[]))
    with pytest.raises(errors.AllProvidersFailed):
        ask(sync(Upstream(status(503)), policies=[Retry(attempts=1)], fallbacks=["b"]))
    with pytest.raises(openai.NotFoundError):
        sync(Upstream(status(404)), policies=[]).models.retrieve("x")


def test_listings_keep_their_retries():
    upstream = Upstream(status(503), MODELS)
    with FakeClock(auto=True) as clock, track() as journals:
        assert [model.id for model in sync(upstream).models.list()] == ["m"]
    assert len(clock.sleeps) == 1
    assert journals[0].operation == "/models"


# --- threads, interrupts, ends ------------------------------------------------------------------------------------


def test_threads_share_a_client():
    with ScriptedRouter(lambda request: request.prompt.upper()) as router, ThreadPoolExecutor(8) as threads:
        client = Hanzo(router.base_url, "k", model="m")

        def both(word):
            messages = [{"role": "user", "content": word}]
            value = client.chat.completions.create(messages=messages)
            stream = client.chat.completions.create(messages=messages, stream=True)
            return value.choices[0].message.content, "".join(c.choices[0].delta.content or "" for c in stream)

        words = [f"word{number}" for number in range(16)]
        assert list(threads.map(both, words)) == [(word.upper(), word.upper()) for word in words]
        client.close()


def test_a_call_on_the_loop_that_serves_it_is_refused():
    client = sync(Upstream())

    async def policy(call, send):
        return ask(client)

    with pytest.raises(RuntimeError, match="use AsyncHanzo"):
        ask(sync(Upstream(), policies=[policy]))


def test_a_dropped_stream_is_settled_and_closed():
    upstream = Upstream(sse(ROLE, chunk({"content": "a"}), HANG))
    with track() as journals:
        stream = ask(sync(upstream), stream=True)
        next(stream)
        gone = weakref.ref(stream)
        del stream
        gc.collect()
        assert gone() is None
        run(_nothing())  # the closing was asked for before this
        run(_nothing())
    body = upstream.replies[0].extensions["body"]
    assert body.closed
    assert journals[0].ended is not None


async def _nothing():
    for _ in range(10):
        await asyncio.sleep(0)


def test_breaking_off_and_closing_settle_at_once():
    for leave in ("with", "close"):
        upstream = Upstream(sse(ROLE, chunk({"content": "a"}), HANG))
        with track() as journals:
            stream = ask(sync(upstream), stream=True)
            if leave == "with":
                with stream:
                    for _ in stream:
                        break
            else:
                next(stream)
                stream.close()
        assert upstream.replies[0].extensions["body"].closed
        assert journals[0].ended is not None
        assert stream.response.is_closed


def test_a_stream_is_read_by_its_events_only():
    stream = ask(sync(Upstream(sse(*text_chunks("a")))), stream=True)
    with pytest.raises(httpx2.StreamConsumed):
        stream.response.read()


def test_the_key_may_come_from_a_function_that_blocks_and_calls():
    upstream = Upstream()
    inner = sync(Upstream())
    seen = []

    def key():
        seen.append(threading.current_thread().name)
        return f"sk-{ask(inner).id}-0123"

    client = sync(upstream, api_key=key)
    ask(client)
    ask(client.with_options(timeout=3))
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-chatcmpl-1-0123"
    assert "hanzo-agents-loop" not in seen


def test_the_key_may_come_from_a_coroutine_function():
    async def key():
        return "sk-later-0123"

    upstream = Upstream()
    ask(sync(upstream, api_key=key))
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-later-0123"


def test_the_callers_own_code_runs_in_its_thread():
    threads = []

    class Seen(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def look(cls, value):
            threads.append(threading.current_thread())
            return value

    def messages():
        threads.append(threading.current_thread())
        yield HELLO

    client = sync(Upstream(completion('{"name": "Rome"}')))
    client.chat.completions.parse(messages=[HELLO], response_format=Seen)
    client.chat.completions.create(messages=messages())
    assert set(threads) == {threading.current_thread()}
    assert len(threads) == 2


def test_a_block_closes_the_connections():
    with ScriptedRouter(["a", "b"]) as router:
        with Hanzo(router.base_url, "k", model="m") as client:
            assert ask(client).choices[0].message.content == "a"
        assert not client.is_closed()
        assert ask(client).choices[0].message.content == "b", "it opens new ones, as the asynchronous client does"
        client.close()
        client.close()


def test_deadlines_go_by_the_callers_clock():
    upstream = Upstream(status(503), completion())
    with FakeClock(auto=True) as clock:
        ask(sync(upstream, policies=Stack(Deadline(total=9), Retry(jitter=lambda: 0.5))))
    assert clock.sleeps == [0.25]


SCRIPT = """
import os, signal, sys, threading
from hanzo_agents import Hanzo
from hanzo_agents.testing.scripted import ScriptedRouter

ask = [{"role": "user", "content": "?"}]
with ScriptedRouter(lambda request: f"answer {request.number}") as router:
    client = Hanzo(router.base_url, "k", model="m")
"""


def execute(script):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_parent_and_forked_child_both_go_on():
    said = execute("""
    print(client.chat.completions.create(messages=ask).choices[0].message.content, flush=True)
    if (child := os.fork()) == 0:
        print("child", len(list(client.chat.completions.create(messages=ask, stream=True))) > 2, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(client.chat.completions.create(messages=ask).choices[0].message.content, flush=True)
    """)
    assert said == ["answer 1", "child True", "answer 3"]


def test_a_program_that_forgets_everything_ends_in_order():
    said = execute("""
    stream = client.chat.completions.create(messages=ask, stream=True)
    next(stream)
    print("left", flush=True)
    """)
    assert said == ["left"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
@pytest.mark.parametrize("stream", [False, True])
def test_an_interrupt_cancels_the_call(stream):
    left = []

    async def hang(_request):
        try:
            await call_off_loop(signal.pthread_kill, threading.main_thread().ident, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            left.append(True)

    with track() as journals, pytest.raises(KeyboardInterrupt):
        ask(sync(Upstream(hang)), stream=stream)
    assert left == [True]
    assert journals[0].ended is not None


# --- on this machine ----------------------------------------------------------------------------------------------


@pytest.mark.node
def test_it_works_with_no_network_at_all():
    with Hanzo.local() as client:
        answer = client.chat.completions.create(messages=[HELLO], max_tokens=8)
        assert answer.choices[0].message.content
        assert answer.provider == "local"
        assert [model.id for model in client.models.list()] == [client.default_model]


@pytest.mark.node
async def test_so_does_the_asynchronous_client():
    async with AsyncHanzo.local() as client:
        answer = await client.chat.completions.create(messages=[HELLO], max_tokens=8)
        assert answer.choices[0].message.content


@pytest.mark.parametrize("name", ["base_url", "api_key", "env_file"])
def test_the_embedded_node_needs_no_address(name):
    for kind in (Hanzo, AsyncHanzo):
        with pytest.raises(ConfigError, match=name):
            kind.local(**{name: "x"})
