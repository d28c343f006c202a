"""What goes wrong between LLMWise and us: every failure is one, says what it is, and nothing accepted is replayed."""

import asyncio
import gc
import json
import logging
import pickle
import threading
import traceback
from dataclasses import replace
from functools import partial

import httpx
import llmwise
import openai
import pytest
from llmwise_server import HAIKU, SSE, LLMWiseServer, chat, chat_events, compare_events, cut, done, raw_sse, sse

from hanzo_agents import ConfigError, Deadline, DeadlineExceeded, ResponseTooLarge, Retry, track
from hanzo_agents._kernel.loop_thread import loop_thread
from hanzo_agents.errors import HanzoError
from hanzo_agents.llmwise import AsyncLLMWise, LLMWise, LLMWiseError, events
from hanzo_agents.testing._http import Http, Pause, Reset, Send, json_http
from hanzo_agents.testing._sse import DIALECTS, Event
from hanzo_agents.testing._wire_faults import body, html, reset, wrong_length
from hanzo_agents.testing.clock import FakeClock

KEY = "mm_sk_canary_0123456789"
ASK = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "auto", "messages": ASK}
COMPARE = {"models": ["a", "b"], "messages": ASK}
MODES = {
    "chat": CHAT, "compare": COMPARE, "blend": COMPARE,
    "judge": {"contestants": ["a", "b"], "judge": "c", "messages": ASK},
}  # fmt: skip
POOR = json_http({"error": "Insufficient credits", "needed": 3}, status=402)
BUSY = json_http({"error": "slow down"}, status=429, headers=(("retry-after", "7"),))
DOWN = json_http({"detail": "upstream is away"}, status=503)
NO_WAIT = Retry(base_delay=0)


@pytest.fixture
def client(server):
    return AsyncLLMWise(KEY, server.base_url, policies=[NO_WAIT])


async def read(stream, heard=None):
    """All events; those before an error are in `heard`."""
    heard = [] if heard is None else heard
    async for event in stream:
        heard.append(event)
    return heard


async def asked(client, mode="chat", *, stream=False):
    """An answer, or the events of one."""
    if stream:
        return await read(getattr(client, f"{mode}_stream")(**MODES[mode]))
    return await getattr(client, mode)(**MODES[mode])


def texts(events):
    return "".join(event.get("delta", "") for event in events)


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


