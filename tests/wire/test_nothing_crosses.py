"""What must not get from one place into another: keys into errors, things of home to other hosts, a close to a
client that is not ours.
"""

import asyncio
import base64
import gc
import pickle
import traceback
import weakref
from contextlib import suppress

import httpx
import httpx2
import openai
import pytest
from agents import Agent, Model, ModelSettings, OpenAIChatCompletionsModel, RunConfig, Runner, RunResult
from openai import AsyncOpenAI
from upstream import HELLO, KEY, URL, Upstream, chunk, completion, response, sse, status, text_chunks

from hanzo_agents import (
    AllProvidersFailed,
    AsyncHanzo,
    ConfigError,
    Fallback,
    FallbackProvider,
    HanzoModelProvider,
    InvalidResponse,
    Retry,
    Settings,
    StreamTruncated,
    Target,
    track,
    wrap,
)

OTHER_URL, OTHER_KEY = "https://other.test/v1", "sk-other-9876543210"
GIVEN = "sk-given-5555566666"
"""A key that comes with one request, or as a header."""

ONCE = [Retry(attempts=1)]


def case(*values, why):
    return pytest.param(*values, id=why)


CREDENTIALS = (
    "authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key", "cookie"
)  # fmt: skip
MODES = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


async def ask(client, **more):
    answer = await client.chat.completions.create(messages=[HELLO], **more)
    return [event async for event in answer] if more.get("stream") else answer


async def failure(client, **more):
    try:
        await ask(client, **more)
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


def chain_of(error):
    seen, todo = [], [error]
    while todo:
        one = todo.pop()
        if one is not None and not any(one is other for other in seen):
            seen.append(one)
            todo += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return seen


def of_a_message(message):
    yield repr(message.headers.raw)
    yield str(message.url)
    if isinstance(message, httpx2.Response | httpx.Response):
        yield message.text
        yield from of_a_message(message.request)


def said_by(error):
    """All that a log, a look at its attributes, or a pickle shows of an error."""
    texts = []
    for one in chain_of(error):
        texts += [str(one), repr(one), repr(one.args), repr(vars(one)), *getattr(one, "__notes__", ())]
        for value in vars(one).values():
            if isinstance(value, httpx2.Request | httpx2.Response | httpx.Request | httpx.Response):
                texts += of_a_message(value)
    with suppress(Exception):  # openai's own errors do not pickle
        texts.append(repr(pickle.dumps(error)))
    return "\n".join(texts)


def printed(value):
    try:
        return repr(value)
    except Exception as error:  # an object that was not finished
        return f"<{error}>"


def shown(error):
    """The same, and what a crash report shows of local variables, but of the frames of this file."""
    texts = [said_by(error)]
    for one in chain_of(error):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename != __file__:
                texts += [f"{frame.f_code.co_qualname}: {n} = {printed(v)}" for n, v in frame.f_locals.items()]
    return "\n".join(texts)


def quoted(request):
    """What a careless upstream repeats: all headers, the telling ones first, as only the start of a body is kept."""
    telling = [v for n, v in request.headers.items() if n in CREDENTIALS]
    return " ".join([*telling, *request.headers.values()])


def echo(request):
    return status(401, {"error": {"message": f"refused: {quoted(request)}", "code": "invalid_api_key"}})


def echo_inside(request):
    """The same inside a success."""
    return httpx2.Response(200, json={"error": {"message": quoted(request), "code": 400}})


def echo_page(request):
    return httpx2.Response(200, html=f"<html>{quoted(request)}</html>")


def echo_plain(request):
    """A stream that a proxy sent on as text."""
    return httpx2.Response(200, text=f"data: {quoted(request)}\n\n")


def echo_redirect(request):
    return httpx2.Response(307, headers={"location": f"https://x.test/?k={request.headers['authorization'][7:]}"})


def echo_lost(request):
    return httpx2.ReadError(f"while sending {quoted(request)}")


def echo_event(request):
    """A stream that fails with a quotation, after its first words."""
    message = quoted(request)
    return sse(chunk({"content": "a"}), {"error": {"message": message}}, done=False)


