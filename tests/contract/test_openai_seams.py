"""What we use of `openai` beyond its promises. Each test says why we stand on it; when one fails after an upgrade,
that is the place to look. `test_register.py` checks that no seam is missing here."""

import inspect
import socket
from types import SimpleNamespace

import httpcore2
import httpx2
import openai
import pytest
from httpcore2._utils import is_socket_readable
from openai import AsyncAPIResponse, AsyncOpenAI, AsyncStream, not_given
from openai._base_client import AsyncAPIClient
from openai._constants import OVERRIDE_CAST_TO_HEADER, RAW_RESPONSE_HEADER
from openai._httpx2 import is_httpx2_async_client, request_exceptions, timeout_exceptions
from openai._legacy_response import LegacyAPIResponse
from openai._models import FinalRequestOptions, add_request_id
from openai._streaming import SSEDecoder
from openai.resources.chat.completions import AsyncCompletions
from openai.resources.responses import AsyncResponses
from openai.types.chat import ChatCompletion
from upstream import ASK, KEY, URL, Upstream, completion


def parameters(function):
    return {
        name: parameter.kind
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    }


POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


@pytest.fixture
def upstream():
    return Upstream()


@pytest.fixture
def client(upstream):
    return AsyncOpenAI(base_url=URL, api_key=KEY, http_client=upstream.http)


def test_request_is_the_funnel_with_the_signature_that_we_override():
    """AsyncHanzo.request replaces it, and is called with exactly these."""
    assert parameters(AsyncAPIClient.request) == {
        "cast_to": POSITIONAL, "options": POSITIONAL, "stream": KEYWORD, "stream_cls": KEYWORD,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (lambda c: c.chat.completions.create(**ASK), "/chat/completions"),
        (lambda c: c.chat.completions.parse(**ASK), "/chat/completions"),
        (lambda c: c.responses.create(model="m", input="x"), "/responses"),
        (lambda c: c.embeddings.create(model="m", input="x"), "/embeddings"),
        (lambda c: c.models.list(), "/models"),
        (lambda c: c.chat.completions.with_raw_response.create(**ASK), "/chat/completions"),
    ],
)
async def test_every_resource_passes_the_funnel_under_the_path_that_we_know_it_by(ask, path):
    class Funnel(AsyncOpenAI):
        async def request(self, cast_to, options, *, stream=False, stream_cls=None):
            seen.append(options.url)
            raise ZeroDivisionError

    seen = []
    with pytest.raises(ZeroDivisionError):
        await ask(Funnel(base_url=URL, api_key=KEY))
    assert seen == [path]


async def test_options_carry_what_we_read_of_them():
    """`json_data`, `extra_json`, `headers`, `files`, `post_parser`, `security`; all copyable."""
    fields = set(FinalRequestOptions.model_fields)
    assert {
        "method", "url", "json_data", "extra_json", "headers", "params", "files", "post_parser", "timeout",
        "max_retries", "follow_redirects", "idempotency_key", "security",
    } <= fields  # fmt: skip
    options = FinalRequestOptions.construct(method="post", url="/x", json_data={"a": 1})
    copied = options.model_copy(update={"max_retries": 0, "follow_redirects": False})
    assert (copied.max_retries, copied.follow_redirects, copied.json_data) == (0, False, {"a": 1})


def test_options_built_without_validation_have_their_defaults():
    """Our templates are `FinalRequestOptions.construct(...)` with five fields."""
    options = FinalRequestOptions.construct(method="post", url="/x")
    assert isinstance(options.headers, openai.NotGiven)
    assert isinstance(options.timeout, openai.NotGiven)
    assert options.params == {}
    assert options.files is None
    assert options.extra_json is None


def test_copy_takes_extra_keywords_and_hands_them_to_the_constructor():
    """Policies travel through `_extra_kwargs`; `with_options` must be an alias that we override too."""
    made = []

    class Client(AsyncOpenAI):
        def __init__(self, *, _inherit=None, **settings):
            made.append((_inherit, settings["max_retries"]))
            super().__init__(**settings)

    client = Client(base_url=URL, api_key=KEY, max_retries=2)
    client.copy(_extra_kwargs={"_inherit": "policies"})
    client.with_options(timeout=5, _extra_kwargs={"_inherit": "policies"})
    assert made[1:] == [("policies", 2), ("policies", 2)]
    assert parameters(AsyncOpenAI.copy)["_extra_kwargs"] == KEYWORD


