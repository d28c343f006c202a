"""A key is in no text that the client makes: not when printed, not in errors, tracebacks or logs."""

import copy
import gc
import hashlib
import json
import logging
import pickle
import traceback

import httpx2
import pytest
from upstream import HELLO, KEY, URL, Upstream, chunk, completion, response, response_events, sse, status

from hanzo_agents import (
    AsyncHanzo,
    ConfigError,
    Fallback,
    HanzoModelProvider,
    InvalidResponse,
    Retry,
    Target,
    track,
)
from hanzo_agents._wire.redact import Secrets

OTHER = "sk-other-9876543210"
ECHOES = {
    "401": lambda: status(
        401, {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    ),
    "401 with its hash": lambda: status(
        401, {"error": {"message": "Key hash " + hashlib.sha256(KEY.encode()).hexdigest()}}
    ),
    "in a header": lambda: status(500, None, x_debug=f"Bearer {KEY}"),
    "in a page": lambda: httpx2.Response(502, text=f"<html>{KEY}</html>"),
    "in a good page": lambda: httpx2.Response(
        200, text=f"<html>{KEY}</html>", headers={"content-type": "text/html"}
    ),
    "an error inside a success": lambda: {"error": {"message": f"bad {KEY}", "code": 400, "type": "x"}},
    "truncated JSON": lambda: httpx2.Response(
        200, text='{"id": "' + KEY, headers={"content-type": "application/json"}
    ),
    "a redirect": lambda: httpx2.Response(307, headers={"location": f"https://elsewhere.test/?key={KEY}"}),
    "a lost connection": lambda: httpx2.ReadError(f"while sending {KEY}"),
    "a refused connection": lambda: httpx2.ConnectError("refused"),
    "a timeout": lambda: httpx2.ReadTimeout("slow"),
    "no choices": lambda: {"choices": [], "echo": KEY},
}
STREAMED = {
    "an error event": lambda: sse({"error": {"message": f"bad {KEY}"}}, done=False),
    "a late error event": lambda: sse(chunk({"content": "a"}), {"error": {"message": f"bad {KEY}"}}, done=False),
    "a cut event": lambda: sse(chunk({"content": "a"}), b'data: {"x": "' + KEY.encode(), done=False),
    "a late lost connection": lambda: sse(chunk({"content": "a"}), httpx2.ReadError(f"with {KEY}"), done=False),
}


def everything(error):
    """All that a logger, a crash reporter with locals, or a debugger's dump of attributes would show of it."""

    def attribute(of, name):
        try:
            return getattr(of, name, None)
        except RuntimeError:  # a transport's error whose request was never set
            return None

    texts = ["".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())]
    seen, todo = set(), [error]
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        texts += [str(current), repr(current), repr(vars(current)), repr(current.args)]
        response, request = attribute(current, "response"), attribute(current, "request")
        if response is not None:
            texts += [
                response.text,
                repr(response.headers.raw),
                repr(response.request.headers.raw),
                str(response.request.url),
            ]
        if request is not None:
            texts += [repr(request.headers.raw), repr(request.content), str(request.url)]
        todo += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]
    return "\n".join(texts)


async def failure(client, **more):
    try:
        answer = await client.chat.completions.create(messages=[HELLO], **more)
        _ = [event async for event in answer]
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_no_error_holds_the_key(echo, stream, caplog):
    caplog.set_level(logging.DEBUG)
    upstream = Upstream(echo())
    with track() as journals:
        error = await failure(upstream.client(policies=[Retry(attempts=2, base_delay=0)]), stream=stream)
    assert KEY not in everything(error)
    assert KEY not in caplog.text
    assert KEY not in repr(journals)
    assert all(KEY not in everything(attempt.error) for attempt in journals[0].attempts)


@pytest.mark.parametrize("echo", STREAMED.values(), ids=STREAMED)
async def test_no_error_of_a_stream_holds_the_key(echo, caplog):
    caplog.set_level(logging.DEBUG)
    error = await failure(Upstream(echo()).client(policies=[]), stream=True)
    assert KEY not in everything(error)
    assert KEY not in caplog.text


@pytest.mark.parametrize("echo", ["401", "in a header", "a lost connection", "a redirect"])
async def test_no_error_of_another_request_holds_the_key(echo):
    client = Upstream(ECHOES[echo]()).client(policies=[])
    for ask in (client.models.list, lambda: client.files.retrieve("f")):
        with pytest.raises(Exception) as caught:
            await ask()
        assert KEY not in everything(caught.value)


@pytest.mark.parametrize("echo", ["401", "in a page", "an error inside a success", "a lost connection"])
async def test_the_sdks_own_road_holds_no_key_either(echo):
    client = Upstream(ECHOES[echo]()).client(policies=[])
    with pytest.raises(Exception) as caught:
        await client.chat.completions.with_raw_response.create(model="m", messages=[HELLO], extra_body={"a": 1})
    assert KEY not in everything(caught.value)


