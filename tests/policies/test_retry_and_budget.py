"""Retry: what it refuses to be, what it says it did, and whom it lets go. Its numbers are in tests/laws."""

import asyncio
from datetime import timedelta

import pytest
from calls import Inner, http_error, make_call

from hanzo_agents import AllProvidersFailed, ConfigError, Fallback, Retry, RetryBudget, Stack
from hanzo_agents._kernel.verdict import final, is_final
from hanzo_agents.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("field", "junk"),
    [
        *(("attempts", junk) for junk in (0, -1, True, 1.5, "3", None)),
        *(
            (f, j)
            for f in ("base_delay", "max_delay", "max_retry_after")
            for j in (-1, float("nan"), float("inf"), "1", True)
        ),
        ("on", "transient"),
    ],
)
def test_junk_is_refused_by_name(field, junk):
    with pytest.raises(ConfigError, match=rf"Retry\.{field}: expected"):
        Retry(**{field: junk})


@pytest.mark.parametrize(
    ("field", "junk"), [(f, j) for f in ("capacity", "refund") for j in (-1, float("nan"), float("inf"), True)]
)
def test_a_budget_of_junk_is_refused_by_name(field, junk):
    with pytest.raises(ConfigError, match=rf"RetryBudget\.{field}: expected"):
        RetryBudget(**{field: junk})


def test_durations_may_be_timedeltas():
    assert Retry(base_delay=timedelta(milliseconds=250)).base_delay == 0.25


async def test_a_call_somebody_else_retries_is_sent_once_and_not_called_final():
    error = http_error(503)
    inner = Inner(error)
    with pytest.raises(type(error)):
        await Retry()(make_call(single=True), inner)
    assert len(inner.calls) == 1
    assert not is_final(error)


async def test_an_error_that_was_never_ours_to_retry_is_not_called_final():
    error = http_error(400)
    with pytest.raises(type(error)):
        await Retry()(make_call(), Inner(error))
    assert not is_final(error)


async def test_exhausted_errors_are_final():
    error = http_error(503)
    with FakeClock(auto=True), pytest.raises(type(error)):
        await Retry()(make_call(), Inner(error))
    assert is_final(error)


async def test_an_answer_after_a_retry_is_final_too():
    """The runner must not begin a second round on what our second attempt was told."""
    error = http_error(400)
    with FakeClock(auto=True), pytest.raises(type(error)):
        await Retry()(make_call(), Inner(http_error(503), error))
    assert is_final(error)


async def test_observers_hear_of_every_retry_and_of_giving_up():
    with FakeClock(auto=True):
        call = make_call()
        with pytest.raises(Exception, match="failed"):
            await Retry(attempts=2, jitter=lambda: 0.5)(call, Inner(http_error(503)))
    assert [(d.policy, d.action) for d in call.journal.decisions] == [("Retry", "retries"), ("Retry", "gives up")]
    first, last = call.journal.decisions
    assert "503" in first.reason
    assert first.data == {"delay": 0.25, "attempt": 2}
    assert "2 attempts made" in last.reason


async def test_a_predicate_of_ones_own_decides():
    inner = Inner(KeyError("mine"), "answer")
    with FakeClock(auto=True):
        reply = await Retry(on=lambda error: isinstance(error, KeyError))(make_call(), inner)
    assert reply.value == "answer"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt()], ids=repr)
async def test_leaving_is_never_retried(error):
    inner = Inner(error, "answer")
    with pytest.raises(type(error)):
        await Retry(on=lambda _: True)(make_call(), inner)
    assert len(inner.calls) == 1


async def test_cancelling_during_the_wait_ends_the_call():
    inner = Inner(http_error(503), "answer")
    with FakeClock() as clock:
        task = asyncio.create_task(Retry()(make_call(), inner))
        await clock.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(inner.calls) == 1


async def test_nobody_waits_while_another_target_stands_ready():
    inner = Inner(http_error(503))
    stack = Stack(Fallback(to=["b"]), Retry(attempts=2, base_delay=1, jitter=lambda: 0.5, budget=None))
    with FakeClock(auto=True) as clock, pytest.raises(AllProvidersFailed):
        await stack.bind(inner)(make_call())
    assert inner.targets == ["m", "b", "b"]
    assert clock.sleeps == [0.5]


async def test_no_budget_means_no_limit_across_calls():
    inner = Inner(http_error(503))
    policy = Retry(attempts=2, base_delay=0, budget=None)
    with FakeClock(auto=True):
        for _ in range(150):
            with pytest.raises(Exception, match="failed"):
                await policy(make_call(), inner)
    assert len(inner.calls) == 300


def test_the_budget_says_what_it_is_and_how_far_it_reaches():
    assert repr(RetryBudget(10, 0.2)) == "RetryBudget(capacity=10, refund=0.2, scope=this object)"


def test_a_verdict_reaches_through_causes_and_stops_at_circles():
    inner, outer = ValueError(), KeyError()
    outer.__cause__ = inner
    assert not is_final(outer)
    final(inner)
    assert is_final(outer)
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert not is_final(one)


def test_an_error_with_slots_is_left_as_it_is():
    class Slotted(BaseException):
        __slots__ = ()

        def __setattr__(self, name, value):
            raise AttributeError(name)

    error = Slotted()
    final(error)
    assert not is_final(error)
