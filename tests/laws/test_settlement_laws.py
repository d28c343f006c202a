"""A reply is settled exactly once, whatever ends it: nothing is forgotten, nothing booked twice."""

import asyncio
import gc
from decimal import Decimal

import httpx2
import pytest
from calls import Script, read
from hypothesis import given, settings
from hypothesis import strategies as st
from upstream import (
    HANG,
    HELLO,
    ROLE,
    Upstream,
    chunk,
    completion,
    response,
    response_events,
    sse,
    text_chunks,
    value,
)

from hanzo_agents import Reply, Settled, Stack, StreamTruncated, track, wrap
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Settlement
from hanzo_agents.testing.clock import FakeClock


class Settlements:
    """A policy that writes down every settlement of every reply that passes."""

    def __init__(self):
        self.seen = []
        self.replies = 0

    async def __call__(self, call, send):
        reply = await send(call)
        self.replies += 1
        reply.on_settled(self.seen.append)
        return reply


async def to_the_end(stream):
    await read(stream)


async def break_and_close(stream):
    async for _ in stream:
        break
    await stream.close()


async def close_twice(stream):
    await stream.close()
    await stream.close()


async def leave_the_block(stream):
    async with stream:
        await anext(stream)


async def cancel(stream, times=1):
    reading = asyncio.Event()

    async def reader():
        async for _ in stream:
            reading.set()

    task = asyncio.create_task(reader())
    await reading.wait()
    for _ in range(times):
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_twice(stream):
    """As the SDK does at `ModelSettings.timeout`."""
    await cancel(stream, times=2)


async def never_read(stream):
    del stream


async def read_after_the_end(stream):
    await to_the_end(stream)
    await to_the_end(stream)
    await stream.close()


async def close_the_response(stream):
    """What the SDK's `.stream()` helpers do."""
    await anext(stream)
    await stream.response.aclose()


ENDINGS = [
    to_the_end,
    break_and_close,
    close_twice,
    leave_the_block,
    cancel,
    cancel_twice,
    never_read,
    read_after_the_end,
    close_the_response,
]
STREAMS = {
    "whole": lambda: sse(*text_chunks("a", "b")),
    "without usage": lambda: sse(*text_chunks("a", "b", usage=None)),
    "cut": lambda: sse(ROLE, chunk({"content": "a"}), done=False),
    "broken": lambda: sse(ROLE, chunk({"content": "a"}), httpx2.ReadError("reset")),
    "hanging": lambda: sse(ROLE, chunk({"content": "a"}), HANG),
}


WAYS = [
    (ending, stream)
    for ending in ENDINGS
    for stream in STREAMS
    # A hanging stream never ends by itself, and the others are over before they can be cancelled.
    if ending not in ({to_the_end, read_after_the_end} if stream == "hanging" else {cancel, cancel_twice})
]


@pytest.mark.parametrize(("ending", "stream"), WAYS, ids=lambda way: getattr(way, "__name__", way))
async def test_a_stream_of_the_client_settles_once(ending, stream):
    reply = STREAMS[stream]()
    upstream, settlements = Upstream(reply), Settlements()
    client = upstream.client(policies=Stack(settlements))
    with track() as journals:
        await ending(await client.chat.completions.create(messages=[HELLO], stream=True))
    gc.collect()
    await asyncio.sleep(0)
    assert len(settlements.seen) == settlements.replies == 1
    (settled,) = settlements.seen
    whole = stream in {"whole", "without usage"} and ending in {to_the_end, read_after_the_end}
    assert settled.complete is whole
    assert settled.usage is not None, "what was used is booked, reported or estimated"
    assert (settled.usage.basis == "reported") is (stream == "whole" and whole)
    (journal,) = journals
    assert journal.ended is not None
    assert [attempt.ended is not None for attempt in journal.attempts] == [True]
    if ending is not never_read:
        assert reply.extensions["body"].closed, "the connection is given back"


@pytest.mark.parametrize("stream", ["cut", "broken"])
async def test_the_error_that_ended_a_stream_is_in_its_settlement(stream):
    upstream, settlements = Upstream(STREAMS[stream]()), Settlements()
    client = upstream.client(policies=Stack(settlements))
    events = await client.chat.completions.create(messages=[HELLO], stream=True)
    _, error = await read(events)
    assert error is not None
    assert [settled.error for settled in settlements.seen] == [error]


