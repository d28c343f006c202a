"""A second leg when the first is slow: when it is sent, who answers, and what becomes of the loser."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from calls import PlainView, http_error, read
from calls import make_call as any_call
from legs import ONE, Leg, Upstreams, decisions

from hanzo_agents import (
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Hedge,
    Place,
    Retry,
    Stack,
    StackWarning,
    Target,
)
from hanzo_agents.errors import CircuitOpen
from hanzo_agents.policies.hedge.latency import latency_key
from hanzo_agents.policies.spend import expected
from hanzo_agents.testing.clock import FakeClock

GENEROUS = {"after": 1.0, "max_extra_spend": 1.0}


def hedge(**fields):
    return Hedge(**{**GENEROUS, "to": ["b"], **fields})


def make_call(target="a", *, needs=(), **fields):
    """A call whose text is as long as the legs' usage says."""
    return any_call(target, view=PlainView(text="x" * 4 * ONE.input_tokens, needs=frozenset(needs)), **fields)


async def run(policy, upstreams, call=None, **fields):
    """One call; its reply's value, or the error."""
    call = make_call("a", **fields) if call is None else call
    try:
        reply = await policy(call, upstreams)
    except Exception as error:
        return call, error
    return call, reply.value


async def others():
    """Tasks beside ours, once those that are about to end have ended."""
    for _ in range(20):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_a_quick_answer_needs_no_second_leg_and_no_task():
    with FakeClock(auto=True) as clock:
        upstreams = Upstreams({"a": Leg(0.9)})
        call, value = await run(hedge(), upstreams)
        assert (value, clock.now(), clock.waiting) == ("answer", 0.9, 0)
        assert (len(upstreams.calls), decisions(call)) == (1, [])


async def test_a_slow_first_leg_is_overtaken_and_cancelled():
    with FakeClock(auto=True) as clock:
        upstreams = Upstreams({"a": Leg(9), "b": Leg(2, "second")})
        call, value = await run(hedge(), upstreams)
        assert (value, clock.now()) == ("second", 3.0)
        assert upstreams.log == ["a cancelled"]
        assert decisions(call) == ["Hedge asks a second target", "Hedge takes the second"]
        assert [(a.target, a.number, a.accepted is not None) for a in call.journal.attempts] == [
            ("a", 1, False), ("b", 1, True)
        ]  # fmt: skip
        assert not await others()


async def test_the_first_leg_may_still_win():
    with FakeClock(auto=True) as clock:
        upstreams = Upstreams({"a": Leg(1.5, "first"), "b": Leg(5)})
        call, value = await run(hedge(), upstreams)
        assert (value, clock.now()) == ("first", 1.5)
        assert upstreams.log == ["b cancelled"]
        assert decisions(call) == ["Hedge asks a second target"]
        assert not await others()


@pytest.mark.parametrize("streams", [False, True])
async def test_both_accepted_at_the_same_moment_are_one_reply(streams):
    with FakeClock(auto=True):
        answer = ["x", "y"] if streams else "x"
        upstreams = Upstreams({"a": Leg(3, answer, streams=streams), "b": Leg(2, answer, streams=streams)})
        call = make_call("a")
        reply = await hedge()(call, upstreams)
        if streams:
            assert upstreams.opened - upstreams.closed == 1
            assert await read(reply.value) == (["x", "y"], None)
            assert upstreams.opened == upstreams.closed
        assert len(upstreams.settled) == (sum(a.accepted is not None for a in call.journal.attempts))
        assert upstreams.running == 0
        assert not await others()


async def test_the_stream_of_the_winner_is_read_from_the_callers_task():
    with FakeClock(auto=True):
        upstreams = Upstreams({"a": Leg(None, streams=True), "b": Leg(1, ["x", "y"], streams=True)})
        call = make_call("a")
        reply = await Stack(Deadline(total=60), hedge()).bind(upstreams)(call)
        assert await read(reply.value) == (["x", "y"], None)
        assert reply.settled.complete
        assert upstreams.opened == upstreams.closed == 1


