"""Breaker: what counts, when it opens, who probes, and how it closes again; on the state of one process."""

import asyncio
import gc
import logging
from datetime import timedelta

import httpx2
import openai
import pytest
from breaking import Wire, fails, hang, passes
from calls import PlainView, Script, http_error, lost_connection, make_call, read

from hanzo_agents import (
    AllProvidersFailed,
    Breaker,
    CircuitOpen,
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Fallback,
    InvalidResponse,
    Refused,
    Retry,
    Stack,
    StreamTruncated,
    Target,
    unhealthy,
)
from hanzo_agents.errors import BudgetExceeded, RateLimited, ResponseTooLarge
from hanzo_agents.stores import MemoryStore
from hanzo_agents.testing.clock import FakeClock

BROKEN = http_error(503)


# When it opens.


async def test_it_opens_after_so_many_failures_in_a_row_and_sends_nothing_then():
    breaker, wire = Breaker(failure_threshold=3, timeout=60), Wire(BROKEN)
    with FakeClock() as clock:
        for _ in range(3):
            await fails(breaker, wire, openai.InternalServerError)
        clock.advance(10)
        for _ in range(20):
            refused = await fails(breaker, wire, CircuitOpen)
    assert wire.sent == 3
    assert refused.retry_after == 50
    assert refused.code == "circuit_open"
    assert str(refused) == "the circuit of m is open: 3 failures in a row; refused for another 50 s"


async def test_a_success_in_between_starts_the_count_again():
    breaker, wire = Breaker(failure_threshold=2), Wire(BROKEN, "ok", BROKEN, "ok", BROKEN)
    with FakeClock():
        for good in (False, True, False, True, False):
            await (passes(breaker, wire) if good else fails(breaker, wire))
        assert breaker.state("m").state == "closed"
        assert breaker.state("m").failures == 1


async def test_it_opens_at_a_rate_of_failures_once_there_were_enough_calls():
    breaker = Breaker(failure_threshold=None, failure_rate=0.5, min_calls=10, window=60)
    wire = Wire(*[BROKEN, "ok"] * 4, BROKEN, BROKEN)
    with FakeClock() as clock:
        for number in range(9):
            await (fails(breaker, wire) if number % 2 == 0 else passes(breaker, wire))
            clock.advance(1)
        assert breaker.state("m").state == "closed"
        await fails(breaker, wire)
        assert breaker.state("m").reason == "6 of 10 calls in 60 s failed"
        await fails(breaker, wire, CircuitOpen)


async def test_what_is_older_than_the_window_is_out_of_the_rate():
    breaker = Breaker(failure_threshold=None, failure_rate=0.5, min_calls=4, window=60)
    wire = Wire(BROKEN, BROKEN, BROKEN, "ok", "ok", "ok", BROKEN, "ok", BROKEN)
    with FakeClock() as clock:
        for _ in range(3):
            await fails(breaker, wire)
        clock.advance(60)
        for good in (True, True, True, False):
            await (passes(breaker, wire) if good else fails(breaker, wire))
        view = breaker.state("m")
        assert (view.state, view.calls, view.failed) == ("closed", 4, 1)


async def test_each_target_has_a_circuit_of_its_own():
    breaker = Breaker(failure_threshold=1)
    away = Target("m", base_url="https://other.test/v1", api_key="k")
    with FakeClock():
        await fails(breaker, Wire(BROKEN))
        await fails(breaker, Wire(), CircuitOpen)
        await passes(breaker, Wire(), target="n")
        await passes(breaker, Wire(), target=away)
        await passes(breaker, Wire(), home="https://second-router.test/v1")
        await fails(breaker, Wire(), CircuitOpen, target=Target("m", label="by another name"))