ECHOES = [echo, echo_inside, echo_page, echo_plain, echo_redirect, echo_lost]
ECHOED = [
    pytest.param(answer, stream, id=f"{answer.__name__}-{'stream' if stream else 'value'}")
    for answer in ECHOES
    for stream in (False, True)
    if not (answer is echo_plain and stream)
]
ECHOED.append(case(echo_plain, True, why="a stream as text is scrubbed of the client's own key alone"))
EACH_ECHO = pytest.mark.parametrize(("echoes", "stream"), ECHOED)


def test_this_looks_where_a_key_could_be():
    def fail(hidden):
        raise ValueError("nothing to see")

    elsewhere = {}
    exec(compile("def fail(hidden):\n raise ValueError('x')", "elsewhere.py", "exec"), elsewhere)
    with pytest.raises(ValueError) as caught:
        elsewhere["fail"]([{"a": (KEY,)}])
    assert KEY in shown(caught.value)
    with pytest.raises(ValueError) as caught:
        fail(KEY)
    assert KEY not in shown(caught.value)
    request = httpx2.Request("POST", URL, headers={"authorization": KEY})
    assert KEY in shown(openai.APIConnectionError(request=request))
    outer = ValueError("outer")
    outer.__cause__ = ValueError(KEY)
    assert KEY in shown(outer)


# --- a request that cannot be built (C7) -----------------------------------------------------------------------------

UNSENDABLE = {
    "a header that is not Latin-1": {"extra_headers": {"X": "\u00fc\u20ac"}},
    "a body that is no JSON": {"extra_body": {"x": object()}},
    "a field that is no JSON": {"metadata": {"x": object()}},
    "a time limit that is none": {"timeout": "soon"},
    "a header beside a query": {"extra_query": {"x": "y"}, "extra_headers": {"X": "\u20ac"}},
}


@MODES
@pytest.mark.parametrize(
    "unsendable",
    [
        *[pytest.param(given, id=name) for name, given in UNSENDABLE.items()],
        pytest.param({"extra_headers": {"X": object()}}, id="a header that is no string"),
        pytest.param({"extra_headers": {"\u20ac": "x"}}, id="a header of no possible name"),
    ],
)
async def test_a_request_that_cannot_be_built_does_not_show_the_key(unsendable, stream):
    error = await failure(Upstream(status(400)).client(), stream=stream, **unsendable)
    assert KEY not in shown(error)


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_nor_when_an_agent_makes_it(api):
    provider = Upstream(completion() if api == "chat" else response()).provider(api=api)
    settings = ModelSettings(extra_headers={"X": "\u00fc\u20ac"})
    with pytest.raises(Exception) as caught:
        await Runner.run(
            Agent(name="A", model_settings=settings), "Hi", run_config=RunConfig(model_provider=provider)
        )
    assert KEY not in shown(caught.value)


@MODES
@pytest.mark.parametrize("limit", [httpx.Timeout(5), httpx.Timeout(5, connect=1), httpx2.Timeout(5)], ids=repr)
async def test_a_time_limit_of_either_httpx_is_one(limit, stream):
    upstream = Upstream(*[sse(*text_chunks("Hi")) if stream else completion()] * 3)
    client = upstream.client(timeout=limit)
    await ask(client, stream=stream)
    await ask(upstream.client(), stream=stream, timeout=limit)
    await ask(upstream.client().with_options(timeout=limit), stream=stream)
    assert [request.extensions["timeout"]["read"] for request in upstream.requests] == [5, 5, 5]


async def test_a_time_limit_of_either_httpx_is_one_for_an_agent():
    upstream = Upstream()
    provider = upstream.provider(timeout=httpx.Timeout(5, connect=1))
    result = await Runner.run(Agent(name="A"), "Hi", run_config=RunConfig(model_provider=provider))
    assert result.final_output == "Hello!"
    assert upstream.requests[0].extensions["timeout"]["connect"] == 1


async def test_another_key_is_sent_once_it_is_set():
    upstream = Upstream()
    client = upstream.client()
    await ask(client)
    client.api_key = OTHER_KEY
    await ask(client)
    assert [request.headers["authorization"] for request in upstream.requests] == [
        f"Bearer {KEY}", f"Bearer {OTHER_KEY}",
    ]  # fmt: skip


