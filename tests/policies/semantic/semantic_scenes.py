"""What the tests of the semantic cache stand on: an upstream that answers and embeds, and a client before it."""

import hashlib
import json
import math

import httpx2
from upstream import Upstream, completion, response, sse, text_chunks

from hanzo_agents import SemanticCache

CAPITAL = "What is the capital of Australia?"
AGAIN = "Tell me, what's Australia's capital?"
OTHER = "What is the capital of Austria?"


def by_words(text):
    """An embedding of our own: texts are similar as far as they share words."""
    vector = [0.0] * 64
    for word in text.lower().split():
        vector[hashlib.sha256(word.encode()).digest()[0] % 64] += 1.0
    return vector


def alike(text):
    """An embedding that takes everything for the same: all is left to the gate."""
    return [1.0, math.pi]


class Router:
    """Answers with what `says` says of the last message, and embeds by words."""

    def __init__(self, says=lambda text: f"about {text}", embeds=by_words):
        self.says = says
        self.embeds = embeds
        self.asked = []
        self.embedded = []
        self.upstream = Upstream(self._answer)

    def _answer(self, request):
        body = json.loads(request.content)
        if request.url.path.endswith("/embeddings"):
            self.embedded.append(body)
            found = self.embeds(body["input"][0])
            if isinstance(found, httpx2.Response | BaseException):
                return found
            data = [{"object": "embedding", "index": 0, "embedding": found}]
            usage = {"prompt_tokens": 7, "total_tokens": 7}
            return httpx2.Response(
                200,
                json={"object": "list", "data": data, "model": body["model"], "usage": usage},
                headers={"x-litellm-response-cost": "0.001"},
            )
        self.asked.append(body)
        given = body.get("messages") or body["input"]
        text = self.says(given if isinstance(given, str) else given[-1]["content"])
        if isinstance(text, httpx2.Response | BaseException):
            return text
        if "input" in body:
            return httpx2.Response(200, json=response(text=text))
        if body.get("stream"):
            return sse(*text_chunks(*text.split(" ")))
        return httpx2.Response(200, json=completion(text), headers={"x-litellm-response-cost": "0.25"})

    def client(self, cache, *, policies=(), **settings):
        return self.upstream.client(policies=[*policies, cache], **settings)


def scene(*, says=lambda text: f"about {text}", embeds=by_words, policies=(), settings=None, **fields):
    """A router, a cache and a client: similar is what shares most of its words."""
    router = Router(says, embeds)
    cache = SemanticCache(**{"embed": alike, "sample": 0, **fields})
    return router, cache, router.client(cache, policies=policies, **(settings or {}))


async def ask(client, text, *before, **more):
    return await client.chat.completions.create(messages=[*before, {"role": "user", "content": text}], **more)


async def said(client, text, *before, **more):
    return (await ask(client, text, *before, **more)).choices[0].message.content


async def read(stream):
    return [event async for event in stream]
