"""The policies around LLMWise's modes: the same kernel, the same promises."""

import asyncio
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from llmwise_server import CREDITS, HAIKU, chat, chat_events, compare_events, done, sse

from hanzo_agents import (
    Breaker,
    Budget,
    BudgetExceeded,
    Cache,
    CircuitOpen,
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Fallback,
    Hedge,
    MemoryStore,
    Price,
    RateLimit,
    RateLimited,
    Retry,
    Stack,
    Trace,
    Unaccountable,
    track,
)
from hanzo_agents.llmwise import AsyncLLMWise, LLMWise, LLMWiseError
from hanzo_agents.testing._http import Http, Pause, json_http
from hanzo_agents.testing.clock import FakeClock

KEY = "mm_sk_canary_0123456789"
ASK = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "auto", "messages": ASK}
TWO = {"models": ["gpt-5.2", "claude-sonnet-4.5"], "messages": ASK}
DOWN = json_http({"error": "down"}, status=503)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


async def asked(client, mode="chat", *, stream=False, **more):
    arguments = {**(CHAT if mode == "chat" else TWO), **more}
    if stream:
        return [event async for event in getattr(client, f"{mode}_stream")(**arguments)]
    return await getattr(client, mode)(**arguments)


def text_of(answer):
    return "".join(event.get("delta", "") for event in answer) if isinstance(answer, list) else answer["content"]


@pytest.fixture
def client_of(server):
    return lambda *policies: AsyncLLMWise(KEY, server.base_url, policies=policies or None)


@BOTH
async def test_a_call_leaves_its_account(client_of, stream):
    with track() as journals:
        await asked(client_of(), stream=stream)
    (journal,) = journals
    (attempt,) = journal.attempts
    assert (journal.operation, journal.complete) == ("chat", True)
    assert (attempt.model, attempt.provider, attempt.status_code) == ("gpt-5.2", "llmwise", 200)
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens, attempt.usage.basis) == (12, 7, "reported")
    assert (attempt.cost.amount, attempt.cost.basis) == (Decimal("0.0021"), "reported")


@BOTH
async def test_a_compare_costs_what_its_models_cost(client_of, stream):
    with track() as journals:
        await asked(client_of(), "compare", stream=stream)
    assert journals[0].cost.amount == Decimal("0.002")
    assert journals[0].attempts[0].usage.output_tokens == 8


@BOTH
async def test_costs_are_exact_whatever_the_program_around_does_with_decimals(server, stream):
    whole = {name: value for name, value in chat().items() if name != "cost"}
    end = done(credits_charged=12345)
    server.script = [sse({"delta": "x"}, end) if stream else json_http({**whole, "credits_charged": 12345})]
    client = AsyncLLMWise(KEY, server.base_url, credit_usd="0.0102")
    with localcontext(prec=2), track() as journals:
        await asked(client, stream=stream)
        await asked(client, "compare", stream=stream, models=list("abcdefghijklm"))
    assert [journal.cost.amount for journal in journals] == [Decimal("125.9190"), Decimal("0.013")]


@BOTH
@pytest.mark.parametrize(("credit", "cost"), [("0.01", Decimal("0.03")), (0.5, Decimal("1.5")), (None, None)])
async def test_credits_count_as_dollars_when_their_price_is_known(server, stream, credit, cost):
    whole = {name: value for name, value in chat().items() if name != "cost"}
    events = [{name: value for name, value in event.items() if name != "cost"} for event in chat_events()]
    server.script = [
        sse(*events[:-1], done(credits_charged=3)) if stream else json_http({**whole, "credits_charged": 3})
    ]
    client = AsyncLLMWise(KEY, server.base_url, credit_usd=credit)
    with track() as journals:
        await asked(client, stream=stream, model="nobody-knows")
    assert journals[0].cost.amount == (cost if credit else journals[0].cost.amount)
    assert journals[0].cost.basis == (
        "reported" if credit else "estimated" if journals[0].cost.amount else "unknown"
    )


async def test_tokens_are_estimated_where_nobody_counts_them(server, client_of):
    server.script = [json_http({"content": "four words are here"})]
    with track() as journals:
        await asked(client_of(), model="gpt-4o")
    attempt = journals[0].attempts[0]
    assert attempt.usage.basis == "estimated"
    assert attempt.cost.basis == "estimated"
    assert attempt.cost.amount > 0