# --- settings that are wrong (C8) ------------------------------------------------------------------------------------

LONG = "sk-" + "0123456789" * 20
SWAPPED = {
    "swapped": lambda make: make(KEY, "https://r.example/v1"),
    "swapped, a long key": lambda make: make(LONG, "https://r.example/v1"),
    "a key for the address": lambda make: make(base_url=KEY, api_key=KEY),
    "a key in the address": lambda make: make(f"https://{KEY}@r.example/v1", KEY),
    "a key as a password": lambda make: make(f"https://u:{KEY}@r.example/v1", KEY),
    "a key in the query": lambda make: make(f"https://r.example/v1?key={KEY}", KEY),
    "plain http": lambda make: make("http://r.example/v1", KEY),
    "a key with a line end": lambda make: make(URL, f"{KEY}\n x"),
    "a key that is no ASCII": lambda make: make(URL, f"{KEY}\u20ac"),
    "metadata": lambda make: make(URL, KEY, metadata=5),
    "a header of the key": lambda make: make(URL, KEY, headers={"Authorization": f"Bearer {KEY}\r\n"}),
    "a header that is no string": lambda make: make(URL, KEY, headers={"Authorization": [KEY]}),
    "a target": lambda make: make(URL, KEY, fallbacks=[Target("n", base_url="http://x.example", api_key=KEY)]),
    "a target's address": lambda make: make(URL, KEY, fallbacks=[Target("n", base_url=KEY, api_key=KEY)]),
    "a response limit": lambda make: make(URL, KEY, max_response_bytes=0),
    "an unknown setting": lambda make: make(URL, KEY, no_such=KEY),
}


@pytest.mark.parametrize("make", [AsyncHanzo, HanzoModelProvider])
@pytest.mark.parametrize("wrong", SWAPPED.values(), ids=SWAPPED)
def test_a_setting_that_is_wrong_does_not_show_a_key(wrong, make):
    with pytest.raises(ConfigError) as caught:
        wrong(make)
    assert KEY not in said_by(caught.value)
    assert LONG not in said_by(caught.value)


WRONG = {
    "base_url": "http://r.example/v1", "model": 5, "max_retries": -1, "user_id": 5, "metadata": 5, "allow_insecure": "no",
    "max_response_bytes": 0, "env_file": "/no/such/file", "proxy": 5, "headers": {"X": "\u20ac"}, "no_such": 5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "field", "junk"),
    [
        *[
            pytest.param(make, field, junk, id=f"{make.__name__}-{field}")
            for make in (AsyncHanzo, HanzoModelProvider)
            for field, junk in WRONG.items()
        ],
        (AsyncHanzo, "policies", 5),
        (AsyncHanzo, "fallbacks", "n"),
        (HanzoModelProvider, "timeout", "x"),
        case(AsyncHanzo, "timeout", "x", why="checked before the frame forgets the key"),
        case(HanzoModelProvider, "policies", 5, why="the same for policies of a provider"),
        case(HanzoModelProvider, "fallbacks", "n", why="the same for fallbacks of a provider"),
        case(HanzoModelProvider, "api", "x", why="the same for api of a provider"),
    ],
)
def test_nor_do_the_variables_in_its_traceback(make, field, junk):
    with pytest.raises(ConfigError, match=field) as caught:
        make(**{"base_url": URL, "api_key": KEY, field: junk})
    assert KEY not in shown(caught.value)


ELSEWHERE = {
    "a target's key alone": lambda: Target("n", api_key=KEY),
    "a target": lambda: Target("n", base_url=URL, api_key=KEY, lacks=5),
    "a copy's address": lambda: AsyncHanzo(URL, OTHER_KEY).with_options(base_url="http://x.test", api_key=KEY),
    "a copy's time limit": lambda: AsyncHanzo(URL, OTHER_KEY).with_options(timeout="x", api_key=KEY),
    "settings": lambda: Settings.resolve(base_url="http://x.test", api_key=KEY),
}
EACH_ELSEWHERE = pytest.mark.parametrize("wrong", ELSEWHERE.values(), ids=ELSEWHERE)