async def test_a_loser_that_is_slow_to_clean_up_is_waited_for():
    for first, second in ((Leg(None, cleanup=50), Leg(1, "b")), (Leg(1.5, "a"), Leg(None, cleanup=50))):
        with FakeClock(auto=True):
            upstreams = Upstreams({"a": first, "b": second})
            await run(hedge(), upstreams)
            assert upstreams.running == 0
            assert len(upstreams.log) == 1


async def test_a_first_leg_that_fails_in_time_is_not_hedged():
    with FakeClock(auto=True):
        failure = http_error(503)
        upstreams = Upstreams({"a": Leg(0.5, failure), "b": Leg()})
        call, error = await run(hedge(), upstreams)
        assert error is failure
        assert (upstreams.count("b"), decisions(call)) == (0, [])


async def test_a_first_leg_that_fails_late_leaves_it_to_the_second():
    with FakeClock(auto=True) as clock:
        upstreams = Upstreams({"a": Leg(2, http_error(503)), "b": Leg(5, "second")})
        _, value = await run(hedge(), upstreams)
        assert (value, clock.now()) == ("second", 6.0)


async def test_a_second_leg_that_fails_leaves_it_to_the_first():
    with FakeClock(auto=True):
        upstreams = Upstreams({"a": Leg(5, "first"), "b": Leg(1, http_error(503))})
        call, value = await run(hedge(), upstreams)
        assert value == "first"
        assert decisions(call) == ["Hedge asks a second target", "Hedge goes on alone"]


async def test_when_both_fail_the_first_error_is_raised_with_the_other_noted():
    for takes in (1.0, 9.0):
        with FakeClock(auto=True):
            failure = http_error(503)
            upstreams = Upstreams({"a": Leg(5, failure), "b": Leg(takes, http_error(429, message="slow down"))})
            _, error = await run(hedge(), upstreams)
            assert error is failure
            assert error.__notes__ == ["the hedge failed too: RateLimitError: slow down"]
            assert not await others()


async def test_a_timeout_of_the_first_leg_is_not_taken_for_a_win_of_the_second():
    with FakeClock(auto=True):
        upstreams = Upstreams({"a": Leg(2, TimeoutError("upstream")), "b": Leg(1, http_error(503))})
        _, error = await run(hedge(), upstreams)
        assert str(error) == "upstream"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"pinned": True}, "the call leans on state at one provider"),
        ({"single": True}, "the call is to be a single request"),
        ({"attempt": 2}, "the call is a retry"),
        ({"deadline": 1.0}, "the deadline comes first"),
    ],
)
async def test_what_is_never_hedged(fields, why):
    with FakeClock() as clock:
        upstreams = Upstreams({"a": Leg(None), "b": Leg()})
        call = make_call("a", **fields)
        policy = hedge()
        assert policy.plan(call).reason == why
        task = asyncio.create_task(policy(call, upstreams))
        await clock.run_for(100)
        assert upstreams.count("b") == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_target_that_lacks_what_the_call_needs_is_passed_by():
    blind = Target("blind", lacks={"vision"})
    with FakeClock(auto=True):
        upstreams = Upstreams({"a": Leg(3, "first"), "blind": Leg(), "c": Leg(1, "second")})
        call, value = await run(hedge(to=[blind, "c"]), upstreams, needs=["vision"])
        assert (value, upstreams.count("blind")) == ("second", 0)
        call, value = await run(hedge(to=[blind]), upstreams, needs=["vision"])
        assert (value, decisions(call)) == ("first", ["Hedge holds back"])
        assert call.journal.decisions[0].reason == "blind lacks vision"


async def test_a_second_target_is_another_one():
    """A fallback may have aimed the call at what is named here."""
    with FakeClock(auto=True):
        upstreams = Upstreams({"b": Leg(3), "c": Leg(1, "second")})
        _, value = await run(hedge(to=["b", "c"]), upstreams, make_call("b"))
        assert value == "second"
        call, _ = await run(hedge(to=["b"]), upstreams, make_call("b"))
        assert call.journal.decisions[0].reason == "the only target is the call's own"


