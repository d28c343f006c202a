"""Laws of Retry and its budget: bounded attempts, bounded waits, and no storm."""

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from calls import Inner, http_error, make_call
from hypothesis import given
from hypothesis import strategies as st
from upstream import HELLO, Upstream, completion, status

from hanzo_agents import AsyncHanzo, Deadline, Fallback, Retry, RetryBudget, Stack
from hanzo_agents.policies.classify import retry_after
from hanzo_agents.testing.clock import FakeClock

WALL = datetime(2030, 5, 17, 12, 0, 0, tzinfo=UTC)


def run_retry(policy, inner, **fields):
    """Run a call through a policy on a clock that jumps; returns the error, if any, and the clock."""

    async def run():
        with FakeClock(auto=True, wall=WALL) as clock:
            call = make_call(**fields)
            try:
                await policy(call, inner)
            except Exception as error:
                return error, clock, call
            return None, clock, call

    return asyncio.run(run())


@given(st.integers(1, 8), st.integers(0, 12))
def test_attempts_never_exceed_the_configured_number(attempts, failures):
    inner = Inner(*[http_error(503)] * failures, "answer")
    error, clock, _ = run_retry(Retry(attempts=attempts, budget=None), inner)
    made = min(attempts, failures + 1)
    assert len(inner.calls) == made
    assert [call.attempt for call in inner.calls] == list(range(1, made + 1))
    assert len(clock.sleeps) == made - 1
    assert (error is None) is (failures < attempts)


@given(st.integers(0, 60), st.integers(1, 4))
def test_an_outage_is_amplified_by_the_budget_and_no_more(capacity, attempts):
    budget = RetryBudget(capacity=capacity)
    policy = Retry(attempts=attempts, base_delay=0, budget=budget)
    inner = Inner(http_error(503))

    async def outage():
        with FakeClock(auto=True):
            for _ in range(80):
                with pytest.raises(Exception, match="failed"):
                    await policy(make_call(), inner)

    asyncio.run(outage())
    assert len(inner.calls) == 80 + min(capacity, 80 * (attempts - 1))
    assert budget.tokens == capacity - (len(inner.calls) - 80)


async def test_a_thousand_failing_calls_make_at_most_the_capacity_of_retries():
    upstream = Upstream(status(503))
    client = upstream.client(policies=[Retry(attempts=4, base_delay=0, budget=RetryBudget(capacity=25))])

    async def one(client: AsyncHanzo):
        with pytest.raises(Exception, match="503"):
            await client.chat.completions.create(messages=[HELLO])

    with FakeClock(auto=True):
        await asyncio.gather(*(one(client) for _ in range(1000)))
    assert upstream.hits == 1025


@given(st.lists(st.booleans(), max_size=60), st.floats(0, 1), st.integers(0, 5))
def test_the_budget_never_leaves_its_bounds_and_gives_only_whole_tokens(events, refund, capacity):
    budget = RetryBudget(capacity=capacity, refund=refund)
    given_out = 0
    for success in events:
        if success:
            budget.succeeded()
        elif budget.withdraw():
            given_out += 1
        assert 0 <= budget.tokens <= capacity
    assert given_out <= capacity + refund * sum(events) + 1e-9


@given(st.integers(0, 6), st.floats(0, 100), st.floats(0, 100), st.floats(0, 1, exclude_max=True))
def test_waits_stay_within_full_jitter(failures, base, most, draw):
    policy = Retry(attempts=10, base_delay=base, max_delay=most, jitter=lambda: draw, budget=None)
    _, clock, _ = run_retry(policy, Inner(*[http_error(503)] * failures, "answer"))
    caps = [min(most, base * 2**n) for n in range(failures)]
    assert clock.sleeps == [draw * cap for cap in caps]
    assert all(0 <= wait <= cap for wait, cap in zip(clock.sleeps, caps, strict=True))


@given(st.integers(2, 200))
def test_many_attempts_do_not_overflow_the_backoff(attempts):
    policy = Retry(attempts=attempts, base_delay=1, max_delay=3, jitter=lambda: 0.5, budget=None)
    _, clock, _ = run_retry(policy, Inner(http_error(503)))
    assert max(clock.sleeps) <= 1.5


def after(seconds):
    return format_datetime(datetime.fromtimestamp(WALL.timestamp() + seconds, UTC), usegmt=True)


RETRY_AFTER = {
    "seconds": ({"retry-after": "1"}, 1),
    "a fraction": ({"retry-after": "0.25"}, 0.25),
    "zero": ({"retry-after": "0"}, 0),
    "spaces": ({"retry-after": "  2 "}, 2),
    "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
    "milliseconds before seconds": ({"retry-after-ms": "500", "retry-after": "9"}, 0.5),
    "junk milliseconds, then seconds": ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
    "a date": ({"retry-after": after(7)}, 7),
    "a date of RFC 850": ({"retry-after": "Friday, 17-May-30 12:00:07 GMT"}, 7),
    "a date of asctime": ({"retry-after": "Fri May 17 12:00:07 2030"}, 7),
    "a date in the past": ({"retry-after": after(-3600)}, 0),
    "the upstream's, through a router": ({"llm_provider-retry-after": "3"}, 3),
    "the router's own before the upstream's": ({"llm_provider-retry-after": "3", "retry-after": "2"}, 2),
    "negative": ({"retry-after": "-1"}, None),
    "not a number": ({"retry-after": "NaN"}, None),
    "infinite": ({"retry-after": "inf"}, None),
    "empty": ({"retry-after": ""}, None),
    "words": ({"retry-after": "in a while"}, None),
    "an impossible date": ({"retry-after": "Fri, 99 May 2030 12:00:07 GMT"}, None),
    "a date beyond all calendars": ({"retry-after": "Fri, 17 May 99999 12:00:07 GMT"}, None),
    "two headers": ([("retry-after", "1"), ("retry-after", "2")], 2.0),
    "none": ({}, None),
}


