"""Tool loops stay where they are, and a conversation moves only for a reason."""

import pytest
from calls import http_error
from scenes import ASKED_TOOL, EASY, HARD, LOCAL, TOOL_SAID, Upstream, chosen, decision, route, said, talk

from hanzo_agents import Attempt, Fallback, Price, Stack
from hanzo_agents.routing import pii
from hanzo_agents.testing.clock import FakeClock


@pytest.fixture(autouse=True)
def clock():
    with FakeClock(auto=True) as clock:
        yield clock


LONG = "word " * 4000
"""About 5000 tokens."""


async def test_a_tool_loop_stays_with_the_model_that_asked_for_the_tools(clock):
    policy = route(strategy="latency_optimized")
    first = await chosen(policy, talk(EASY))
    for steps in range(1, 5):
        call = talk(EASY, *[ASKED_TOOL, TOOL_SAID] * steps)
        assert await chosen(policy, call) == first
        assert decision(call).data["locked"]
        assert "asked for the tools" in decision(call).reason


async def test_a_tool_loop_stays_though_its_model_fails():
    policy = route(strategy="quality_focused")
    upstream = Upstream()
    await policy(talk(HARD), upstream)
    upstream.does = {"best": http_error(503)}
    for _ in range(3):
        with pytest.raises(Exception, match="failed"):
            await policy(talk(HARD, ASKED_TOOL, TOOL_SAID), upstream)
    assert upstream.asked == ["best"] * 4


async def test_a_tool_loop_that_moved_on_by_a_chain_stays_there():
    policy = route(strategy="quality_focused")
    upstream = Upstream(best=http_error(503))
    service = Stack(policy, Fallback(to=["middle"])).bind(upstream)
    await service(talk(HARD))
    upstream.does = {}
    await service(talk(HARD, ASKED_TOOL, TOOL_SAID))
    assert upstream.asked == ["best", "middle", "middle"]


async def test_a_tool_loop_leaves_a_model_that_can_no_longer_take_it():
    policy = route([*["best", "middle"], LOCAL], local=["local"], local_for=pii, strategy="quality_focused")
    assert await chosen(policy, talk(HARD)) == "best"
    call = talk(HARD, ASKED_TOOL, {**TOOL_SAID, "content": "The address is jane@example.com"})
    assert await chosen(policy, call) == "local"


async def test_without_the_lock_each_step_is_chosen_anew():
    policy = route(strategy="latency_optimized", lock=False, margin=0)
    steps = [await chosen(policy, talk(EASY, *[ASKED_TOOL, TOOL_SAID] * n)) for n in range(3)]
    assert len(set(steps)) == 3


async def test_loops_of_different_conversations_do_not_meet():
    policy = route(strategy="balanced")
    assert await chosen(policy, talk(HARD)) == "best"
    assert await chosen(policy, talk(EASY)) == "small"
    assert await chosen(policy, talk(EASY, ASKED_TOOL, TOOL_SAID)) == "small"
    assert await chosen(policy, talk(HARD, ASKED_TOOL, TOOL_SAID)) == "best"


async def test_an_easy_word_in_a_hard_task_stays_with_the_good_model():
    policy = route()
    assert await chosen(policy, talk(HARD)) == "best"
    assert await chosen(policy, talk(HARD, said("Here is a draft."), "commit it")) == "best"


async def test_a_hard_question_moves_a_conversation_up():
    policy = route()
    assert await chosen(policy, talk(EASY)) == "small"
    assert await chosen(policy, talk(EASY, said("Canberra."), HARD)) == "best"


async def test_moving_a_long_conversation_pays_for_the_lost_cache():
    """A cheaper model is not cheaper when it must read anew what the dear one has in its cache."""
    prices = {"best": Price(input=3, output=3, cached_input="0.3"), "middle": Price(input=1, output=3)}
    history = [HARD + LONG, said("Done.")]
    # Where the conversation is decides, nothing else: the same turn with and without a memory of it.
    forgetful = route(["best", "middle"], prices=prices, strategy="cost_optimized", margin=0)
    there = route(["best", "middle"], prices=prices, strategy="cost_optimized", margin=0, quality=0.85)
    assert await chosen(there, talk(history[0])) == "best"
    forgetful.memory.places.put(there._chooser.choose(talk(history[0])).turn.keys, forgetful.to[0].name, 0.0)
    assert await chosen(forgetful, talk(*history, EASY)) == "best"
    assert (
        await chosen(route(["best", "middle"], prices=prices, strategy="cost_optimized"), talk(*history, EASY))
        == "middle"
    )


async def test_a_cache_that_has_gone_cold_keeps_nobody(clock):
    prices = {"best": Price(input=3, output=3, cached_input="0.3"), "middle": Price(input=1, output=3)}
    policy = route(["best", "middle"], prices=prices, strategy="cost_optimized", margin=0)
    history = [HARD + LONG, said("Done.")]
    policy.memory.places.put(policy._chooser.choose(talk(history[0])).turn.keys, policy.to[0].name, clock.now())
    clock.advance(301)
    assert await chosen(policy, talk(*history, EASY)) == "middle"


async def test_a_small_advantage_moves_nobody():
    prices = {"best": Price(input="1.05", output="1.05"), "middle": Price(input=1, output=1)}
    moving, staying = [route(["best", "middle"], prices=prices, margin=margin) for margin in (0, 0.1)]
    for policy in (moving, staying):
        policy.memory.places.put(policy._chooser.choose(talk(EASY)).turn.keys, policy.to[0].name, 0.0)
    turn = [EASY, said("Canberra."), "And of Peru?"]
    assert await chosen(moving, talk(*turn)) == "middle"
    assert await chosen(staying, talk(*turn)) == "best"


async def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("hanzo_agents.routing.memory.MOST_PLACES", 10)
    policy = route()
    for number in range(50):
        await chosen(policy, talk(f"{EASY} {number}"))
    assert len(policy.memory.places._places) == 10


async def test_a_run_that_leans_on_state_stays_where_it_began():
    policy = route(alias="auto")
    first = talk(HARD, target="auto")
    second = talk(EASY, target="auto", pinned=True)
    for call in (first, second):
        call.journal.run = "run-1"
    assert await chosen(policy, first) == "best"
    assert await chosen(policy, second) == "best"
    assert "leans on state" in decision(second).reason


async def test_a_stream_that_breaks_in_its_middle_is_a_failure():
    from calls import Script

    policy = route(["best", "middle"], strategy="quality_focused")

    async def broken(call):
        reply = await Script([("a", True)], end=http_error(503)).open(call.clock)
        reply.attempt = Attempt(1, str(call.target), call.clock.now())
        return reply

    for _ in range(2):
        reply = await policy(talk(HARD), broken)
        with pytest.raises(Exception, match="failed"):
            [event async for event in reply.value]
    assert await chosen(policy, talk(HARD)) == "middle"


async def test_a_history_that_was_shortened_within_a_run_keeps_its_place():
    policy = route()
    long = talk(EASY, said("Canberra."), HARD)
    short = talk("In short: we are at the proof.", ASKED_TOOL, TOOL_SAID)
    for call in (long, short):
        call.journal.run = "run-1"
    assert await chosen(policy, long) == await chosen(policy, short) == "best"
