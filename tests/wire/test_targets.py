"""What belongs to one endpoint never reaches another: keys, headers, and whatever a caller attached."""

import json

import pytest
from upstream import HELLO, KEY, URL, Upstream, completion, response, status

from hanzo_agents import AsyncHanzo, ConfigError, Retry, Target, track

OTHER_URL, OTHER_KEY = "https://other.test/v1", "sk-other-9876543210"
AWAY = Target("x", base_url=OTHER_URL, api_key=OTHER_KEY, headers={"X-Away": "a"})
NO_RETRY = [Retry(attempts=1)]


def failing_home(answer=None):
    return Upstream(lambda r: status(503) if r.url.host == "router.test" else (answer or completion()))


ROADS = {
    "fast lane": {},
    "fast lane with headers": {"extra_headers": {"X-Attached": "home-secret"}},
    "ordinary road": {
        "extra_headers": {"X-Attached": "home-secret"}, "extra_query": {"q": "home-secret"}, "extra_body": {"own": 1},
    },
}  # fmt: skip


@pytest.mark.parametrize("road", ROADS)
async def test_another_endpoint_gets_its_own_key_and_headers_and_nothing_of_the_homes(road):
    upstream = failing_home()
    client = upstream.client(
        policies=NO_RETRY, fallbacks=[AWAY], headers={"X-Home": "home-secret"}, user_id="home-secret",
        metadata={"team": "home-secret"}, default_query={"dq": "home-secret"},
    )  # fmt: skip
    await client.chat.completions.create(messages=[HELLO], **ROADS[road])
    home, away = upstream.requests
    assert home.headers["authorization"] == f"Bearer {KEY}"
    assert home.headers["x-home"] == "home-secret"
    assert away.url.copy_with(query=None) == f"{OTHER_URL}/chat/completions"
    assert away.headers["authorization"] == f"Bearer {OTHER_KEY}"
    assert away.headers["x-away"] == "a"
    assert json.loads(away.content)["model"] == "x"
    whole = str(away.url) + str(away.headers.raw) + str(away.content)
    assert KEY not in whole
    assert "home-secret" not in whole
    assert OTHER_KEY not in str(home.headers.raw)
    assert "x-away" not in home.headers


@pytest.mark.parametrize("road", ["fast lane", "ordinary road"])
async def test_what_a_caller_asks_of_the_model_goes_along(road):
    upstream = failing_home()
    client = upstream.client(policies=NO_RETRY, fallbacks=[AWAY])
    await client.chat.completions.create(messages=[HELLO], temperature=0.5, **ROADS[road], timeout=7)
    away = upstream.requests[1]
    assert json.loads(away.content)["temperature"] == 0.5
    assert away.extensions["timeout"]["read"] == 7


async def test_an_endpoint_without_a_model_is_asked_for_the_callers():
    upstream = failing_home()
    client = upstream.client(
        policies=NO_RETRY,
        fallbacks=[Target(base_url=OTHER_URL, api_key=OTHER_KEY)],
        user_id="u",
        metadata={"a": "b"},
    )
    with track() as journals:
        await client.chat.completions.create(messages=[HELLO])
    assert json.loads(upstream.requests[1].content) == {"messages": [HELLO], "model": "m"}
    first, second = (attempt.target for attempt in journals[0].attempts)
    assert first == "m"
    assert second.endswith("@other.test")
    assert "None" not in second


async def test_one_client_serves_an_endpoint_however_often():
    upstream = failing_home()
    client = upstream.client(policies=NO_RETRY, fallbacks=[AWAY])
    for _ in range(3):
        await client.chat.completions.create(messages=[HELLO])
    assert len(client._engine._away) == 1


async def test_names_stay_at_home():
    upstream = Upstream(status(503), completion())
    await upstream.client(policies=NO_RETRY, fallbacks=["b"]).chat.completions.create(messages=[HELLO])
    assert [str(r.url.host) for r in upstream.requests] == ["router.test"] * 2
    assert [body["model"] for body in upstream.bodies] == ["m", "b"]
    assert {r.headers["authorization"] for r in upstream.requests} == {f"Bearer {KEY}"}


async def test_reasoning_settings_stay_with_models_that_take_them():
    upstream = Upstream(status(503), status(503), completion())
    client = upstream.client(model="gpt-5.2", policies=NO_RETRY, fallbacks=["llama-3", "openai/o3-mini"])
    await client.chat.completions.create(messages=[HELLO], reasoning_effort="low", verbosity="low")
    assert [("reasoning_effort" in body, "verbosity" in body) for body in upstream.bodies] == [
        (True, True), (False, False), (True, True),
    ]  # fmt: skip


async def test_reasoning_items_of_one_provider_do_not_go_to_another():
    upstream = failing_home(response())
    history = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "3"},
    ]
    client = upstream.client(policies=NO_RETRY, fallbacks=[AWAY])
    await client.responses.create(input=history)
    home, away = upstream.bodies
    assert home["input"] == history
    assert [item["type"] for item in away["input"]] == ["function_call", "function_call_output"]
    assert "id" not in away["input"][0]
    assert away["input"][0]["call_id"] == "c1"