async def test_the_models_of_a_target_that_keeps_the_callers_are_several():
    breaker, wire = Breaker(failure_threshold=1), Wire(BROKEN, "ok")
    backup = Target(base_url="https://backup.test/v1", api_key="k")

    def asking(model):
        return make_call(backup, view=PlainView(model=model))

    with FakeClock():
        await fails(breaker, wire, call=asking("broken"))
        await fails(breaker, wire, CircuitOpen, call=asking("broken"))
        await passes(breaker, wire, call=asking("sound"))
        assert breaker.plan(asking("broken")).action == "refuses"
        assert breaker.plan(asking("sound")).action == "passes on"
        assert breaker.state(Target("broken", base_url="https://backup.test/v1", api_key="k")).state == "open"
        with pytest.raises(ConfigError, match="say which one"):
            breaker.state(backup)


async def test_targets_behind_one_address_that_differ_in_headers_are_two():
    one, other = (
        Target("m", base_url="https://gate.test/v1", api_key="k", headers={"x-deployment": name})
        for name in ("east", "west")
    )
    breaker = Breaker(failure_threshold=1)
    with FakeClock():
        await fails(breaker, Wire(BROKEN), target=one)
        await fails(breaker, Wire(), CircuitOpen, target=one)
        await passes(breaker, Wire(), target=other)


async def test_two_keys_at_one_endpoint_share_its_circuit_and_no_key_is_kept():
    one, other = (Target("m", base_url="https://u:p@gate.test/v1/", api_key=key) for key in ("sk-1", "sk-2"))
    breaker = Breaker(failure_threshold=1)
    with FakeClock():
        await fails(breaker, Wire(BROKEN), target=one)
        await fails(breaker, Wire(), CircuitOpen, target=other)
        assert list(breaker.states()) == ["https://gate.test/v1 m"]


async def test_model_objects_are_told_apart_even_when_they_are_alike():
    class Model:
        model = "same"

    breaker = Breaker(failure_threshold=1)
    one, other = Target(Model()), Target(Model())
    with FakeClock():
        await fails(breaker, Wire(BROKEN), target=one)
        await fails(breaker, Wire(), CircuitOpen, target=one)
        await passes(breaker, Wire(), target=other)
        assert breaker.state(one).state == "open"
        assert breaker.state(other).state == "closed"


async def test_a_model_object_without_weak_references_is_a_target_too():
    class Slotted:
        __slots__ = ()

    breaker = Breaker(failure_threshold=1)
    target = Target(Slotted())
    with FakeClock():
        await fails(breaker, Wire(BROKEN), target=target)
        await fails(breaker, Wire(), CircuitOpen, target=target)


# What counts.


def budget_error():
    return BudgetExceeded("spent", budget_type="daily", limit=1, spent=1, reserved=0)


COUNTS = {
    "500": http_error(500),
    "502": http_error(502),
    "529 overloaded": http_error(529),
    "503 that says not to retry": http_error(503, **{"x-should-retry": "false"}),
    "408": http_error(408),
    "a lost connection": lost_connection(),
    "a refused connection": lost_connection(httpx2.ConnectError("refused")),
    "a timeout": openai.APITimeoutError(request=httpx2.Request("POST", "https://router.test")),
    "a page that is no answer": InvalidResponse("html", code="invalid_response"),
    "a truncated stream": StreamTruncated("cut", code="stream_truncated"),
    "an error inside a 200": InvalidResponse("overloaded", status_code=529),
    "a redirect": InvalidResponse("moved", status_code=307, code="redirect"),
    "a stranger's timeout": TimeoutError("slow"),
    "a stranger's lost connection": ConnectionResetError("reset"),
}
COUNTS_NOT = {
    "400": http_error(400),
    "401 a wrong key": http_error(401),
    "403": http_error(403),
    "404": http_error(404),
    "409": http_error(409),
    "422": http_error(422),
    "429": http_error(429),
    "429 for a moment": http_error(429, retry_after="5"),
    "a context that overflowed, inside a 200": InvalidResponse("too long", status_code=400),
    "a filter": InvalidResponse("filtered", code="content_filter"),
    "Azure's filter": InvalidResponse("filtered", code="ResponsibleAIPolicyViolation"),
    "arguments cut by max_tokens": InvalidResponse("cut", code="tool_arguments_truncated"),
    "a reply over our limit": ResponseTooLarge("large", code="response_too_large"),
    "no free connection of ours": lost_connection(httpx2.PoolTimeout("busy")),
    "our limiter": RateLimited("wait", retry_after=1),
    "our budget": budget_error(),
    "another refusal": Refused("no"),
    "our deadline, before anything was sent": DeadlineExceeded("late"),
    "a setting": ConfigError("wrong"),
    "a bug": ValueError("bug"),
    "a cancellation": asyncio.CancelledError(),
}