async def test_without_targets_the_same_one_is_asked_again():
    with FakeClock(auto=True):
        upstreams = Upstreams({"a": [Leg(None), Leg(1, "second")]})
        call, value = await run(hedge(to=None), upstreams)
        assert value == "second"
        assert [(a.target, a.number) for a in call.journal.attempts] == [("a", 1), ("a", 2)]


async def test_a_second_leg_says_that_it_may_be_left_out():
    with FakeClock(auto=True):
        upstreams = Upstreams({"a": Leg(3), "b": Leg(5)})
        await run(hedge(), upstreams)
        assert [call.extra for call in upstreams.calls] == [False, True]


async def test_a_refused_second_leg_costs_nothing_and_is_not_tried_again_soon():
    with FakeClock(auto=True) as clock:
        open_breaker = CircuitOpen("b is open", retry_after=30.0)
        upstreams = Upstreams({"a": Leg(2, "first"), "b": Leg(refuses=open_breaker)})
        policy = hedge()
        call, value = await run(policy, upstreams)
        assert (value, upstreams.count("b")) == ("first", 1)
        assert [a.target for a in call.journal.attempts] == ["a"]
        call, value = await run(policy, upstreams)
        assert (value, upstreams.count("b")) == ("first", 1)
        assert call.journal.decisions[0].reason == "b has just refused a leg"
        clock.advance(30)
        await run(policy, upstreams)
        assert upstreams.count("b") == 2


async def test_a_wait_for_our_own_limits_is_not_the_upstreams_slowness():
    with FakeClock(auto=True) as clock:
        upstreams = Upstreams({"a": Leg(0.9, "first", queued=10.35), "b": Leg()})
        _, value = await run(hedge(), upstreams)
        assert (value, upstreams.count("b")) == ("first", 0)
        upstreams = Upstreams({"a": Leg(None, queued=2.35), "b": Leg(0, "second")})
        start = clock.now()
        _, value = await run(hedge(), upstreams)
        assert value == "second"
        assert clock.now() - start == pytest.approx(3.35)


async def test_a_second_target_that_would_answer_after_the_deadline_is_not_asked():
    with FakeClock(auto=True):
        policy = hedge()
        for _ in range(3):
            await run(policy, Upstreams({"b": Leg(0.8)}), make_call("b"))
        upstreams = Upstreams({"a": Leg(1.5, "first"), "b": Leg(0.8)})
        call, _ = await run(policy, upstreams, deadline=make_call("a").clock.now() + 1.7)
        assert call.journal.decisions[0].reason == "b could not answer before the deadline"


async def test_the_deadline_ends_both_legs():
    with FakeClock() as clock:
        upstreams = Upstreams({"a": Leg(None), "b": Leg(None)})
        stack = Stack(Deadline(total=10), hedge())
        task = asyncio.create_task(stack.bind(upstreams)(make_call("a")))
        await clock.run_for(20)
        with pytest.raises(DeadlineExceeded):
            await task
        assert sorted(upstreams.log) == ["a cancelled", "b cancelled"]
        assert upstreams.running == 0
        assert not await others()


async def test_a_call_is_retried_or_hedged():
    with FakeClock(auto=True):
        upstreams = Upstreams({"a": [Leg(0.5, http_error(503)), Leg(5, "late")], "b": Leg()})
        call = make_call("a")
        reply = await Stack(Retry(jitter=lambda: 0.5), hedge()).bind(upstreams)(call)
        assert (reply.value, upstreams.count("b")) == ("late", 0)


async def test_the_percentile_is_learned_for_each_target():
    with FakeClock(auto=True) as clock:
        policy = hedge(after="p95", to=["c"])
        for target, usual in (("a", 1.0), ("b", 0.1)):
            for n in range(20):
                await run(policy, Upstreams({target: Leg(usual * (1 + n / 100))}), make_call(target))
        for target, p95 in (("a", 1.18), ("b", 0.118)):
            start = clock.now()
            call, value = await run(
                policy, Upstreams({target: Leg(None), "c": Leg(0, "second")}), make_call(target)
            )
            assert value == "second"
            assert clock.now() - start == pytest.approx(p95)
            assert call.journal.decisions[0].data["after"] == pytest.approx(p95)