def error_with(headers):
    import httpx2
    import openai

    response = httpx2.Response(429, headers=headers, request=httpx2.Request("POST", "https://router.test/v1"))
    return openai.RateLimitError("slow down", response=response, body=None)


@pytest.mark.parametrize(("headers", "asked"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_after_is_read_in_every_form(headers, asked):
    assert retry_after(error_with(headers), now=WALL.timestamp()) == asked


@pytest.mark.parametrize(("headers", "asked"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_waits_as_asked_and_never_less(headers, asked):
    policy = Retry(base_delay=0.4, jitter=lambda: 0.5)
    error, clock, _ = run_retry(policy, Inner(error_with(headers), "answer"))
    assert error is None
    assert clock.sleeps == [max(asked or 0, 0.2)]


def test_a_date_without_a_zone_means_gmt_wherever_the_machine_stands(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        error = error_with({"retry-after": "Fri May 17 12:00:07 2030"})
        assert retry_after(error, now=WALL.timestamp()) == 7
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text(max_size=12) | st.floats().map(str) | st.integers().map(str) | st.floats(1e17, 1e308).map(str))
def test_no_retry_after_breaks_the_retry_or_makes_it_wait_for_ever(text):
    try:
        error = error_with({"retry-after": text.encode("latin-1", "replace").decode("latin-1")})
    except ValueError:
        return
    failed, clock, _ = run_retry(Retry(max_retry_after=60), Inner(error, "answer"))
    assert failed is None or failed is error
    assert all(0 <= wait <= 60 for wait in clock.sleeps)


@given(
    deadline=st.floats(0.01, 50),
    took=st.floats(0, 10),
    asked=st.none() | st.floats(0, 100),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_passes_the_deadline(deadline, took, asked, draw):
    error = http_error(503) if asked is None else http_error(503, retry_after=repr(asked))

    async def slow(call):
        await call.clock.sleep(took)
        return error

    policy = Retry(attempts=5, base_delay=1, jitter=lambda: draw, budget=None)
    inner = Inner(slow)
    _, clock, call = run_retry(policy, inner, deadline=deadline)
    starts = 0.0
    waits = [wait for i, wait in enumerate(clock.sleeps) if i % 2]
    for wait in waits:
        starts += took
        assert starts + wait < deadline
        starts += wait
    assert len(inner.calls) == len(waits) + 1
    assert call.deadline == deadline


async def test_a_retry_after_beyond_patience_lets_the_fallback_act_at_once():
    upstream = Upstream(status(429, retry_after="3600"), completion("from b"))
    client = upstream.client(fallbacks=["b"])
    with FakeClock(auto=True) as clock:
        answer = await client.chat.completions.create(messages=[HELLO])
    assert answer.choices[0].message.content == "from b"
    assert clock.sleeps == []
    assert [body["model"] for body in upstream.bodies] == ["m", "b"]


@pytest.mark.parametrize("why", ["too long a wait", "past the deadline", "attempts made"])
def test_a_retry_that_is_not_made_takes_nothing_from_the_budget(why):
    budget = RetryBudget(capacity=5)
    policy = Retry(attempts=1 if why == "attempts made" else 3, budget=budget)
    error = http_error(429, retry_after="3600" if why == "too long a wait" else "20")
    run_retry(policy, Inner(error), deadline=10 if why == "past the deadline" else None)
    assert budget.tokens == 5


@given(st.lists(st.sampled_from([400, 401, 403, 404, 422]), min_size=1, max_size=3), st.booleans())
def test_an_answer_is_not_asked_for_again(statuses, falls_back):
    upstream = Inner(*(http_error(code) for code in statuses), "answer")
    stack = Stack(*([Fallback(to=["b"])] if falls_back else []), Retry(budget=None))

    async def through(call, send):
        return await stack.bind(send)(call)

    error, clock, _ = run_retry(through, upstream)
    assert clock.sleeps == []
    moves_on = falls_back and statuses[0] == 404
    assert len(upstream.calls) == (2 if moves_on else 1)
    assert error is not None or moves_on


def test_the_last_attempt_leaves_room_for_a_deadline_that_is_all_used():
    async def hang(call):
        await call.clock.sleep(30)
        return http_error(503)

    async def run():
        with FakeClock(auto=True) as clock:
            send = Stack(Deadline(total=10), Retry(budget=None)).bind(Inner(hang))
            with pytest.raises(TimeoutError):
                await send(make_call())
            return clock.sleeps

    assert asyncio.run(run()) == [30]