@EACH_ELSEWHERE
def test_nor_do_targets_copies_and_settings(wrong):
    with pytest.raises(ConfigError) as caught:
        wrong()
    assert KEY not in said_by(caught.value)


def test_nor_does_the_environment(monkeypatch):
    monkeypatch.setenv("HANZO_ROUTER_URL", KEY)
    monkeypatch.setenv("HANZO_API_KEY", "https://r.example/v1")
    for make in (AsyncHanzo, HanzoModelProvider, Settings.resolve):
        with pytest.raises(ConfigError, match=r"^HANZO_ROUTER_URL: ") as caught:
            make()
        assert KEY not in str(caught.value) + repr(caught.value)


def test_nor_does_a_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text(f"HANZO_ROUTER_URL={KEY}\nHANZO_API_KEY={KEY}\n")
    with pytest.raises(ConfigError, match=r"^HANZO_ROUTER_URL in env_file: ") as caught:
        AsyncHanzo(env_file=file)
    assert KEY not in str(caught.value) + repr(caught.value)


def test_what_is_no_key_is_still_shown():
    with pytest.raises(ConfigError, match=r"ftp://r\.example"):
        AsyncHanzo("ftp://r.example/v1", KEY)


# --- keys that change, and keys that come with a request (C9, C10) ----------------------------------------------------


class Rotating:
    """Gives another key at every request."""

    def __init__(self):
        self.given = []

    async def __call__(self):
        key = f"sk-rotating-{len(self.given)}-aaaaaaaaaaaa"
        self.given.append(key)
        await asyncio.sleep(0)
        return key


def together(count, answer):
    """An upstream that answers when `count` requests are there."""
    full = asyncio.Event()
    waiting = 0

    async def reply(request):
        nonlocal waiting
        waiting += 1
        if waiting == count:
            full.set()
        await full.wait()
        return answer(request)

    return Upstream(reply)


@pytest.mark.parametrize(("answer", "stream"), [*ECHOED, pytest.param(echo_event, True, id="an event")])
async def test_no_key_of_a_rotation_is_in_an_error(answer, stream):
    key = Rotating()
    upstream = together(5, answer)
    client = upstream.client(api_key=key, policies=[])
    errors = await asyncio.gather(*[failure(client, stream=stream) for _ in range(5)])
    assert len(set(key.given)) == 5
    assert {request.headers["authorization"] for request in upstream.requests} == {
        f"Bearer {k}" for k in key.given
    }
    for error in errors:
        assert "sk-rotating" not in shown(error)


async def test_no_key_of_a_rotation_is_in_an_error_of_responses():
    upstream = together(3, echo)
    client = upstream.client(api_key=Rotating(), policies=[])
    calls = [client.responses.create(input="Hi") for _ in range(3)]
    for error in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(error, openai.AuthenticationError)
        assert "sk-rotating" not in shown(error)


async def test_no_key_of_a_rotation_is_in_a_journal():
    upstream = together(3, echo_inside)
    client = upstream.client(api_key=Rotating(), policies=[])
    with track() as journals:
        await asyncio.gather(*[failure(client) for _ in range(3)])
    assert "sk-rotating" not in repr(journals)
    for journal in journals:
        assert "sk-rotating" not in shown(journal.attempts[0].error)


CARRIED = {
    "Authorization": f"Bearer {GIVEN}",
    "authorization": GIVEN,
    "Proxy-Authorization": f"Basic {GIVEN}",
    "X-Api-Key": GIVEN,
    "api-key": GIVEN,
    "X-Goog-Api-Key": GIVEN,
    "Ocp-Apim-Subscription-Key": GIVEN,
    "X-Auth-Token": GIVEN,
    "x-functions-key": GIVEN,
    "Cookie": GIVEN,
}
EACH_CARRIED = pytest.mark.parametrize("header", CARRIED)


@EACH_ECHO
@EACH_CARRIED
async def test_a_key_given_with_a_request_is_not_in_its_error(header, echoes, stream):
    upstream = Upstream(echoes)
    error = await failure(upstream.client(policies=[]), stream=stream, extra_headers={header: CARRIED[header]})
    assert upstream.requests[0].headers[header] == CARRIED[header]
    assert GIVEN not in said_by(error)
    assert KEY not in shown(error)


