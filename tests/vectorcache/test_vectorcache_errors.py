"""What comes in place of an answer: both shapes of errors, odd replies, lost connections; and never a key."""

import contextlib
import dataclasses
import logging
import math
import pickle
import ssl
import traceback

import httpx2
import openai
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from server import KEY, VectorcacheServer

from hanzo_agents import HanzoError, Retry, track
from hanzo_agents.policies.breaker import unhealthy
from hanzo_agents.policies.classify import transient
from hanzo_agents.testing._http import Close, Http, Pause, Reset, Send, json_http
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.vectorcache import (
    BadRequest,
    Forbidden,
    InvalidResponse,
    KeyRefused,
    NotCacheable,
    NotFound,
    RateLimitExceeded,
    ServiceFailed,
    TimedOut,
    Unreachable,
    VectorcacheClient,
    VectorcacheError,
    VectorcacheStatusError,
)
from hanzo_agents.vectorcache.errors import refusal
from hanzo_agents.vectorcache.response import Misread, answer_of

WHAT = "What is machine learning?"
GOOD = {"cache_hit": False, "response": "a", "similarity_score": None, "cost_saved": 0, "llm_provider": "openai"}
KINDS = {
    400: BadRequest, 401: KeyRefused, 403: Forbidden, 404: NotFound, 409: BadRequest, 418: BadRequest,
    422: NotCacheable, 429: RateLimitExceeded, 500: ServiceFailed, 502: ServiceFailed, 503: ServiceFailed,
}  # fmt: skip


@pytest.fixture
def once(service):
    """A client that sends once, so that a test sees what came."""
    with VectorcacheClient(KEY, service.url, policies=[]) as client:
        yield client


def fail(client):
    with pytest.raises(HanzoError) as caught:
        client.query(WHAT, "gpt-4o")
    return caught.value


@pytest.mark.parametrize("shape", ["detail", "guide"])
@pytest.mark.parametrize("status", KINDS)
def test_every_status_in_both_shapes(service, once, status, shape):
    service.errors_as = shape
    service.then(service.refuse(status, "what is wrong", "a_code"))
    error = fail(once)

    assert type(error) is KINDS[status]
    assert isinstance(error, VectorcacheStatusError)
    assert str(error) == f"Vectorcache answered {status}: what is wrong"
    assert (error.status_code, error.response.status_code) == (status, status)
    assert error.code == ("a_code" if shape == "guide" else None)
    assert "what is wrong" in error.response.text
    assert error.fallback is None
    assert unhealthy(error) is (status >= 500)
    assert transient(error) is (status in {409, 429} or status >= 500)


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad Gateway</html>", b"[1]", b'"text"', b"{", b'{"detail": 5}', b"null"]
)
def test_an_error_without_a_shape_is_its_status(service, once, body):
    service.then(Http(status=502, body=(Send(body),)))
    assert str(fail(once)) == "Vectorcache answered 502: Bad Gateway"


def test_what_the_guide_adds(service, once):
    service.then(
        service.refuse(503, "The cache is away", "cache_unavailable", retry_after=30, fallback="call_llm_directly")
    )
    error = fail(once)
    assert (error.code, error.retry_after, error.fallback) == ("cache_unavailable", 30.0, "call_llm_directly")


def test_what_the_service_says_is_one_line_of_text(service, once):
    service.then(service.refuse(400, "first\x1b[31m line\nsecond line", "no"))
    assert str(fail(once)) == "Vectorcache answered 400: first [31m line second line"


def test_not_cacheable_says_to_call_the_model(service, once):
    service.uncacheable.add(WHAT)
    error = fail(once)
    assert type(error) is NotCacheable
    assert error.fallback == "call_llm_directly"


def test_a_422_that_lists_what_is_wrong_is_no_word_on_caching(service, once):
    wrong = [{"loc": ["body", "prompt"], "msg": "Field required"}, {"msg": "Too long"}]
    service.then(json_http({"detail": wrong}, status=422))
    error = fail(once)
    assert type(error) is BadRequest
    assert str(error) == "Vectorcache answered 422: body.prompt: Field required; Too long"


