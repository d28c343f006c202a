"""RateLimit, as one who calls through it notices. What its lanes promise is in tests/stores/test_limits.py."""

import asyncio
import gc
import threading

import pytest
from calls import Inner, PlainView, Script, http_error, lost_connection, make_call, read

from hanzo_agents import (
    Attempt,
    ConfigError,
    Fallback,
    InvalidResponse,
    RateLimit,
    Reply,
    Retry,
    Settled,
    Stack,
    StackWarning,
    Target,
    Usage,
)
from hanzo_agents._kernel.reply import Settlement
from hanzo_agents.errors import CircuitOpen, RateLimited
from hanzo_agents.stores import MemoryStore, SQLiteStore
from hanzo_agents.testing.clock import FakeClock


class Upstream(Inner):
    """An inner service that begins an attempt as the wire does, and remembers when each call came."""

    def __init__(self, *steps, usage=None, cache_hit=False, sent=True):
        super().__init__(*steps)
        self.usage, self.cache_hit, self.sent = usage, cache_hit, sent
        self.times = []
        self.inside = self.most_inside = 0

    async def __call__(self, call):
        attempt = Attempt(1, str(call.target), call.clock.now(), cache_hit=self.cache_hit, sent=self.sent)
        call.begin(attempt)
        self.times.append(call.clock.now())
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            reply = await super().__call__(call)
        except BaseException as error:
            attempt.error = error
            raise
        finally:
            self.inside -= 1
        if reply.settled == Settled():
            return Reply(reply.value, attempt, raw=reply.raw, end=Settlement(Settled(self.usage)))
        return reply


async def slow(call):
    """An answer that takes ten seconds."""
    await call.clock.sleep(10)
    return "answer"


def asking(tokens=1, **fields):
    """A call whose input is so many tokens, and whose output is none."""
    return make_call(view=PlainView(text="abcd" * tokens, max_output=fields.pop("max_output", 0)), **fields)


class Headers(dict):
    """A transport's reply: nothing but headers."""

    @property
    def headers(self):
        return self


async def refused(policy, call, inner):
    with pytest.raises(RateLimited) as caught:
        await policy(call, inner)
    return caught.value


# Settings


@pytest.mark.parametrize("field", ["requests_per_minute", "tokens_per_minute", "max_concurrent"])
@pytest.mark.parametrize("junk", [0, -1, 1.5, True, "60", float("nan"), float("inf"), 10**10])
def test_a_limit_that_is_none_is_refused_by_name(field, junk):
    with pytest.raises(ConfigError, match=rf"RateLimit\.{field}: expected an integer from 1"):
        RateLimit(**{field: junk})


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "requests_per_minute, tokens_per_minute"),
        ({"max_queued": -1}, r"RateLimit\.max_queued"),
        ({"expected_output": True}, r"RateLimit\.expected_output"),
        ({"local_share": 0}, r"RateLimit\.local_share"),
        ({"local_share": 1.1}, r"RateLimit\.local_share"),
        ({"max_wait": -1}, r"RateLimit\.max_wait"),
        ({"max_wait_with_spare": None}, r"RateLimit\.max_wait_with_spare"),
        ({"key": ""}, r"RateLimit\.key"),
        ({"key": 5}, r"RateLimit\.key"),
        ({"store": "redis://"}, r"RateLimit\.store"),
        ({"adaptive": 1}, r"RateLimit\.adaptive"),
        ({"limiter": 60}, r"RateLimit\.limiter"),
        ({"limiter": asyncio.Semaphore(3)}, r"RateLimit\.limiter: .*max_concurrent="),
    ],
)
def test_junk_is_refused_by_name(fields, named):
    with pytest.raises(ConfigError, match=named):
        RateLimit(**{**({"max_concurrent": 1} if fields else {}), **fields})


def test_the_scope_is_in_the_repr(tmp_path):
    assert repr(RateLimit(requests_per_minute=60)) == (
        "RateLimit(requests_per_minute=60, key='target', scope='this object')"
    )
    store = SQLiteStore(tmp_path / "state.db")
    assert f"scope='file {tmp_path}/state.db'" in repr(RateLimit(max_concurrent=1, store=store))
    store.close()


