"""`options` and `quality_threshold`: every method that makes a call takes them, and none sends them."""

import asyncio
import json

import pytest
from pydantic import BaseModel
from upstream import HELLO, KEY, URL, Upstream, completion, response, response_events, sse, text_chunks

from hanzo_agents import AsyncHanzo, ConfigError, Hanzo
from hanzo_agents.routing import RoutingStrategy


class City(BaseModel):
    name: str


class ByRole(RoutingStrategy):
    def select_model(self, messages, options):
        return options.get("role", "nobody")


SAID = '{"name": "Rome"}'


def answer(request):
    if request.method == "GET":
        return {"object": "list", "data": []}
    body = json.loads(request.content)
    if request.url.path.endswith("/responses"):
        return sse(*response_events(text=SAID)) if body.get("stream") else response(text=SAID)
    return sse(*text_chunks(SAID)) if body.get("stream") else completion(SAID)


def events(stream):
    with stream as opened:
        return list(opened)


WAYS = {
    "create": lambda c, **w: c.chat.completions.create(messages=[HELLO], **w),
    "create streamed": lambda c, **w: list(c.chat.completions.create(messages=[HELLO], stream=True, **w)),
    "raw": lambda c, **w: c.chat.completions.with_raw_response.create(messages=[HELLO], **w),
    "parse": lambda c, **w: c.chat.completions.parse(messages=[HELLO], response_format=City, **w),
    "stream": lambda c, **w: events(c.chat.completions.stream(messages=[HELLO], response_format=City, **w)),
    "responses": lambda c, **w: c.responses.create(input="x", **w),
    "responses.parse": lambda c, **w: c.responses.parse(input="x", text_format=City, **w),
    "responses.stream": lambda c, **w: events(c.responses.stream(input="x", text_format=City, **w)),
    "batch_create": lambda c, **w: list(c.chat.completions.batch_create([HELLO], **w)),
}


async def aevents(stream):
    async with stream as opened:
        return [event async for event in opened]


async def collected(chunks):
    return [chunk async for chunk in await chunks]


ASYNC_WAYS = {
    "create": WAYS["create"],
    "create streamed": lambda c, **w: collected(c.chat.completions.create(messages=[HELLO], stream=True, **w)),
    "raw": WAYS["raw"],
    "parse": WAYS["parse"],
    "stream": lambda c, **w: aevents(c.chat.completions.stream(messages=[HELLO], response_format=City, **w)),
    "responses": WAYS["responses"],
    "responses.parse": WAYS["responses.parse"],
    "responses.stream": lambda c, **w: aevents(c.responses.stream(input="x", text_format=City, **w)),
    "batch_create": lambda c, **w: c.chat.completions.batch_create([HELLO], **w),
}


def heard(upstream, *models):
    bodies = [json.loads(request.content) for request in upstream.requests if request.method == "POST"]
    assert [body["model"] for body in bodies] == list(models)
    assert not {"options", "quality_threshold", "quality"} & {name for body in bodies for name in body}


@pytest.mark.parametrize("way", WAYS)
def test_they_reach_the_strategy_and_nobody_else(way):
    upstream = Upstream(answer)
    client = Hanzo(URL, KEY, http_client=upstream.http, routing_strategy=ByRole())
    assert WAYS[way](client, options={"role": "chosen"})
    assert WAYS[way](client)
    heard(upstream, "chosen", "nobody")


@pytest.mark.parametrize("way", ASYNC_WAYS)
async def test_of_the_asynchronous_client_too(way):
    upstream = Upstream(answer)
    client = AsyncHanzo(URL, KEY, http_client=upstream.http, routing_strategy=ByRole())
    await asyncio.gather(*(ASYNC_WAYS[way](client, options={"role": "chosen"}) for _ in range(2)))
    await ASYNC_WAYS[way](client)
    heard(upstream, "chosen", "chosen", "nobody")


@pytest.mark.parametrize("way", WAYS.keys() - {"batch_create"})
def test_a_wrong_one_sends_nothing(way):
    upstream = Upstream(answer)
    routed = Hanzo(URL, KEY, http_client=upstream.http, auto_route=True, models=["gpt-4o"])
    with pytest.raises(ConfigError, match=r"^quality_threshold: expected a share from 0 to 1 or one of"):
        WAYS[way](routed, quality_threshold="superb")
    with pytest.raises(ConfigError, match=r"^options: expected a mapping"):
        WAYS[way](routed, options=7)
    plain = Hanzo(URL, KEY, http_client=upstream.http, model="m")
    with pytest.raises(ConfigError, match=r"^quality_threshold: has no effect without routing"):
        WAYS[way](plain, quality_threshold="good")
    assert WAYS[way](plain, quality_threshold=None, options=None)
    heard(upstream, "m")


@pytest.mark.parametrize("way", WAYS)
def test_the_quality_asked_for_decides(way):
    upstream = Upstream(answer)
    client = Hanzo(
        URL, KEY, http_client=upstream.http, auto_route=True, routing_strategy="cost_optimized",
        models=["gpt-4o", "gpt-4.1-nano"],
    )  # fmt: skip
    WAYS[way](client)
    WAYS[way](client, quality_threshold="excellent")
    heard(upstream, "gpt-4.1-nano", "gpt-4o")