class TestRefusals:
    @BOTH
    @pytest.mark.parametrize("mode", MODES)
    async def test_no_credits(self, server, client, mode, stream):
        server.script = [POOR]
        with pytest.raises(LLMWiseError, match=r"^Insufficient credits \(status 402\)$") as raised:
            await asked(client, mode, stream=stream)
        error = raised.value
        assert (error.status_code, error.message, error.code) == (402, "Insufficient credits", "refused")
        assert error.payload == {"error": "Insufficient credits", "needed": 3}
        assert server.hits == 1

    def test_the_official_client_cannot_say_so_of_a_stream(self, server):
        server.script = [POOR]
        theirs = llmwise.LLMWise(KEY, server.base_url)
        with pytest.raises(httpx.ResponseNotRead):
            list(theirs.chat_stream(**CHAT))
        theirs.close()

    @BOTH
    async def test_retry_after_is_waited_for(self, server, client, stream):
        server.script = [BUSY]
        with FakeClock(auto=True) as clock:
            answer = await asked(client, stream=stream)
        assert (texts(answer) if stream else answer["content"]) == HAIKU
        assert clock.sleeps == [7.0]

    async def test_retry_after_is_told(self, server):
        server.script = [BUSY]
        with pytest.raises(LLMWiseError) as raised:
            await AsyncLLMWise(KEY, server.base_url, policies=[]).chat(**CHAT)
        assert raised.value.retry_after == 7.0

    @BOTH
    @pytest.mark.parametrize("mode", MODES)
    async def test_only_a_chat_is_asked_again(self, server, client, mode, stream):
        server.script = [DOWN] * 3
        with pytest.raises(LLMWiseError, match=r"^upstream is away \(status 503\)$"):
            await asked(client, mode, stream=stream)
        assert server.hits == (3 if mode == "chat" else 1)

    @pytest.mark.parametrize("mode", MODES)
    async def test_what_was_never_sent_is_asked_again_in_every_mode(self, mode):
        client = AsyncLLMWise(KEY, "http://127.0.0.1:9", policies=[NO_WAIT])
        with track() as journals, pytest.raises(openai.APIConnectionError):
            await asked(client, mode)
        assert [attempt.sent for attempt in journals[0].attempts] == [False] * 3

    @pytest.mark.parametrize(
        ("payload", "message"),
        [
            ({"detail": "Not found"}, "Not found"),
            ({"detail": [{"loc": ["body", "model"], "msg": "field required"}]}, "field required"),
            ({"error": {"message": "nested"}}, "nested"),
            ({"message": "plain"}, "plain"),
            ({}, "Request failed"),
            ([1], "Request failed"),
            ({"status_code": []}, "Request failed"),
            ({"error": "\x1b[31mred\nline" + "!" * 9000}, "[31mred line" + "!" * 487),
        ],
    )
    async def test_every_way_of_saying_why(self, server, client, payload, message):
        server.script = [json_http(payload, status=422)]
        with pytest.raises(LLMWiseError) as raised:
            await client.keys_info()
        assert (raised.value.message, raised.value.payload) == (message, payload)

    async def test_a_page_instead_of_a_reason(self, server, client):
        server.script = [html(404)]
        with pytest.raises(LLMWiseError, match=r"^Request failed \(status 404\)$") as raised:
            await client.keys_info()
        assert "Sign in" in raised.value.payload

    @BOTH
    async def test_a_redirect_is_not_followed(self, server, client, stream):
        server.script = [Http(status=307, headers=(("location", f"{server.url}/elsewhere"),))]
        with pytest.raises(LLMWiseError, match=r"redirects are not followed.*status 307") as raised:
            await asked(client, stream=stream)
        assert raised.value.code == "redirect"
        assert server.hits == 1