async def test_keys_of_a_chain_are_in_no_error_of_it():
    def echo(request):
        return status(503, {"error": {"message": "bad " + request.headers["authorization"]}})

    upstream = Upstream(echo)
    client = upstream.client(
        policies=[Retry(attempts=1)], fallbacks=[Target("b", base_url="https://other.test/v1", api_key=OTHER)]
    )
    error = await failure(client)
    assert upstream.hits == 2
    assert KEY not in everything(error)
    assert OTHER not in everything(error)


def test_nothing_prints_a_key():
    target = Target("b", base_url="https://other.test/v1", api_key=OTHER, headers={"X-Secret": OTHER})
    client = AsyncHanzo(URL, KEY, model="m", fallbacks=[target])
    provider = HanzoModelProvider(URL, KEY, model="m", fallbacks=[target])
    things = [
        client, provider, target, provider.get_model("m"), client.stack, Fallback(to=[target]), client.chat,
        client.responses, client.with_options(timeout=5), client._engine, client._inherited, Secrets(KEY),
    ]  # fmt: skip
    for thing in things:
        for text in (repr(thing), str(thing), f"{thing}"):
            assert KEY not in text
            assert OTHER not in text


@pytest.mark.parametrize("make", [AsyncHanzo, HanzoModelProvider])
def test_clients_do_not_pickle_and_say_why(make):
    made = make(URL, KEY, model="m")
    with pytest.raises((ConfigError, TypeError), match=r"connections|process") as caught:
        pickle.dumps(made)
    assert KEY not in everything(caught.value)


async def test_errors_that_are_ours_pickle():
    for echo in ("in a good page", "an error inside a success", "truncated JSON", "a redirect"):
        error = await failure(Upstream(ECHOES[echo]()).client(policies=[]))
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.code, again.body if hasattr(error, "body") else None) == (
            str(error), error.code, getattr(error, "body", None),
        )  # fmt: skip
        assert copy.copy(error).code == error.code


FAILED = {"code": "server_error", "message": f"bad {KEY}"}
FAILED_RESPONSES = {
    "a failed value": lambda: response(status="failed", error=FAILED),
    "a failed stream": lambda: sse(
        {"type": "response.failed", "sequence_number": 0, "response": response(status="failed", error=FAILED)},
        done=False,
    ),
    "an error event": lambda: sse(
        {"type": "error", "sequence_number": 0, "message": f"bad {KEY}", "code": "server_error", "param": None},
        done=False,
    ),
    "a late error event": lambda: sse(
        *response_events()[:5],
        {"type": "error", "sequence_number": 9, "message": f"bad {KEY}", "code": "x"},
        done=False,
    ),
    "an error object": lambda: sse({"error": {"message": f"bad {KEY}"}}, done=False),
}


@pytest.mark.parametrize("echo", FAILED_RESPONSES.values(), ids=FAILED_RESPONSES)
async def test_no_error_of_the_responses_api_holds_the_key(echo):
    client = Upstream(echo()).client(policies=[])
    stream = echo is not FAILED_RESPONSES["a failed value"]
    with pytest.raises(InvalidResponse) as caught:  # noqa: PT012
        answer = await client.responses.create(input="x", stream=stream)
        async for _ in answer:
            pass
    assert KEY not in everything(caught.value)
    assert "bad" in str(caught.value)


async def test_what_came_is_quoted_in_short():
    page = httpx2.Response(200, text="<html>" + "x" * 5000, headers={"content-type": "text/html"})
    error = await failure(Upstream(page).client(policies=[]))
    assert len(error.body) <= 200
    assert "text/html" in str(error)
    assert "is base_url the router's address, with its /v1?" in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("where", ["split over the limit", "whole"])
def test_an_excerpt_never_shows_half_a_key(where):
    text = "x" * (195 if where == "split over the limit" else 5) + KEY + "y" * 500
    shown = Secrets(KEY).excerpt(text.encode())
    assert KEY[:8] not in shown
    assert len(shown) <= 200


def test_a_key_cut_off_at_the_end_of_what_is_read_is_not_shown():
    shown = Secrets(KEY).excerpt(("\x00 " * 795 + KEY + "y" * 500).encode())
    assert KEY[:8] not in shown


async def test_no_key_stays_behind_in_an_error_that_is_kept(monkeypatch):
    """Frames that are alive through a traceback hold no key in their locals, nor does anything an error refers to."""
    error = await failure(Upstream(ECHOES["401"]()).client(policies=[]))
    gc.collect()
    for name, value in vars(error).items():
        assert KEY not in repr(value), name
    assert KEY not in json.dumps(error.body)


async def test_prompts_and_answers_are_in_no_journal_and_no_log(caplog):
    caplog.set_level(logging.DEBUG, logger="hanzo_agents")
    upstream = Upstream(completion("the secret answer"))
    with track() as journals:
        await upstream.client().chat.completions.create(
            messages=[{"role": "user", "content": "the secret question"}]
        )
    assert "secret" not in repr(journals) + caplog.text
