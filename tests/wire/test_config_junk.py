"""What is no setting is refused when it is given, by name: never in the middle of an outage, after a paid answer."""

import math
import pickle
import traceback

import httpx2
import pytest
from upstream import HELLO, KEY, URL, Upstream

from hanzo_agents import (
    AsyncHanzo,
    ConfigError,
    Deadline,
    Fallback,
    FallbackProvider,
    Hanzo,
    HanzoModelProvider,
    Retry,
    RetryBudget,
    Settings,
    Stack,
    Target,
    Trace,
    wrap,
)

THING = object()
HUGE = 10**400
"""An integer that no float can hold."""

NO_NUMBER = ["x", "", True, [], {}, b"x", THING, float, math.nan, math.inf, -1]
NO_SECONDS = [*NO_NUMBER, HUGE]
NO_INTEGER = [*NO_NUMBER, None, 1.5]
NO_TEXT = [5, 1.5, True, [], {}, b"x", THING, str]
NO_CALLABLE = ["x", 5, None, True, [], {}, THING]
NO_CHAIN = ["x", b"x", 5, None, True, {}, THING, list]
NO_OBJECT = ["x", 5, True, [], THING]
SYNC_HTTP = httpx2.Client()


def client(**settings):
    return AsyncHanzo(**{"base_url": URL, "api_key": KEY, "model": "m", **settings})


def sync_client(**settings):
    return Hanzo(**{"base_url": URL, "api_key": KEY, "model": "m", **settings})


def sync_copied(**settings):
    return sync_client().with_options(**settings)


def provider(**settings):
    return HanzoModelProvider(**{"base_url": URL, "api_key": KEY, "model": "m", **settings})


def copied(**settings):
    return client().with_options(**settings)


def target(**settings):
    return Target(**{"model": "m", "base_url": URL, "api_key": KEY, **settings})


def aimed(**settings):
    """A target in a client's chain, where its address and headers are looked at."""
    return client(fallbacks=[target(**settings)])


def fallback(**settings):
    return Fallback(**{"to": ["m"], **settings})


ENDPOINT = {
    "base_url": [*NO_TEXT, None, "", " ", "x", "router.test", "ftp://router.test", "https://", f"{URL}?a=b"],
    "api_key": ["", " ", "a b", "a\nb", "\u00e9", 5, True, [], {}, THING],
    "model": NO_TEXT,
    "policies": ["x", "", 5, True, THING, [5], ["x"], [None], [Retry], Retry()],
    "fallbacks": ["", 0, *NO_CHAIN],
    "user_id": ["", " ", *NO_TEXT],
    "metadata": NO_OBJECT,
    "timeout": [*NO_SECONDS, 0],
    "allow_insecure": ["no", "", 0, 1, None, [], THING],
    "proxy": [5, True, [], {}, THING],
    "max_response_bytes": [*NO_INTEGER, 0],
    "verify": ["x", "", 5, 0, None, [], THING],
    "cert": [5, True, [], THING, "", "no/such/file", __file__],
    "default_query": ["x", 5, True, [], THING, {5: "a"}, {"a": THING}, {"a": [THING]}],
    "organization": ["", *NO_TEXT, "a\nb", "\u00e9"],
    "project": ["", *NO_TEXT],
    "webhook_secret": ["", *NO_TEXT],
    "headers": [{"a": 5}, {"a": None}, {5: "a"}, {"": "a"}, {"a b": "c"}, {"a\r\nb": "c"}, {"a": "b\r\nc: d"}, {"a": "\u20ac"}],
}  # fmt: skip
SETTINGS = {
    Retry: {
        "attempts": [*NO_INTEGER, 0],
        "base_delay": [*NO_SECONDS, None],
        "max_delay": [*NO_SECONDS, None],
        "max_retry_after": [*NO_SECONDS, None],
        "on": NO_CALLABLE,
        "budget": ["x", 5, True, [], {}, THING, RetryBudget],
        "jitter": NO_CALLABLE,
    },
    Deadline: {
        "total": [*NO_SECONDS, 0, None],
        "first_event": [*NO_SECONDS, 0],
        "idle": [*NO_SECONDS, 0],
    },
    RetryBudget: {"capacity": [*NO_SECONDS, None], "refund": [*NO_SECONDS, None]},
    Trace: {"to": ["x", 5, True, {}, THING, [5], [None]]},
    fallback: {"to": ["x", "", 0, [], *NO_CHAIN[2:]], "on": NO_CALLABLE},
    target: {
        "model": ["", " "],
        "base_url": [5, True, [], {}, THING],
        "api_key": ["", 5, True, [], {}, THING],
        "lacks": ["tools", "", 5, None, THING, {"magic"}],
        "context_window": ["x", 0, -1, 1.5, True, math.nan, [], THING],
        "label": NO_TEXT,
        "headers": ["x", 5, True, [], THING, {"a": 5}, {"a": None}, {5: "a"}, {None: "a"}],
    },
    aimed: {
        "base_url": ["", " ", "x", "other.test", "ftp://other.test", "http://other.test/v1", f"{URL}?a=b"],
        "api_key": [" ", "a b", "a\nb", "\u00e9"],
        "headers": [{"a": 5}, {5: "a"}, {"": "a"}, {"a b": "c"}, {"a\r\nb": "c"}, {"a": "b\r\nc: d"}],
    },
    client: {**ENDPOINT, "max_retries": [*NO_NUMBER, 1.5]},
    provider: {**ENDPOINT, "api": ["", "x", "Chat", 5, None, True, THING]},
    copied: {
        "max_retries": [*NO_INTEGER],
        "timeout": [*NO_SECONDS, 0],
        "base_url": ["x", "ftp://other.test", 5],
        "api_key": ["", " ", "a b", "a\nb", "\u00e9", 5, True, [], {}, THING],
        "organization": ["", *NO_TEXT],
        "project": ["", *NO_TEXT],
        "default_headers": ["x", 5, True, [], THING, {"a": 5}, {5: "a"}, {"a b": "c"}, {"a": "b\r\nc: d"}],
        "set_default_headers": ["x", {"a": 5}],
        "default_query": ["x", 5, True, [], THING, {5: "a"}, {"a": THING}],
        "set_default_query": ["x", {5: "a"}],
        "http_client": ["x", 5, True, [], THING, SYNC_HTTP, httpx2.AsyncClient],
    },
}
SETTINGS[client] |= {"http_client": SETTINGS[copied]["http_client"]}
SETTINGS[sync_client] = SETTINGS[client]
SETTINGS[sync_copied] = SETTINGS[copied]
JUNK = [
    pytest.param(make, field, junk, id=f"{make.__name__}-{field}-{'huge' if junk is HUGE else type(junk).__name__}{number}")
    for make, fields in SETTINGS.items()
    for field, values in fields.items()
    for number, junk in enumerate(values)
]  # fmt: skip