@EACH_ECHO
@EACH_CARRIED
async def test_a_key_given_as_a_header_is_not_in_an_error(header, echoes, stream):
    upstream = Upstream(echoes)
    error = await failure(upstream.client(policies=[], headers={header: CARRIED[header]}), stream=stream)
    assert upstream.requests[0].headers[header] == CARRIED[header]
    assert GIVEN not in said_by(error)


@EACH_CARRIED
async def test_a_key_given_as_a_header_is_not_in_an_error_after_content(header):
    upstream = Upstream(echo_event)
    error = await failure(upstream.client(policies=[], headers={header: CARRIED[header]}), stream=True)
    assert isinstance(error, InvalidResponse)
    assert GIVEN not in said_by(error)


@MODES
async def test_a_key_given_by_an_agent_is_not_in_its_error(stream):
    model = Upstream(echo).provider(policies=[]).get_model("m")
    settings = ModelSettings(extra_headers={"Authorization": f"Bearer {GIVEN}"})
    error = await run_into(model, stream, model_settings=settings)
    assert isinstance(error, openai.AuthenticationError)
    assert GIVEN not in str(error) + repr(vars(error)) + error.response.text


@pytest.mark.parametrize("how", ["a rotation", "with the request", "as a header"])
@pytest.mark.parametrize("answer", [echo, echo_lost], ids=lambda answer: answer.__name__)
async def test_nor_in_an_error_of_another_request(answer, how):
    settings = {"api_key": Rotating()} if how == "a rotation" else {}
    if how == "as a header":
        settings["headers"] = {"X-Api-Key": GIVEN}
    client = together(3, answer).client(policies=[], **settings)
    more = {"extra_headers": {"Authorization": f"Bearer {GIVEN}"}} if how == "with the request" else {}
    errors = await asyncio.gather(*[client.models.list(**more) for _ in range(3)], return_exceptions=True)
    for error in errors:
        assert isinstance(error, openai.APIError)
        assert GIVEN not in said_by(error)
        assert "sk-rotating" not in said_by(error)


@pytest.mark.parametrize(
    "cookie",
    [
        GIVEN,
        case(f"session={GIVEN}", why="the value behind a cookie's name"),
        case(f"a={GIVEN}; b=2", why="a cookie that is not the last"),
    ],
)
async def test_the_value_of_a_cookie_is_not_in_an_error(cookie):
    upstream = Upstream(status(401, {"error": {"message": f"bad session {GIVEN}"}}))
    error = await failure(upstream.client(policies=[], headers={"Cookie": cookie}))
    assert GIVEN not in said_by(error)


async def test_a_targets_own_headers_are_not_in_its_error():
    away = Target("n", base_url=OTHER_URL, api_key=OTHER_KEY, headers={"X-Api-Key": GIVEN})
    upstream = Upstream(lambda r: status(503) if r.url.host == "router.test" else echo(r))
    error = await failure(upstream.client(policies=ONCE, fallbacks=[away]))
    assert upstream.requests[1].headers["x-api-key"] == GIVEN
    assert GIVEN not in said_by(error)
    assert OTHER_KEY not in shown(error)


# --- whose client it is (C11) ----------------------------------------------------------------------------------------


class Transport(httpx2.MockTransport):
    """Counts how often it is closed."""

    def __init__(self):
        super().__init__(lambda request: httpx2.Response(200, json=completion()))
        self.closed = 0

    async def aclose(self):
        self.closed += 1


@pytest.fixture
async def mine():
    async with httpx2.AsyncClient(transport=Transport()) as client:
        yield client
        assert client._transport.closed == 0


async def test_a_clients_copy_does_not_close_the_users_client(mine):
    client = AsyncHanzo(URL, KEY, model="m")
    copy = client.with_options(http_client=mine)
    await ask(copy)
    await copy.close()
    assert not mine.is_closed
    async with client.with_options(http_client=mine) as copy:
        await ask(copy)
    await ask(client.with_options(http_client=mine))
    await client.close()


