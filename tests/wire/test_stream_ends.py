"""Where a stream ends: an answer that is whole ends well, however its connection does."""

import asyncio
import json

import httpx2
import pytest
from calls import read
from upstream import HANG, HELLO, ROLE, Upstream, chunk, response_events, sse, text_chunks

from hanzo_agents import Deadline, StreamTruncated, track
from hanzo_agents._wire import stream as stream_module


async def texts(client, **more):
    return [
        c.choices[0].delta.content
        async for c in await client.chat.completions.create(messages=[HELLO], stream=True, **more)
        if c.choices
    ]


def unended(event):
    """An event without the empty line that ends one."""
    return b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode())


WHOLE = {
    "the finish": [ROLE, chunk({"content": "a"}), unended(chunk(finish="stop"))],
    "the usage": [ROLE, chunk({"content": "a"}), chunk(finish="stop"), unended(chunk(choices=[], usage=(3, 2)))],
    "[DONE]": [*text_chunks("a"), unended(b"[DONE]")],
    "half a usage chunk": [ROLE, chunk({"content": "a"}), chunk(finish="stop"), b'data: {"choices": [], "usa'],
    "a line break": [ROLE, chunk({"content": "a"}), unended(chunk(finish="stop")) + b"\n"],
}


@pytest.mark.parametrize("events", WHOLE.values(), ids=WHOLE)
async def test_the_last_event_may_lack_its_end(events):
    with track() as journals:
        got = await texts(Upstream(sse(*events, done=False)).client(policies=[]))
    assert "".join(text or "" for text in got) == "a"
    assert journals[0].error is None
    assert journals[0].attempts[0].usage is not None


async def test_so_may_the_last_event_of_a_response():
    *events, last = response_events()
    client = Upstream(sse(*events, unended(last), done=False)).client(policies=[])
    got = [event async for event in await client.responses.create(input="x", stream=True)]
    assert got[-1].type == "response.completed"


@pytest.mark.parametrize(
    "last", [chunk({"content": "b"}), b'{"choices": [{"index": 0, "finish_rea', chunk({"role": "assistant"})], ids=["content", "half", "role"]
)  # fmt: skip
async def test_an_event_that_ends_nothing_does_not_count(last):
    client = Upstream(sse(ROLE, chunk({"content": "a"}), unended(last), done=False)).client(policies=[])
    got, error = await read(await client.chat.completions.create(messages=[HELLO], stream=True))
    assert [c.choices[0].delta.content for c in got] == ["", "a"]
    assert isinstance(error, StreamTruncated)


async def test_half_an_event_alone_commits_nothing():
    upstream = Upstream(sse(ROLE, unended(chunk({"content": "a"})), done=False), sse(*text_chunks("b")))
    got = await texts(upstream.client(policies=[], fallbacks=["other"]))
    assert "".join(text or "" for text in got) == "b"
    assert upstream.hits == 2


@pytest.mark.parametrize("usage", [(3, 2), None], ids=["usage", "none"])
async def test_a_whole_answer_on_an_open_connection_ends_well_under_a_short_idle_time(monkeypatch, usage):
    monkeypatch.setattr(stream_module, "GRACE", 0.05)
    upstream = Upstream(sse(*text_chunks("a", usage=usage), HANG, done=False))
    with track() as journals:
        got = await texts(upstream.client(policies=[Deadline(idle=0.02)]))
    assert "".join(text or "" for text in got) == "a"
    assert journals[0].error is None
    assert upstream.replies[0].extensions["body"].closed


async def test_nobody_waits_longer_for_the_rest_than_for_the_answer(monkeypatch):
    waited = []
    real = asyncio.timeout
    monkeypatch.setattr(stream_module.asyncio, "timeout", lambda delay: waited.append(delay) or real(0))
    await texts(
        Upstream(sse(*text_chunks("a", usage=None), HANG, done=False)).client(policies=[Deadline(idle=0.5)])
    )
    assert 0.5 in waited
    assert stream_module.GRACE not in waited


async def test_a_deadline_that_passes_after_the_answer_spoils_nothing(monkeypatch):
    monkeypatch.setattr(stream_module, "GRACE", 0.05)
    upstream = Upstream(sse(*text_chunks("a", usage=None), HANG, done=False))
    got = await texts(upstream.client(policies=[Deadline(total=0.04, idle=None)]))
    assert "".join(text or "" for text in got) == "a"


async def test_a_connection_that_breaks_after_the_answer_spoils_nothing():
    upstream = Upstream(sse(*text_chunks("a"), httpx2.ReadError("reset"), done=False))
    with track() as journals:
        await texts(upstream.client(policies=[]))
    assert journals[0].error is None