async def test_without_enough_observations_there_is_no_percentile():
    with FakeClock(auto=True):
        policy = hedge(after="p95", min_samples=3)
        upstreams = Upstreams({"a": [Leg(1), Leg(1), Leg(50), Leg(50)], "b": Leg(1, "second")})
        outcomes = [(await run(policy, upstreams))[1] for _ in range(4)]
        assert outcomes == ["answer", "answer", "answer", "answer"]
        assert policy.plan(make_call("c")).reason == "0 of 3 observations of c made"


async def test_an_initial_delay_stands_for_the_percentile():
    with FakeClock(auto=True) as clock:
        policy = hedge(after="p95", initial=timedelta(seconds=2))
        _, value = await run(policy, Upstreams({"a": Leg(None), "b": Leg(0, "second")}))
        assert (value, clock.now()) == ("second", 2.0)


async def test_slow_first_legs_that_were_left_keep_counting_as_slow():
    with FakeClock(auto=True):
        policy = hedge(after="p95", min_samples=5)
        upstreams = Upstreams({"a": [*[Leg(1)] * 5, Leg(None)], "b": Leg(1)})
        for _ in range(30):
            await run(policy, upstreams)
        assert policy.latencies.percentile(latency_key(make_call("a")), 0.95) >= 1


async def test_the_first_observation_of_a_cache_hit_is_none():
    with FakeClock(auto=True):
        policy = hedge(after="p95", min_samples=1)

        async def hit(call):
            reply = await Upstreams({"a": Leg(0.001)})(call)
            reply.attempt.cache_hit = True
            return reply

        await policy(make_call("a"), hit)
        assert policy.latencies.count(("a", "", "chat")) == 0


class Priced:
    """One price a target, in US dollars for each token."""

    def __init__(self, **prices):
        self.prices = prices

    def known(self, target):
        price = self.prices.get(str(target))
        return None if price is None else Pricing(Decimal(str(price)))

    async def learn(self, target):
        return self.known(target)


class Pricing:
    max_output = None

    def __init__(self, price):
        self.price = price

    def cost(self, usage):
        return usage.total_tokens * self.price

    def most(self, tokens_in, tokens_out):
        return (tokens_in + tokens_out) * self.price


async def test_the_loser_is_billed():
    """An upstream that was left may have worked; unknown would make the whole call's cost unknown."""
    with FakeClock(auto=True):
        for legs in ({"a": Leg(1.5), "b": Leg(None)}, {"a": Leg(None), "b": Leg(1)}):
            call, _ = await run(hedge(), Upstreams(legs), prices=Priced(a=0.001, b=0.001))
            (lost,) = [a for a in call.journal.attempts if a.accepted is None]
            assert lost.usage.basis == lost.cost.basis == "estimated"
            assert lost.cost.amount > 0


async def test_second_legs_have_their_share_of_the_spend_and_no_more():
    with FakeClock(auto=True):
        policy = hedge(max_extra_spend=0.1)
        upstreams = Upstreams({"a": Leg(2), "b": Leg(2)})
        for _ in range(100):
            await run(policy, upstreams)
        assert 8 <= upstreams.count("b") <= 11
        call, _ = await run(policy, upstreams)
        assert call.journal.decisions[0].reason == "second legs have had their 10% of the spend"


async def test_a_dearer_second_target_gets_fewer_legs():
    with FakeClock(auto=True):
        counts = {}
        for price in (0.001, 0.01):
            policy = hedge(max_extra_spend=0.2)
            upstreams = Upstreams({"a": Leg(2), "b": Leg(2)})
            for _ in range(200):
                await run(policy, upstreams, prices=Priced(a=0.001, b=price))
            counts[price] = upstreams.count("b")
        assert counts[0.001] > 5 * counts[0.01] > 0