async def test_nor_do_copies_of_a_copy(mine):
    copy = AsyncHanzo(URL, KEY, model="m").with_options(http_client=mine)
    for other in (copy.with_options(timeout=5), copy.copy(), copy.with_options(max_retries=0)):
        await ask(other)
        await other.close()
    away = copy.with_options(base_url=OTHER_URL, api_key=OTHER_KEY)
    await ask(away)
    await away.close()
    await ask(copy)


async def test_nor_do_copies_of_a_client_that_has_it_from_the_start(mine):
    client = AsyncHanzo(URL, KEY, model="m", http_client=mine)
    copies = [client.with_options(timeout=5), client.with_options(base_url=OTHER_URL, api_key=OTHER_KEY)]
    for one in (client, *copies):
        await ask(one)
        await one.close()
    provider = HanzoModelProvider(URL, KEY, model="m", http_client=mine)
    await provider.aclose()


# --- things of home (C12) ---------------------------------------------------------------------------------------------

HOME = "home-secret"
ATTACHED = {
    "default_query": {"default_query": {"q": HOME}},
    "organization": {"organization": HOME},
    "project": {"project": HOME},
    "headers": {"headers": {"X-Home": HOME}},
    "default_headers": {"default_headers": {"X-Home": HOME}},
    "user_id": {"user_id": HOME},
    "metadata": {"metadata": {"team": HOME}},
    "all": {
        "default_query": {"q": HOME}, "organization": HOME, "project": HOME, "headers": {"X-Home": HOME},
        "default_headers": {"X-Too": HOME}, "user_id": HOME, "metadata": {"team": HOME},
    },
}  # fmt: skip
EACH_ATTACHED = pytest.mark.parametrize("attached", ATTACHED.values(), ids=ATTACHED)


def whole(request):
    """All of a request that its receiver sees."""
    return f"{request.url} {request.headers.raw} {request.content}"


def checked_away(request, key=OTHER_KEY):
    assert request.url.copy_with(query=None) == f"{OTHER_URL}/chat/completions"
    assert request.url.query == b""
    assert request.headers.get_list("authorization") == [f"Bearer {key}"]
    assert HOME not in whole(request)
    assert KEY not in whole(request)


@MODES
@EACH_ATTACHED
async def test_a_copy_for_another_address_leaves_home_behind(attached, stream):
    upstream = Upstream(*[sse(*text_chunks("Hi")) if stream else completion()] * 3)
    client = upstream.client(**attached)
    away = client.with_options(base_url=OTHER_URL, api_key=OTHER_KEY)
    await ask(client, stream=stream)
    await ask(away, stream=stream)
    await ask(away.with_options(timeout=5), stream=stream)
    home, *others = upstream.requests
    assert HOME in whole(home)
    for request in others:
        checked_away(request)


@EACH_ATTACHED
async def test_its_other_requests_leave_home_behind_too(attached):
    upstream = Upstream({"object": "list", "data": []})
    away = upstream.client(**attached).with_options(base_url=OTHER_URL, api_key=OTHER_KEY)
    await away.models.list()
    (request,) = upstream.requests
    assert request.url == f"{OTHER_URL}/models"
    assert HOME not in whole(request)


async def test_what_is_given_for_the_other_address_goes_there():
    upstream = Upstream()
    client = upstream.client(**ATTACHED["all"])
    away = client.with_options(
        base_url=OTHER_URL, api_key=OTHER_KEY, default_headers={"X-Away": "a"}, default_query={"w": "b"}
    )
    await ask(away)
    (request,) = upstream.requests
    assert request.headers["x-away"] == "a"
    assert request.url.query == b"w=b"
    assert HOME not in whole(request)


async def test_a_copy_for_the_same_address_keeps_it_all():
    upstream = Upstream()
    await ask(upstream.client(**ATTACHED["all"]).with_options(timeout=5))
    (request,) = upstream.requests
    assert request.url.query == f"q={HOME}".encode()
    assert request.headers["openai-organization"] == request.headers["openai-project"] == HOME
    assert request.headers["x-home"] == request.headers["x-too"] == HOME


