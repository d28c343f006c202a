"""What an attempt cost, when the router says so and when it does not."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import httpx2
import openai
import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ModelStep, ScriptedModel, assistant_message
from agents.usage import Usage as AgentsUsage
from calls import http_error, lost_connection
from upstream import (
    HANG,
    HELLO,
    ROLE,
    URL,
    Upstream,
    chunk,
    completion,
    response,
    response_events,
    sse,
    status,
    text_chunks,
    value,
)

from hanzo_agents import (
    Fallback,
    InvalidResponse,
    Price,
    Retry,
    Stack,
    StreamTruncated,
    Target,
    Usage,
    track,
    wrap,
)
from hanzo_agents._wire.facts import estimate_tokens
from hanzo_agents.prices import over
from hanzo_agents.prices.public import PUBLIC

GPT = "gpt-4o-mini"
LISTED = PUBLIC.of(GPT)


def priced_by(table):
    """A policy that lays prices over those of a call, as a budget does."""

    async def lay(call, send):
        return await send(replace(call, prices=over(table, call.prices)))

    return lay


async def ask(client, *, model=GPT, stream=False):
    reply = await client.chat.completions.create(model=model, messages=[HELLO], stream=stream)
    return [chunk async for chunk in reply] if stream else reply


async def costs(client, **how):
    with track() as journals:
        await ask(client, **how)
    return [(attempt.cost.amount, attempt.cost.basis) for attempt in journals[0].attempts]


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
async def test_an_answer_without_a_price_is_estimated_from_its_tokens(stream):
    reply = sse(*text_chunks("Hi", usage=(1000, 200))) if stream else completion(usage=(1000, 200))
    expected = LISTED.cost(Usage(1000, 200))
    assert expected > 0
    assert await costs(Upstream(reply).client(policies=[]), stream=stream) == [(expected, "estimated")]


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
async def test_so_is_one_of_the_responses_api(stream):
    reply = sse(*response_events(usage=(1000, 200)), done=False) if stream else response(usage=(1000, 200))
    with track() as journals:
        got = await Upstream(reply).client(policies=[]).responses.create(model=GPT, input="Hi", stream=stream)
        if stream:
            _ = [event async for event in got]
    assert journals[0].cost.amount == LISTED.cost(Usage(1000, 200))


@pytest.mark.parametrize(
    "reply",
    [
        value(completion(), x_litellm_response_cost="0.5"),
        sse(*text_chunks("Hi", usage=None), chunk(choices=[], usage=(1, 1)) | {"usage": {
            "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.5}}),
        {**completion(), "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.5}},
    ],
    ids=["header", "stream", "body"],
)  # fmt: skip
async def test_with_a_reported_price_nothing_is_estimated(reply):
    stream = isinstance(reply, httpx2.Response) and "event-stream" in reply.headers["content-type"]
    client = Upstream(reply).client(policies=[priced_by({GPT: Price(input=9, output=9)})])
    assert await costs(client, stream=stream) == [(Decimal("0.5"), "reported")]


@pytest.mark.parametrize(
    "reply",
    [
        value(completion(), x_litellm_response_cost="0.0"),
        value(completion(), x_litellm_response_cost="0"),
        {**completion(), "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0}},
    ],
    ids=["0.0", "0", "body"],
)
async def test_a_price_of_zero_is_no_price(reply):
    """Routers say it of models whose price they do not know."""
    assert await costs(Upstream(reply).client(policies=[]), model="m") == [(None, "unknown")]
    ((amount, basis),) = await costs(Upstream(reply).client(policies=[]))
    assert (amount > 0, basis) == (True, "estimated")
    free = priced_by({"m": Price(input=0, output=0)})
    assert await costs(Upstream(reply).client(policies=[free]), model="m") == [(0, "estimated")]


async def test_a_cache_hit_of_the_router_stays_free():
    reply = value(completion(), x_litellm_cache_key="k")
    assert await costs(Upstream(reply).client(policies=[])) == [(0, "reported")]


async def test_prices_laid_over_a_call_go_before_the_list():
    client = Upstream(completion(usage=(10, 10))).client(policies=[priced_by({GPT: Price(input=1, output=2)})])
    assert await costs(client) == [(Decimal("0.00003"), "estimated")]


async def test_an_answer_of_a_model_that_nobody_prices_is_unknown():
    assert await costs(Upstream().client(policies=[]), model="m") == [(None, "unknown")]


async def test_where_the_router_fell_back_the_model_that_answered_is_priced():
    reply = value(completion(usage=(1000, 10)), x_litellm_model_group="gpt-4o")
    (cost,) = await costs(Upstream(reply).client(policies=[]))
    assert cost[0] == PUBLIC.of("gpt-4o").cost(Usage(1000, 10))
    unknown = value(completion(), x_litellm_model_group="somebody")
    assert await costs(Upstream(unknown).client(policies=[])) == [(None, "unknown")]


async def test_an_alias_is_priced_by_the_name_that_the_answer_carries():
    body = completion(usage=(1000, 10)) | {"model": "gpt-4o-2024-08-06"}
    ((amount, _),) = await costs(Upstream(body).client(policies=[]), model="our-alias")
    assert amount == PUBLIC.of("gpt-4o").cost(Usage(1000, 10))


async def test_a_target_that_keeps_the_callers_model_is_priced_as_that():
    upstream = Upstream(status(503), completion(usage=(1000, 10)))
    there = Target(None, "https://other.test/v1", "sk-other-key")
    client = upstream.client(policies=[Fallback(to=[there])])
    refused, (amount, basis) = await costs(client)
    assert refused == (0, "estimated")
    assert (amount, basis) == (LISTED.cost(Usage(1000, 10)), "estimated")


async def test_written_and_cached_tokens_are_priced_as_such():
    usage = {
        "prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050, "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 700, "prompt_tokens_details": {"cached_tokens": 700, "cache_creation_tokens": 200},
    }  # fmt: skip
    ((amount, _),) = await costs(
        Upstream({**completion(), "usage": usage}).client(policies=[]), model="claude-3-haiku-20240307"
    )
    assert amount == Decimal("0.25") / 10**6 * 100 + Decimal("0.03") / 10**6 * 700 + Decimal(
        "0.3"
    ) / 10**6 * 200 + (Decimal("1.25") / 10**6 * 50)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 408, 422, 429, 500, 502, 503, 504, 529])
async def test_what_was_refused_with_a_status_costs_nothing(code):
    upstream = Upstream(status(code, x_litellm_response_cost="0"))
    with track() as journals, pytest.raises(openai.APIStatusError):
        await ask(upstream.client(policies=[]))
    (attempt,) = journals[0].attempts
    assert (attempt.sent, attempt.cost.amount, attempt.cost.basis) == (True, 0, "estimated")
    assert (journals[0].cost.amount, journals[0].cost.basis) == (0, "estimated")


async def test_a_redirect_costs_nothing():
    upstream = Upstream(httpx2.Response(302, headers={"location": "https://elsewhere.test/"}))
    with track() as journals, pytest.raises(InvalidResponse):
        await ask(upstream.client(policies=[]))
    assert journals[0].cost.amount == 0


@pytest.mark.parametrize(
    ("reply", "stream"),
    [
        (httpx2.ReadTimeout("slow"), False),
        (httpx2.ReadError("reset"), False),
        (value({"error": {"message": "overloaded", "code": 529}}, x_litellm_response_cost="0"), False),
        (httpx2.Response(200, text="<html>", headers={"content-type": "text/html"}), False),
        (httpx2.Response(200, text='{"choices": ['), False),
        (completion() | {"choices": []}, False),
        (sse(ROLE, done=False), True),
        (sse(), True),
    ],
    ids=["timed out", "lost", "error in a 200", "html", "cut", "no choices", "truncated stream", "empty stream"],
)
async def test_what_was_lost_or_is_no_answer_is_unknown(reply, stream):
    with track() as journals, pytest.raises((openai.APIError, InvalidResponse)):
        await ask(Upstream(reply).client(policies=[]), stream=stream)
    (attempt,) = journals[0].attempts
    assert (attempt.sent, attempt.cost.amount, attempt.cost.basis) == (True, None, "unknown")


async def test_what_was_not_sent_costs_nothing():
    with track() as journals, pytest.raises(openai.APIConnectionError):
        await ask(Upstream(httpx2.ConnectError("refused")).client(policies=[]))
    assert (journals[0].cost.amount, journals[0].cost.basis) == (0, "reported")


async def test_a_cancelled_attempt_is_unknown():
    arrived = asyncio.Event()

    async def hang(request):
        arrived.set()
        await asyncio.Event().wait()

    with track() as journals:
        asking = asyncio.create_task(ask(Upstream(hang).client(policies=[])))
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert journals[0].attempts[0].cost.amount is None


@pytest.mark.parametrize("end", ["closed", "broken"])
async def test_a_half_read_stream_is_estimated_with_its_input(end):
    text = "x" * 400
    tail = HANG if end == "closed" else httpx2.ReadError("reset")
    upstream = Upstream(sse(ROLE, chunk({"content": text}), tail, done=False))
    with track() as journals:
        stream = await upstream.client(policies=[]).chat.completions.create(
            model=GPT, messages=[HELLO], stream=True
        )
        if end == "closed":
            async for event in stream:
                if event.choices[0].delta.content:
                    break
            await stream.close()
        else:
            with pytest.raises(StreamTruncated):
                _ = [event async for event in stream]
    (attempt,) = journals[0].attempts
    assert attempt.usage.basis == "estimated"
    assert attempt.usage.input_tokens == estimate_tokens("Hello!") > 0
    assert attempt.usage.output_tokens == 100
    assert (attempt.cost.amount, attempt.cost.basis) == (LISTED.cost(attempt.usage), "estimated")


@pytest.mark.parametrize("field", ["reasoning_content", "refusal", "reasoning"])
async def test_what_was_reasoned_or_refused_counts_too(field):
    events = [ROLE, chunk({field: "x" * 40}), chunk({field: "x" * 40}), HANG]
    with track() as journals:
        client = Upstream(sse(*events, done=False)).client(policies=[])
        stream = await client.chat.completions.create(model=GPT, messages=[HELLO], stream=True)
        received = [await anext(aiter(stream)) for _ in range(3)]
        await stream.close()
    assert len(received) == 3
    assert journals[0].attempts[0].usage.output_tokens == 20


@pytest.mark.parametrize("kind", ["response.reasoning_summary_text.delta", "response.refusal.delta"])
async def test_so_does_what_a_responses_stream_has_reasoned_or_refused(kind):
    where = {"item_id": "i", "output_index": 0, "content_index": 0, "summary_index": 0, "sequence_number": 9}
    events = [*response_events()[:2], {"type": kind, "delta": "x" * 40, **where}, HANG]
    with track() as journals:
        client = Upstream(sse(*events, done=False)).client(policies=[])
        stream = await client.responses.create(model=GPT, input="Hi", stream=True)
        async for event in stream:
            if event.type == kind:
                break
        await stream.close()
    assert journals[0].attempts[0].usage.output_tokens == 10


async def test_retried_and_fallen_back_attempts_add_up():
    upstream = Upstream(status(503), completion(usage=(1000, 10)))
    with track() as journals:
        await ask(upstream.client(policies=[Retry(base_delay=0)]))
    assert (journals[0].cost.amount, journals[0].cost.basis) == (LISTED.cost(Usage(1000, 10)), "estimated")


async def test_prices_that_fail_leave_the_answer_alone(caplog):
    class Broken:
        def known(self, target):
            raise RuntimeError("broken")

        async def learn(self, target):
            raise AssertionError

    async def lay(call, send):
        return await send(replace(call, prices=Broken()))

    assert await costs(Upstream().client(policies=[lay])) == [(None, "unknown")]
    assert "could not be estimated" in caplog.text


# The Model seam


async def run(model, *, stream=False):
    config = RunConfig(tracing_disabled=True)
    with track() as journals:
        if stream:
            result = Runner.run_streamed(Agent(name="A", model=model), "Hi", run_config=config)
            _ = [event async for event in result.stream_events()]
        else:
            await Runner.run(Agent(name="A", model=model), "Hi", run_config=config)
    return journals[0]


def foreign(*turns, name=GPT, usage=(1000, 200)):
    tokens = AgentsUsage(requests=1, input_tokens=usage[0], output_tokens=usage[1], total_tokens=sum(usage))
    model = ScriptedModel(list(turns) or [ModelStep(output=[assistant_message("x")], usage=tokens)])
    model.model = name
    return model


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
async def test_a_strangers_model_goes_by_its_name(stream):
    journal = await run(wrap(foreign(), Stack()), stream=stream)
    assert (journal.cost.amount, journal.cost.basis) == (LISTED.cost(Usage(1000, 200)), "estimated")


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
async def test_a_strangers_model_of_no_known_name_is_unknown(stream):
    journal = await run(wrap(foreign(name="theirs"), Stack()), stream=stream)
    assert journal.cost.basis == "unknown"


@pytest.mark.parametrize(
    ("error", "cost"),
    [(http_error(429), (0, "estimated")), (http_error(500), (0, "estimated")), (lost_connection(), (None, "unknown")),
     (TimeoutError(), (None, "unknown")), (ValueError(), (None, "unknown"))],
    ids=["429", "500", "lost", "timeout", "other"],
)  # fmt: skip
async def test_a_strangers_failure(error, cost):
    with track() as journals, pytest.raises(type(error)):
        await wrap(foreign(error), Stack()).get_response(
            None, "Hi", Agent(name="A").model_settings, [], None, [], None,
            previous_response_id=None, conversation_id=None, prompt=None,
        )  # fmt: skip
    (attempt,) = journals[0].attempts
    assert (attempt.cost.amount, attempt.cost.basis) == cost


def learned_from(pages):
    """An upstream that has a page of models, and answers everything else."""

    def answer(request):
        return {"data": pages} if request.method == "GET" else value(completion(usage=(10, 10)))

    return Upstream(answer)


FREE_PAGE = [{"model_name": "m", "model_info": {"input_cost_per_token": 0, "output_cost_per_token": 0,
                                                "max_output_tokens": 64}}]  # fmt: skip


async def test_our_own_models_beneath_know_their_routers_prices():
    provider = learned_from(FREE_PAGE).provider(policies=[])
    inner = provider.get_model("m")
    wrapped = wrap(wrap(inner, Stack()), Stack())
    assert wrapped.prices.known(wrapped.home) is None
    assert (await wrapped.prices.learn(wrapped.home)).max_output == 64
    journal = await run(wrapped)
    assert (journal.cost.amount, journal.cost.basis) == (0, "estimated")


async def test_a_chain_with_a_strangers_model_asks_each_in_its_way():
    upstream = learned_from(FREE_PAGE)
    stranger = Target(foreign())
    model = upstream.provider(fallbacks=[stranger]).get_model("m")
    assert (await model.prices.learn(model.home)).max_output == 64
    assert await model.prices.learn(stranger) == LISTED
    away = Target("m", "https://other.test/v1", "sk-other-key")
    other = upstream.provider(fallbacks=[stranger, away]).get_model("m")
    assert (await other.prices.learn(away)).max_output == 64
    assert [request.url.host for request in upstream.requests] == ["router.test", "other.test"]


async def test_attempts_that_a_model_beneath_has_made_by_itself_are_paid_too():
    lost = httpx2.ReadError("reset")
    upstream = Upstream(lost, value(completion(), x_litellm_response_cost="0.5"))
    journal = await run(wrap(upstream.provider(policies=[Retry(base_delay=0)]).get_model("m"), Stack()))
    assert journal.cost.basis == "unknown"  # one of the two is lost, and nobody knows what it cost
    upstream = Upstream(
        value(completion() | {"choices": []}, x_litellm_response_cost="0.25"),
        value(completion(), x_litellm_response_cost="0.5"),
    )
    journal = await run(wrap(upstream.provider(policies=[Retry(base_delay=0)]).get_model("m"), Stack()))
    assert (journal.cost.amount, journal.cost.basis) == (Decimal("0.75"), "reported")


def test_the_client_says_what_models_cost():
    client = Upstream().client()
    assert client.prices.known(Target(GPT)) == LISTED
    assert str(client.base_url).startswith(URL)