def test_build_request_makes_the_request_that_would_be_sent(client):
    """The composer's templates are made by it, so that headers, their order and the URL are the SDK's."""
    options = FinalRequestOptions.construct(
        method="post", url="/chat/completions", json_data={}, security={"bearer_auth": True}
    )
    request = client._build_request(options)
    assert (request.method, str(request.url)) == ("POST", f"{URL}/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.content == b"{}"
    assert "timeout" in request.extensions


def test_bodies_are_encoded_as_our_encoder_does(client):
    """Ours writes the same bytes: compact, and not escaped to ASCII."""
    from hanzo_agents._wire.compose import ENCODER

    body = {
        "model": "m",
        "messages": [{"role": "user", "content": 'naïve 你好 \u2028 \\ " /'}],
        "n": 1.0,
        "t": None,
    }
    options = FinalRequestOptions.construct(method="post", url="/x", json_data=body)
    assert client._build_request(options).content == ENCODER.encode(body).encode()


async def test_prepare_options_may_refresh_a_callable_key():
    """The ordinary road calls it: a client with a key function gets its key there."""
    upstream = Upstream()

    async def key():
        return "sk-fresh"

    client = AsyncOpenAI(base_url=URL, api_key=key, http_client=upstream.http)
    assert client._api_key_provider is key
    await client._prepare_options(FinalRequestOptions.construct(method="post", url="/x"))
    assert client.api_key == "sk-fresh"
    assert AsyncOpenAI(base_url=URL, api_key=KEY)._api_key_provider is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError), (401, openai.AuthenticationError), (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError), (409, openai.ConflictError), (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError), (500, openai.InternalServerError), (529, openai.InternalServerError),
        (418, openai.APIStatusError),
    ],
)  # fmt: skip
def test_status_errors_are_made_from_a_response_that_was_read(client, status, kind):
    """We hand it a copy without secrets."""
    response = httpx2.Response(
        status, json={"error": {"message": "no", "code": "c"}}, request=httpx2.Request("POST", URL)
    )
    error = client._make_status_error_from_response(response)
    assert type(error) is kind
    assert (error.status_code, error.code, error.response) == (status, "c", response)


def test_response_data_is_built_leniently(client):
    """What a router sends outside the schema is kept, not refused; missing fields read as None."""
    response = httpx2.Response(200, request=httpx2.Request("POST", URL))
    value = client._process_response_data(
        data={"choices": [{"message": {"content": 5}}], "own": 1}, cast_to=ChatCompletion, response=response
    )
    assert isinstance(value, ChatCompletion)
    assert value.choices[0].message.content == 5
    assert value.choices[0].finish_reason is None
    assert value.own == 1


def test_a_raw_mode_is_asked_for_by_header_and_may_name_its_class(client):
    """`with_raw_response` and `with_streaming_response` set them; we read the mode and never send it."""
    assert RAW_RESPONSE_HEADER == "X-Stainless-Raw-Response"
    options = FinalRequestOptions.construct(
        method="post", url="/x", headers={OVERRIDE_CAST_TO_HEADER: int, RAW_RESPONSE_HEADER: "stream"}
    )
    assert client._maybe_override_cast_to(str, options) is int
    assert options.headers == {RAW_RESPONSE_HEADER: "stream"}


@pytest.mark.parametrize("kind", [LegacyAPIResponse, AsyncAPIResponse])
async def test_a_raw_response_gives_back_what_was_put_into_it_as_parsed(client, kind):
    """`.parse()` must return what the stack accepted: bytes are read once."""
    response = kind(
        raw=httpx2.Response(200, json=completion(), request=httpx2.Request("POST", URL)),
        client=client,
        cast_to=ChatCompletion,
        stream=False,
        stream_cls=None,
        options=FinalRequestOptions.construct(method="post", url="/x"),
    )
    response._parsed_by_type[ChatCompletion] = parsed = object()
    found = response.parse()
    assert (await found if inspect.isawaitable(found) else found) is parsed