@pytest.mark.parametrize(("make", "field", "junk"), JUNK)
def test_junk_is_refused_by_name(make, field, junk):
    with pytest.raises(ConfigError) as caught:
        make(**{field: junk})
    assert field in str(caught.value)
    assert KEY not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "chain", [*NO_CHAIN, [], [5], ["m"], [("m",)], [("m", None)], [("m", "x"), ("m", 5)]], ids=repr
)
def test_a_chain_of_providers_holds_pairs_of_a_name_and_a_provider(chain):
    with pytest.raises(ConfigError, match="FallbackProvider"):
        FallbackProvider(chain)


@pytest.mark.parametrize("junk", [5, "x", None, True, [], {}, THING, Retry], ids=repr)
def test_a_stack_holds_policies(junk):
    with pytest.raises(ConfigError, match="policies"):
        Stack(junk)


@pytest.mark.parametrize("junk", [5, "x", None, True, [], {}, THING, HanzoModelProvider], ids=repr)
def test_only_a_model_is_wrapped(junk):
    with pytest.raises(ConfigError, match="wrap"):
        wrap(junk)


@pytest.mark.parametrize("junk", [5, "x", None, [], Retry], ids=repr)
def test_a_model_is_wrapped_in_policies(junk):
    model = provider().get_model("m")
    with pytest.raises(ConfigError, match="policies"):
        wrap(model, junk)


@pytest.mark.parametrize("junk", [*NO_SECONDS, 0], ids=lambda junk: "huge" if junk is HUGE else repr(junk))
async def test_a_time_limit_of_one_request_is_checked_before_it_is_sent(junk):
    upstream = Upstream()
    client = upstream.client()
    requests = [
        lambda: client.chat.completions.create(messages=[HELLO], timeout=junk),
        lambda: client.chat.completions.create(messages=[HELLO], timeout=junk, extra_body={"a": 1}),
        lambda: client.chat.completions.with_raw_response.create(messages=[HELLO], model="m", timeout=junk),
        lambda: client.responses.create(input="x", timeout=junk),
        lambda: client.embeddings.create(input="x", timeout=junk),
        lambda: client.models.retrieve("m", timeout=junk),
    ]
    for request in requests:
        with pytest.raises(ConfigError, match="timeout"):
            await request()
    assert upstream.hits == 0


def test_a_synchronous_http_client_is_refused_with_its_reason():
    for make in (client, sync_client):
        with pytest.raises(ConfigError, match="AsyncClient, got Client; calls run on an event loop"):
            make(http_client=SYNC_HTTP)


def shown(value):
    try:
        return repr(value)
    except AttributeError:  # of an object that was never finished
        return ""


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Target("m", "https://other.test/v1", KEY, label=5),
        lambda: Target("m", "https://other.test/v1", KEY, headers={"Authorization": KEY, "x": 5}),
        lambda: Target("m", api_key=KEY),
        lambda: Settings.resolve(base_url="nowhere", api_key=KEY),
        lambda: Settings.resolve(base_url=URL, api_key=KEY, model=5),
        lambda: client(timeout=-1),
        lambda: sync_client(timeout=-1),
        lambda: provider(api="x"),
        lambda: copied(api_key=KEY, timeout="x"),
        lambda: copied(api_key=KEY, base_url="nowhere"),
        lambda: copied(default_headers={"Authorization": KEY, "x": 5}),
        lambda: sync_copied(api_key=KEY, timeout="x"),
        lambda: sync_copied(default_headers={"Authorization": KEY, "x": 5}),
    ],
)
def test_no_key_is_left_in_the_variables_of_a_traceback(wrong):
    with pytest.raises(ConfigError) as caught:
        wrong()
    ours = [
        frame
        for frame, _ in traceback.walk_tb(caught.value.__traceback__)
        if "/hanzo_agents/" in frame.f_code.co_filename
    ]
    assert ours
    assert [frame for frame in ours if any(KEY in shown(value) for value in frame.f_locals.values())] == []
    assert caught.value.__context__ is None