class TestNoAnswers:
    @BOTH
    @pytest.mark.parametrize("mode", MODES)
    async def test_a_page_in_a_200(self, server, client, mode, stream):
        server.script = [html()] * 3
        with pytest.raises(LLMWiseError) as raised:
            await asked(client, mode, stream=stream)
        assert (raised.value.status_code, raised.value.code) == (502, "invalid_response")
        assert server.hits == (3 if mode == "chat" else 1)

    @pytest.mark.parametrize(
        "what", ["[]", "null", "", '"text"', '{"cut": ', "{}", '{"content": null}', '{"content": ["a"]}']
    )
    async def test_json_that_is_none_or_another(self, server, client, what):
        server.script = [body(what)] * 3
        with pytest.raises(LLMWiseError, match="502"):
            await client.chat(**CHAT)

    async def test_an_error_in_a_200(self, server, client):
        server.script = [json_http({"error": "no such model", "status_code": 404})]
        with pytest.raises(LLMWiseError, match=r"^no such model \(status 404\)$"):
            await client.chat(**CHAT)
        assert server.hits == 1

    async def test_json_where_a_stream_was_asked_for(self, server, client):
        server.script = [json_http({"error": "no streams today", "status_code": 400})]
        with pytest.raises(LLMWiseError, match="no streams today"):
            await asked(client, stream=True)

    @pytest.mark.parametrize("status", [200, 500])
    async def test_a_body_that_breaks_off(self, server, client, status):
        server.script = [wrong_length(replace(json_http(chat(), status=status)), by=10)] * 3
        with pytest.raises((openai.APIConnectionError, LLMWiseError)) as raised:
            await client.chat(**CHAT)
        assert getattr(raised.value, "status_code", None) == (500 if status == 500 else None)
        assert server.hits == 3

    @pytest.mark.parametrize(
        "figure", ["1e999999999", 10**4000, -5, float("nan"), float("inf"), True, "many", [1]]
    )
    async def test_a_figure_that_is_none(self, server, client, figure):
        told = chat(prompt_tokens=figure, completion_tokens=figure, cost=figure, credits_charged=figure)
        server.script = [json_http(told)]
        with track() as journals:
            assert (await client.chat(**CHAT))["content"] == HAIKU
        assert journals[0].attempts[0].usage.basis == "estimated"
        assert journals[0].cost.basis != "reported"

    @pytest.mark.parametrize("page", [html(), body("<html>Sign in</html>", content_type="Text/HTML")])
    async def test_a_page_instead_of_a_table(self, server, client, page):
        server.script = [page] * 3
        with pytest.raises(LLMWiseError, match="The response is a page"):
            await client.optimization_test_run_csv("run_1")

    async def test_the_wrong_shape(self, server, client):
        for method, answer in (("models", "{}"), ("credits_balance", "[]"), ("create_conversation", "[1]")):
            server.script = [body(answer)] * 3
            with pytest.raises(LLMWiseError, match="Unexpected response shape"):
                await getattr(client, method)()

    @BOTH
    async def test_too_much_of_it(self, server, stream):
        client = AsyncLLMWise(KEY, server.base_url, max_response_bytes=1000, policies=[NO_WAIT])
        server.script = [sse({"delta": "x" * 2000}) if stream else json_http(chat(content="x" * 2000))]
        with pytest.raises(ResponseTooLarge):
            await asked(client, stream=stream)
        assert server.hits == 1