def test_a_limit_outside_retry_is_said_to_be_misplaced():
    with pytest.warns(StackWarning, match="retries pass the limiter uncounted"):
        Stack(RateLimit(max_concurrent=1), Retry())


# Requests, tokens, calls at once


async def test_calls_wait_for_their_minute_in_the_order_in_which_they_came():
    policy, inner = RateLimit(requests_per_minute=2, key="all"), Upstream()
    with FakeClock(auto=True):
        await asyncio.gather(*(policy(make_call(f"{n}"), inner) for n in range(5)))
        assert inner.times == [0, 0, 60, 60, 120]
        assert inner.targets == ["0", "1", "2", "3", "4"]


async def test_the_models_of_a_target_that_keeps_the_callers_have_a_limit_each():
    backup = Target(base_url="https://backup.test/v1", api_key="k")
    policy, inner = RateLimit(requests_per_minute=1, max_wait=0), Inner()
    with FakeClock():
        for model in ("m", "n"):
            await policy(make_call(backup, view=PlainView(model=model)), inner)
            await refused(policy, make_call(backup, view=PlainView(model=model)), inner)
        assert policy.state(Target("n", base_url="https://backup.test/v1", api_key="k")).requests == 1
        with pytest.raises(ConfigError, match="say which one"):
            policy.state(backup)


async def test_by_default_each_target_has_a_limit_of_its_own():
    policy, inner = RateLimit(requests_per_minute=1), Upstream()
    with FakeClock(auto=True):
        await asyncio.gather(*(policy(make_call(target), inner) for target in "abab"))
        assert list(zip(inner.targets, inner.times, strict=True)) == [("a", 0), ("b", 0), ("a", 60), ("b", 60)]


async def test_a_wait_is_told():
    with FakeClock(auto=True):
        policy, call = RateLimit(requests_per_minute=1), make_call()
        await policy(make_call(), Inner())
        await policy(call, Inner())
    (told,) = call.journal.decisions
    assert (told.policy, told.action, told.reason) == ("RateLimit", "waits", "for 60 s")
    assert told.data == {"wait": 60.0, "ahead": 0}


async def test_no_more_calls_at_once_than_allowed():
    policy, inner = RateLimit(max_concurrent=3), Upstream(slow)
    with FakeClock(auto=True) as clock:
        await asyncio.gather(*(policy(make_call(), inner) for _ in range(10)))
        assert inner.most_inside == 3
        assert clock.now() == 40
        assert policy.state("m").under_way == 0


async def test_unused_tokens_let_others_go_at_once():
    policy = RateLimit(tokens_per_minute=2000, expected_output=900)
    inner = Upstream(usage=Usage(10, 40))
    with FakeClock(auto=True):
        call = make_call(view=PlainView(text="a" * 400))
        for _ in range(20):
            await policy(call, inner)
        assert inner.times == [0] * 20
        assert policy.state("m").tokens == 1000


async def test_who_waits_for_tokens_goes_when_they_are_given_back():
    """Reserved for the worst, the second call would wait a minute; it waits until the first has ended."""
    policy, inner = RateLimit(tokens_per_minute=1000), Upstream(slow, usage=Usage(1, 99))
    with FakeClock(auto=True):
        await asyncio.gather(*(policy(asking(max_output=899), inner) for _ in range(3)))
        assert inner.times == [0, 10, 60]


async def test_output_that_nobody_bounds_is_reckoned():
    inner = Upstream()
    with FakeClock():
        policy = RateLimit(tokens_per_minute=5000, expected_output=400)
        await policy(make_call(view=PlainView(text="abcd" * 100)), inner)
        assert policy.state("m").tokens == 500
        await policy(make_call(view=PlainView(text="abcd" * 100, max_output=50)), inner)
        assert policy.state("m").tokens == 650
        await policy(make_call(view=PlainView(text="abcd" * 100, operation="embeddings")), inner)
        assert policy.state("m").tokens == 750


