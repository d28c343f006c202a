"""The commit point: before the first useful event anything may be tried again, after it nothing is replayed."""

import asyncio
import warnings

import httpx2
from calls import Script, make_call, read
from hypothesis import given, settings
from hypothesis import strategies as st
from upstream import ROLE, Upstream, chunk, sse

from hanzo_agents import Deadline, Fallback, InvalidResponse, Retry, Stack, StreamTruncated, Trace, track
from hanzo_agents._kernel.primed import Primed
from hanzo_agents.testing.clock import FakeClock

BROKEN = InvalidResponse("broken")


@st.composite
def scripts(draw):
    """One attempt: held events, perhaps useful ones after them, and perhaps a failure anywhere."""
    held = draw(st.integers(0, 3))
    useful = draw(st.integers(0, 4))
    events = [(f"held{i}", False) for i in range(held)] + [
        (f"useful{i}", i == 0 or draw(st.booleans())) for i in range(useful)
    ]
    fails_at = draw(st.none() | st.integers(0, len(events)))
    return events if fails_at is None else events[:fails_at], None if fails_at is None else BROKEN


@given(
    st.lists(scripts(), min_size=1, max_size=6),
    st.permutations([Retry(attempts=3, budget=None), Fallback(to=["b", "c"]), Deadline(), Trace(to=())]),
    st.integers(0, 4),
)
def test_the_reader_gets_one_attempt_whole_and_nothing_is_sent_after_it_committed(plans, policies, size):
    async def run():
        opened = []

        async def send(call):
            events, end = plans[min(len(opened), len(plans) - 1)]
            opened.append(Script(events, end))
            return await opened[-1].open(call.clock)

        with FakeClock(auto=True):
            try:
                reply = await _quiet_stack(policies[:size]).bind(send)(make_call())
            except Exception as error:
                return opened, None, error
            at_acceptance = len(opened)
            got, error = await read(reply.value)
            assert len(opened) == at_acceptance
            return opened, got, error

    opened, got, error = asyncio.run(run())
    committed = [any(useful for _, useful in script.events) for script in opened]
    assert all(script.closed == 1 for script in opened)
    if got is None:
        assert not any(committed)
        assert error is not None
        return
    # Everything before the accepted attempt failed before its commit point, and of it nothing was seen.
    assert committed == [False] * (len(opened) - 1) + [True]
    accepted = opened[-1]
    assert got == [name for name, _ in accepted.events]
    assert error is accepted.end


def _quiet_stack(policies):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Stack(*policies)


WHOLE = [
    ROLE,
    chunk({"content": "It "}),
    chunk({"content": "works"}),
    chunk(finish="stop"),
    chunk(choices=[], usage=(3, 2)),
]
ENDINGS = {
    "cut": [],
    "cut inside an event": [b'data: {"id": "chatcmpl-1", "cho'],
    "cut inside UTF-8": [b'data: {"id": "caf\xc3'],
    "error event": [{"error": {"message": "overloaded", "type": "overloaded_error"}}],
    "connection lost": [httpx2.ReadError("reset")],
    "peer closed": [httpx2.RemoteProtocolError("peer closed connection")],
    "done too early": [b"data: [DONE]\n\n"],
    "not an object": [b"data: [1]\n\n"],
}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(sorted(ENDINGS))), max_size=4),
    st.booleans(),
)
def test_on_the_wire_a_stream_is_replayed_before_its_first_content_and_never_after(failures, falls_back):
    """The same law through the client: streams of Chat Completions, broken at each event in each way."""
    replies = [sse(*WHOLE[:at], *ENDINGS[how], done=False) for at, how in failures]
    upstream = Upstream(*replies, sse(*WHOLE))
    policies = [Retry(attempts=2, base_delay=0, budget=None)]

    async def run():
        client = upstream.client(policies=policies, fallbacks=["b"] if falls_back else ())
        with track() as journals:
            try:
                stream = await client.chat.completions.create(
                    messages=[{"role": "user", "content": "?"}], stream=True
                )
            except Exception as error:
                return None, error, upstream.hits, journals[0]
            hits = upstream.hits
            chunks, error = await read(stream)
            return [c.choices[0].delta.content for c in chunks if c.choices], error, hits, journals[0]

    texts, error, hits, journal = asyncio.run(run())
    assert upstream.hits == hits, "something was sent after acceptance"
    allowed = 4 if falls_back else 2
    first_committed = next((i for i, (at, _) in enumerate(failures) if at >= 2), len(failures))
    if first_committed >= allowed:
        assert texts is None
        assert upstream.hits == allowed
    elif first_committed < len(failures):
        at, how = failures[first_committed]
        assert upstream.hits == first_committed + 1
        assert texts == ["", "It ", "works"][:at]
        assert error is not None, how
        assert isinstance(error, InvalidResponse | StreamTruncated) or type(error).__name__ == "APIConnectionError"
    else:
        assert (texts, error) == (["", "It ", "works", None], None)
    assert len(journal.attempts) == upstream.hits
    assert all(reply.extensions["body"].closed for reply in replies[: upstream.hits])


@given(st.lists(st.booleans(), max_size=6))
def test_what_came_before_the_first_useful_event_is_handed_on_with_it(useful):
    async def run():
        script = Script([(i, is_useful) for i, is_useful in enumerate(useful)])
        try:
            reply = await script.open(FakeClock())
        except StreamTruncated:
            return None
        return await read(reply.value)

    outcome = asyncio.run(run())
    assert outcome == (None if not any(useful) else (list(range(len(useful))), None))


async def test_nothing_is_read_ahead_of_the_reader():
    pulled = []

    async def batches():
        for number in range(5):
            pulled.append(number)
            yield number == 1, [number]

    source = batches()
    primed = Primed(source, close=source.aclose, finished=lambda *_: None)
    await primed.prime()
    assert pulled == [0, 1]
    events = primed
    assert [await anext(events), await anext(events)] == [0, 1]
    assert pulled == [0, 1]
    await events.aclose()
