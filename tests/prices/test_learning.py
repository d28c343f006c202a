"""Asking a router for its prices: seldom, once for everybody, and never for long."""

import asyncio
import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hanzo_agents import Price
from hanzo_agents._kernel import asking
from hanzo_agents.prices import learned
from hanzo_agents.prices.learned import Endpoint, Endpoints
from hanzo_agents.prices.pages import read_page
from hanzo_agents.prices.price import Dearest, Limited
from hanzo_agents.prices.public import PUBLIC
from hanzo_agents.testing.clock import FakeClock


def page(**prices):
    costs = {
        name: {"input_cost_per_token": price, "output_cost_per_token": price} for name, price in prices.items()
    }
    return {"data": [{"model_name": name, "model_info": info} for name, info in costs.items()]}


ONE = page(m=1e-6)
AT_ONE = Price(input=1, output=1)


class Router:
    """A page that is handed out when `open` is set, and counts who asked."""

    def __init__(self, *answers):
        self.answers = list(answers) or [ONE]
        self.hits = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self):
        answer = self.answers[min(self.hits, len(self.answers) - 1)]
        self.hits += 1
        await self.open.wait()
        if isinstance(answer, BaseException):
            raise answer
        return answer and read_page(answer)


@pytest.fixture
def endpoint():
    return Endpoint("https://user:sk-secret@router.test/v1")


async def test_before_asking_the_public_list_is_known_and_after_it_the_router(endpoint):
    assert endpoint.known("m") is None
    assert endpoint.known("gpt-4o") == PUBLIC.of("gpt-4o")
    await endpoint.learn(Router(page(m=1e-6, **{"gpt-4o": 5e-6})))
    assert endpoint.known("m") == AT_ONE
    assert endpoint.known("gpt-4o") == Price(input=5, output=5)
    assert endpoint.known("gpt-4") == PUBLIC.of("gpt-4")
    assert endpoint.known("") is None


async def test_a_page_is_fresh_for_some_minutes_and_stays_known_after_that(endpoint):
    router = Router(ONE, page(m=2e-6))
    with FakeClock() as clock:
        for _ in range(3):
            await endpoint.learn(router)
        clock.advance(asking.REMEMBERED - 1)
        await endpoint.learn(router)
        assert router.hits == 1
        clock.advance(2)
        assert endpoint.known("m") == AT_ONE
        await endpoint.learn(router)
    assert router.hits == 2
    assert endpoint.known("m") == Price(input=2, output=2)


@pytest.mark.parametrize(
    "failure", [OSError("reset"), TimeoutError(), ValueError(), {"data": "nonsense"}, {"error": "no"}], ids=repr
)
async def test_a_failure_means_unknown_and_is_remembered_for_a_minute(endpoint, failure, caplog):
    router = Router(failure, failure, ONE)
    with FakeClock() as clock:
        for _ in range(3):
            await endpoint.learn(router)
        assert (router.hits, endpoint.known("m")) == (1, None)
        clock.advance(asking.FAILURE_REMEMBERED + 1)
        await endpoint.learn(router)
        clock.advance(asking.FAILURE_REMEMBERED + 1)
        await endpoint.learn(router)
    assert (router.hits, endpoint.known("m")) == (3, AT_ONE)
    assert len(caplog.records) == 1  # once an outage
    assert "router.test does not tell the prices" in caplog.text
    assert "sk-secret" not in caplog.text


async def test_after_a_failure_the_last_page_still_holds(endpoint):
    router = Router(ONE, OSError())
    with FakeClock() as clock:
        await endpoint.learn(router)
        clock.advance(asking.REMEMBERED + 1)
        await endpoint.learn(router)
    assert (router.hits, endpoint.known("m")) == (2, AT_ONE)


async def test_a_router_without_a_page_has_answered(endpoint, caplog):
    router = Router(None)
    with FakeClock() as clock:
        await endpoint.learn(router)
        clock.advance(asking.FAILURE_REMEMBERED + 1)
        await endpoint.learn(router)
    assert (router.hits, endpoint.known("m"), caplog.records) == (1, None, [])


async def test_a_router_that_hangs_holds_nobody_longer_than_two_seconds(endpoint):
    router = Router()
    router.open.clear()
    with FakeClock() as clock:
        callers = [asyncio.create_task(endpoint.learn(router)) for _ in range(5)]
        await clock.run_for(asking.PATIENCE - 0.1)
        assert not any(caller.done() for caller in callers)
        late = asyncio.create_task(endpoint.learn(router))
        await clock.run_for(0.2)
        await asyncio.gather(*callers, late)
        await endpoint.learn(router)
    assert (router.hits, clock.waiting, endpoint.known("m")) == (1, 0, None)


