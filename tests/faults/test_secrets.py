"""What must not get out: the key, wherever an upstream repeats it, and the prompt, wherever it is sent on to.

Rows 4, 65 and 66.
"""

import logging
import pickle
import traceback

import httpx2
import openai
import pytest

from hanzo_agents import AllProvidersFailed, Retry
from hanzo_agents.errors import InvalidResponse
from hanzo_agents.testing.fault_server import ByMode, FaultServer, answers, faults

KEY = "sk-canary-0123456789"  # the key of the stage
MODES = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
PROMPT = "a prompt nobody else may read"


def shown(error):
    """Everything that printing, logging or collecting an error can show of it."""
    seen = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield str(one)
        yield repr(one)
        yield from traceback.TracebackException.from_exception(one, capture_locals=True).format()
        yield from getattr(one, "__notes__", ())
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        for value in vars(one).values():
            yield from facts(value)


def facts(value):
    yield repr(value)
    if isinstance(value, httpx2.Request | httpx2.Response):
        yield str(value.url)
        yield repr(value.headers.multi_items())
        yield repr(value.content)
    if isinstance(value, httpx2.Response):
        yield from facts(value.request)


ECHOES = {
    "401": faults.echo_authorization(),
    "403": faults.echo_authorization(403),
    "500": faults.status(500, message=f"bad key {KEY}"),
    "plain text": faults.status(500, body=f"bad key {KEY}"),
    "a header": faults.status(500, headers={"x-debug": f"Bearer {KEY}"}),
    "detail": faults.detail(422, f"bad key {KEY}"),
    "an error in a 200": faults.error_in_200(f"bad key {KEY}", code=KEY),
    "an error after content": faults.error_after_content(message=f"bad key {KEY}"),
    "HTML": faults.html(title=f"bad key {KEY}"),
    "no JSON": faults.body(f"bad key {KEY}"),
    "half an event": faults.cut_in_json(answers.text(f"{KEY} " * 40, pieces=1), content=0),
    "bad UTF-8": faults.body(b"\xff" + KEY.encode()),
    "no choices": answers.json({"id": KEY, "choices": []}),
    "a stream that is none": ByMode(value=faults.body(KEY), stream=answers.events([KEY])),
    "a redirect": faults.redirect(f"http://127.0.0.1:9/v1/x?key={KEY}"),
    "a redirect's user": faults.redirect(f"http://user:{KEY}@127.0.0.1:9/x"),
}


LOGGED_BY_HTTP = {"a header", "a redirect", "a redirect's user"}
"""The HTTP library logs the headers of a response at DEBUG, whatever is in them."""


@MODES
@pytest.mark.parametrize("place", ECHOES)
async def test_the_key_is_nowhere(stage, caplog, stream, place):
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    stage.server.script(ECHOES[place], repeat=True)
    heard = await stage.ask(stage.hanzo(), stream=stream)
    assert heard.error is not None
    assert stage.server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert [text for text in shown(heard.error) if KEY in text] == []
    logged = [f"{record.name} {record.getMessage()} {vars(record)}" for record in caplog.records]
    assert [text for text in logged if KEY in text and not (place in LOGGED_BY_HTTP and "httpcore" in text)] == []


@MODES
async def test_nor_after_retries_and_fallbacks(stage, caplog, stream):
    caplog.set_level(logging.DEBUG)
    stage.server.script(faults.status(500, message=f"bad key {KEY}"), repeat=True)
    provider = stage.hanzo(Retry(attempts=2, base_delay=0), fallbacks=["spare"])
    heard = await stage.ask(provider, stream=stream)
    assert isinstance(heard.error, AllProvidersFailed)
    assert [text for text in shown(heard.error) if KEY in text] == []
    assert KEY not in caplog.text
    assert KEY not in repr(provider)


@MODES
async def test_our_errors_pickle_without_it(stage, stream):
    stage.server.script(faults.html(title=KEY))
    heard = await stage.ask(stage.hanzo(), stream=stream)
    packed = pickle.dumps(heard.error)
    assert KEY.encode() not in packed
    assert str(pickle.loads(packed)) == str(heard.error)