OF_THE_CLIENT = {
    "headers": {"headers": {"X-Mine": HOME}},
    "auth": {"auth": ("user", HOME)},
    "params": {"params": {"p": HOME}},
    "cookies": {"cookies": {"c": HOME}},
    "all": {"headers": {"X-Mine": HOME}, "auth": ("user", HOME), "params": {"p": HOME}, "cookies": {"c": HOME}},
}
EACH_OF_THE_CLIENT = pytest.mark.parametrize("own", OF_THE_CLIENT.values(), ids=OF_THE_CLIENT)
BASIC = base64.b64encode(f"user:{HOME}".encode()).decode()


def with_own(upstream, own):
    """The user's own HTTP client before this upstream."""
    upstream.http = httpx2.AsyncClient(transport=upstream.http._transport, **own)
    return upstream


@MODES
@EACH_OF_THE_CLIENT
async def test_a_target_gets_nothing_of_the_users_http_client(own, stream):
    answer = sse(*text_chunks("Hi")) if stream else completion()
    upstream = with_own(Upstream(lambda r: status(503) if r.url.host == "router.test" else answer), own)
    away = Target("n", base_url=OTHER_URL, api_key=OTHER_KEY)
    await ask(upstream.client(policies=ONCE, fallbacks=[away]), stream=stream)
    checked_away(upstream.requests[1])
    assert BASIC not in whole(upstream.requests[1])


@MODES
@EACH_OF_THE_CLIENT
async def test_a_copy_for_another_address_gets_nothing_of_the_users_http_client(own, stream):
    upstream = with_own(Upstream(sse(*text_chunks("Hi")) if stream else completion()), own)
    away = upstream.client().with_options(base_url=OTHER_URL, api_key=OTHER_KEY)
    await ask(away, stream=stream)
    checked_away(upstream.requests[0])
    assert BASIC not in whole(upstream.requests[0])


async def test_cookies_of_home_stay_there():
    """Also those that the upstream sets meanwhile."""
    home = status(503, None, set_cookie=f"c={HOME}; Domain=test")
    upstream = with_own(Upstream(lambda r: home if r.url.host == "router.test" else completion()), {})
    away = Target("n", base_url=OTHER_URL, api_key=OTHER_KEY)
    client = upstream.client(policies=ONCE, fallbacks=[away])
    for _ in range(2):
        await ask(client)
    for request in upstream.requests:
        if request.url.host == "other.test":
            checked_away(request)


async def test_a_target_of_an_agent_gets_nothing_of_the_users_http_client():
    upstream = with_own(
        Upstream(lambda r: status(503) if r.url.host == "router.test" else completion()), OF_THE_CLIENT["all"]
    )
    away = Target("n", base_url=OTHER_URL, api_key=OTHER_KEY)
    provider = upstream.provider(policies=ONCE, fallbacks=[away])
    result = await Runner.run(Agent(name="A"), "Hi", run_config=RunConfig(model_provider=provider))
    assert isinstance(result, RunResult)
    checked_away(upstream.requests[1])


# --- targets and their headers (C13, C14) -----------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"X-D": "a"}, {"Authorization": f"Bearer {KEY}"}])
def test_headers_of_a_target_need_its_address(headers):
    with pytest.raises(ConfigError, match=r"Target\.headers") as caught:
        Target("n", headers=headers)
    assert KEY not in str(caught.value)


def test_no_headers_are_no_headers():
    assert Target("n", headers={}) == Target("n", headers={})


def differing():
    return [
        Target("n", base_url=OTHER_URL, api_key=OTHER_KEY, headers={"X-D": "a"}),
        Target("n", base_url=OTHER_URL, api_key=OTHER_KEY, headers={"X-D": "b"}),
        Target("n", base_url=OTHER_URL, api_key=OTHER_KEY),
    ]


@pytest.mark.parametrize("given", ["fallbacks", "a policy"])
async def test_targets_that_differ_in_headers_are_two(given):
    upstream = Upstream(lambda r: status(503) if r.headers.get("x-d") != "b" else completion("from b"))
    chain = differing()
    settings = {"fallbacks": chain} if given == "fallbacks" else {"policies": [*ONCE, Fallback(to=chain)]}
    answer = await ask(upstream.client(**{"policies": ONCE, **settings}))
    assert answer.choices[0].message.content == "from b"
    assert [request.headers.get("x-d") for request in upstream.requests] == [None, "a", "b"]