@BOTH
async def test_fallback_asks_another_model(server, client_of, stream):
    server.script = [DOWN] * 2
    client = client_of(Retry(attempts=2, base_delay=0), Fallback(to=["gpt-5.2"]))
    with track() as journals:
        answer = await asked(client, stream=stream)
    assert text_of(answer) == HAIKU
    assert [request.model for request in server.requests][-1] == "gpt-5.2"
    assert "Fallback moves on" in [f"{d.policy} {d.action}" for d in journals[0].decisions]


@BOTH
async def test_the_other_modes_name_their_models_themselves(server, client_of, stream):
    server.script = [DOWN]
    with pytest.raises(LLMWiseError):
        await asked(client_of(Fallback(to=["gpt-5.2"])), "compare", stream=stream)
    assert server.hits == 1


async def test_a_conversation_stays_where_it_is(server, client_of):
    server.script = [DOWN]
    with pytest.raises(LLMWiseError):
        await asked(client_of(Retry(attempts=1), Fallback(to=["gpt-5.2"])), conversation_id="conv_1")
    assert server.hits == 1


@BOTH
async def test_a_deadline_bounds_the_call(server, client_of, stream):
    server.script = [Http(head=False, body=(Pause(),))]
    client = client_of(Deadline(total=5))
    with FakeClock() as clock:
        call = asyncio.create_task(asked(client, stream=stream))
        await server.until(lambda: server.paused == 1)
        await clock.run_for(6)
        with pytest.raises(DeadlineExceeded):
            await call


async def test_an_open_breaker_refuses(server, client_of):
    server.script = [DOWN] * 2
    client = client_of(Retry(attempts=1), Breaker(failure_threshold=2))
    for _ in range(2):
        with pytest.raises(LLMWiseError):
            await asked(client)
    with pytest.raises(CircuitOpen):
        await asked(client)
    assert server.hits == 2


async def test_a_limit_counts_every_mode(server, client_of):
    client = client_of(RateLimit(requests_per_minute=1), Deadline(total=1))
    with FakeClock():
        await asked(client)
        with pytest.raises(RateLimited):
            await asked(client)
    assert server.hits == 1


class TestBudget:
    @BOTH
    async def test_what_was_spent_is_booked(self, server, client_of, stream):
        budget = Budget(daily="0.01", store=MemoryStore(), prices={"auto": Price(input=1, output=1)})
        client = client_of(budget)
        for _ in range(4):
            await asked(client, stream=stream, max_tokens=100)
        with pytest.raises(BudgetExceeded) as raised:
            await asked(client, stream=stream, max_tokens=2000)
        assert raised.value.spent == Decimal("0.0084")
        assert server.hits == 4

    async def test_a_compare_is_reserved_for_all_its_models(self, server, client_of):
        client = client_of(Budget(daily="0.0001", store=MemoryStore()))
        with pytest.raises(BudgetExceeded):
            await asked(client, "compare", models=["gpt-4o", "gpt-4o-mini"], max_tokens=1000)
        assert server.hits == 0

    async def test_and_answers_without_a_limit_are_bounded_by_what_is_left(self, server, client_of):
        client = client_of(Budget(daily="0.01", store=MemoryStore(), max_output=100_000))
        await asked(client, "compare", models=["gpt-4o", "gpt-4o-mini"])
        each = server.requests[0].json["max_tokens"]
        assert 800 < each < 0.01 / (10.60 / 1e6)  # list prices of the two: $10 and $0.60 a million

    async def test_a_chat_is_reserved_for_the_dearest_that_may_answer(self, server, client_of):
        client = client_of(Budget(daily="0.005", store=MemoryStore()))
        await asked(client, model="gpt-4o-mini", max_tokens=1000)
        with pytest.raises(BudgetExceeded):
            await asked(client, model="gpt-4o-mini", max_tokens=1000, routing={"fallback": ["gpt-4o"]})
        with pytest.raises(Unaccountable):
            await asked(client, model="gpt-4o-mini", max_tokens=1000, routing={"fallback": ["nobody"]})
        assert server.hits == 1

    @pytest.mark.parametrize("mode", ["compare", "blend"])
    async def test_what_nobody_knows_the_price_of_is_refused(self, server, client_of, mode):
        client = client_of(Budget(daily=1, store=MemoryStore()))
        with pytest.raises(Unaccountable):
            await asked(client, mode, models=["nobody", "knows"])
        assert server.hits == 0

    async def test_unless_told_otherwise(self, server, client_of):
        client = client_of(Budget(daily=1, store=MemoryStore(), prices={"blend": Price(input=10, output=10)}))
        assert (await asked(client, "blend"))["content"] == "blended"

    async def test_a_refused_request_costs_nothing(self, server, client_of):
        server.script = [json_http({"error": "Insufficient credits"}, status=402)]
        with track() as journals, pytest.raises(LLMWiseError):
            await asked(client_of())
        assert journals[0].cost.amount == 0

    async def test_helpers_are_free_but_for_those_that_ask_models(self, server, client_of):
        client = client_of(Budget(daily="0.0001", store=MemoryStore()))
        assert await client.models()
        assert await client.create_conversation()
        assert await client.settings_update_copilot(goal="x")
        for call in (client.settings_ask_copilot(question="?"), client.optimization_run_test_suite("s")):
            with pytest.raises(Unaccountable):
                await call
        assert server.hits == 3


