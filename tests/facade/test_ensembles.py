"""`compare`, `blend` and `judge` of both clients."""

import asyncio
import json

import pytest
from upstream import HELLO, KEY, URL, Upstream, completion, sse, status, text_chunks

from hanzo_agents import (
    AsyncHanzo,
    Blend,
    Budget,
    Cache,
    Deadline,
    EnsembleFailed,
    Fallback,
    Hanzo,
    MemoryStore,
    Price,
    Retry,
    Route,
    Target,
    run_budget,
    track,
)
from hanzo_agents.errors import ConfigError
from hanzo_agents.testing.clock import FakeClock

MESSAGES = [HELLO]
SAYS = {
    "gpt": "It is Paris, and has long been.",
    "claude": "Lyon, no doubt.",
    "broken": 503,
    "m": "Paris it is.",
    "gpt-4o": "Paris.",
    "gpt-4.1": "Paris.",
}
PRICES = dict.fromkeys(("gpt", "claude", "m", "judge", "broken"), Price(input=0, output=1000))


def reply_to(request):
    body = json.loads(request.content)
    said = SAYS.get(body["model"])
    if body["model"] == "judge":
        question = body["messages"][-1]["content"]
        letter = question[: question.index("Lyon")].rpartition('id="')[2][0]
        said = json.dumps({"reason": "It is bolder.", "scores": {letter: 8}, "winner": letter})
    if isinstance(said, int):
        return status(said)
    return sse(*text_chunks(*(f"{word} " for word in said.split()))) if body.get("stream") else completion(said)


def upstream():
    return Upstream(reply_to)


def client(router=None, **settings):
    settings = {"policies": [Retry(attempts=1)], **settings}
    return (router or upstream()).client(**settings)


async def test_all_answers_side_by_side():
    router = upstream()
    budget = Budget(per_call=1, store=MemoryStore(), prices=PRICES)
    with track() as journals:
        compared = await client(router, policies=[Retry(attempts=1), budget]).compare(
            models=["gpt", "broken", "claude"], messages=MESSAGES, temperature=0.1
        )
    assert [(one.model, one.status, one.content) for one in compared.responses] == [
        ("gpt", "ok", SAYS["gpt"]), ("broken", "error", ""), ("claude", "ok", SAYS["claude"]),
    ]  # fmt: skip
    assert all(body["temperature"] == 0.1 for body in router.bodies)
    first = compared["gpt"]
    assert (first.prompt_tokens, first.completion_tokens) == (3, 2)
    assert first.reply.choices[0].message.content == SAYS["gpt"]
    assert first.latency_ms >= 0
    assert type(compared["broken"].error).__name__ == "InternalServerError"
    assert compared.summary.longest == "gpt"
    assert compared.summary.fastest in {"gpt", "claude"}
    assert compared.summary.cost == first.cost + compared["claude"].cost
    assert len(journals) == 1
    with pytest.raises(KeyError):
        compared["nobody"]


async def test_who_is_fastest():
    with FakeClock(auto=True) as clock:

        async def reply(request):
            if json.loads(request.content)["model"] == "gpt":
                await clock.sleep(2)
            return reply_to(request)

        compared = await client(Upstream(reply)).compare(models=["gpt", "claude"], messages=MESSAGES)
        assert compared.summary.fastest == "claude"
        assert compared["gpt"].latency_ms == 2000
        assert compared.summary.latency_ms == 2000


async def test_when_nobody_answers():
    with pytest.raises(EnsembleFailed):
        await client().compare(models=["broken"], messages=MESSAGES)


async def test_one_who_hangs_is_an_error_of_ones_own():
    with FakeClock() as clock:

        async def reply(request):
            if json.loads(request.content)["model"] == "gpt":
                await asyncio.Event().wait()
            return reply_to(request)

        asked = client(Upstream(reply)).compare(models=["gpt", "claude"], messages=MESSAGES, patience=3)
        task = asyncio.create_task(asked)
        await clock.run_for(4)
        compared = await task
        assert compared["gpt"].status == "error"
        assert type(compared["gpt"].error).__name__ == "DeadlineExceeded"
        assert compared["claude"].status == "ok"


async def test_one_who_hangs_leaves_time_to_hand_on_what_the_others_said():
    with FakeClock() as clock:

        async def reply(request):
            if json.loads(request.content)["model"] == "gpt":
                await asyncio.Event().wait()
            return reply_to(request)

        asking = client(Upstream(reply), policies=[Retry(attempts=1), Deadline(total=10)])
        task = asyncio.create_task(asking.compare(models=["gpt", "claude"], messages=MESSAGES))
        await clock.run_for(9.6)
        assert [one.status for one in (await task).responses] == ["error", "ok"]


async def test_a_contestant_passes_no_chain_and_no_routing():
    router = upstream()
    policies = [Retry(attempts=1), Fallback(to=["m"]), Route(to=["m", "claude"]), Blend(["m", "claude"])]
    compared = await client(router, policies=policies).compare(models=["gpt", "broken"], messages=MESSAGES)
    assert sorted(body["model"] for body in router.bodies) == ["broken", "gpt"]
    assert compared["broken"].status == "error"


