"""Whose credentials a call travels with decides which answers it may get, however they were given."""

import httpx2
import pytest
from agents import ModelSettings, ModelTracing, OpenAIChatCompletionsModel
from openai import AsyncOpenAI
from upstream import HELLO, URL, Upstream, completion

from hanzo_agents import AsyncHanzo, Cache, wrap
from hanzo_agents._wire.keeping.asked import asked_of, headers_of
from hanzo_agents._wire.redact import CREDENTIALS
from hanzo_agents.stores import MemoryStore

WAYS = ["Authorization", "authorization", "Proxy-Authorization", "X-Api-Key", "api-key", "Cookie"]


def private(request):
    """An upstream's answer, for the eyes of whoever has these credentials."""
    told = [value for name, value in request.headers.items() if name in CREDENTIALS]
    return httpx2.Response(200, json=completion(" ".join(told)))


async def ask(client, **more):
    answer = await client.chat.completions.create(messages=[HELLO], **more)
    return answer.choices[0].message.content


@pytest.mark.parametrize("header", WAYS)
async def test_a_call_with_credentials_of_its_own(header):
    upstream = Upstream(private)
    client = upstream.client(policies=[Cache()])
    got = [await ask(client, extra_headers={header: f"Bearer {whose}"}) for whose in ("A", "B", "A")]
    assert "Bearer A" in got[0]
    assert "Bearer B" in got[1]
    assert got[2] == got[0]
    assert "Bearer A" not in await ask(client)
    assert upstream.hits == 3


@pytest.mark.parametrize("setting", ["default_headers", "headers"])
async def test_a_client_with_credentials_in_its_headers(setting):
    upstream, store = Upstream(private), MemoryStore()

    def client(whose):
        given = {"Authorization": f"Bearer {whose}"}
        return upstream.client(policies=[Cache(store=store)], **{setting: given})

    got = [await ask(client(whose)) for whose in ("A", "B", "A")]
    assert got == ["Bearer A", "Bearer B", "Bearer A"]
    assert upstream.hits == 2


@pytest.mark.parametrize("way", ["the client", "the call"])
async def test_a_model_with_credentials_in_its_headers(way):
    upstream, store = Upstream(private), MemoryStore()

    async def answer(whose):
        given = {"Authorization": f"Bearer {whose}"}
        headers = given if way == "the client" else None
        client = AsyncOpenAI(api_key="k", base_url=URL, http_client=upstream.http, default_headers=headers)
        model = wrap(OpenAIChatCompletionsModel("m", client), Cache(store=store))
        settings = ModelSettings(extra_headers=None if way == "the client" else given)
        said = await model.get_response(
            None, "Hi", settings, [], None, [], ModelTracing.DISABLED,
            previous_response_id=None, conversation_id=None, prompt=None,
        )  # fmt: skip
        return said.output[0].content[0].text

    assert [await answer(whose) for whose in ("A", "B", "A")] == ["Bearer A", "Bearer B", "Bearer A"]
    assert upstream.hits == 2


async def test_an_http_client_that_signs_requests_tells_nobody_apart():
    """What it signs with is not seen here, so that answers are kept only for a tenant that is named."""
    got, store = [], MemoryStore()
    for whose in ("A", "B"):
        upstream = Upstream(private)
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(upstream._answer), auth=(whose, "x"))
        client = AsyncHanzo(URL, "k", model="m", http_client=http, policies=[Cache(store=store)])
        got.append(await ask(client))
    assert got[0] != got[1]


@pytest.mark.parametrize("header", sorted(CREDENTIALS))
def test_credentials_are_no_part_of_the_question_in_clear(header):
    question = asked_of(b"", "/chat/completions", {"model": "m"}, [(header.title(), "sk-secret-1")], None)
    other = asked_of(b"", "/chat/completions", {"model": "m"}, [(header, "sk-secret-2")], None)
    assert b"sk-secret" not in question.asked
    assert question.asked != other.asked
    assert headers_of([(header, "sk-secret-1")]) == headers_of([(header.upper(), "sk-secret-1")])


@pytest.mark.parametrize("asked", ["0.9", " 1 ", "nan", "hot", 10**400, 0.9])
async def test_a_temperature_in_any_spelling_asks_for_variety(asked):
    upstream = Upstream()
    client = upstream.client(policies=[Cache()])
    for _ in range(2):
        await ask(client, temperature=asked)
    assert upstream.hits == 2


async def test_a_temperature_of_zero_in_any_spelling_does_not():
    upstream = Upstream()
    client = upstream.client(policies=[Cache()])
    for _ in range(2):
        await ask(client, temperature="0.0")
    assert upstream.hits == 1