async def test_every_choice_may_be_as_long_and_tokens_may_come_as_numbers():
    inner = Upstream()
    with FakeClock():
        policy = RateLimit(tokens_per_minute=5000, expected_output=400)
        await policy(make_call(view=PlainView(text="", max_output=50, choices=3)), inner)
        assert policy.state("m").tokens == 150
        await policy(make_call(view=PlainView(text="", choices=2)), inner)
        assert policy.state("m").tokens == 950
        await policy(make_call(view=PlainView(text="", given_tokens=50, operation="embeddings")), inner)
        assert policy.state("m").tokens == 1000


async def test_a_call_that_no_minute_takes_is_refused_at_once():
    policy, inner = RateLimit(tokens_per_minute=100), Upstream()
    with FakeClock():
        error = await refused(policy, asking(50, max_output=51), inner)
        assert (error.code, error.retry_after) == ("request_too_large", None)
        assert "101 tokens" in str(error)
        assert inner.calls == []
        await policy(asking(50, max_output=50), inner)


# What a call took


@pytest.mark.parametrize(
    ("inner", "requests", "tokens"),
    [
        (Upstream(usage=Usage(30, 20)), 1, 50),
        (Upstream(usage=Usage(500, 700)), 1, 1200),
        (Upstream(), 1, 100),
        (Upstream(usage=Usage(30, 20), cache_hit=True), 1, 0),
        (Upstream(http_error(429)), 1, 0),
        (Upstream(http_error(500)), 1, 0),
        (Upstream(lost_connection()), 1, 100),
        (Upstream(InvalidResponse("half", status_code=200)), 1, 100),
        (Upstream(asyncio.CancelledError()), 1, 100),
        (Upstream(CircuitOpen("open"), sent=False), 0, 0),
        (Upstream(lost_connection(), sent=False), 0, 0),
        (Inner(CircuitOpen("before any attempt")), 0, 0),
    ],
    ids=["reported", "more than reckoned", "unreported", "cached by the router", "429", "500", "lost", "no answer",
         "cancelled", "refused by a guard", "not connected", "no attempt"],
)  # fmt: skip
async def test_a_call_counts_what_it_took(inner, requests, tokens):
    policy = RateLimit(requests_per_minute=10, tokens_per_minute=10_000, max_concurrent=1, adaptive=False)
    with FakeClock():
        await asyncio.gather(policy(asking(100), inner), return_exceptions=True)
        state = policy.state("m")
        assert (state.requests, state.tokens, state.under_way) == (requests, tokens, 0)


async def test_what_a_failed_attempt_took_is_known_where_the_upstream_said_so():
    async def cut(call):
        call.begin(Attempt(1, "m", 0.0, usage=Usage(30, 20)))
        raise InvalidResponse("cut", status_code=200)

    policy = RateLimit(tokens_per_minute=10_000)
    with FakeClock():
        await asyncio.gather(policy(asking(100), cut), return_exceptions=True)
        assert policy.state("m").tokens == 50


async def test_a_stream_is_under_way_until_its_end():
    policy, script = RateLimit(max_concurrent=1), Script([("a", True), ("b", True)])
    with FakeClock() as clock:
        reply = await policy(make_call(), lambda call: script.open(clock))
        assert policy.state("m").under_way == 1
        waiting = asyncio.create_task(policy(make_call(), Inner()))
        await clock.settle()
        assert not waiting.done()
        assert policy.state("m").waiting == 1
        assert await read(reply.value) == (["a", "b"], None)
        await waiting
        assert policy.state("m").under_way == 0


@pytest.mark.parametrize("left", ["closed", "dropped", "broken"])
async def test_a_stream_that_is_left_frees_its_place(left):
    policy, clock = RateLimit(max_concurrent=1), FakeClock()
    script = Script([("a", True), ("b", True)], end=lost_connection() if left == "broken" else None)
    with clock:
        reply = await policy(make_call(), lambda call: script.open(clock))
        if left == "closed":
            await reply.value.aclose()
        elif left == "broken":
            await read(reply.value)
        del reply
        assert policy.state("m").under_way == 0
        await asyncio.sleep(0)
    gc.collect()