async def test_nor_a_providers_substitute_for_what_it_has_not():
    router = upstream()
    asking = AsyncHanzo(
        openai_api_key="sk-openai",
        fallback_order=["openai"],
        http_client=router.http,
        policies=[Retry(attempts=1)],
    )
    compared = await asking.compare(models=["gpt-4o", "mystery", "openai/gpt-4.1"], messages=MESSAGES)
    assert [(one.model, one.status) for one in compared.responses] == [
        ("gpt-4o", "ok"), ("mystery", "error"), ("openai/gpt-4.1", "ok"),
    ]  # fmt: skip
    assert sorted(body["model"] for body in router.bodies) == ["gpt-4.1", "gpt-4o"]


async def test_each_answer_is_looked_up_in_the_cache():
    router = upstream()
    asking = client(router, policies=[Retry(attempts=1), Cache()])
    await asking.compare(models=["gpt", "claude"], messages=MESSAGES)
    again = await asking.compare(models=["gpt", "claude", "m"], messages=MESSAGES)
    assert [body["model"] for body in router.bodies] == ["gpt", "claude", "m"]
    assert again["gpt"].content == SAYS["gpt"]
    assert again["gpt"].cost == 0


async def test_one_answer_of_several():
    router = upstream()
    blended = await client(router).blend(models=["gpt", "claude", "broken"], messages=MESSAGES, strategy="council")
    assert blended.content == SAYS["m"]
    assert blended.reply.choices[0].message.content == SAYS["m"]
    assert (blended.strategy, blended.synthesizer) == ("council", "m")
    assert blended.source_models == ("gpt", "claude", "broken")
    assert [(one.model, one.role) for one in blended.candidates] == [
        (model, role) for role in ("answer", "review") for model in ("gpt", "claude", "broken")
    ]
    assert blended.latency_ms >= 0
    assert len(blended.reply.attempts) == 7


async def test_the_best_of_several():
    blended = await client().blend(
        models=["gpt", "claude"], messages=MESSAGES, strategy="best_of", synthesizer="judge"
    )
    assert blended.content == SAYS["claude"]
    assert blended.synthesizer == "claude"
    assert blended.verdict.judge == "judge"


async def test_samples_of_one_model():
    router = upstream()
    blended = await client(router, model=None).blend(
        models=["gpt"], messages=MESSAGES, strategy="self_moa", samples=2, agreement=None
    )
    assert [body["model"] for body in router.bodies] == ["gpt"] * 3
    assert blended.synthesizer == "gpt"
    assert len(blended.candidates) == 2


async def test_a_verdict():
    judged = await client().judge(
        contestants=["gpt", "claude", "broken"], judge="judge", messages=MESSAGES, criteria=["It is bold."]
    )
    assert judged.verdict.winner == "claude"
    assert judged.verdict.scores == {"claude": 8}
    assert judged.verdict.reason == "It is bolder."
    assert judged.content == judged.winner_response.content == SAYS["claude"]
    assert judged.reply.choices[0].message.content == SAYS["claude"]
    assert [one.status for one in judged.contestants] == ["ok", "ok", "error"]


def told(events):
    said = {}
    for event in events:
        if event.event == "delta":
            said[event.model] = said.get(event.model, "") + event.delta
    return said


async def test_events_as_each_model_speaks():
    events = [
        event
        async for event in await client().compare(
            models=["gpt", "claude", "broken"], messages=MESSAGES, stream=True
        )
    ]
    assert {model: text.strip() for model, text in told(events).items()} == {
        "gpt": SAYS["gpt"], "claude": SAYS["claude"],
    }  # fmt: skip
    done = {event.model: event.answer for event in events if event.event == "done"}
    assert done["gpt"].content == SAYS["gpt"]
    assert done["gpt"].reply.choices[0].message.content.strip() == SAYS["gpt"]
    (failed,) = [event for event in events if event.event == "error"]
    assert failed.model == "broken"
    assert failed.error is not None
    assert [event.event for event in events].count("summary") == 1
    assert events[-1].summary.longest == "gpt"
    assert events[-1].result["claude"].content == SAYS["claude"]
    assert [event.done for event in events if event.event == "delta"] == [False] * len(told(events)["gpt"].split() + told(events)["claude"].split())  # fmt: skip


async def test_models_speak_at_the_same_time():
    with FakeClock(auto=True) as clock:

        async def reply(request):
            model = json.loads(request.content)["model"]
            if model == "claude":
                await clock.sleep(1)
            return reply_to(request)

        stream = await client(Upstream(reply)).compare(models=["claude", "gpt"], messages=MESSAGES, stream=True)
        order = [(event.model, event.event) async for event in stream]
        assert order.index(("gpt", "done")) < order.index(("claude", "delta"))