RESET = (("X-RateLimit-Limit", "100"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1000090"))


async def test_a_429_tells_its_limits(service, once):
    service.then(service.refuse(429, "slow down", "rate_limit_exceeded", headers=RESET))
    with FakeClock(wall=1_000_000.0):
        error = fail(once)
    assert (error.limit, error.remaining, error.resets_at, error.retry_after) == (100, 0, 1_000_090.0, 90.0)


@pytest.mark.parametrize(
    ("headers", "more", "seconds"),
    [
        ((("Retry-After", "7"),), {}, 7.0),
        ((("Retry-After", "7"), *RESET), {}, 7.0),
        ((("Retry-After", "7"),), {"retry_after": 9}, 9.0),
        ((("Retry-After", "9"),), {"retry_after": 7}, 9.0),
        ((("Retry-After", "Mon, 12 Jan 1970 13:47:00 GMT"),), {}, 20.0),
        ((), {"retry_after": 1.5}, 1.5),
        ((), {"retry_after": -1}, None),
        ((), {"retry_after": 10**400}, None),
        ((), {"retry_after": float("inf")}, None),
        ((), {"retry_after": True}, None),
        ((), {"retry_after": "soon"}, None),
        ((("Retry-After", "soon"), ("X-RateLimit-Reset", "-4")), {}, None),
        ((("X-RateLimit-Reset", "999990"),), {}, 0.0),
        ((("X-RateLimit-Reset", "999999999999"),), {}, None),
    ],
)
def test_who_says_when_to_try_again(service, once, headers, more, seconds):
    service.then(service.refuse(429, "slow down", "rate_limit_exceeded", headers=headers, **more))
    with FakeClock(wall=1_000_000.0):
        assert fail(once).retry_after == seconds


def test_retries_wait_as_long_as_they_are_told(service):
    service.then(
        service.refuse(429, "slow down", "rate_limited", headers=(("Retry-After", "20"),)),
        service.refuse(503, "away", "unavailable", retry_after=5),
    )
    with (
        VectorcacheClient(KEY, service.url, policies=[Retry(attempts=3, jitter=lambda: 0.0)]) as client,
        FakeClock(auto=True) as clock,
    ):
        assert client.query(WHAT, "gpt-4o").response
    assert clock.sleeps == [20.0, 5.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_would_only_fail_again_is_not_tried_again(service, client, status):
    service.then(*(service.refuse(status, "no", "no") for _ in range(3)))
    assert type(fail(client)) is KINDS[status]
    assert service.hits == 1


ODD = {
    "no hit flag": {k: v for k, v in GOOD.items() if k != "cache_hit"},
    "a flag that is none": {**GOOD, "cache_hit": "true"},
    "flags that disagree": {**GOOD, "is_cache_hit": True},
    "no response": {k: v for k, v in GOOD.items() if k != "response"},
    "a null response": {**GOOD, "response": None},
    "an empty response": {**GOOD, "response": "  "},
    "a response of parts": {**GOOD, "response": ["a"]},
    "no cost": {k: v for k, v in GOOD.items() if k != "cost_saved"},
    "a cost in words": {**GOOD, "cost_saved": "0.1"},
    "a negative cost": {**GOOD, "cost_saved": -1},
    "a cost that is true": {**GOOD, "cost_saved": True},
    "an endless cost": {**GOOD, "cost_saved": float("inf")},
    "a cost of 400 digits": {**GOOD, "cost_saved": 10**400},
    "a similarity of 400 digits": {**GOOD, "similarity_score": 10**400},
    "a provider that is a novel": {**GOOD, "llm_provider": "x" * 500},
    "a provider in colours": {**GOOD, "llm_provider": "\x1b[31mcache"},
    "no provider": {k: v for k, v in GOOD.items() if k != "llm_provider"},
    "an empty provider": {**GOOD, "llm_provider": ""},
    "a similarity in words": {**GOOD, "similarity_score": "high"},
    "a similarity of 85": {**GOOD, "similarity_score": 85},
    "a similarity of NaN": {**GOOD, "similarity_score": float("nan")},
    "debug in words": {**GOOD, "debug": "none"},
    "a list": [GOOD],
    "an error": {"error": "internal", "message": "the index is away"},
    "an error beside an answer": {**GOOD, "error": "partial"},
    "a detail": {"detail": "the index is away"},
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_a_success_that_is_no_answer(service, once, body):
    service.then(json_http(body))
    error = fail(once)
    assert type(error) is InvalidResponse
    assert error.body
    assert once.stats.queries == 0


@pytest.mark.parametrize("content", [b"", b"<html>Hello</html>", b'{"cache_hit": tr', b"\xff\xfe", b"[" * 100_000])
def test_a_success_that_is_no_json(service, once, content):
    service.then(Http(headers=(("content-type", "text/html"),), body=(Send(content),)))
    assert type(fail(once)) is InvalidResponse


def test_an_error_in_a_success_says_what_it_says(service, once):
    service.then(json_http({"error": "internal", "message": "the index is away"}))
    error = fail(once)
    assert "the index is away" in str(error)
    assert error.code == "internal"


def test_a_similarity_may_round_past_one(service, once):
    service.then(json_http({**GOOD, "cache_hit": True, "similarity_score": 1.0000001}))
    assert once.query(WHAT, "gpt-4o").similarity_score == 1.0000001


def test_a_reply_without_end_is_abandoned(service):
    big = Http(headers=(("content-type", "application/json"),), body=(Send(b" " * 5000),), framing="chunked")
    service.then(big)
    with VectorcacheClient(KEY, service.url, policies=[], max_response_bytes=4000) as client:
        error = fail(client)
    assert error.code == "response_too_large"


def test_redirects_are_not_followed(service, once):
    with VectorcacheServer() as elsewhere:
        service.then(Http(status=307, headers=(("location", f"{elsewhere.url}/v1/cache/query"),)))
        error = fail(once)
        assert error.code == "redirect"
        assert elsewhere.hits == 0


@pytest.mark.parametrize(
    "reply",
    [
        Http(head=False, body=(Reset(),)),
        Http(head=False, body=(Close(),)),
        Http(body=(Send(b'{"cache_hit"'),), length=500, complete=False),
    ],
    ids=["reset", "closed", "cut"],
)
def test_a_lost_connection(service, once, reply):
    service.then(reply)
    error = fail(once)
    assert type(error) is Unreachable
    assert isinstance(error, openai.APIConnectionError)
    assert transient(error)


def test_nobody_listens(service):
    url = service.url
    service.stop()
    with VectorcacheClient(KEY, url, policies=[]) as client, track() as journals:
        error = fail(client)
    assert type(error) is Unreachable
    assert url.removeprefix("http://") in str(error)
    assert not journals[0].attempts[0].sent
    assert journals[0].cost.amount == 0


def test_a_certificate_has_to_be_trusted():
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with VectorcacheServer(ssl=context) as service:
        with VectorcacheClient(KEY, service.url) as client:
            error = fail(client)
        assert type(error) is Unreachable
        assert "certificate" in str(error).lower()
        assert (service.hits, transient(error)) == (0, False)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        with VectorcacheClient(KEY, service.url, verify=trusting) as client:
            assert client.query(WHAT, "gpt-4o").response


def test_a_reply_that_does_not_come_in_time(service):
    service.then(Http(head=False, body=(Pause(),)))
    with VectorcacheClient(KEY, service.url, policies=[], timeout=0.05) as client, track() as journals:
        error = fail(client)
    assert type(error) is TimedOut
    assert isinstance(error, TimeoutError)
    assert isinstance(error, openai.APITimeoutError)
    assert journals[0].cost.basis == "unknown"  # the service may have asked the model


def test_the_error_body_may_be_lost_too(service, once):
    service.then(Http(status=503, body=(Send(b'{"detail"'),), length=500, complete=False))
    assert type(fail(once)) is ServiceFailed


def test_errors_pickle(service, once):
    service.then(
        service.refuse(429, "slow", "rate_limited", headers=RESET),
        Http(head=False, body=(Reset(),)),
        json_http([]),
    )
    for _ in range(3):
        error = fail(once)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.status_code) == (type(error), str(error), error.status_code)
        assert again.retry_after == error.retry_after
    assert service.hits == 3


def everything_said(error):
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    said = ["".join(report.format()), repr(error), str(error), repr(vars(error))]
    if isinstance(error, VectorcacheStatusError):
        said += [error.response.text, repr(error.response.headers.raw), repr(error.response.request.headers.raw)]
    return "\n".join(said)


@pytest.mark.parametrize("auth", ["bearer", "x-api-key"])
def test_no_key_in_what_goes_wrong(service, auth):
    echo = {"detail": f"Invalid key {KEY}", "headers": {"authorization": f"Bearer {KEY}"}, KEY: KEY}
    service.then(
        json_http(echo, status=401, headers=(("X-Echo", KEY),)),
        json_http(echo),
        json_http({**GOOD, "cost_saved": KEY}),
        Http(status=500, body=(Send(f"<html>{KEY}</html>".encode()),)),
        Http(head=False, body=(Reset(),)),
        Http(head=False, body=(Send(f"HTTP/9 {KEY}\r\n\r\n".encode()), Close())),
        Http(status=302, headers=(("location", f"https://{KEY}.test/?key={KEY}"),)),
    )
    with VectorcacheClient(KEY, service.url, policies=[], auth=auth) as client, track() as journals:
        errors = [fail(client) for _ in range(7)]
        assert KEY not in repr(client) + repr(client.asynchronous) + repr(vars(client.asynchronous))
    for error in errors:
        assert KEY not in everything_said(error)
        assert KEY not in repr(pickle.dumps(error))
    assert KEY not in repr(journals)


@pytest.mark.parametrize("auth", ["bearer", "x-api-key"])
def test_no_key_and_no_prompt_in_any_log(auth, caplog):
    caplog.set_level(logging.DEBUG)
    with VectorcacheServer(auth=auth) as service, VectorcacheClient(KEY, service.url, auth=auth) as client:
        client.query(WHAT, "gpt-4o")
        service.then(service.refuse(400, "no", "no"), Http(head=False, body=(Reset(),)))
        with pytest.raises(BadRequest):
            client.query(WHAT, "gpt-4o")
        client.query(WHAT, "gpt-4o")
    assert "HTTP Request" in caplog.text
    assert KEY not in caplog.text
    assert WHAT not in caplog.text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "is_cache_hit", "debug"]), inner)
    ),
    max_leaves=8,
)


@given(ANYTHING, st.sampled_from([None, *GOOD]))
def test_any_json_is_an_answer_or_none(body, field):
    given_ = body if field is None else {**GOOD, field: body}
    with contextlib.suppress(Misread):
        answer = answer_of(given_)
        assert answer.response.strip()
        assert math.isfinite(answer.cost_saved)
        assert dataclasses.asdict(answer)


@given(ANYTHING, st.sampled_from(sorted(KINDS)))
def test_any_body_of_an_error_makes_an_error(body, status):
    request = httpx2.Request("POST", "https://api.vectorcache.test/v1/cache/query")
    response = httpx2.Response(status, json=None, request=request)
    error = refusal(response, body, wall=0.0)
    assert type(error) in {KINDS[status], BadRequest}
    assert str(error)
    assert error.retry_after is None or error.retry_after >= 0


def test_the_tree(service, once):
    assert issubclass(VectorcacheError, HanzoError)
    assert issubclass(VectorcacheError, openai.OpenAIError)
    assert all(issubclass(kind, VectorcacheStatusError) for kind in KINDS.values())
    assert issubclass(TimedOut, Unreachable)
    assert not issubclass(InvalidResponse, VectorcacheError)