class TestStreams:
    @pytest.mark.parametrize("name", DIALECTS)
    async def test_every_spelling(self, server, client, name):
        spelled = DIALECTS[name].encode(
            [*map(Event, chat_events(content="Grüße \u2028 ✓")), Event("[DONE]", "done")]
        )
        server.script = [Http(headers=SSE, body=tuple(spelled), framing="chunked")]
        events = await asked(client, stream=True)
        assert texts(events) == "Grüße \u2028 ✓"
        assert events[-1]["event"] == "done"

    async def test_lines_without_empty_ones_between_them(self, server, client):
        server.script = [sse(*chat_events(), ends="\n")]
        assert texts(await asked(client, stream=True)) == HAIKU

    async def test_junk_is_skipped(self, server, client):
        junk = "retry: 5\nfoo\ndata:\ndata: {broken\n\ndata: 17\n\ndata: null\n\n: ping\n\nevent: x\ndata: []\n\n"
        good = "".join(f"data: {json.dumps(event)}\n\n" for event in [{"delta": "one"}, done()])
        many = "data: x\n" * 300
        server.script = [raw_sse(f"{junk}{many}\n{good}{junk}data: [DONE]\n\ndata: {{}}\n\n".encode())]
        events = await asked(client, stream=True)
        assert [event.get("delta") for event in events] == ["one", None]

    async def test_unknown_events_and_fields_are_handed_on(self, server, client):
        server.script = [sse({"event": "brand_new", "x": [1]}, {"delta": "a", "y": {}}, done(z=None))]
        assert await asked(client, stream=True) == [
            {"event": "brand_new", "x": [1]}, {"delta": "a", "y": {}}, done(z=None),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "end",
        [
            lambda events: sse(*events, done=False),
            lambda events: sse(*events[:-1]),
            lambda events: sse(*events[:-1], done=False),
            lambda events: cut(sse(*events, done=False)),
            lambda events: replace(sse(*events, done=False), body=(*sse(*events, done=False).body, Reset())),
            lambda events: replace(sse(*events), body=(*sse(*events).body, Pause())),
        ],
        ids=["done", "[DONE]", "finish_reason", "cut after done", "reset after done", "left open"],
    )
    async def test_each_end_is_one(self, server, client, monkeypatch, end):
        monkeypatch.setattr(events, "GRACE", 0.01)
        server.script = [end(chat_events())]
        assert texts(await asked(client, stream=True)) == HAIKU
        server.release()

    @pytest.mark.parametrize(
        "end",
        [
            lambda: sse({"delta": "one"}, done=False),
            lambda: cut(sse({"delta": "one"}, done=False)),
            lambda: replace(sse(done=False), body=(Send(b'data: {"delta": "one"}\n\n'), Reset())),
            lambda: raw_sse(b'data: {"delta": "one"}\n\ndata: {"delta": "tw'),
        ],
        ids=["ended", "cut", "reset", "cut in an event"],
    )
    @pytest.mark.parametrize("mode", ["chat", "compare"])
    async def test_a_cut_stream_is_an_error_and_is_not_replayed(self, server, client, mode, end):
        server.script = [end()]
        heard = []
        with track() as journals, pytest.raises(LLMWiseError) as raised:
            await read(getattr(client, f"{mode}_stream")(**MODES[mode]), heard)
        assert heard == [{"delta": "one"}]
        assert raised.value.code == "stream_truncated"
        assert server.hits == 1
        assert journals[0].error is raised.value

    @pytest.mark.parametrize("end", [sse, lambda: sse({"event": "route"}), reset])
    async def test_a_stream_without_an_answer_is_asked_for_again(self, server, client, end):
        server.script = [end()]
        assert texts(await asked(client, stream=True)) == HAIKU
        assert server.hits == 2

    async def test_an_error_before_the_answer(self, server, client):
        server.script = [sse({"event": "route"}, {"error": "overloaded", "status_code": 529})]
        assert texts(await asked(client, stream=True)) == HAIKU
        assert server.hits == 2

    @pytest.mark.parametrize("mode", MODES)
    async def test_an_error_in_the_middle(self, server, client, mode):
        server.script = [sse({"delta": "one"}, {"error": "the model has gone"}, {"delta": "two"}, done())]
        heard = []
        with pytest.raises(LLMWiseError, match=r"^the model has gone \(status 502\)$") as raised:
            await read(getattr(client, f"{mode}_stream")(**MODES[mode]), heard)
        assert (texts(heard), raised.value.code, server.hits) == ("one", "stream_error", 1)

    async def test_an_event_that_is_an_error_by_name(self, server, client):
        server.script = [sse({"delta": "one"}, {"event": "error", "message": "gone"})]
        with pytest.raises(LLMWiseError, match="gone"):
            await asked(client, stream=True)

    async def test_an_error_of_one_model_is_that_models(self, server, client):
        failed = {"model": "a", "error": "timed out", "done": True}
        server.script = [sse({"model": "b", "delta": "x"}, failed, done())]
        assert failed in await asked(client, "compare", stream=True)

    async def test_an_error_on_the_way_to_the_answer_is_none(self, server, client):
        tried = {"event": "trace", "model": "a", "error": "rate limited", "status_code": 429}
        server.script = [sse(tried, {"delta": "x"}, done(final_model="b"))]
        with track() as journals:
            assert tried in await asked(client, stream=True)
        assert journals[0].answered.model == "b"

    async def test_the_timeout_of_a_read_ends_a_stream(self, server):
        server.script = [replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause()))]
        stream = AsyncLLMWise(KEY, server.base_url, timeout=0.05, policies=[]).chat_stream(**CHAT)
        assert await anext(stream) == {"delta": "one"}
        with pytest.raises(openai.APITimeoutError):
            await anext(stream)

    async def test_what_is_no_text_or_nested_too_deep(self, server, client):
        server.script = [sse({"delta": ["odd"]}, "{" + '"a":[' * 100_000 + "}", {"delta": "one"}, done())]
        assert len(await asked(client, stream=True)) == 3

    async def test_a_stream_that_is_left_before_its_first_event(self, server):
        server.script = [replace(sse(), body=(Pause(), *sse({"delta": "one"}, done()).body))]
        stream = AsyncLLMWise(KEY, server.base_url, policies=[]).chat_stream(**CHAT)
        reading = asyncio.create_task(read(stream))
        await server.until(lambda: server.paused == 1)
        await stream.aclose()
        server.release()
        assert await reading == []
        await server.until(lambda: server.open_connections == 0)

    async def test_a_silent_stream_is_given_up(self, server):
        server.script = [replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause()))]
        client = AsyncLLMWise(KEY, server.base_url, policies=[Deadline(idle=5)])
        with FakeClock() as clock:
            stream = client.chat_stream(**CHAT)
            assert await anext(stream) == {"delta": "one"}
            waiting = asyncio.create_task(anext(stream))
            await clock.run_for(6)
            with pytest.raises(DeadlineExceeded):
                await waiting
        await server.until(lambda: server.open_connections == 0)

    async def test_a_connection_is_used_again(self, server, client):
        for _ in range(3):
            await asked(client, stream=True)
            await asked(client)
        assert server.connections == 1

    async def test_a_connection_that_stays_open_after_the_end_is_given_up(self, server, client, monkeypatch):
        monkeypatch.setattr(events, "GRACE", 0.01)
        server.script = [replace(sse(), body=(*sse(*chat_events()).body, Pause()))]
        assert texts(await asked(client, stream=True)) == HAIKU
        await server.until(lambda: server.open_connections == 0)

    async def test_done_is_waited_for_when_the_model_has_finished(self, server, client):
        *before, last = chat_events()
        server.script = [replace(sse(), body=(*sse(*before, done=False).body, Pause(), *sse(last).body))]
        stream = client.chat_stream(**CHAT)
        heard = [await anext(stream) for _ in before]
        waiting = asyncio.create_task(anext(stream))
        await server.until(lambda: server.paused == 1)
        server.release()
        assert heard[-1]["finish_reason"] == "stop"
        assert (await waiting)["event"] == "done"
        await stream.aclose()