@pytest.mark.parametrize("error", COUNTS.values(), ids=COUNTS.keys())
async def test_these_count(error):
    breaker = Breaker(failure_threshold=1)
    with FakeClock():
        await fails(breaker, Wire(error), type(error))
        assert breaker.state("m").state == "open"


@pytest.mark.parametrize("error", COUNTS_NOT.values(), ids=COUNTS_NOT.keys())
async def test_these_do_not_however_many_there_are(error):
    breaker, wire = Breaker(failure_threshold=1, failure_rate=0.01, min_calls=1), Wire(error)
    with FakeClock():
        for _ in range(50):
            await fails(breaker, wire, type(error))
        assert breaker.state("m").state == "closed"
    assert wire.sent == 50


async def test_who_knows_better_says_what_counts():
    breaker = Breaker(failure_threshold=1, on=lambda error: unhealthy(error) or "quota" in str(error))
    with FakeClock():
        await fails(breaker, Wire(http_error(403, message="no quota")))
        assert breaker.state("m").state == "open"


async def test_a_predicate_that_fails_leaves_the_error_as_it_was_and_says_so(caplog):
    breaker = Breaker(failure_threshold=1, on=lambda error: error.nothing)
    with FakeClock():
        await fails(breaker, Wire(BROKEN), openai.InternalServerError)
        assert breaker.state("m").state == "closed"
    assert "Breaker.on failed" in caplog.text


async def test_a_wait_that_ends_at_the_deadline_is_a_timeout_of_the_target():
    breaker = Breaker(failure_threshold=2)
    stack = Stack(Deadline(total=5), breaker)
    with FakeClock() as clock:
        for _ in range(2):
            call = asyncio.create_task(stack.bind(Wire(hang))(make_call()))
            await clock.run_for(5)
            with pytest.raises(DeadlineExceeded):
                await call
        assert breaker.state("m").reason == "2 failures in a row"


async def test_a_caller_that_leaves_before_its_deadline_says_nothing():
    breaker = Breaker(failure_threshold=1)
    with FakeClock() as clock:
        call = asyncio.create_task(Stack(Deadline(total=5), breaker).bind(Wire(hang))(make_call()))
        await clock.run_for(4)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert breaker.state("m").state == "closed"


async def test_a_call_that_never_got_to_the_wire_says_nothing_even_at_the_deadline():
    async def queue(call):
        await asyncio.Event().wait()

    breaker = Breaker(failure_threshold=1)
    with FakeClock() as clock:
        call = asyncio.create_task(Stack(Deadline(total=5), breaker).bind(queue)(make_call()))
        await clock.run_for(5)
        with pytest.raises(DeadlineExceeded):
            await call
        assert breaker.state("m").state == "closed"


# Streams.


def stream(end=None):
    async def step(call):
        return await Script([("role", False), ("a", True), ("b", True)], end).open(call.clock)

    return step


async def test_a_stream_that_breaks_after_it_was_accepted_counts():
    breaker = Breaker(failure_threshold=1)
    with FakeClock():
        reply = await passes(breaker, Wire(stream(lost_connection())))
        assert breaker.state("m").state == "closed"
        assert await read(reply.value) == (["role", "a", "b"], reply.settled.error)
        assert breaker.state("m").state == "open"


