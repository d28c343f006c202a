"""Where a client's questions go, and with whose key."""

import traceback

import pytest
from server import KEY

from hanzo_agents import ConfigError, Stack
from hanzo_agents.vectorcache import AsyncVectorcacheClient, VectorcacheClient
from hanzo_agents.vectorcache.endpoint import HOST

OTHER = "vc_another_key_of_another_service"
ELSEWHERE = "https://api.vectorcache.ai"


@pytest.fixture(params=[VectorcacheClient, AsyncVectorcacheClient])
def make(request):
    return request.param


def test_the_guides_two_arguments(make):
    assert make(KEY).base_url == HOST
    assert make(KEY, ELSEWHERE).base_url == ELSEWHERE
    assert make(api_key=KEY, base_url=ELSEWHERE).base_url == ELSEWHERE


@pytest.mark.parametrize("given", [ELSEWHERE, f"{ELSEWHERE}/", f"{ELSEWHERE}/v1", f"{ELSEWHERE}/v1/"])
def test_an_address_may_say_what_is_added(given):
    assert VectorcacheClient(KEY, given).base_url == ELSEWHERE


def test_the_environment(environment):
    with VectorcacheClient() as client:
        assert client.query("What is AI?", "gpt-4o").response
    with VectorcacheClient(base_url=environment.url + "/") as client:
        assert client.query("What is AI?", "gpt-4o").cache_hit


def test_a_key_of_the_environment_goes_to_the_services_own_address(monkeypatch, make):
    monkeypatch.setenv("VECTORCACHE_API_KEY", KEY)
    assert make().base_url == HOST
    assert make(base_url=HOST).base_url == HOST


def test_and_to_no_other(monkeypatch, make):
    monkeypatch.setenv("VECTORCACHE_API_KEY", KEY)
    with pytest.raises(ConfigError, match=r"^api_key: base_url is given and api_key is not"):
        make(base_url=ELSEWHERE)
    monkeypatch.setenv("VECTORCACHE_BASE_URL", ELSEWHERE)
    assert make(base_url=ELSEWHERE).base_url == ELSEWHERE
    with pytest.raises(ConfigError, match=r"^api_key: base_url is given"):
        make(base_url=HOST)


def test_what_is_given_wins(monkeypatch, environment):
    monkeypatch.setenv("VECTORCACHE_API_KEY", OTHER)
    with VectorcacheClient(KEY) as client:
        assert client.query("What is AI?", "gpt-4o").response


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_variable_is_none(monkeypatch, make, blank):
    monkeypatch.setenv("VECTORCACHE_API_KEY", blank)
    monkeypatch.setenv("VECTORCACHE_BASE_URL", blank)
    with pytest.raises(ConfigError, match=r"^api_key: expected the key"):
        make()
    assert make(KEY).base_url == HOST


def test_keys_of_other_services_are_not_read(monkeypatch, make):
    monkeypatch.setenv("OPENAI_API_KEY", OTHER)
    monkeypatch.setenv("HANZO_API_KEY", OTHER)
    with pytest.raises(ConfigError, match="VECTORCACHE_API_KEY"):
        make()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"api_key": 5}, "api_key"),
        ({"api_key": "two words"}, "api_key"),
        ({"api_key": "bell\x07"}, "api_key"),
        ({"api_key": "schlüssel"}, "api_key"),
        ({"base_url": 5}, "base_url"),
        ({"base_url": "api.vectorcache.com"}, "base_url"),
        ({"base_url": "ftp://api.vectorcache.com"}, "base_url"),
        ({"base_url": "http://api.vectorcache.com"}, "base_url"),
        ({"base_url": "https://me:secret@api.vectorcache.com"}, "base_url"),
        ({"base_url": "https://api.vectorcache.com?x=1"}, "base_url"),
        ({"dialect": "soap"}, "dialect"),
        ({"dialect": None}, "dialect"),
        ({"auth": "basic"}, "auth"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": None}, "timeout"),
        ({"timeout": "30"}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"allow_insecure": 1}, "allow_insecure"),
        ({"max_response_bytes": 0}, "max_response_bytes"),
        ({"policies": "Retry"}, "policies"),
        ({"policies": [object()]}, "policies"),
        ({"proxy": 5}, "proxy"),
        ({"verify": "no"}, "verify"),
        ({"cert": "/no/such/file"}, "cert"),
    ],
)
def test_every_setting_is_checked(make, arguments, field):
    with pytest.raises(ConfigError, match=f"^{field}: ") as caught:
        make(**{"api_key": KEY, **arguments})
    ours = caught.tb.tb_next  # the first frame is this one, and has them
    report = traceback.TracebackException(type(caught.value), caught.value, ours, capture_locals=True)
    assert KEY not in "".join(report.format())
    assert "secret" not in "".join(report.format())


def test_an_unknown_setting_is_a_type_error(make):
    with pytest.raises(TypeError, match="retries") as caught:
        make(KEY, retries=3)
    ours = caught.tb.tb_next
    report = traceback.TracebackException(TypeError, caught.value, ours, capture_locals=True)
    assert KEY not in "".join(report.format())


def test_plain_http_elsewhere_has_to_be_allowed(make):
    assert make(KEY, "http://cache.internal:8000", allow_insecure=True).base_url == "http://cache.internal:8000"
    assert make(KEY, "http://localhost:8000").base_url == "http://localhost:8000"


def test_an_explicit_stack_is_exact():
    client = AsyncVectorcacheClient(KEY, policies=Stack())
    assert len(client.stack) == 0
    assert repr(AsyncVectorcacheClient(KEY).stack) == "Stack(Trace, Deadline, Retry)"


def test_what_a_client_prints(make):
    assert repr(make(KEY, ELSEWHERE)) == f"{make.__name__}(base_url='{ELSEWHERE}', dialect='rest')"
