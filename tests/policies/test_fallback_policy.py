"""Fallback: who is passed by, and what the caller is told. Its laws are in tests/laws."""

import asyncio
import pickle
from decimal import Decimal

import httpx2
import openai
import pytest
from calls import Inner, PlainView, Script, http_error, make_call, read

from hanzo_agents import (
    AllProvidersFailed,
    Breaker,
    ConfigError,
    DeadlineExceeded,
    Fallback,
    InvalidResponse,
    Stack,
    Target,
)
from hanzo_agents._kernel.verdict import is_final
from hanzo_agents.errors import BudgetExceeded, CircuitOpen, Unsupported
from hanzo_agents.testing.clock import FakeClock

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
    assert [(d.action, d.reason) for d in call.journal.decisions][1] == ("skips", "small: lacks tools")


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


async def test_who_cannot_be_reached_is_said_with_the_reason():
    lost = openai.APIConnectionError(request=httpx2.Request("POST", "https://x.test"))
    lost.__cause__ = ConnectionRefusedError("nobody listens")
    error, _ = await failing(Fallback(to=["b"]), Inner(http_error(503), lost))
    assert str(error).endswith("; b: APIConnectionError: Connection error (nobody listens)")


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


async def hang(_call):
    await asyncio.Event().wait()


async def test_a_target_that_hangs_leaves_the_others_their_share_of_the_deadline():
    inner = Inner(hang, hang, "answer")
    with FakeClock() as clock:
        call = make_call(deadline=30)
        task = asyncio.create_task(Fallback(to=["b", "c"])(call, inner))
        times = []
        while not task.done():
            times.append((clock.now(), len(inner.calls)))
            await clock.run_for(5)
    assert (await task).value == "answer"
    assert inner.targets == ["m", "b", "c"]
    assert times == [(0, 0), (5, 1), (10, 2), (15, 2)]
    assert [(d.policy, d.action) for d in call.journal.decisions] == [("Fallback", "moves on")] * 2


async def test_a_target_that_hangs_for_its_share_opens_its_breaker():
    async def wire(call):
        await call.pass_guards()
        return await inner(call)

    inner = Inner(hang, "answer")
    breaker = Breaker(failure_threshold=1)
    stack = Stack(Fallback(to=["b"]), breaker).bind(wire)
    with FakeClock() as clock:
        call = make_call(deadline=30)
        task = asyncio.create_task(stack(call))
        await clock.run_for(15)
        assert (await task).value == "answer"
        assert breaker.state(call.target).state == "open"


async def test_the_last_target_has_all_the_time_that_is_left():
    inner = Inner(http_error(503), hang)
    with FakeClock() as clock:
        task = asyncio.create_task(Fallback(to=["b"])(make_call(deadline=30), inner))
        await clock.run_for(29)
        assert not task.done(), "whose deadline it is ends it, not the fallback"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_without_a_deadline_nobody_is_hurried():
    with FakeClock() as clock:
        task = asyncio.create_task(Fallback(to=["b"])(make_call(), Inner(hang)))
        await clock.run_for(10_000)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_deadline_that_has_passed_is_not_shared():
    inner = Inner(DeadlineExceeded("late"), "answer")
    with FakeClock(start=10), pytest.raises((DeadlineExceeded, AllProvidersFailed)):
        await Fallback(to=["b"])(make_call(deadline=100), inner)
    assert inner.targets == ["m"]


async def test_cancelling_a_target_in_its_share_is_no_failure():
    inner = Inner(hang, "answer")
    with FakeClock() as clock:
        task = asyncio.create_task(Fallback(to=["b"])(make_call(deadline=30), inner))
        await clock.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert inner.targets == ["m"]


async def test_the_share_ends_with_acceptance_a_stream_runs_on():
    stream = Script([("a", True), ("b", True)])
    with FakeClock(auto=True) as clock:
        reply = await Fallback(to=["b"])(make_call(deadline=30), lambda call: stream.open(call.clock))
        await clock.sleep(20)
        assert await read(reply.value) == (["a", "b"], None)


async def test_settings_that_a_target_does_not_take_are_said():
    view = PlainView()
    object.__setattr__(view, "dropped", ("verbosity",))
    call = make_call(view=view)
    await Fallback(to=["b"])(call, Inner(http_error(503), "answer"))
    assert ("drops settings", {"settings": ["verbosity"]}) in [(d.action, d.data) for d in call.journal.decisions]