async def test_each_of_them_is_tried_once():
    upstream = Upstream(status(503))
    chain = [*differing(), *differing()]
    with pytest.raises(AllProvidersFailed) as caught:
        await ask(upstream.client(policies=ONCE, fallbacks=chain))
    assert len(caught.value.failures) == 4
    assert [request.headers.get("x-d") for request in upstream.requests] == [None, "a", "b", None]


# --- errors out of wrap() (C15) ---------------------------------------------------------------------------------------

NO_ANSWER = httpx2.Response(200, html="<html>Sign in</html>")
CUT = sse(chunk({"role": "assistant", "content": "Hel"}), done=False)


def wrapped(upstream):
    return wrap(upstream.provider(policies=[]).get_model("m"), Retry(attempts=1))


def in_a_chain(upstream):
    provider = upstream.provider(policies=[])
    return FallbackProvider([("m", provider), ("n", provider)], Retry(attempts=1)).get_model(None)


def with_a_fallback(upstream):
    models = [upstream.provider(policies=[]).get_model(name) for name in ("m", "n")]
    return wrap(models[0], *ONCE, Fallback(to=[Target(models[1], label="second")]))


def with_settings(upstream):
    return upstream.provider(policies=ONCE, fallbacks=["n"]).get_model("m")


def over_a_stranger(upstream):
    client = AsyncOpenAI(base_url=URL, api_key=KEY, http_client=upstream.http, max_retries=0)
    return wrap(OpenAIChatCompletionsModel("m", client), *ONCE)


async def run_into(model, stream, **more):
    agent = Agent(name="A", model=model, **more)
    try:
        if stream:
            result = Runner.run_streamed(agent, "Hi")
            _ = [event async for event in result.stream_events()]
        else:
            await Runner.run(agent, "Hi")
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


def reachable(error):
    """All objects to be had from an error's attributes, some steps deep."""
    todo, seen = [(value, 6) for one in chain_of(error) for value in vars(one).values()], {}
    while todo:
        value, depth = todo.pop()
        if id(value) in seen or isinstance(value, str | int | float | type | None):
            continue
        seen[id(value)] = value
        if depth:
            items = (
                [*value.values()]
                if isinstance(value, dict)
                else [*value]
                if isinstance(value, list | tuple)
                else []
            )
            todo += [(item, depth - 1) for item in [*items, *getattr(value, "__dict__", {}).values()]]
    return seen.values()


MAKERS = [wrapped, in_a_chain, with_a_fallback, with_settings]


@MODES
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
async def test_errors_of_wrapped_models_pickle_and_hold_no_model(make, stream):
    error = await run_into(make(Upstream(NO_ANSWER)), stream)
    assert isinstance(error, InvalidResponse | AllProvidersFailed)
    packed = pickle.dumps(error)
    assert KEY.encode() not in packed
    again = pickle.loads(packed)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert [one for one in reachable(error) if isinstance(one, Model | AsyncOpenAI)] == []
    for one in chain_of(error):
        assert KEY not in repr(vars(one))


async def test_errors_after_the_first_words_pickle_too():
    error = await run_into(wrapped(Upstream(CUT)), stream=True)
    assert isinstance(error, StreamTruncated)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert [one for one in reachable(error) if isinstance(one, Model | AsyncOpenAI)] == []


@MODES
@pytest.mark.parametrize("make", [*MAKERS, over_a_stranger], ids=lambda make: make.__name__)
async def test_errors_of_the_upstream_hold_no_model(make, stream):
    error = await run_into(make(Upstream(status(503))), stream)
    assert [one for one in reachable(error) if isinstance(one, Model | AsyncOpenAI)] == []


async def test_an_error_that_is_kept_keeps_no_model_alive():
    async def fail():
        model = wrapped(Upstream(NO_ANSWER))
        return (await run_into(model, stream=False)).with_traceback(None), weakref.ref(model)

    error, model = await fail()
    for one in chain_of(error):
        one.__traceback__ = None
    gc.collect()
    assert model() is None
    assert isinstance(error, InvalidResponse)