async def test_the_events_of_a_blend_end_with_the_answer():
    events = [
        event async for event in await client().blend(models=["gpt", "claude"], messages=MESSAGES, stream=True)
    ]
    assert told(events)["m"].strip() == SAYS["m"]
    assert [(event.model, event.role) for event in events if event.event == "done"][-1] == ("m", "final")
    result = events[-1].result
    assert result.content.strip() == SAYS["m"]
    assert events[-1].summary == result.summary


async def test_the_events_of_a_verdict():
    events = [
        event
        async for event in await client().judge(
            contestants=["gpt", "claude"], judge="judge", messages=MESSAGES, stream=True
        )
    ]
    assert {event.role for event in events if event.event == "delta"} == {"answer", "verdict"}
    assert events[-1].result.verdict.winner == "claude"
    assert events[-1].result.content == SAYS["claude"]


async def test_an_error_comes_out_of_the_events():
    stream = await client().compare(models=["broken"], messages=MESSAGES, stream=True)
    assert (await anext(stream)).event == "error"
    with pytest.raises(EnsembleFailed):
        await anext(stream)


async def test_who_leaves_the_events_ends_it_all():
    budget = Budget(per_call=1, store=MemoryStore(), prices=PRICES)
    with track() as journals, run_budget(1) as run:

        async def reply(request):
            if json.loads(request.content)["model"] == "claude":
                await asyncio.Event().wait()
            return reply_to(request)

        stream = await client(Upstream(reply), policies=[Retry(attempts=1), budget]).compare(
            models=["gpt", "claude"], messages=MESSAGES, stream=True
        )
        async for _ in stream:
            break
        await stream.aclose()
        assert run.reserved == 0
        assert journals[0].ended is not None
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_is_sent_for_events_that_nobody_reads():
    router = upstream()
    stream = await client(router).compare(models=["gpt"], messages=MESSAGES, stream=True)
    await stream.aclose()
    assert router.hits == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.compare(models=[], messages=MESSAGES), "compare.models: expected 1 to 20 models, got 0"),
        (lambda c: c.compare(models="gpt", messages=MESSAGES), "compare.models: expected a list of model names"),
        (lambda c: c.compare(models=["a"], messages=MESSAGES, patience=0), "compare.patience: expected a number"),
        (lambda c: c.compare(models=["a"], messages=MESSAGES, model="b"), "model: several are asked"),
        (lambda c: c.compare(models=["a"], messages=MESSAGES, stream="yes"), "stream: expected True or False"),
        (lambda c: c.blend(models=["a", "a"], messages=MESSAGES), "Blend.models: expected each model once, got 'a'"),
        (lambda c: c.blend(models=["a", "b"], messages=MESSAGES, strategy="vote"), "Blend.strategy: expected one of"),
        (lambda c: c.judge(contestants=["a"], messages=MESSAGES), "Judge.contestants: expected 2 to 20 models"),
        (lambda c: c.judge(contestants=["a", "b"], messages=MESSAGES, tools=[{}]), "judge.tools: contestants get no"),
        (lambda c: c.judge(contestants=["a", "b"], messages=MESSAGES, criteria=[]), "Judge.criteria: expected a list"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_before_anything_is_sent(call, message):
    router = upstream()
    with pytest.raises(ConfigError) as caught:
        await call(client(router))
    assert message in str(caught.value)
    assert router.hits == 0


async def test_results_of_tools_are_not_judged():
    messages = [HELLO, {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": "x"}]  # fmt: skip
    with pytest.raises(ConfigError, match="results of tools"):
        await client().judge(contestants=["gpt", "claude"], judge="m", messages=messages)


async def test_a_target_has_an_endpoint_of_its_own():
    router = upstream()
    target = Target("gpt", "https://other.test/v1", "sk-other", label="theirs")
    compared = await client(router).compare(models=[target, "gpt"], messages=MESSAGES)
    assert [one.model for one in compared.responses] == ["theirs", "gpt"]
    hosts = {request.url.host: request.headers["authorization"] for request in router.requests}
    assert hosts == {"other.test": "Bearer sk-other", "router.test": f"Bearer {KEY}"}


# The synchronous client


def sync_client(router=None, **settings):
    router = router or upstream()
    return Hanzo(URL, KEY, model="m", http_client=router.http, policies=[Retry(attempts=1)], **settings)


def test_the_same_without_a_loop():
    hanzo = sync_client()
    assert hanzo.compare(models=["gpt", "claude"], messages=MESSAGES)["gpt"].content == SAYS["gpt"]
    assert hanzo.blend(models=["gpt", "claude"], messages=MESSAGES).content == SAYS["m"]
    assert hanzo.judge(contestants=["gpt", "claude"], judge="judge", messages=MESSAGES).content == SAYS["claude"]


def test_events_without_a_loop():
    hanzo = sync_client()
    with hanzo.blend(models=["gpt", "claude"], messages=MESSAGES, stream=True) as events:
        seen = list(events)
    assert told(seen)["m"].strip() == SAYS["m"]
    assert seen[-1].event == "summary"
    for event in hanzo.compare(models=["gpt", "claude"], messages=MESSAGES, stream=True):
        assert event.model in {"gpt", "claude"}
        break