@pytest.mark.parametrize(
    "state",
    [
        {"previous_response_id": "resp_0"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "p"}},
        {"background": True},
    ],
    ids=lambda state: next(iter(state)),
)
async def test_stateful_calls_are_pinned(state):
    upstream = failing_home(response())
    with pytest.raises(Exception, match="503"):
        await upstream.client(policies=NO_RETRY, fallbacks=[AWAY]).responses.create(input="x", **state)
    assert upstream.hits == 1


async def test_stateful_calls_are_still_retried_where_they_are():
    upstream = Upstream(status(503), response())
    client = upstream.client(policies=[Retry(base_delay=0)], fallbacks=[AWAY])
    await client.responses.create(input="x", previous_response_id="resp_0")
    assert [r.url.host for r in upstream.requests] == ["router.test"] * 2


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"base_url": OTHER_URL}, "base_url and api_key go together"),
        ({"api_key": OTHER_KEY}, "base_url and api_key go together"),
        ({"model": ""}, "empty"),
        ({"lacks": {"magic"}}, "lacks"),
        ({"context_window": 0}, "context_window"),
        ({"context_window": True}, "context_window"),
    ],
)
def test_half_a_target_is_refused(settings, why):
    with pytest.raises(ConfigError, match=why) as caught:
        Target(**{"model": "x", **settings})
    assert OTHER_KEY not in str(caught.value)


@pytest.mark.parametrize("url", ["http://other.test/v1", "ftp://other.test", "https://u:p@other.test/v1"])
def test_a_target_that_would_show_its_key_is_refused_when_the_client_is_made(url):
    with pytest.raises(ConfigError, match=r"Target\.base_url"):
        AsyncHanzo(URL, KEY, model="m", fallbacks=[Target("x", base_url=url, api_key=OTHER_KEY)])


def test_targets_are_named_for_people():
    assert str(Target("gpt")) == "gpt"
    assert str(AWAY) == "x@other.test"
    assert str(Target("x", label="emergency")) == "emergency"


async def test_a_copy_for_another_address_needs_a_key_and_leaves_the_headers_behind():
    upstream = Upstream()
    client = upstream.client(headers={"X-Home": "home-secret"}, user_id="home-secret")
    with pytest.raises(ConfigError, match="api_key"):
        client.with_options(base_url=OTHER_URL)
    with pytest.raises(ConfigError, match="plain http"):
        client.with_options(base_url="http://other.test/v1", api_key=OTHER_KEY)
    away = client.with_options(base_url=OTHER_URL, api_key=OTHER_KEY)
    await away.chat.completions.create(messages=[HELLO])
    (request,) = upstream.requests
    assert request.headers["authorization"] == f"Bearer {OTHER_KEY}"
    assert "home-secret" not in str(request.headers.raw) + str(request.content)


def test_the_client_refuses_model_objects():
    with pytest.raises(ConfigError, match="model object"):
        AsyncHanzo(URL, KEY, model="m", fallbacks=[Target(object())])


async def test_labels_reach_the_router_in_fields_that_it_reads():
    upstream = Upstream()
    client = upstream.client(user_id="u1", metadata={"tags": ["a", "b"], "team": "core"})
    await client.chat.completions.create(messages=[HELLO])
    await client.chat.completions.create(messages=[HELLO], user="own", metadata={"team": "own"})
    first, second = upstream.bodies
    assert first["user"] == "u1"
    assert first["metadata"]["team"] == "core"
    assert second["user"] == "own"
    assert second["metadata"]["team"] == "own"
    assert upstream.requests[0].headers["x-user-id"] == "u1"


@pytest.mark.parametrize("headers", [{"X-A": 1}, {"X-A": "a\r\nX-B: b"}, {"X-A": "\u00e9"}])
def test_headers_that_cannot_be_sent_are_refused_by_name(headers):
    with pytest.raises(ConfigError, match="headers"):
        AsyncHanzo(URL, KEY, model="m", headers=headers)


async def test_metadata_goes_only_where_it_is_understood():
    """On Responses and embeddings it would go on to the provider; there the router reads headers."""
    upstream = Upstream(completion(), response())
    client = upstream.client(metadata={"tags": ["a", "b"], "team": "core"}, user_id="u1")
    await client.chat.completions.create(messages=[HELLO])
    await client.responses.create(input="x")
    assert "metadata" in upstream.bodies[0]
    assert "metadata" not in upstream.bodies[1]
    for request in upstream.requests:
        assert request.headers["x-litellm-tags"] == "a,b"
        assert json.loads(request.headers["x-litellm-spend-logs-metadata"])["team"] == "core"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"user_id": " "}, "user_id: expected a non-empty string"),
        ({"user_id": 5}, "user_id"),
        ({"metadata": ["a"]}, "metadata: expected a dict, got list"),
        ({"metadata": {"a": object()}}, "metadata: expected plain JSON"),
        ({"metadata": {"a": float("nan")}}, "metadata: expected plain JSON"),
        ({"metadata": {"tags": "a"}}, r"metadata\.tags: expected a list"),
        ({"metadata": {"tags": ["a,b"]}}, r"metadata\.tags: expected ASCII strings without commas"),
        ({"metadata": {"tags": [1]}}, r"metadata\.tags"),
        ({"metadata": {"tags": ["\u00e9"]}}, r"metadata\.tags"),
    ],
    ids=str,
)
def test_labels_that_the_router_could_not_read_are_refused_by_name(settings, why):
    with pytest.raises(ConfigError, match=why):
        AsyncHanzo(URL, KEY, model="m", **settings)
