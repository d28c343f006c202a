"""Fallback: who is passed by, and what the caller is told. Its laws are in tests/laws."""

import pickle
from decimal import Decimal

import pytest
from calls import Inner, http_error, make_call

from hanzo_agents import AllProvidersFailed, ConfigError, DeadlineExceeded, Fallback, InvalidResponse, Target
from hanzo_agents._kernel.verdict import is_final
from hanzo_agents.errors import BudgetExceeded, CircuitOpen, Unsupported

OVERFLOW = http_error(400, code="context_length_exceeded")


async def failing(policy, inner, **fields):
    call = make_call(**fields)
    with pytest.raises(Exception) as caught:
        await policy(call, inner)
    return caught.value, call


@pytest.mark.parametrize("junk", ["b", Target("b"), [], [1], [None], 5, ["m"] * 51])
def test_junk_is_refused_by_name(junk):
    with pytest.raises(ConfigError, match=r"Fallback\.to|target"):
        Fallback(to=junk)


def test_an_empty_name_and_a_bad_predicate_are_refused():
    with pytest.raises(ConfigError, match="empty"):
        Fallback(to=[" "])
    with pytest.raises(ConfigError, match=r"Fallback\.on"):
        Fallback(to=["b"], on=503)


async def test_a_target_without_the_capability_is_passed_by_and_says_so():
    inner = Inner(http_error(503), "answer")
    call = make_call(needs={"tools"})
    await Fallback(to=[Target("small", lacks={"tools"}), "big"])(call, inner)
    assert inner.targets == ["m", "big"]
    assert [(d.action, d.reason) for d in call.journal.decisions][1] == ("passes by", "small: lacks tools")


async def test_a_target_that_lacks_what_nobody_needs_is_asked():
    inner = Inner(http_error(503), "answer")
    await Fallback(to=[Target("small", lacks={"vision"})])(make_call(needs={"tools"}), inner)
    assert inner.targets == ["m", "small"]


async def test_when_every_other_target_is_unfit_all_of_it_is_reported():
    error, _ = await failing(
        Fallback(to=[Target("small", lacks={"tools"})]), Inner(http_error(503)), needs={"tools"}
    )
    assert isinstance(error, AllProvidersFailed)
    assert [type(failure.error).__name__ for failure in error.failures] == ["InternalServerError", "Unsupported"]
    assert isinstance(error.failures[1].error, Unsupported)


async def test_an_overflow_goes_to_larger_windows_only():
    inner = Inner(OVERFLOW, "answer")
    chain = [Target("small", context_window=4_000), Target("large", context_window=100_000)]
    await Fallback(to=chain)(make_call(Target("m", context_window=8_000)), inner)
    assert inner.targets == ["m", "large"]


async def test_after_an_overflow_elsewhere_the_window_that_overflowed_counts():
    """m fails, mid overflows at 32k: small (16k) cannot help although it is larger than nothing known of m."""
    inner = Inner(http_error(503), OVERFLOW, "answer")
    chain = [
        Target("mid", context_window=32_000),
        Target("small", context_window=16_000),
        Target("large", context_window=64_000),
    ]
    await Fallback(to=chain)(make_call(), inner)
    assert inner.targets == ["m", "mid", "large"]


async def test_an_overflow_with_unknown_windows_tries_the_chain():
    inner = Inner(OVERFLOW, "answer")
    await Fallback(to=["b"])(make_call(), inner)
    assert inner.targets == ["m", "b"]


async def test_refusals_let_the_chain_move_on_at_once():
    inner = Inner(CircuitOpen("open"), "answer")
    await Fallback(to=["b"])(make_call(), inner)
    assert inner.targets == ["m", "b"]


async def test_the_deadline_ends_the_chain():
    inner = Inner(DeadlineExceeded("late"), "answer")
    error, _ = await failing(Fallback(to=["b"]), inner)
    assert isinstance(error, DeadlineExceeded)
    assert inner.targets == ["m"]


def over_budget():
    return BudgetExceeded("over", budget_type="daily", limit=Decimal(1), spent=Decimal(1), reserved=Decimal(0))


async def test_a_chain_refused_by_the_budget_alone_says_budget():
    error, _ = await failing(Fallback(to=["b"]), Inner(over_budget()))
    assert isinstance(error, BudgetExceeded)
    mixed, _ = await failing(Fallback(to=["b"]), Inner(over_budget(), http_error(503)))
    assert isinstance(mixed, AllProvidersFailed)


async def test_the_whole_failure_is_final_and_a_first_answer_is_not():
    error, _ = await failing(Fallback(to=["b"]), Inner(http_error(503)))
    assert is_final(error)
    answer, _ = await failing(Fallback(to=["b"]), Inner(http_error(400)))
    assert not is_final(answer)


async def test_all_failures_are_readable_and_pickle():
    error, _ = await failing(Fallback(to=["b"]), Inner(InvalidResponse("one"), InvalidResponse("two", code="x")))
    text = "all providers failed: m: InvalidResponse: one; b: InvalidResponse: two"
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code, [f.target for f in again.failures]) == (text, "x", ["m", "b"])
    matching, rest = error.split(InvalidResponse)
    assert rest is None
    assert len(matching.exceptions) == 2


async def test_a_predicate_of_ones_own_decides():
    inner = Inner(http_error(401), "answer")
    await Fallback(to=["b"], on=lambda error: error.status_code == 401)(make_call(), inner)
    assert inner.targets == ["m", "b"]


async def test_observers_hear_of_every_move():
    error, call = await failing(Fallback(to=["b"]), Inner(http_error(503)))
    assert error is not None
    assert [(d.action, d.reason) for d in call.journal.decisions] == [
        ("moves on", "m failed: InternalServerError"),
        ("moves on", "b failed: InternalServerError"),
    ]