class TestCache:
    @pytest.mark.parametrize("first", [False, True])
    @BOTH
    async def test_a_chat_is_answered_again(self, server, client_of, first, stream):
        client = client_of(cache := Cache())
        await asked(client, stream=first)
        with track() as journals:
            answer = await asked(client, stream=stream)
        assert text_of(answer) == HAIKU
        assert journals[0].attempts[0].cache_hit
        assert journals[0].cost.amount == 0
        assert (server.hits, cache.stats().hits) == (1, 1)
        if stream:
            assert answer[-1]["event"] == "done"
            assert answer[-1]["credits_remaining"] == CREDITS["credits_remaining"]
        else:
            assert answer["resolved_model"] == "gpt-5.2"

    async def test_a_hit_is_the_callers_own(self, client_of):
        client = client_of(Cache())
        first = await asked(client)
        first["content"] = "changed"
        assert (await asked(client))["content"] == HAIKU

    @pytest.mark.parametrize(
        "more",
        [
            {"temperature": 0.7}, {"semantic_memory": True}, {"conversation_id": "c"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_what_is_not_kept(self, server, client_of, more):
        client = client_of(Cache())
        for _ in range(2):
            await asked(client, **more)
        assert server.hits == 2

    async def test_what_asks_for_something_else(self, server, client_of):
        client = client_of(Cache())
        for more in ({}, {"model": "gpt-5.2"}, {"max_tokens": 5}, {"routing": {"fallback": ["x"]}}):
            await asked(client, **more)
        assert server.hits == 4

    @pytest.mark.parametrize("mode", ["compare", "blend"])
    async def test_other_modes_are_not_kept(self, server, client_of, mode):
        client = client_of(Cache())
        for _ in range(2):
            await asked(client, mode)
        assert server.hits == 2

    async def test_what_cannot_be_spelled_is_refused_as_ever(self, client_of):
        with pytest.raises(ConfigError, match="plain JSON"):
            await asked(client_of(Cache()), messages=[{"role": "user", "content": float("nan")}])

    @BOTH
    async def test_half_an_answer_is_not_kept(self, server, client_of, stream):
        half = {"finish_reason": "length"}
        server.script = [sse({"delta": "ha", **half}, done()) if stream else json_http(chat(content="ha", **half))]
        client = client_of(Cache())
        await asked(client, stream=stream)
        assert text_of(await asked(client, stream=stream)) == HAIKU

    @BOTH
    async def test_an_empty_answer_is_not_kept(self, server, client_of, stream):
        server.script = [sse({"delta": ""}, done()) if stream else json_http(chat(content=""))]
        client = client_of(Cache())
        assert text_of(await asked(client, stream=stream)) == ""
        assert text_of(await asked(client, stream=stream)) == HAIKU

    async def test_a_substitutes_answer_is_not_kept(self, server, client_of):
        server.script = [json_http(chat("gpt-5.2", final_model="gemini-3-flash", content="other"))]
        client = client_of(Cache())
        await asked(client, model="gpt-5.2")
        assert text_of(await asked(client, model="gpt-5.2")) == HAIKU


@BOTH
async def test_a_hedge_is_won_by_the_first_who_answers(server, client_of, stream):
    client = client_of(Hedge(after=1, to=["gpt-5.2"], max_extra_spend=1))
    with FakeClock() as clock:
        for _ in range(3):
            await asked(client, stream=stream)
        server.script = [Http(head=False, body=(Pause(),))]
        call = asyncio.create_task(asked(client, stream=stream))
        await server.until(lambda: server.paused == 1)
        await clock.run_for(2)
        await server.until(lambda: server.hits == 5)
        assert text_of(await call) == HAIKU
    assert [request.model for request in server.requests][3:] == ["auto", "gpt-5.2"]
    await server.until(lambda: server.paused == 0)


async def test_a_policy_that_fails_leaves_no_stream_open(server):
    async def spoils(call, send):
        await send(call)
        raise ValueError("no")

    server.script = [replace(sse(), body=(*sse({"delta": "one"}, done=False).body, Pause()))]
    client = AsyncLLMWise(KEY, server.base_url, policies=Stack(spoils))
    with pytest.raises(ValueError, match=r"^no$"):
        await asked(client, stream=True)
    await server.until(lambda: server.open_connections == 0)


class TestHelpers:
    async def test_reading_is_tried_again(self, server, client_of):
        server.script = [DOWN] * 2
        assert await client_of(Retry(base_delay=0)).models()
        assert server.hits == 3

    @pytest.mark.parametrize("method", ["create_conversation", "memory_clear", "generate_api_key"])
    async def test_writing_is_not(self, server, client_of, method):
        server.script = [DOWN]
        with pytest.raises(LLMWiseError):
            await getattr(client_of(Retry(base_delay=0)), method)()
        assert server.hits == 1

    async def test_they_have_a_deadline(self, server, client_of):
        server.script = [Http(head=False, body=(Pause(),))]
        with FakeClock() as clock:
            call = asyncio.create_task(client_of(Deadline(total=5)).credits_wallet())
            await server.until(lambda: server.paused == 1)
            await clock.run_for(6)
            with pytest.raises(DeadlineExceeded):
                await call

    async def test_and_no_other_policy(self, server, client_of):
        client = client_of(RateLimit(requests_per_minute=1), Deadline(total=1), Cache())
        for _ in range(3):
            await client.credits_balance()
        assert server.hits == 3


class Observer:
    def __init__(self):
        self.heard = []

    def attempt_started(self, journal, attempt):
        self.heard.append("attempt")

    def attempt_ended(self, journal, attempt):
        self.heard.append("accepted" if attempt.accepted is not None else "failed")

    def decided(self, journal, decision):
        self.heard.append(f"{decision.policy} {decision.action}")

    def call_ended(self, journal):
        self.heard.append("over")


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@BOTH
async def test_every_seam_decides_the_same(server, sync, stream):
    """The row of the parity matrix: the same policies decide the same, whoever calls and however it answers."""
    server.script = [DOWN]
    observer = Observer()
    kind = LLMWise if sync else AsyncLLMWise
    client = kind(KEY, server.base_url, policies=[Retry(base_delay=0), Trace(to=[observer])])
    if not sync:
        await asked(client, stream=stream)
    elif stream:
        list(client.chat_stream(**CHAT))
    else:
        client.chat(**CHAT)
    assert observer.heard == ["attempt", "failed", "Retry retries", "attempt", "accepted", "over"]


async def test_max_output_is_shrunk_for_a_budget(server, client_of):
    budget = Budget(
        per_call="0.0006", store=MemoryStore(), prices={"m": Price(input=0, output=1)}, on_shortage=["shrink"]
    )
    await asked(client_of(budget), model="m", max_tokens=5000)
    assert 256 <= server.requests[0].json["max_tokens"] <= 600


async def test_a_compare_that_is_cut_is_estimated(server, client_of):
    server.script = [sse(*compare_events(TWO["models"])[:2], done=False)]
    with track() as journals, pytest.raises(LLMWiseError):
        await asked(client_of(), "compare", stream=True, models=["gpt-4o", "gpt-4o-mini"])
    assert journals[0].attempts[0].cost.basis == "estimated"