async def test_a_stream_closed_early_is_no_error():
    upstream, settlements = Upstream(STREAMS["whole"]()), Settlements()
    client = upstream.client(policies=Stack(settlements))
    await break_and_close(await client.chat.completions.create(messages=[HELLO], stream=True))
    assert [(settled.error, settled.complete) for settled in settlements.seen] == [(None, False)]


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_value_is_settled_when_it_arrives_with_what_it_cost(api):
    reply = value(completion() if api == "chat" else response(), x_litellm_response_cost="0.25")
    upstream, settlements = Upstream(reply), Settlements()
    client = upstream.client(policies=Stack(settlements))
    if api == "chat":
        await client.chat.completions.create(messages=[HELLO])
    else:
        await client.responses.create(input="Hello!")
    (settled,) = settlements.seen
    assert settled.complete
    assert (settled.usage.input_tokens, settled.usage.output_tokens) == (3, 2)
    assert (settled.cost.amount, settled.cost.basis) == (Decimal("0.25"), "reported")


async def test_a_responses_stream_settles_with_the_usage_of_its_last_event():
    upstream, settlements = Upstream(sse(*response_events(), done=False)), Settlements()
    client = upstream.client(policies=Stack(settlements))
    await to_the_end(await client.responses.create(input="Hello!", stream=True))
    (settled,) = settlements.seen
    assert (settled.complete, settled.usage.basis, settled.usage.total_tokens) == (True, "reported", 5)


@pytest.mark.parametrize("reads", [0, 1, 2])
async def test_a_stream_at_the_model_seam_that_a_policy_drops_is_settled_too(reads):
    """A hedge takes one of two accepted replies and drops the other: nobody may forget that it was paid."""
    from agents import ModelSettings, ModelTracing
    from agents.testing import ScriptedModel, assistant_message

    settlements = Settlements()

    async def sends_twice(call, send):
        first = await send(call)
        for _ in range(reads):
            await anext(first.value)
        if reads:
            await first.value.aclose()
        del first
        return await send(call)

    model = wrap(
        ScriptedModel([[assistant_message("a")], [assistant_message("b")]]), Stack(sends_twice, settlements)
    )
    events = model.stream_response(
        None, "Hello!", ModelSettings(), [], None, [], ModelTracing.DISABLED,
        previous_response_id=None, conversation_id=None, prompt=None,
    )  # fmt: skip
    await read(events)
    gc.collect()
    await asyncio.sleep(0)
    assert [settled.complete for settled in settlements.seen] == [False, True]


@given(st.permutations(range(5)), st.integers(0, 5))
def test_hooks_run_once_last_in_first_out_and_at_once_when_the_reply_has_ended(order, before):
    ran = []
    reply = Reply("x", end=(end := Settlement()))
    for name in order[:before]:
        reply.on_settled(lambda settled, name=name: ran.append((name, settled)))
    first, second = Settled(), Settled(error=ValueError())
    end.settle(first)
    end.settle(second)
    for name in order[before:]:
        reply.on_settled(lambda settled, name=name: ran.append((name, settled)))
    assert ran == [(name, first) for name in [*reversed(order[:before]), *order[before:]]]
    assert reply.settled is first


def test_a_hook_that_fails_is_logged_and_the_others_run(caplog):
    ran = []

    def broken(_):
        raise ZeroDivisionError

    reply = Reply("x", end=(end := Settlement()))
    reply.on_settled(ran.append)
    reply.on_settled(broken)
    end.settle(Settled())
    assert len(ran) == 1
    assert "a settlement hook failed" in caplog.text


def test_a_hook_added_by_a_hook_runs_too():
    ran = []
    reply = Reply("x", end=(end := Settlement()))
    reply.on_settled(lambda _: reply.on_settled(ran.append))
    end.settle(Settled())
    assert len(ran) == 1


@settings(max_examples=50)
@given(
    st.lists(st.booleans(), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from(["end", "close", "cancel", "drop"]),
    st.integers(0, 5),
)
def test_every_primed_stream_settles_once_and_is_closed(useful, fails, leaving, reads):
    async def run():
        end = StreamTruncated("cut") if fails else None
        script = Script([(i, is_useful) for i, is_useful in enumerate(useful)], end)
        seen = []
        try:
            reply = await script.open(FakeClock())
        except StreamTruncated:
            assert script.closed == 1
            return
        reply.on_settled(seen.append)
        events = reply.value
        for _ in range(min(reads, len(useful))):
            await anext(events)
        if leaving == "end":
            await read(events)
        elif leaving == "cancel":
            task = asyncio.create_task(read(events))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if leaving != "drop":
            await events.aclose()
        del events, reply
        if leaving == "drop":
            gc.collect()
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(seen) == 1
        # Who drops a stream leaves no loop to close it on: the connection goes with its own generator.
        assert script.closed or leaving == "drop"

    asyncio.run(run())


async def test_the_release_of_a_connection_survives_being_cancelled_twice():
    released = []
    finish = asyncio.Event()

    async def batches():
        yield True, ["a"]
        await asyncio.Event().wait()

    async def close():
        await finish.wait()
        released.append(True)

    primed = Primed(batches(), close=close, finished=lambda *_: None)
    await primed.prime()
    task = asyncio.create_task(read(primed))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    finish.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert released == [True]
