"""The service's own guide: every block runs, and does what the text around it says."""

import asyncio
import json
import time

import httpx
import pytest
from guide import PATCHES, blocks, run
from server import KEY

from hanzo_agents.testing._http import Http, Pause
from hanzo_agents.vectorcache import ServiceFailed, TimedOut, VectorcacheClient, VectorcacheResponse

WHAT = "What is machine learning?"


@pytest.fixture
def guide(environment):
    """Runs blocks against the service."""
    ran = []

    def block(heading):
        ran.append(heading)
        return run(heading, environment.url)

    return block


def test_every_block_is_in_a_test_and_every_patch_in_a_block():
    assert set(blocks()) == {
        "Quick Start", "Basic Query", "Error Handling", "Async Client", "Batch Processing",
        "Vectorcache Client Class", "FastAPI", "Django", "Flask", "Chatbot with Metrics", "Retry Logic",
    }  # fmt: skip
    assert set(PATCHES) <= set(blocks())


def test_quick_start(guide, capsys):
    guide("Quick Start")
    assert capsys.readouterr().out == f"Response: An answer to: {WHAT}\nCache hit: False\n"


def test_basic_query(guide, environment):
    names = guide("Basic Query")
    assert names["result"]["response"] == "An answer to: Explain quantum computing"
    with VectorcacheClient() as client:
        ours = client.query(prompt="Explain quantum computing", model="gpt-4o")
    assert (ours.response, ours.cache_hit) == (names["result"]["response"], True)


def test_error_handling(guide, service):
    ask = guide("Error Handling")["query_with_error_handling"]
    assert ask(WHAT, "gpt-4o", KEY)["response"]
    with pytest.raises(ValueError, match="Invalid API key"):
        ask(WHAT, "gpt-4o", "vc_wrong")
    for status, said in ((429, "Rate limit exceeded"), (500, "Server error: "), (404, "HTTP error: ")):
        service.then(service.refuse(status, "no", "no"))
        with pytest.raises(ValueError, match=said):
            ask(WHAT, "gpt-4o", KEY)


def test_async_client(guide, capsys):
    guide("Async Client")
    assert json.loads(capsys.readouterr().out.replace("'", '"').replace("False", "false").replace("None", "null")) == {
        "response": "An answer to: What is AI?", "similarity_score": None, "cache_hit": False, "cost_saved": 0,
        "llm_provider": "openai",
    }  # fmt: skip


def test_batch_processing(guide, capsys, service):
    guide("Batch Processing")
    assert capsys.readouterr().out == "Cache hit rate: 0.0%\n"
    prompts = [body["prompt"] for body in service.asked]
    with VectorcacheClient() as client:
        assert client.batch(prompts, model="gpt-4o").hit_rate == 1.0


def test_the_class_is_ours_to_the_byte(guide, service, capsys):
    theirs = guide("Vectorcache Client Class")
    assert f"Response: An answer to: {WHAT}\nCache hit: False\n" == capsys.readouterr().out
    arguments = [
        {"prompt": WHAT, "model": "gpt-4o"},
        {"prompt": WHAT, "model": "gpt-4o", "similarity_threshold": 0.5, "context": "c", "include_debug": True},
        {"prompt": "Größe — 大きさ 🙂", "model": "m", "context": ""},
    ]
    with theirs["VectorcacheClient"](KEY, service.url) as one, VectorcacheClient(KEY, service.url) as other:
        for asked in arguments:
            mine, answer = other.query(**asked), one.query(**asked)
            sent, sent_by_theirs = service.requests[-2:]
            assert (sent.method, sent.path, sent.json) == (
                sent_by_theirs.method, sent_by_theirs.path, sent_by_theirs.json,
            )  # fmt: skip
            for name in ("authorization", "content-type"):
                assert sent.headers[name] == sent_by_theirs.headers[name]
            fields = theirs["VectorcacheResponse"].__dataclass_fields__
            assert list(fields) == list(VectorcacheResponse.__dataclass_fields__)[: len(fields)]
            assert mine.response == answer.response


def test_fastapi(guide):
    app = guide("FastAPI")["app"]
    answers = asyncio.run(_posted(app, {"prompt": WHAT}, {"prompt": "Explain ML"}))
    assert [(status, body["cache_hit"], body["llm_provider"]) for status, body in answers] == [
        (200, False, "openai"), (200, True, "cache"),
    ]  # fmt: skip


async def _posted(app, *bodies):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app.test") as http:
        replies = [await http.post("/query", json=body) for body in bodies]
    return [(reply.status_code, reply.json()) for reply in replies]


def test_django(guide, django_client):
    view = guide("Django")["CacheQueryView"]
    post = django_client(view)
    first, second = (post("/query", {"prompt": prompt}) for prompt in (WHAT, "Explain ML"))
    assert first.json() == {"cache_hit": False, "response": f"An answer to: {WHAT}", "cost_saved": 0.0}
    assert second.json() == {"cache_hit": True, "response": f"An answer to: {WHAT}", "cost_saved": 0.0035}
    assert post("/query", {}).status_code == 500


def test_flask(guide):
    client = guide("Flask")["app"].test_client()
    assert client.post("/query", json={"prompt": WHAT}).json["cache_hit"] is False
    assert client.post("/query", json={"prompt": "Explain ML"}).json == {
        "cache_hit": True, "response": f"An answer to: {WHAT}", "cost_saved": 0.0035,
    }  # fmt: skip
    assert client.post("/query", json={"model": "gpt-4o"}).status_code == 500


def test_chatbot_with_metrics(guide, capsys):
    bot = guide("Chatbot with Metrics")["bot"]
    stats = {"total_queries": 2, "cache_hits": 1, "hit_rate": "50.0%", "total_saved": "$0.0035"}
    assert bot.get_stats() == stats
    assert capsys.readouterr().out == f"An answer to: {WHAT}\n" * 2 + f"{stats}\n"
    ours = bot.client.stats
    assert (ours.queries, ours.hits, f"{ours.hit_rate:.1%}", f"${ours.saved:.4f}") == tuple(stats.values())


def test_retry_logic(guide, service, monkeypatch, capsys):
    ask = guide("Retry Logic")["query_with_retry"]
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    limited = service.refuse(429, "Rate limit exceeded", "rate_limit_exceeded")
    with VectorcacheClient(policies=[], timeout=0.5) as client:
        service.then(limited, limited)
        assert ask(client, WHAT, "gpt-4o").response
        assert (slept, service.hits) == ([1.0, 2.0], 3)
        assert capsys.readouterr().out == "Rate limited, retrying in 1.0s...\nRate limited, retrying in 2.0s...\n"

        service.then(Http(head=False, body=(Pause(),)))
        assert ask(client, WHAT, "gpt-4o").cache_hit
        assert capsys.readouterr().out == "Timeout, retrying... (attempt 1)\n"

        service.then(service.refuse(500, "no", "no"))
        with pytest.raises(ServiceFailed):
            ask(client, WHAT, "gpt-4o")
        service.then(*(Http(head=False, body=(Pause(),)) for _ in range(3)))
        with pytest.raises(TimedOut):
            ask(client, WHAT, "gpt-4o")