async def test_a_stream_that_the_garbage_collector_finds_in_the_middle_of_an_ask_blocks_nothing():
    """The hook runs on the thread that holds the limiter's lock."""
    policy = RateLimit(max_concurrent=2)
    end = Settlement()

    async def stream(call):
        return Reply("stream", end=end)

    with FakeClock():
        await policy(make_call(), stream)
        limits = policy._limiter.limits

        class Lane(dict):
            def get(self, *args):
                end.settle(Settled())
                return super().get(*args)

        limits._lanes = Lane(limits._lanes)
        await policy(make_call(), Inner())
        assert policy.state("m").under_way == 0


# Refusals


async def test_a_wait_beyond_the_deadline_is_refused_at_once():
    policy, inner = RateLimit(requests_per_minute=1), Upstream()
    with FakeClock() as clock:
        await policy(make_call(), inner)
        clock.advance(20)
        error = await refused(policy, make_call(deadline=clock.now() + 40), inner)
        assert (error.code, error.retry_after) == ("rate_limited", 40)
        assert "requests a minute the call would go in 40 s" in str(error)
        assert len(inner.calls) == 1
        assert policy.state("m").waiting == 0


async def test_a_fallback_moves_on_when_the_first_target_is_busy():
    policy, inner = Stack(Fallback(to=["b"]), RateLimit(requests_per_minute=1)), Upstream()
    with FakeClock():
        service = policy.bind(inner)
        for _ in range(2):
            await service(make_call())
        assert inner.targets == ["m", "b"]
        assert inner.times == [0, 0]


async def test_a_moment_is_waited_for_while_a_spare_stands_by_and_no_longer():
    policy, inner = RateLimit(requests_per_minute=1), Upstream()
    with FakeClock(auto=True) as clock:
        await policy(make_call(), inner)
        clock.advance(59.5)
        await policy(make_call(spare=True), inner)
        assert inner.times == [0, 60]
        assert (await refused(policy, make_call(spare=True), inner)).retry_after == 60
        patient = RateLimit(requests_per_minute=1, max_wait_with_spare=60.1)
        await patient(make_call(), inner)
        await patient(make_call(spare=True), inner)
        assert inner.times[-2:] == [60, 120]


async def test_a_slot_is_waited_for_a_moment_while_a_spare_stands_by():
    policy, inner = RateLimit(max_concurrent=1), Upstream(slow)
    with FakeClock(auto=True) as clock:
        first = asyncio.create_task(policy(make_call(), inner))
        await asyncio.sleep(0)
        error = await refused(policy, make_call(spare=True), inner)
        assert (clock.now(), error.retry_after) == (1, None)
        assert "1 calls at once" in str(error)
        await first


async def test_max_wait_bounds_every_wait():
    policy, inner = RateLimit(requests_per_minute=1, max_wait=30), Upstream()
    with FakeClock(auto=True) as clock:
        await policy(make_call(), inner)
        assert (await refused(policy, make_call(), inner)).retry_after == 60
        clock.advance(31)
        await policy(make_call(), inner)
        assert inner.times == [0, 60]


async def test_a_full_queue_refuses_at_once():
    policy, inner = RateLimit(max_concurrent=1, max_queued=2), Upstream(slow)
    with FakeClock() as clock:
        tasks = [asyncio.create_task(policy(make_call(), inner)) for _ in range(3)]
        await clock.settle()
        error = await refused(policy, make_call(), inner)
        assert (error.code, "2 calls wait" in str(error)) == ("queue_full", True)
        await clock.run_for(30)
        await asyncio.gather(*tasks)


async def test_without_a_queue_calls_go_at_once_or_not_at_all():
    policy, inner = RateLimit(max_concurrent=1, max_queued=0), Upstream(slow)
    with FakeClock() as clock:
        task = asyncio.create_task(policy(make_call(), inner))
        await clock.settle()
        assert (await refused(policy, make_call(), inner)).code == "queue_full"
        await clock.run_for(10)
        await task