async def test_the_bare_sdk_tells_everybody(stage):
    stage.server.script(faults.echo_authorization())
    heard = await stage.ask(stage.bare(), stream=False)
    assert KEY in str(heard.error)


def test_this_looks_where_a_key_could_be():
    """The search itself is tested: it finds what is hidden in each place."""

    def fail(hidden):
        local = hidden  # noqa: F841
        raise ValueError("nothing to see")

    with pytest.raises(ValueError) as caught:
        fail(KEY)
    assert any(KEY in text for text in shown(caught.value))
    request = httpx2.Request("POST", "http://x", headers={"authorization": KEY})
    error = openai.APIConnectionError(request=request)
    assert any(KEY in text for text in shown(error))
    outer = ValueError("outer")
    outer.__cause__ = ValueError(KEY)
    assert any(KEY in text for text in shown(outer))


class TestRedirects:
    """Row 65."""

    CODES = pytest.mark.parametrize("code", [301, 302, 303, 307, 308])

    @MODES
    @CODES
    async def test_are_refused(self, stage, stream, code):
        with FaultServer() as other:
            stage.server.script(faults.redirect(other.base_url, code=code))
            other.script("Stolen", repeat=True)
            heard = await stage.ask(stage.hanzo(headers={"x-user-id": "u1"}), stream=stream, prompt=PROMPT)
            assert isinstance(heard.error, InvalidResponse)
            assert "127.0.0.1" in str(heard.error)
            assert (other.hits, other.connections, stage.server.hits) == (0, 0, 1)

    @MODES
    async def test_are_refused_to_the_same_server(self, stage, stream):
        stage.server.script(faults.redirect(stage.server.base_url + "/elsewhere"), "Second")
        heard = await stage.ask(stage.hanzo(), stream=stream)
        assert isinstance(heard.error, InvalidResponse)
        assert stage.server.hits == 1

    async def test_show_the_host_alone(self, stage):
        stage.server.script(faults.redirect("https://evil.example/v1/path?token=secret-token"))
        heard = await stage.ask(stage.hanzo(), stream=False)
        assert "evil.example" in str(heard.error)
        assert [text for text in shown(heard.error) if "secret-token" in text] == []

    async def test_are_not_worth_another_attempt(self, stage):
        stage.server.script(faults.redirect("https://evil.example/v1"), repeat=True)
        await stage.ask(stage.hanzo(Retry(attempts=3, base_delay=0)), stream=False)
        assert stage.server.hits == 1

    async def test_are_refused_on_other_paths_too(self, stage):
        with FaultServer() as other:
            stage.server.script(faults.redirect(other.base_url), path="/v1/models")
            other.script(answers.models("stolen"), path="/v1/models", repeat=True)
            with pytest.raises(openai.OpenAIError):
                await stage.hanzo().list_models()
            assert other.hits == 0

    @pytest.mark.parametrize("code", [307, 308])
    async def test_are_followed_by_the_bare_sdk_with_the_prompt(self, stage, code):
        with FaultServer() as other:
            stage.server.script(faults.redirect(other.base_url, code=code))
            other.script("Stolen")
            heard = await stage.ask(stage.bare(), stream=False, prompt=PROMPT)
            assert heard.text == "Stolen"
            assert other.requests[0].prompt == PROMPT


@MODES
async def test_nothing_of_openai_comes_in(stage, monkeypatch, stream):
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID", "BASE_URL"):
        monkeypatch.setenv(f"OPENAI_{name}", "openai-canary")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-secret: openai-canary")
    stage.server.script("Hello!")
    assert (await stage.ask(stage.hanzo(), stream=stream)).text == "Hello!"
    (request,) = stage.server.requests
    assert "openai-canary" not in repr(request.headers.multi_items()) + request.raw.decode()
    assert request.headers["authorization"] == f"Bearer {KEY}"
