"""An `httpx.AsyncClient` of the user's, from before httpx2: the same answers, errors and bookkeeping through it."""

import json

import httpx
import openai
import pytest
from agents import Agent, RunConfig, Runner
from upstream import HELLO

from hanzo_agents import AsyncHanzo, HanzoModelProvider, InvalidResponse, Retry, StreamTruncated, Target, track
from hanzo_agents.testing.fault_server import FaultServer, answers, faults

KEY = "sk-canary-0123456789"
MODES = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
ONCE = [Retry(attempts=1)]


@pytest.fixture
def server():
    with FaultServer() as server:
        yield server


@pytest.fixture
async def legacy(server):
    """The user's client. It is open to the end, and nothing of it is left afterwards."""
    async with httpx.AsyncClient() as client:
        yield client
        assert not client.is_closed
    await server.until(lambda: server.open_connections == 0)


@pytest.fixture
def connect(server, legacy):
    def connect(*policies, **settings):
        return AsyncHanzo(
            settings.pop("base_url", server.base_url), KEY,
            **{"model": "m", "policies": list(policies), "http_client": legacy, **settings},
        )  # fmt: skip

    return connect


async def ask(client, *, stream, **more):
    answer = await client.chat.completions.create(messages=[HELLO], stream=stream, **more)
    if not stream:
        return answer.choices[0].message.content
    return "".join([c.choices[0].delta.content or "" async for c in answer if c.choices])


@MODES
async def test_it_answers(server, connect, stream):
    server.script("Hello!", "Again")
    client = connect()
    with track() as journals:
        assert await ask(client, stream=stream) == "Hello!"
    assert await ask(client, stream=stream) == "Again"
    assert server.connections == 1
    (attempt,) = journals[0].attempts
    assert (attempt.sent, attempt.status_code, attempt.error) == (True, 200, None)
    assert attempt.ended is not None
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@MODES
async def test_a_run_goes_through_it(server, legacy, stream):
    server.script("Hello!")
    provider = HanzoModelProvider(server.base_url, KEY, model="m", http_client=legacy)
    agent, how = Agent(name="A"), RunConfig(model_provider=provider)
    if stream:
        result = Runner.run_streamed(agent, "Hi", run_config=how)
        _ = [event async for event in result.stream_events()]
    else:
        result = await Runner.run(agent, "Hi", run_config=how)
    assert result.final_output == "Hello!"
    await provider.aclose()


@MODES
async def test_a_refused_connection_was_not_sent(connect, stream):
    refused = pytest.raises(openai.APIConnectionError)
    with faults.closed_port() as nowhere, track() as journals, refused as caught:
        await ask(connect(base_url=nowhere), stream=stream)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    (attempt,) = journals[0].attempts
    assert not attempt.sent
    assert attempt.cost.amount == 0
    assert KEY not in repr(vars(caught.value)) + repr(caught.value.request.headers.raw)


@MODES
async def test_a_lost_connection_may_have_been_sent(server, connect, stream):
    server.script(faults.reset())
    with pytest.raises(openai.APIConnectionError) as caught, track() as journals:
        await ask(connect(), stream=stream)
    assert isinstance(caught.value.__cause__, httpx.HTTPError)
    assert journals[0].attempts[0].sent


@MODES
async def test_a_timeout_is_one(server, connect, stream):
    server.script(faults.hang())
    with pytest.raises(openai.APITimeoutError):
        await ask(connect(timeout=0.05), stream=stream)


@MODES
@pytest.mark.parametrize(
    "fault", [faults.status(503), faults.reset(), faults.html(), faults.nothing()],
    ids=["503", "reset", "a page", "nothing"],
)  # fmt: skip
async def test_what_fails_is_asked_for_again(server, connect, stream, fault):
    server.script(fault, "Second")
    assert await ask(connect(Retry(attempts=2, base_delay=0)), stream=stream) == "Second"
    assert server.hits == 2


@pytest.mark.parametrize(
    "cut", [faults.cut_between_events(), faults.cut_in_json(), faults.cut_in_utf8(), faults.reset_after_content()],
    ids=["between events", "in JSON", "in UTF-8", "reset"],
)  # fmt: skip
async def test_a_stream_that_is_cut_says_so(server, connect, cut):
    server.script(cut)
    with pytest.raises(StreamTruncated), track() as journals:
        await ask(connect(), stream=True)
    assert journals[0].attempts[0].ended is not None


@MODES
async def test_a_key_that_is_quoted_is_not_in_the_error(server, connect, stream):
    server.script(faults.echo_authorization())
    with pytest.raises(openai.AuthenticationError) as caught:
        await ask(connect(), stream=stream)
    assert KEY not in str(caught.value) + repr(vars(caught.value)) + caught.value.response.text


@MODES
async def test_a_redirect_is_not_followed(server, connect, stream):
    with FaultServer() as other:
        server.script(faults.redirect(other.base_url))
        with pytest.raises(InvalidResponse, match="redirect"):
            await ask(connect(), stream=stream)
        assert other.hits == 0


async def test_a_stream_that_is_left_lets_its_connection_go(server, connect):
    server.script(faults.hang_mid_body(answers.text("a long answer", pieces=5)))
    with track() as journals:
        stream = await connect().chat.completions.create(messages=[HELLO], stream=True)
        async for _ in stream:
            break
        await stream.close()
    await server.until(lambda: server.open_connections == 0)
    assert journals[0].attempts[0].ended is not None


@MODES
async def test_a_raw_response_can_be_read(server, connect, stream):
    server.script("Hello!")
    raw = await connect().chat.completions.with_raw_response.create(messages=[HELLO], stream=stream)
    assert raw.status_code == 200
    if stream:
        parsed = raw.parse()
        assert "".join([c.choices[0].delta.content or "" async for c in parsed if c.choices]) == "Hello!"
    else:
        assert json.loads(raw.text)["choices"][0]["message"]["content"] == "Hello!"
        assert raw.parse().choices[0].message.content == "Hello!"


async def test_the_lines_of_a_stream_come_from_its_first_byte(server, connect):
    server.script("Hello!")
    create = connect().chat.completions.with_streaming_response.create
    async with create(messages=[HELLO], stream=True) as raw:
        lines = [line async for line in raw.iter_lines() if line]
    assert json.loads(lines[0].removeprefix("data: "))["choices"][0]["delta"]["role"] == "assistant"
    assert lines[-1] == "data: [DONE]"


@MODES
async def test_another_target_gets_nothing_of_it(server, stream):
    async with httpx.AsyncClient(headers={"X-Mine": "home-secret"}, cookies={"c": "home-secret"}) as legacy:
        with FaultServer() as other:
            server.script(faults.status(503))
            other.script("From afar")
            away = Target("n", base_url=other.base_url, api_key="sk-other-9876543210")
            client = AsyncHanzo(
                server.base_url, KEY, model="m", http_client=legacy, policies=ONCE, fallbacks=[away]
            )
            assert await ask(client, stream=stream) == "From afar"
            (request,) = other.requests
            assert request.headers["authorization"] == "Bearer sk-other-9876543210"
            assert "home-secret" not in repr(request.headers.multi_items())
            await client.close()


async def test_closing_ours_does_not_close_it(server, legacy, connect):
    server.script("Hello!", "Still here")
    client = connect()
    await ask(client, stream=False)
    await client.close()
    await AsyncHanzo(server.base_url, KEY, model="m").with_options(http_client=legacy).close()
    assert not legacy.is_closed
    assert await ask(client, stream=False) == "Still here"