async def test_a_leg_that_may_be_left_out_takes_nothing_that_others_need():
    inner = Upstream(slow)
    with FakeClock() as clock:
        policy = RateLimit(requests_per_minute=10, max_concurrent=10)
        tasks = [asyncio.create_task(policy(make_call(), inner)) for _ in range(8)]
        await clock.settle()
        await refused(policy, make_call(extra=True), inner)
        await clock.run_for(10)
        await asyncio.gather(*tasks)
        await clock.run_for(60)
        task = asyncio.create_task(policy(make_call(extra=True), inner))
        await clock.run_for(10)
        await task


# Who shares


async def test_a_limit_is_kept_of_what_the_key_says():
    with FakeClock():
        inner = Inner()
        by_operation = RateLimit(requests_per_minute=1, max_wait=0, key=lambda call: call.view.operation)
        await by_operation(make_call("a"), inner)
        await refused(by_operation, make_call("b"), inner)
        await by_operation(make_call("b", view=PlainView(operation="embeddings")), inner)
        assert by_operation.state("b", name="embeddings").requests == 1
        with pytest.raises(ConfigError, match=r"state: expected name="):
            by_operation.state("b")
        with pytest.raises(ConfigError, match=r"RateLimit\.key: expected a function that returns a name, got int"):
            await RateLimit(requests_per_minute=1, key=lambda call: 5)(make_call(), inner)


async def test_endpoints_have_limits_of_their_own():
    with FakeClock():
        policy, inner = RateLimit(requests_per_minute=1, max_wait=0), Inner()
        elsewhere = Target("m", base_url="https://elsewhere.test/v1", api_key="sk-canary")
        await policy(make_call("m", home="https://one.test/v1/"), inner)
        await policy(make_call("m", home="https://two.test/v1/"), inner)
        await policy(make_call(elsewhere), inner)
        await refused(policy, make_call(elsewhere), inner)
        assert policy.state(elsewhere).requests == 1
        with pytest.raises(ConfigError, match="say which is meant"):
            policy.state("m")
        assert "sk-canary" not in repr(policy._limiter.limits._lanes)


async def test_sharing_the_store_and_the_name_shares_the_limit():
    store = MemoryStore()
    with FakeClock():
        one, two = (RateLimit(requests_per_minute=1, max_wait=0, store=store) for _ in range(2))
        await one(make_call(), Inner())
        await refused(two, make_call(), Inner())
        await RateLimit(requests_per_minute=1, max_wait=0)(make_call(), Inner())


# Cancellation, loops, threads


async def test_a_call_that_is_cancelled_while_it_waits_leaves_nothing():
    policy, inner = RateLimit(max_concurrent=1), Upstream(slow)
    with FakeClock() as clock:
        tasks = [asyncio.create_task(policy(make_call(), inner)) for _ in range(3)]
        await clock.settle()
        tasks[1].cancel()
        await clock.settle()
        assert policy.state("m").waiting == 1
        await clock.run_for(20)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert inner.times == [0, 10]
        assert policy.state("m").under_way == 0


async def test_a_grant_that_meets_a_cancellation_goes_to_the_next():
    """The first has ended and rung, and the one it rang is cancelled before it has looked."""
    policy, inner = RateLimit(max_concurrent=1), Upstream(slow, "answer")
    with FakeClock() as clock:
        first, second, third = (asyncio.create_task(policy(make_call(), inner)) for _ in range(3))
        await clock.settle()
        clock.advance(10)
        for _ in range(20):
            if first.done():
                break
            await asyncio.sleep(0)
        second.cancel()
        second.cancel()
        await third
        assert clock.now() == 10