class TestLeaving:
    async def test_a_stream_that_is_left(self, server, client):
        server.script = [replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause()))]
        with track() as journals:
            async with client.chat_stream(**CHAT) as stream:
                async for _ in stream:
                    break
        assert not journals[0].complete
        assert journals[0].error is None
        await server.until(lambda: server.open_connections == 0)
        assert await read(stream) == []

    async def test_a_stream_that_is_dropped_is_settled(self, server, client):
        server.script = [sse(*compare_events(["a", "b"]))]
        with track() as journals:
            stream = client.compare_stream(**COMPARE)
            await anext(stream)
            assert journals[0].ended is None
            del stream
            gc.collect()
        assert journals[0].ended is not None

    async def test_breaking_at_done_is_no_leaving(self, server, client):
        with track() as journals:
            async for event in client.chat_stream(**CHAT):
                if event.get("event") == "done":
                    break
            assert journals[0].complete
            assert journals[0].ended is not None

    async def test_nothing_is_sent_before_the_first_event_is_asked_for(self, server, client):
        stream = client.chat_stream(**CHAT)
        await stream.aclose()
        assert await read(stream) == []
        assert server.hits == 0

    async def test_two_who_ask_for_the_first_event(self, server, client):
        server.script = [replace(sse(), body=(Pause(), *sse({"delta": "one"}, done()).body))]
        stream = client.chat_stream(**CHAT)
        first = asyncio.create_task(anext(stream))
        await server.until(lambda: server.paused == 1)
        with pytest.raises(RuntimeError, match="waited for already"):
            await anext(stream)
        server.release()
        assert await first == {"delta": "one"}
        await stream.aclose()

    @pytest.mark.parametrize("stream", [False, True])
    async def test_cancelling_closes_the_connection(self, server, client, stream):
        server.script = [Http(head=False, body=(Pause(),))]
        with track() as journals:
            call = asyncio.create_task(asked(client, stream=stream))
            await server.until(lambda: server.paused == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        await server.until(lambda: server.open_connections == 0)
        assert isinstance(journals[0].error, asyncio.CancelledError)
        assert server.hits == 1

    async def test_cancelling_in_the_middle(self, server, client):
        server.script = [replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause()))]
        stream = client.chat_stream(**CHAT)
        await anext(stream)
        waiting = asyncio.create_task(anext(stream))
        await server.until(lambda: server.paused == 1 and stream._stream.reading)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.until(lambda: server.open_connections == 0)