def test_a_request_id_is_kept_on_a_parsed_value():
    value = ChatCompletion.construct(**completion())
    add_request_id(value, "req-1")
    assert value._request_id == "req-1"
    assert "_request_id" not in value.to_dict()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata:b\r\n\r\n", ["a", "b"]),
        (b": ping\n\nevent: x\nid: 1\nretry: 3\ndata: a\ndata: b\n\n", ["a\nb"]),
        (b"data: caf\xc3\xa9\n\n", ["café"]),
        (b"data: whole", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_the_decoder_finds_events_however_the_bytes_are_cut(raw, expected, size):
    """An unfinished event at the end is not an event: we count on it to notice truncation."""

    async def pieces():
        for start in range(0, len(raw), size):
            yield raw[start : start + size]

    found = [event.data async for event in SSEDecoder().aiter_bytes(pieces()) if event.data]
    assert found == expected


async def test_the_decoder_refuses_bytes_that_are_no_text():
    async def pieces():
        yield b"data: \xff\xfe\n\n"

    with pytest.raises(UnicodeDecodeError):
        _ = [event async for event in SSEDecoder().aiter_bytes(pieces())]


async def test_a_stream_may_be_subclassed_without_starting_a_reader():
    """HanzoStream leaves out `AsyncStream.__init__` and sets these itself; nothing else of it is used by the SDK."""
    source = inspect.getsource(AsyncStream.__init__)
    for name in ("response", "_cast_to", "_client", "_iterator"):
        assert f"self.{name} =" in source


def test_httpx2_and_httpx_are_told_apart_by_the_sdk():
    """A user may bring either; only httpx2's requests can be copied from a template."""
    assert is_httpx2_async_client(httpx2.AsyncClient())
    assert not is_httpx2_async_client(SimpleNamespace())
    assert httpx2.RequestError in request_exceptions()
    assert httpx2.TimeoutException in timeout_exceptions()
    assert all(issubclass(kind, request_exceptions()) for kind in (httpx2.ReadError, httpx2.RemoteProtocolError))


def test_the_transport_hangs_where_we_close_it():
    """`AsyncHanzo.close` closes the running loop's pool only: `client._client._transport`."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200))
    client = AsyncOpenAI(base_url=URL, api_key=KEY, http_client=httpx2.AsyncClient(transport=transport))
    assert client._client._transport is transport


def test_what_the_sdk_takes_from_openai_variables_sits_where_we_undo_it(monkeypatch):
    """AsyncHanzo sets every one of these anew: OPENAI_* is for another host."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: 1")
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    client = AsyncOpenAI(base_url=URL, api_key=KEY)
    assert (client.organization, client.project, client.webhook_secret) == ("org", "proj", "whsec")
    assert client.admin_api_key == "sk-admin"
    assert client._custom_headers == {"X-Mine": "1"}
    assert isinstance(client._ambient_authorizations, frozenset)


@pytest.mark.parametrize("resource", [AsyncCompletions, AsyncResponses])
async def test_create_calls_post_with_a_body_whose_keys_are_in_the_order_of_the_wire(resource):
    """The fast lane learns that order by running `create` once against nothing."""
    captured = {}

    class Nowhere:
        def __getattr__(self, name):
            async def post(path, *, body, **_):
                captured.update(body)

            return post

    keywords = [
        name
        for name, kind in parameters(resource.create).items()
        if kind is KEYWORD and name not in {"extra_headers", "extra_query", "extra_body", "timeout"}
    ]
    await resource(Nowhere()).create(**dict.fromkeys(reversed(keywords)))
    assert set(captured) == set(keywords)
    in_order = list(captured)
    captured.clear()
    await resource(Nowhere()).create(**dict.fromkeys(keywords))
    assert list(captured) == in_order, "the order is the SDK's, not the caller's"


def test_reading_timeouts_have_a_dictionary():
    """A template's key holds the timeout as `Timeout.as_dict()`."""
    assert list(httpx2.Timeout(5).as_dict()) == ["connect", "read", "write", "pool"]


def test_not_given_is_one_object():
    assert isinstance(not_given, openai.NotGiven)
    assert not not_given


async def test_a_transport_sends_through_a_pool_that_can_be_another():
    """`_pool`: connections are ours (`_wire/pool.py`). All that a transport asks of it is to send, and to close."""
    asked = []

    class Pool:
        async def handle_async_request(self, request):
            asked.append(str(request.url.origin))
            raise httpcore2.ConnectError("nobody there")

        async def aclose(self):
            asked.append("close")

    transport = httpx2.AsyncHTTPTransport()
    transport._pool = Pool()
    with pytest.raises(httpx2.ConnectError):
        await transport.handle_async_request(httpx2.Request("GET", "http://router.test:81/"))
    await transport.aclose()
    assert asked == ["http://router.test:81", "close"]


def test_a_socket_is_asked_whether_it_has_something_to_say():
    one, other = socket.socketpair()
    with one, other:
        assert not is_socket_readable(one)
        other.send(b"x")
        assert is_socket_readable(one)