def test_one_limit_for_many_loops_and_threads():
    policy = RateLimit(max_concurrent=4, requests_per_minute=10_000)
    inside, most, lock = [0], [0], threading.Lock()

    async def work(call):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        await asyncio.sleep(0.001)
        with lock:
            inside[0] -= 1
        return Reply("answer")

    async def many():
        for _ in range(2):
            await asyncio.gather(*(policy(make_call(), work) for _ in range(10)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most[0] == 4
    state = policy.state("m")
    assert (state.under_way, state.waiting, state.requests) == (0, 0, 160)


def test_a_loop_that_ended_in_the_middle_holds_nobody_up():
    """Whoever waited there is gone; the bell passes to one who is not."""
    policy = RateLimit(max_concurrent=1)
    end = Settlement()

    async def stream(call):
        return Reply("stream", end=end)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(policy(make_call(), stream))
    waiting = loop.create_task(policy(make_call(), Inner()))
    loop.run_until_complete(asyncio.sleep(0.01))

    async def another():
        task = asyncio.create_task(policy(make_call(), Inner()))
        await asyncio.sleep(0.01)
        loop.close()
        end.settle(Settled())
        waiting.get_coro().close()
        return await asyncio.wait_for(task, 10)

    assert asyncio.run(another()).value == "answer"
    waiting._log_destroy_pending = False


# Learning from the upstream


async def test_what_the_upstream_has_left_is_what_is_sent():
    """It slows down before the upstream has to refuse."""
    policy = RateLimit(requests_per_minute=100)
    left = iter([3, 2, 1, 0, 4, 3])

    async def upstream(call):
        headers = Headers({"x-ratelimit-remaining-requests": str(next(left)), "x-ratelimit-reset-requests": "12s"})
        times.append(call.clock.now())
        return Reply("answer", raw=headers)

    times = []
    with FakeClock(auto=True):
        for _ in range(6):
            await policy(make_call(), upstream)
        assert times == [0, 0, 0, 0, 12, 12]
        assert policy.state("m").remaining == {"requests": 3}


async def test_calls_at_once_share_what_the_upstream_has_left():
    policy = RateLimit(requests_per_minute=100)
    first = Headers({"X-RateLimit-Remaining-Requests": "2", "X-RateLimit-Reset-Requests": "30s"})
    inner = Upstream(Reply("answer", raw=first), slow)
    with FakeClock(auto=True):
        await policy(make_call(), inner)
        await asyncio.gather(*(policy(make_call(), inner) for _ in range(4)))
        assert inner.times == [0, 0, 0, 30, 30]


async def test_an_older_reply_does_not_overrule_a_newer_one():
    policy = RateLimit(requests_per_minute=100)

    async def upstream(call):
        order.append(call)
        mine = len(order)
        await call.clock.sleep(10 if mine == 1 else 1)
        left = {1: "50", 2: "0"}[mine]
        return Reply(
            "x", raw=Headers({"x-ratelimit-remaining-requests": left, "x-ratelimit-reset-requests": "60"})
        )

    order = []
    with FakeClock(auto=True):
        await asyncio.gather(policy(make_call(), upstream), policy(make_call(), upstream))
        assert policy.state("m").remaining == {"requests": 0}
        assert policy.state("m").held_for == 51


async def test_tokens_that_the_upstream_has_left_are_counted_down():
    policy = RateLimit(tokens_per_minute=100_000)
    told = Headers({"x-ratelimit-remaining-tokens": "150", "x-ratelimit-reset-tokens": "6m0s"})
    inner = Upstream(Reply("answer", raw=told), "answer")
    with FakeClock(auto=True):
        for _ in range(3):
            await policy(asking(100), inner)
        assert inner.times == [0, 0, 360]


async def test_a_retry_after_holds_everybody():
    policy, inner = RateLimit(requests_per_minute=100), Upstream(http_error(429, retry_after="7"), "answer")
    with FakeClock(auto=True):
        call = make_call()
        await asyncio.gather(policy(call, inner), return_exceptions=True)
        assert policy.state("m").held_for == 7
        await asyncio.gather(*(policy(make_call(), inner) for _ in range(3)))
        assert inner.times == [0, 7, 7, 7]
        assert [(d.action, d.reason) for d in call.journal.decisions] == [("slows down", "m refused a call (429)")]
        assert call.journal.decisions[0].data == {"share": 0.5, "max_concurrent": None, "retry_after": 7}


async def test_a_long_retry_after_lets_the_chain_pass_by_until_it_is_over():
    inner = Upstream(http_error(429, retry_after="3600"), "answer")
    policy = Stack(Fallback(to=["b"]), Retry(), RateLimit(requests_per_minute=100))
    with FakeClock() as clock:
        service = policy.bind(inner)
        for _ in range(5):
            await service(make_call())
        assert inner.targets == ["m", "b", "b", "b", "b", "b"]
        assert inner.times == [0] * 6
        clock.advance(3600)
        await service(make_call())
        assert inner.targets[-1] == "m"


async def test_a_429_halves_the_pace_and_time_brings_it_back():
    policy = RateLimit(requests_per_minute=100, max_concurrent=10)
    inner = Upstream(http_error(429), "answer")
    with FakeClock() as clock:
        await asyncio.gather(policy(make_call(), inner), return_exceptions=True)
        state = policy.state("m")
        assert (state.requests_per_minute, state.max_concurrent) == (50, 5)
        seen = []
        for _ in range(6):
            clock.advance(60)
            for _ in range(12):
                await policy(make_call(), inner)
            state = policy.state("m")
            seen.append((state.requests_per_minute, state.max_concurrent))
        assert seen == [(60, 7), (70, 8), (80, 9), (90, 10), (100, 10), (100, 10)]


@pytest.mark.parametrize("error", [http_error(500), http_error(503, retry_after="30"), lost_connection()])
async def test_other_failures_do_not_slow_anything_down(error):
    policy = RateLimit(requests_per_minute=100)
    with FakeClock():
        await asyncio.gather(policy(make_call(), Upstream(error)), return_exceptions=True)
        state = policy.state("m")
        assert (state.requests_per_minute, state.held_for) == (100, 0)


async def test_what_is_at_rest_is_forgotten_when_there_are_many_targets():
    policy, inner = RateLimit(requests_per_minute=100), Upstream(http_error(429), "answer")
    with FakeClock():
        await asyncio.gather(policy(make_call("refused"), inner), return_exceptions=True)
        for n in range(1000):
            await policy(make_call(f"{n}"), inner)
        assert len(policy._paces) < 600
        assert policy.state("refused").requests_per_minute == 50


async def test_calls_refused_together_cut_once():
    policy = RateLimit(requests_per_minute=100, max_concurrent=100)

    async def busy(call):
        call.begin(Attempt(1, "m", 0.0))
        await call.clock.sleep(1)
        raise http_error(429)

    with FakeClock(auto=True) as clock:
        await asyncio.gather(*(policy(make_call(), busy) for _ in range(20)), return_exceptions=True)
        assert policy.state("m").requests_per_minute == 50
        clock.advance(1)
        await asyncio.gather(policy(make_call(), busy), return_exceptions=True)
        assert policy.state("m").requests_per_minute == 25


async def test_one_call_a_minute_is_left_whatever_happens():
    policy, inner = (
        RateLimit(requests_per_minute=3, tokens_per_minute=1000, max_concurrent=1),
        Upstream(http_error(429)),
    )
    with FakeClock() as clock:
        for _ in range(30):
            await asyncio.gather(policy(asking(900), inner), return_exceptions=True)
            clock.advance(61)
        assert len(inner.calls) == 30
        assert policy.state("m").requests_per_minute == 1


async def test_what_does_not_adapt_hears_nothing():
    policy = RateLimit(requests_per_minute=100, adaptive=False)
    told = Headers({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60"})
    inner = Upstream(http_error(429, retry_after="9"), Reply("answer", raw=told), "answer")
    with FakeClock():
        await asyncio.gather(policy(make_call(), inner), return_exceptions=True)
        for _ in range(2):
            await policy(make_call(), inner)
        assert inner.times == [0, 0, 0]
        assert policy.state("m").held_for == 0


async def test_one_models_refusals_do_not_slow_another_in_a_shared_limit():
    policy, inner = (
        RateLimit(requests_per_minute=100, key="all"),
        Upstream(http_error(429, retry_after="30"), "answer"),
    )
    with FakeClock():
        await asyncio.gather(policy(make_call("a"), inner), return_exceptions=True)
        await policy(make_call("b"), inner)
        assert policy.state("b").held_for == 0
        assert policy.state("a").held_for == 30


# Limiters of the user's own


class Gate:
    def __init__(self):
        self.passed = 0
        self.open = asyncio.Event()
        self.open.set()

    async def acquire(self):
        await self.open.wait()
        self.passed += 1


class Turnstile:
    passed = 0

    async def __aenter__(self):
        self.passed += 1

    async def __aexit__(self, *_):
        return None


@pytest.mark.parametrize("kind", [Gate, Turnstile])
async def test_a_limiter_of_the_users_own_is_passed_first(kind):
    limiter, inner = kind(), Inner()
    for _ in range(3):
        await RateLimit(limiter=limiter)(make_call(), inner)
    assert limiter.passed == len(inner.calls) == 3


async def test_aiolimiter_is_one():
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(2, 60)
    policy = RateLimit(limiter=limiter, max_concurrent=1)
    for _ in range(2):
        await policy(make_call(), Inner())
    assert not limiter.has_capacity()
    assert repr(policy).startswith("RateLimit(max_concurrent=1, limiter=")


async def test_a_limiter_that_lets_nobody_through_in_time_refuses():
    gate, inner = Gate(), Inner()
    gate.open.clear()
    with FakeClock() as clock:
        task = asyncio.create_task(refused(RateLimit(limiter=gate), make_call(deadline=5.0), inner))
        await clock.run_for(5)
        assert (await task).code == "rate_limited"
    assert inner.calls == []


async def test_a_timeout_of_the_limiters_own_is_its_own():
    class Broken:
        async def acquire(self):
            raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await RateLimit(limiter=Broken())(make_call(), Inner())


# What would happen


async def test_the_plan_says_what_would_happen_and_changes_nothing():
    policy, inner = RateLimit(requests_per_minute=1, tokens_per_minute=1000), Upstream()
    with FakeClock():
        for _ in range(3):
            plan = policy.plan(asking(10))
            assert (plan.policy, plan.action) == ("RateLimit", "sends")
            assert plan.reason == "within 1 requests a minute, 1,000 tokens a minute"
        await policy(asking(10), inner)
        plan = policy.plan(asking(10))
        assert (plan.action, plan.reason, plan.data["wait"]) == ("waits", "for 60 s", 60)
        assert policy.plan(asking(10, deadline=30.0)).action == "refuses"
        assert policy.plan(asking(1001)).action == "refuses"
        assert policy.state("m").waiting == 0


async def test_the_plan_does_not_ask_a_store_elsewhere(tmp_path):
    store = SQLiteStore(tmp_path / "state.db")
    policy = RateLimit(requests_per_minute=1, store=store)
    assert policy.plan(make_call()).action == "asks"
    state = policy.state("m")
    assert (state.requests, state.under_way, state.requests_per_minute) == (None, None, 1)
    assert not store.path.exists()


async def test_whoever_is_in_front_is_rung_wherever_their_bell_hangs():
    """Threads hang their bells in another order than they asked in; nobody waits for a delay to end."""
    policy = RateLimit(max_concurrent=1)
    bells, end, order = policy._limiter.limits.bells, Settlement(), []

    async def stream(call):
        return Reply("stream", end=end)

    async def one(name):
        await policy(make_call(), Inner())
        order.append(name)

    with FakeClock():
        await policy(make_call(), stream)
        tasks = []
        for name in ("first", "second", "third"):
            tasks.append(asyncio.create_task(one(name)))
            await asyncio.sleep(0)
        for lane, row in bells._lanes.items():
            bells._lanes[lane] = dict(reversed(row.items()))
        end.settle(Settled())
        for _ in range(50):
            await asyncio.sleep(0)
        assert order == ["first", "second", "third"]
        await asyncio.gather(*tasks)