class TestWithoutALoop:
    def test_streams_are_read_as_they_come(self, server):
        client = LLMWise(KEY, server.base_url)
        server.script = [
            replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause(), *sse(done()).body))
        ]
        events = client.chat_stream(**CHAT)
        assert server.hits == 0
        assert next(events) == {"delta": "one"}
        server.release()
        assert [event["event"] for event in events] == ["done"]
        client.close()

    def test_a_stream_that_is_left(self, server):
        server.script = [replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause()))]
        with LLMWise(KEY, server.base_url) as client:
            for _ in client.chat_stream(**CHAT):
                break
            gc.collect()
            server.wait_for(lambda: server.open_connections == 0)

    def test_errors_are_the_same(self, server):
        client = LLMWise(KEY, server.base_url, policies=[NO_WAIT])
        server.script = [POOR, POOR]
        with pytest.raises(LLMWiseError, match="Insufficient credits"):
            client.chat(**CHAT)
        with pytest.raises(LLMWiseError, match="Insufficient credits"):
            list(client.chat_stream(**CHAT))

    async def test_inside_a_running_loop_it_blocks_and_answers(self, server):
        assert LLMWise(KEY, server.base_url).chat(**CHAT)["content"] == HAIKU

    def test_on_the_loop_that_serves_it_it_refuses(self, server):
        client = LLMWise(KEY, server.base_url)
        caught = []

        async def there():
            for call in (client.models, lambda: next(client.chat_stream(**CHAT))):
                try:
                    call()
                except RuntimeError as error:
                    caught.append(str(error))

        task = asyncio.run_coroutine_threadsafe(there(), loop_thread()._loop)
        task.result(5)
        assert len(caught) == 2
        assert all("would wait for itself" in said for said in caught)
        assert server.hits == 0

    def test_many_threads_and_loops_share_one(self, server):
        client, asynchronous = LLMWise(KEY, server.base_url), AsyncLLMWise(KEY, server.base_url)
        said, failed = [], []

        def work():
            try:
                said.append(client.chat(**CHAT)["content"])
                said.append(texts(client.chat_stream(**CHAT)))
                said.append(asyncio.run(asynchronous.chat(**CHAT))["content"])
                said.append(texts(asyncio.run(asked(asynchronous, stream=True))))
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert failed == []
        assert said == [HAIKU] * 24


