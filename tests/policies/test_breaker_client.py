"""Breaker in front of a wire: what an upstream sees of it."""

import asyncio

import httpx2
import openai
import pytest
from agents import Agent, RunConfig, Runner
from upstream import ASK, HELLO, Upstream, completion, sse, status, text_chunks

from hanzo_agents import Breaker, CircuitOpen, StreamTruncated, Target, track

NO_RETRY = {"max_retries": 0}


async def ask(client, **more):
    return await client.chat.completions.create(**ASK, **more)


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
async def test_an_open_circuit_sends_nothing(stream):
    upstream = Upstream(status(503))
    breaker = Breaker(failure_threshold=3)
    client = upstream.client(policies=[breaker], **NO_RETRY)
    for _ in range(3):
        with pytest.raises(openai.InternalServerError):
            await ask(client, stream=stream)
    for _ in range(10):
        with pytest.raises(CircuitOpen) as refused:
            await ask(client, stream=stream)
    assert upstream.hits == 3
    assert 0 < refused.value.retry_after <= 60
    assert list(breaker.states()) == ["https://router.test/v1 m"]
    await breaker.close("m")
    upstream.replies = [sse(*text_chunks("ok")) if stream else completion("ok")]
    await ask(client, stream=stream)


async def test_streams_that_break_in_the_middle_open_it():
    broken = sse(*text_chunks("a", "b")[:2], httpx2.ReadError("reset"), done=False)
    cut = sse(*text_chunks("a", "b")[:2], done=False)
    upstream = Upstream(broken, cut)
    client = upstream.client(policies=[Breaker(failure_threshold=2)], **NO_RETRY)
    for _ in range(2):
        with pytest.raises(StreamTruncated):
            async for _ in await ask(client, stream=True):
                pass
    with pytest.raises(CircuitOpen):
        await ask(client, stream=True)
    assert upstream.hits == 2


async def test_streams_that_end_well_or_are_left_do_not():
    upstream = Upstream(sse(*text_chunks("a", "b")))
    breaker = Breaker(failure_threshold=1)
    client = upstream.client(policies=[breaker])
    for _ in range(3):
        async for _ in await ask(client, stream=True):
            pass
        async with await ask(client, stream=True) as left:
            await anext(aiter(left))
    assert breaker.states() == {}


async def test_a_storm_of_bad_requests_and_of_cancelled_calls_opens_nothing():
    all_hang = asyncio.Event()

    async def hangs(_request):
        if upstream.hits == 110:
            all_hang.set()
        await asyncio.Event().wait()

    upstream = Upstream(*[status(code) for code in (400, 401, 403, 404, 422, 429)] * 10, hangs)
    breaker = Breaker(failure_threshold=1, failure_rate=0.01, min_calls=1)
    client = upstream.client(policies=[breaker], **NO_RETRY)
    for _ in range(60):
        with pytest.raises(openai.APIStatusError):
            await ask(client)
    calls = [asyncio.create_task(ask(client)) for _ in range(50)]
    await all_hang.wait()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert breaker.state("m").state == "closed"


async def test_two_routers_before_one_breaker_have_circuits_of_their_own():
    breaker = Breaker(failure_threshold=1)
    down, up = Upstream(status(500)), Upstream(completion("ok"))
    first = down.client("https://one.test/v1", policies=[breaker], **NO_RETRY)
    second = up.client("https://two.test/v1", policies=[breaker], **NO_RETRY)
    with pytest.raises(openai.InternalServerError):
        await ask(first)
    with pytest.raises(CircuitOpen):
        await ask(first)
    await ask(second)
    assert {key: view.state for key, view in breaker.states().items()} == {"https://one.test/v1 m": "open"}


async def test_in_a_run_a_chain_leaves_an_open_target_out():
    def by_model(request):
        return status(503) if b'"model":"m"' in request.content.replace(b" ", b"") else completion("ok")

    upstream = Upstream(by_model)
    breaker = Breaker(failure_threshold=2)
    provider = upstream.provider(fallbacks=["b"], policies=[breaker])
    with track() as journals:
        for _ in range(4):
            result = await Runner.run(Agent(name="A"), "Hi", run_config=RunConfig(model_provider=provider))
            assert result.final_output == "ok"
    assert [[attempt.target for attempt in journal.attempts] for journal in journals] == [
        ["m", "b"],
        ["m", "b"],
        ["b"],
        ["b"],
    ]


async def test_no_key_is_in_what_a_breaker_keeps_or_says(caplog):
    upstream = Upstream(status(503))
    breaker = Breaker(failure_threshold=1)
    away = Target("m", base_url="https://away.test/v1", api_key="sk-away", headers={"x-key": "sk-head"})
    client = upstream.client(policies=[breaker], fallbacks=[away], **NO_RETRY)
    for _ in range(2):
        with pytest.raises(Exception, match="all providers failed") as failed:
            await client.chat.completions.create(messages=[HELLO])
    said = f"{breaker!r} {breaker.states()!r} {failed.value!r} {failed.value} {caplog.text}"
    assert "opens" in said
    assert "sk-" not in said


async def test_explain_says_what_it_would_do():
    upstream = Upstream(status(503))
    breaker = Breaker(failure_threshold=1)
    client = upstream.client(policies=[breaker], **NO_RETRY)
    assert "Breaker" in str(await client.explain(**ASK))
    with pytest.raises(openai.InternalServerError):
        await ask(client)
    assert "refuses" in str(await client.explain(**ASK))
    assert upstream.hits == 1