async def test_whoever_takes_over_late_from_one_that_left_does_not_speak_for_the_router(endpoint):
    router = Router()
    router.open.clear()
    with FakeClock() as clock:
        first = asyncio.create_task(endpoint.learn(router))
        await clock.run_for(0.1)
        second = asyncio.create_task(endpoint.learn(router))
        await clock.run_for(1.7)
        first.cancel()
        await clock.run_for(1)
        assert second.done()
        assert router.hits == 2
        router.open.set()
        await endpoint.learn(router)  # it had a third of a second to answer: it is asked again
    assert (router.hits, endpoint.known("m")) == (3, AT_ONE)


async def test_a_thousand_callers_ask_once(endpoint):
    router = Router()
    router.open.clear()
    callers = [asyncio.create_task(endpoint.learn(router)) for _ in range(1000)]
    await asyncio.sleep(0)
    router.open.set()
    await asyncio.gather(*callers)
    assert (router.hits, endpoint.known("m")) == (1, AT_ONE)


@pytest.mark.parametrize("leavers", [1, 2, 5])
async def test_one_that_is_cancelled_hands_over(endpoint, leavers):
    router = Router()
    router.open.clear()
    with FakeClock():
        callers = [asyncio.create_task(endpoint.learn(router)) for _ in range(8)]
        for caller in callers[:leavers]:
            for _ in range(5):
                await asyncio.sleep(0)
            caller.cancel()
            caller.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        router.open.set()
        results = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True] * leavers + [False] * (
        8 - leavers
    )
    assert (router.hits, endpoint.known("m")) == (leavers + 1, AT_ONE)


async def test_one_that_waits_and_leaves_takes_nothing_from_the_others(endpoint):
    router = Router()
    router.open.clear()
    leader, leaver, other = [asyncio.create_task(endpoint.learn(router)) for _ in range(3)]
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.sleep(0)
    router.open.set()
    await asyncio.gather(leader, other)
    assert leaver.cancelled()
    assert (router.hits, endpoint.known("m")) == (1, AT_ONE)


def test_callers_in_many_threads_with_loops_of_their_own_ask_once(endpoint):
    asked, gate, ready = [], threading.Event(), threading.Barrier(9)

    async def ask():
        asked.append(threading.get_ident())
        await asyncio.to_thread(gate.wait, 10)
        return read_page(ONE)

    def caller():
        ready.wait(10)
        asyncio.run(endpoint.learn(ask))
        return endpoint.known("m")

    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(caller) for _ in range(8)]
        ready.wait(10)
        gate.set()
        assert [each.result(10) for each in callers] == [AT_ONE] * 8
    assert len(asked) == 1


def test_a_leader_whose_loop_died_is_replaced(endpoint):
    router_never = asyncio.Event

    async def never():
        await router_never().wait()

    loop = asyncio.new_event_loop()
    leader = endpoint.learn(never)
    task = loop.create_task(leader)
    loop.run_until_complete(asyncio.sleep(0))
    with FakeClock(start=1e9):  # far beyond the two seconds that the dead one had
        asyncio.run(endpoint.learn(Router()))
    assert endpoint.known("m") == AT_ONE
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert endpoint.known("m") == AT_ONE
    gc.collect()


async def test_of_several_deployments_the_dearest_counts(endpoint):
    entries = page(a=1e-6)["data"] + page(a=3e-6)["data"]
    await endpoint.learn(Router({"data": [*entries, *page(b=2e-6)["data"] * 2, *page(c=2e-6)["data"],
                                          {"model_name": "c", "litellm_params": {"model": "openai/nobody"}}]}))  # fmt: skip
    assert endpoint.known("a") == Dearest((AT_ONE, Price(input=3, output=3)))
    assert endpoint.known("b") == Price(input=2, output=2)
    assert endpoint.known("c") is None  # one of the two may answer, and nobody knows its price


async def test_what_the_page_leaves_out_the_public_list_may_know_by_the_upstreams_name(endpoint):
    entry = {
        "model_name": "fast",
        "litellm_params": {"model": "openai/gpt-4o-mini"},
        "model_info": {
            "key": "x",
            "input_cost_per_token": 0,
            "output_cost_per_token": 0,
            "max_output_tokens": 16384,
        },
    }
    await endpoint.learn(Router({"data": [entry]}))
    assert endpoint.known("fast") == Limited(PUBLIC.of("gpt-4o-mini"), 16384)


async def test_no_more_names_are_remembered_than_fit(endpoint, monkeypatch):
    monkeypatch.setattr(learned, "MOST_NAMES", 2)
    await endpoint.learn(Router(page(**{f"m{number}": 1e-6 for number in range(9)})))
    assert all(endpoint.known(f"m{number}") == AT_ONE for number in range(9))
    assert len(endpoint._resolved) <= 2


def test_one_endpoint_for_each_identity():
    endpoints = Endpoints()
    one = endpoints.of(("https://a", "sk-1"), "https://a")
    assert endpoints.of(("https://a", "sk-1"), "https://a") is one
    assert endpoints.of(("https://a", "sk-2"), "https://a") is not one
    assert "sk-1" not in repr(endpoints) + repr(one)


def test_the_log_is_the_packages():
    assert learned._logger is logging.getLogger("hanzo_agents")