def shown(error):
    """Everything that printing, logging, pickling or collecting an error can show of it."""
    seen, waiting = set(), [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield str(one)
        yield repr(one)
        yield repr(vars(one))
        yield from traceback.TracebackException.from_exception(one, capture_locals=True).format()
        waiting += [one.__cause__, one.__context__]


def without_frames_of_tests(error):
    """The error without the frames that hold the key by themselves."""
    frames = error.__traceback__
    while frames is not None and "tests" in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    error.__traceback__ = frames
    return error


ECHOES = {
    "refusal": json_http({"error": f"wrong key {KEY}", KEY: [KEY]}, status=401),
    "plain text": body(f"wrong key {KEY}", code=403, content_type="text/plain"),
    "detail": json_http({"detail": f"Bearer {KEY}"}, status=422),
    "page": html(title=f"key {KEY}"),
    "no JSON": body(f"{{{KEY}"),
    "another shape": json_http([KEY]),
    "error in a 200": json_http({"error": KEY}),
    "error in a stream": sse({"error": f"wrong key {KEY}", "more": [KEY]}),
    "error after content": sse({"delta": KEY}, {"error": f"wrong key {KEY}"}),
    "cut": sse({"delta": KEY}, done=False),
    "redirect": Http(status=302, headers=(("location", f"http://{KEY}@127.0.0.1:9/?key={KEY}"),)),
}


class TestSecrets:
    @BOTH
    @pytest.mark.parametrize("place", ECHOES)
    async def test_the_key_is_in_no_error_and_no_log(self, server, caplog, place, stream):
        caplog.set_level(logging.DEBUG)
        for name in list(logging.root.manager.loggerDict):
            caplog.set_level(logging.DEBUG, logger=name)
        client = AsyncLLMWise(KEY, server.base_url, policies=[])
        server.script = [ECHOES[place]]
        with pytest.raises((HanzoError, openai.OpenAIError)) as raised:
            await asked(client, stream=stream)
        error = without_frames_of_tests(raised.value)
        assert KEY not in "\n".join(shown(error))
        # The HTTP library logs the headers of a response at DEBUG, whatever is in them.
        assert KEY not in caplog.text or place == "redirect"
        assert repr(pickle.loads(pickle.dumps(error))) == repr(error)

    async def test_keys_of_providers_do_not_come_back_either(self, server, client):
        server.script = [json_http({"detail": "no such key: sk-provider-secret"}, status=422)]
        with pytest.raises(LLMWiseError) as raised:
            await client.settings_save_keys({"openai": "sk-provider-secret"})
        assert "sk-provider-secret" not in "\n".join(shown(without_frames_of_tests(raised.value)))

    @pytest.mark.parametrize(
        "more", [{}, {"x": object()}, {"x": "\ud800"}], ids=["refused", "no JSON", "no UTF-8"]
    )
    @pytest.mark.parametrize("of_class", [False, True])
    def test_nor_are_they_in_the_frames_of_an_error(self, server, of_class, more):
        server.script = [POOR]
        client = LLMWise(KEY, server.base_url, policies=[])
        save = partial(LLMWise.settings_save_keys, client) if of_class else client.settings_save_keys
        with pytest.raises((LLMWiseError, ConfigError)) as raised:
            save({"openai": "sk-provider-secret", **more})
        assert "sk-provider-secret" not in "\n".join(shown(without_frames_of_tests(raised.value)))

    def test_no_repr_has_it(self, server):
        client = LLMWise(KEY, server.base_url)
        inner = client.asynchronous
        for part in (client, inner, inner.engine, vars(client), vars(inner), vars(inner.engine)):
            assert KEY not in repr(part)

    @pytest.mark.parametrize("url", ["http://router.test", "ftp://x", "https://user:pw@x.test", "nonsense"])
    def test_a_wrong_setting_does_not_show_it(self, url):
        with pytest.raises(ConfigError) as raised:
            LLMWise(KEY, url)
        assert KEY not in "\n".join(shown(without_frames_of_tests(raised.value)))


def test_an_error_can_be_raised_anywhere():
    """The official one is frozen, and a context manager cannot raise it."""
    from contextlib import contextmanager

    @contextmanager
    def block():
        yield

    with pytest.raises(LLMWiseError) as raised, block():
        raise LLMWiseError(402, "no credits", {"needed": 3})
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.status_code, again.message, again.payload) == (402, "no credits", {"needed": 3})
    assert str(again) == "no credits (status 402)"


async def test_a_server_that_never_comes_back():
    with LLMWiseServer() as running:
        address = running.base_url
    with pytest.raises(openai.APIConnectionError):
        await AsyncLLMWise(KEY, address, policies=[]).chat(**CHAT)
