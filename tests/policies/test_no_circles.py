"""What a call took is freed when it ends: no circle keeps it, with its answer, until the garbage collector comes."""

import gc
import weakref

import pytest
from calls import Inner, make_call

from hanzo_agents import Breaker, Budget, Fallback, Hedge, MemoryStore, Price, RateLimit, Retry, Stack


@pytest.fixture
def uncollected():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def whole_stack(inner):
    store = MemoryStore()
    stack = Stack(
        Fallback(to=["other"]),
        Retry(base_delay=0),
        Hedge(after=30),
        Budget(per_call=1, daily=1000, store=store, prices={"m": Price(input=1, output=1)}, allow_unpriced=True),
        Breaker(store=store),
        RateLimit(requests_per_minute=1000, tokens_per_minute=10_000_000, max_concurrent=9, store=store),
    )
    return stack.bind(inner)


class Answer:
    """Something that can be missed."""


async def test_an_answer_is_free_when_its_caller_lets_it_go(uncollected):
    send = whole_stack(Inner(lambda call: Answer()))
    answer = await send(make_call("m"))
    left = weakref.ref(answer.value)
    del answer
    assert left() is None


async def test_so_is_the_journal_of_a_call(uncollected):
    call = make_call("m")
    left = weakref.ref(call.journal)
    inner = Inner("answer")
    await whole_stack(inner)(call)
    inner.calls.clear()
    del call
    assert left() is None