async def test_a_stream_that_stalls_after_it_was_accepted_counts():
    async def stalls(call):
        async def batches():
            yield True, ["a"]
            await asyncio.Event().wait()

        return await Wire.stream(batches(), call.clock)

    breaker = Breaker(failure_threshold=1)
    with FakeClock() as clock:
        reply = await Stack(Deadline(idle=7), breaker).bind(Wire(stalls))(make_call())
        reading = asyncio.create_task(read(reply.value))
        await clock.run_for(7)
        assert isinstance((await reading)[1], DeadlineExceeded)
        assert breaker.state("m").state == "open"


async def test_a_reader_that_leaves_has_been_answered():
    breaker, wire = Breaker(failure_threshold=2), Wire(BROKEN, stream())
    with FakeClock():
        await fails(breaker, wire)
        reply = await passes(breaker, wire)
        await reply.value.aclose()
        assert breaker.state("m").failures == 0


async def test_a_stream_that_nobody_reads_gives_its_probe_back():
    breaker = Breaker(failure_threshold=1, timeout=10)
    with FakeClock() as clock:
        await fails(breaker, Wire(BROKEN))
        clock.advance(10)
        reply = await passes(breaker, Wire(stream()))
        assert breaker.state("m").probes == 1
        del reply
        gc.collect()
        assert breaker.state("m").state == "closed"


# Half-open.


async def opened(breaker, clock, seconds):
    for _ in range(breaker.failure_threshold):
        await fails(breaker, Wire(BROKEN))
    clock.advance(seconds)


async def test_after_the_timeout_one_probe_goes_and_closes_it():
    breaker = Breaker(failure_threshold=2, timeout=timedelta(seconds=30))
    wire = Wire()
    with FakeClock() as clock:
        await opened(breaker, clock, 29)
        await fails(breaker, wire, CircuitOpen)
        clock.advance(1)
        assert breaker.state("m").state == "half_open"
        await passes(breaker, wire)
        assert breaker.state("m").state == "closed"
        assert breaker.state("m").failures == 0
        await passes(breaker, wire)
    assert wire.sent == 2


async def test_a_probe_that_fails_opens_it_for_as_long_again():
    breaker, wire = Breaker(failure_threshold=2, timeout=30), Wire(BROKEN)
    with FakeClock() as clock:
        await opened(breaker, clock, 30)
        await fails(breaker, wire, openai.InternalServerError)
        refused = await fails(breaker, wire, CircuitOpen)
    assert refused.retry_after == 30
    assert "a probe failed" in str(refused)
    assert wire.sent == 1


@pytest.mark.parametrize("probes", [1, 3])
async def test_of_a_hundred_callers_at_once_exactly_so_many_probe(probes):
    go = asyncio.Event()

    async def slow(call):
        await go.wait()
        return "ok"

    breaker, wire = Breaker(failure_threshold=1, timeout=10, half_open_requests=probes), Wire(slow)
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        calls = [asyncio.create_task(breaker(make_call(), wire)) for _ in range(100)]
        await clock.settle()
        assert wire.sent == probes
        go.set()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        refused = [one for one in ended if isinstance(one, CircuitOpen)]
        assert len(refused) == 100 - probes
        assert all("while it is being probed" in str(one) and one.retry_after == 60 for one in refused)
        assert breaker.state("m").state == "closed"


async def test_all_probes_must_succeed_one_after_the_other_or_at_once():
    breaker, wire = Breaker(failure_threshold=1, timeout=10, half_open_requests=3), Wire("ok", "ok", BROKEN)
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        for passed in (1, 2):
            await passes(breaker, wire)
            assert (breaker.state("m").state, breaker.state("m").passed) == ("half_open", passed)
        await fails(breaker, wire, openai.InternalServerError)
        assert breaker.state("m").state == "open"