async def test_quiet_times_save_up_no_hoard():
    with FakeClock(auto=True):
        policy = hedge(max_extra_spend=0.5)
        await_fast = Upstreams({"a": Leg(0.1)})
        for _ in range(1000):
            await run(policy, await_fast)
        upstreams = Upstreams({"a": Leg(None), "b": Leg(None)})
        with FakeClock() as clock:
            tasks = [asyncio.create_task(policy(make_call("a"), upstreams)) for _ in range(100)]
            await clock.run_for(5)
            assert upstreams.count("b") <= 11
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_second_leg_that_fails_stays_paid():
    """An outage of the second target must not be asked ever again for free."""
    with FakeClock(auto=True):
        policy = hedge(max_extra_spend=0.1)
        upstreams = Upstreams({"a": Leg(2), "b": Leg(0.5, http_error(503))})
        for _ in range(100):
            await run(policy, upstreams)
        assert upstreams.count("b") <= 11


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"after": "95"}, r'Hedge.after: expected seconds or a percentile such as "p95", got \'95\''),
        ({"after": "p0"}, "Hedge.after"),
        ({"after": "p100"}, "Hedge.after"),
        ({"after": -1}, "Hedge.after"),
        ({"after": None}, "Hedge.after"),
        ({"to": "b"}, "Hedge.to: expected a list"),
        ({"to": []}, "Hedge.to: expected 1 to 50"),
        ({"to": [3]}, "Hedge.to"),
        ({"max_extra_spend": 0}, "Hedge.max_extra_spend"),
        ({"max_extra_spend": 1.1}, "Hedge.max_extra_spend"),
        ({"max_extra_spend": True}, "Hedge.max_extra_spend"),
        ({"max_extra_spend": "5%"}, "Hedge.max_extra_spend"),
        ({"min_samples": 0}, "Hedge.min_samples"),
        ({"min_samples": 1.5}, "Hedge.min_samples"),
        ({"initial": -1}, "Hedge.initial"),
        ({"latencies": {}}, "Hedge.latencies"),
    ],
    ids=str,
)
def test_junk_is_refused_by_name(fields, why):
    with pytest.raises(ConfigError, match=why):
        Hedge(**fields)


async def test_a_leg_that_never_took_a_step_is_paid_back():
    with FakeClock() as clock:
        policy = hedge()
        credit = policy._allowance._tokens.credit
        upstreams = Upstreams({"a": Leg(None, cleanup=1), "b": Leg(None)})
        call = make_call("a")
        task = asyncio.create_task(policy(call, upstreams))
        await clock.settle()
        # The alarm rings while the first leg, cancelled, still cleans up.
        task.cancel()
        clock.advance(1.0)
        await asyncio.gather(task, return_exceptions=True)
        await clock.settle()
        assert (decisions(call), upstreams.count("b")) == (["Hedge asks a second target"], 0)
        assert policy._allowance._tokens.credit == credit


def test_an_order_in_which_it_cannot_work_is_said():
    class Money:
        place = Place.BUDGET

        async def __call__(self, call, send):
            return await send(call)

    with pytest.warns(
        StackWarning, match="Money stands outside Hedge: second legs are sent without being reserved"
    ):
        Stack(Money(), Hedge())


def test_what_it_says_it_is():
    policy = Hedge(after=timedelta(seconds=2), to=["b"])
    assert policy.after == 2.0
    assert repr(policy) == "Hedge(after=2.0, to=['b'], max_extra_spend=0.05, scope='this object')"
    assert repr(policy._allowance) == "Allowance(share=0.05, scope=this object)"
    assert repr(policy.latencies) == "Latencies(window=200, targets=0, scope=this object)"
    assert ONE.total_tokens == 200


@pytest.mark.parametrize(
    ("asked", "usual", "tokens"),
    [
        ({"max_output": 50, "choices": 3}, None, 1 + 150),
        ({"max_output": 50, "choices": 3}, 100.0, 1 + 100),
        ({"max_output": 50, "choices": 3}, 900.0, 1 + 150),
        ({"max_output": 0, "given_tokens": 70, "operation": "embeddings"}, 100.0, 1 + 70),
    ],
)
def test_what_a_leg_may_take_counts_every_choice_and_tokens_that_are_numbers(asked, usual, tokens):
    assert expected(any_call(view=PlainView(text="abcd", **asked)), usual).tokens == tokens