async def test_a_probe_that_hangs_gives_its_place_away_when_its_lease_ends():
    breaker = Breaker(failure_threshold=1, timeout=10, lease=45)
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        hanging = asyncio.create_task(breaker(make_call(), Wire(hang)))
        await clock.run_for(44)
        refused = await fails(breaker, Wire(), CircuitOpen)
        assert refused.retry_after == 1
        await clock.run_for(1)
        await passes(breaker, Wire())
        assert breaker.state("m").state == "closed"
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        assert breaker.state("m").state == "closed"


async def test_probes_that_take_longer_than_their_lease_close_it_all_the_same():
    async def slow(call):
        await call.clock.sleep(100)
        return "ok"

    breaker, wire = Breaker(failure_threshold=1, timeout=10, lease=45), Wire(slow)
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        calls = []
        for _ in range(10):
            calls.append(asyncio.create_task(breaker(make_call(), wire)))
            await clock.run_for(10)
        await clock.run_for(1)
        assert breaker.state("m").state == "closed"
        assert wire.sent == 2
        await clock.run_for(100)
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize(
    "neutral",
    [
        http_error(400),
        http_error(401),
        RateLimited("later"),
        budget_error(),
        asyncio.CancelledError(),
        ValueError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_probe_that_finds_nothing_out_gives_its_place_to_the_next(neutral):
    breaker = Breaker(failure_threshold=1, timeout=10)
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        await fails(breaker, Wire(neutral), type(neutral))
        assert breaker.state("m").state == "half_open"
        await passes(breaker, Wire())
        assert breaker.state("m").state == "closed"


async def test_a_probe_that_is_cancelled_twice_gives_its_place_to_the_next():
    async def slow_to_leave(call):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    breaker = Breaker(failure_threshold=1, timeout=10)
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        probe = asyncio.create_task(breaker(make_call(), Wire(slow_to_leave)))
        await clock.settle()
        probe.cancel()
        await clock.settle()
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        await passes(breaker, Wire())


async def test_a_probe_is_taken_right_before_the_send_not_before_the_queue():
    gate = asyncio.Event()

    async def limiter(call, send):
        await gate.wait()
        return await send(call)

    breaker, wire = Breaker(failure_threshold=1, timeout=10), Wire()
    service = Stack(breaker, limiter).bind(wire)
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        queueing = [asyncio.create_task(service(make_call())) for _ in range(5)]
        await clock.settle()
        assert breaker.state("m").probes == 0
        await fails(breaker, Wire(BROKEN))
        gate.set()
        ended = await asyncio.gather(*queueing, return_exceptions=True)
    # The circuit opened again while they queued.
    assert [type(one) for one in ended] == [CircuitOpen] * 5
    assert wire.sent == 0


async def test_what_was_sent_before_it_opened_neither_closes_nor_opens_it():
    outcome = asyncio.get_running_loop().create_future()

    async def old(call):
        return await asyncio.shield(outcome)

    breaker = Breaker(failure_threshold=1, timeout=10)
    with FakeClock() as clock:
        old_calls = [asyncio.create_task(breaker(make_call(), Wire(old))) for _ in range(2)]
        await clock.settle()
        await opened(breaker, clock, 10)
        probe = asyncio.create_task(breaker(make_call(), Wire(hang)))
        await clock.settle()
        outcome.set_result("ok")
        await asyncio.gather(*old_calls)
        assert breaker.state("m").state == "half_open"
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)


async def test_a_second_leg_of_a_hedge_does_not_probe():
    breaker, wire = Breaker(failure_threshold=1, timeout=10), Wire()
    with FakeClock() as clock:
        await opened(breaker, clock, 10)
        await fails(breaker, wire, CircuitOpen, extra=True)
        assert wire.sent == 0
        await passes(breaker, wire)
        await passes(breaker, wire, extra=True)


async def test_a_second_leg_that_queued_while_it_opened_gives_the_probe_back():
    async def limiter(call, send):
        await opened(breaker, clock, 10)
        return await send(call)

    breaker, wire = Breaker(failure_threshold=1, timeout=10), Wire()
    with FakeClock() as clock:
        with pytest.raises(CircuitOpen):
            await Stack(breaker, limiter).bind(wire)(make_call(extra=True))
        assert breaker.state("m").probes == 0
        await passes(breaker, wire)


# A target that asks to be left alone.


async def test_a_long_retry_after_cools_the_target_until_then():
    breaker, wire = Breaker(timeout=60), Wire(http_error(429, retry_after="3600"), "ok")
    service = Stack(Fallback(to=["b"]), Retry(), breaker).bind(wire)
    with FakeClock(auto=True) as clock:
        for _ in range(5):
            await service(make_call())
        assert wire.targets == ["m", "b", "b", "b", "b", "b"]
        clock.advance(3599)
        assert breaker.state("m").reason == "asked to be left alone for 3600 s"
        await fails(breaker, wire, CircuitOpen)
        clock.advance(1)
        await passes(breaker, wire)


@pytest.mark.parametrize(("asked", "rest"), [("60", 0), ("61", 61), ("1e9", 3600), ("junk", 0), ("-5", 0)])
async def test_rest_is_given_when_it_is_longer_than_ours_and_for_an_hour_at_most(asked, rest):
    breaker = Breaker(timeout=60)
    with FakeClock():
        await fails(breaker, Wire(http_error(429, retry_after=asked)))
        assert breaker.state("m").retry_after == rest


async def test_no_rest_is_given_when_none_is_to_be():
    breaker = Breaker(max_retry_after=0)
    with FakeClock():
        await fails(breaker, Wire(http_error(429, retry_after="3600")))
        assert breaker.state("m").state == "closed"


async def test_a_wrong_key_is_given_no_rest():
    breaker = Breaker()
    with FakeClock():
        await fails(breaker, Wire(http_error(403, retry_after="3600")))
        assert breaker.state("m").state == "closed"


# Among other policies.


async def test_fallback_moves_on_at_once_and_retry_never_retries_a_refusal():
    breaker, wire = Breaker(failure_threshold=1), Wire()
    service = Stack(Fallback(to=["b"]), Retry(attempts=5), breaker).bind(wire)
    with FakeClock(auto=True) as clock:
        await fails(breaker, Wire(BROKEN))
        call = make_call()
        await service(call)
        assert wire.targets == ["b"]
        assert clock.sleeps == []
        assert [(d.policy, d.action) for d in call.journal.decisions] == [
            ("Breaker", "refuses"),
            ("Fallback", "moves on"),
        ]


async def test_a_chain_of_open_circuits_fails_with_every_one_of_them():
    breaker = Breaker(failure_threshold=1)
    service = Stack(Fallback(to=["b"]), breaker).bind(Wire(BROKEN))
    with FakeClock():
        with pytest.raises(AllProvidersFailed):
            await service(make_call())
        with pytest.raises(AllProvidersFailed) as failed:
            await service(make_call())
    assert [type(failure.error) for failure in failed.value.failures] == [CircuitOpen, CircuitOpen]
    assert failed.value.retry_after == 60


async def test_retries_open_it_and_the_next_is_refused():
    breaker, wire = Breaker(failure_threshold=2), Wire(BROKEN)
    with FakeClock(auto=True), pytest.raises(CircuitOpen):
        await Stack(Retry(attempts=5), breaker).bind(wire)(make_call())
    assert wire.sent == 2


async def test_outside_a_retry_it_counts_once_and_lets_no_attempt_through_that_others_have_closed_it_to():
    breaker = Breaker(failure_threshold=1)

    async def broken_elsewhere(call):
        breaker.open("m")
        return BROKEN

    wire = Wire(broken_elsewhere, "ok")
    with pytest.warns(UserWarning, match="one failure where there were several"):
        stack = Stack(breaker, Retry(base_delay=0))
    with FakeClock(auto=True), pytest.raises(CircuitOpen):
        await stack.bind(wire)(make_call())
    assert wire.sent == 1


# Seen and set from outside.


async def test_a_circuit_is_opened_and_closed_by_hand():
    breaker, wire = Breaker(), Wire()
    with FakeClock() as clock:
        await passes(breaker, wire)
        await breaker.open("m", reason="maintenance")
        view = breaker.state("m")
        assert (view.state, view.held, view.reason, view.retry_after) == ("open", True, "maintenance", None)
        clock.advance(1e6)
        refused = await fails(breaker, wire, CircuitOpen)
        assert refused.retry_after is None
        assert str(refused) == "the circuit of m is open: maintenance; refused until it is closed by hand"
        await breaker.close("m")
        await passes(breaker, wire)
    assert wire.sent == 2


async def test_one_that_is_opened_for_a_time_is_probed_then():
    breaker = Breaker()
    with FakeClock() as clock:
        breaker.open("m", rest=5)
        await fails(breaker, Wire(), CircuitOpen)
        clock.advance(5)
        await passes(breaker, Wire())
        assert breaker.state("m").state == "closed"


async def test_what_is_set_before_the_first_call_holds_for_it_wherever_it_goes():
    breaker = Breaker()
    with FakeClock():
        breaker.open("m")
        assert breaker.state("m").state == "open"
        assert (await breaker.look("m")).state == "open"
        assert list(breaker.states()) == [" m"]
        assert breaker.plan(make_call(home="https://router.test/v1/")).action == "refuses"
        await fails(breaker, Wire(), CircuitOpen, home="https://router.test/v1/")
        await passes(breaker, Wire(), target="n", home="https://router.test/v1/")
        assert breaker.state("m").state == "open"
        assert list(breaker.states()) == ["https://router.test/v1 m"]
        breaker.close("m")
        await passes(breaker, Wire(), home="https://router.test/v1")


async def test_a_name_that_several_routers_have_is_asked_about():
    breaker = Breaker(failure_threshold=1)
    with FakeClock():
        await fails(breaker, Wire(BROKEN), home="https://one.test/v1/")
        await passes(breaker, Wire(), home="https://two.test/v1/")
        with pytest.raises(ConfigError, match=r"go to https://one\.test/v1, https://two\.test/v1; say which"):
            breaker.state("m")
        assert breaker.state("m", at="https://one.test/v1").state == "open"
        assert breaker.state("m", at="https://two.test/v1/").state == "closed"
        with pytest.raises(ConfigError, match="at: expected the base_url"):
            breaker.state("m", at="one.test")


async def test_all_circuits_are_seen_and_forgotten():
    breaker = Breaker(failure_threshold=1)
    with FakeClock():
        await fails(breaker, Wire(BROKEN), target="m")
        await fails(breaker, Wire(BROKEN), target="n")
        assert {key: view.state for key, view in breaker.states().items()} == {" m": "open", " n": "open"}
        await breaker.reset("m")
        await passes(breaker, Wire(), target="m")
        await fails(breaker, Wire(), CircuitOpen, target="n")
        breaker.open("o")
        await breaker.reset()
        assert breaker.states() == {}
        await passes(breaker, Wire(), target="n")


async def test_changes_are_noted_logged_and_told(caplog):
    caplog.set_level(logging.INFO, "hanzo_agents")
    told = []
    breaker = Breaker(failure_threshold=2, timeout=10, on_change=told.append)
    with FakeClock() as clock:
        await fails(breaker, Wire(BROKEN))
        last, probe, first = make_call(), make_call(), make_call()
        await fails(breaker, Wire(BROKEN), call=last)
        clock.advance(10)
        await passes(breaker, Wire(), call=probe)
        await passes(breaker, Wire(), call=first)
    assert [(change.before, change.after) for change in told] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
    assert [change.target for change in told] == ["m"] * 3
    assert [(d.action, d.reason) for d in last.journal.decisions] == [("opens", "2 failures in a row")]
    assert [d.action for d in probe.journal.decisions] == ["half-opens", "probes", "closes"]
    assert first.journal.decisions == []
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO"]
    assert caplog.messages[0] == "Breaker: the circuit of m opens: 2 failures in a row"


async def test_a_listener_that_fails_harms_nobody(caplog):
    def listener(change):
        raise RuntimeError("mine")

    breaker = Breaker(failure_threshold=1, on_change=listener)
    with FakeClock():
        await fails(breaker, Wire(BROKEN), openai.InternalServerError)
        await fails(breaker, Wire(), CircuitOpen)
    assert "Breaker.on_change failed" in caplog.text


async def test_the_plan_says_what_would_happen_and_changes_nothing():
    breaker = Breaker(failure_threshold=2, timeout=10)
    with FakeClock() as clock:
        assert breaker.plan(make_call()).action == "passes on"
        await fails(breaker, Wire(BROKEN))
        decision = breaker.plan(make_call())
        assert (decision.action, decision.reason) == ("passes on", "the circuit of m is closed")
        await fails(breaker, Wire(BROKEN))
        decision = breaker.plan(make_call())
        assert (decision.action, decision.data["retry_after"]) == ("refuses", 10)
        clock.advance(10)
        assert [breaker.plan(make_call()).action for _ in range(3)] == ["probes"] * 3
        await passes(breaker, Wire())


async def test_two_breakers_with_one_store_share_its_circuits_and_two_without_do_not():
    store = MemoryStore()
    one, other, apart = Breaker(failure_threshold=1, store=store), Breaker(store=store), Breaker()
    with FakeClock():
        await fails(one, Wire(BROKEN))
        await fails(other, Wire(), CircuitOpen)
        await passes(apart, Wire())


def test_it_says_what_it_is_and_how_far_it_reaches():
    assert repr(Breaker()) == "Breaker(failure_threshold=5, timeout=60, half_open_requests=1, scope='this object')"
    breaker = Breaker(failure_threshold=None, failure_rate=0.5, store=MemoryStore())
    assert repr(breaker) == (
        "Breaker(failure_threshold=None, timeout=60, half_open_requests=1, failure_rate=0.5, scope='this process')"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"failure_threshold": 0},
            "Breaker.failure_threshold: expected an integer from 1 to 1,000,000,000, got 0",
        ),
        ({"failure_threshold": True}, "failure_threshold"),
        ({"failure_threshold": 2.5}, "failure_threshold"),
        ({"failure_threshold": None}, "expected a failure_threshold or a failure_rate, got neither"),
        ({"half_open_requests": 0}, "half_open_requests: expected an integer from 1 to 1,000,000,000, got 0"),
        ({"half_open_requests": None}, "half_open_requests"),
        ({"min_calls": -1}, "min_calls"),
        ({"timeout": 0}, "Breaker.timeout: expected a number of seconds > 0, got 0"),
        ({"timeout": None}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": "60"}, "timeout"),
        ({"window": -1}, "window"),
        ({"lease": float("inf")}, "lease"),
        ({"max_retry_after": -1}, "max_retry_after"),
        ({"failure_rate": 0}, "failure_rate: expected a share above 0 and up to 1, got 0"),
        ({"failure_rate": 1.1}, "failure_rate"),
        ({"failure_rate": float("nan")}, "failure_rate"),
        ({"failure_rate": True}, "failure_rate"),
        ({"failure_rate": "half"}, "failure_rate"),
        ({"on": 5}, "Breaker.on: expected a function, got int"),
        ({"on": None}, "Breaker.on"),
        ({"on_change": 5}, "on_change"),
        ({"store": "redis://"}, "Breaker.store: expected a store such as MemoryStore\\(\\), or None, got str"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(fields, message):
    with pytest.raises(ConfigError, match=message):
        Breaker(**fields)


@pytest.mark.parametrize("target", [5, "", None])
def test_what_is_no_target_is_refused(target):
    with pytest.raises(ConfigError, match="target"):
        Breaker().state(target)
