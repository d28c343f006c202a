"""The best of several answers, word for word."""

import json

import pytest
from panels import QUESTION, Router, ask, last, said_to, votes_for
from upstream import completion

from hanzo_agents import Blend, Budget, EnsembleFailed, Fallback, Hedge, Judge, MemoryStore, Price, Retry, track
from hanzo_agents.errors import InvalidResponse
from hanzo_agents.policies.ensemble.prompts import shuffled
from hanzo_agents.policies.ensemble.verdict import verdict_in
from hanzo_agents.testing.clock import FakeClock

ANSWERS = {"a": "It is Paris, since 987.", "b": "Lyon is it, I believe.", "c": "Nice, surely."}


def judge(*models, **fields):
    return [Judge(list(models) or ["a", "b", "c"], **{"judge": "j", **fields}), Retry(attempts=1)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("policies", [judge(), [Blend(["a", "b", "c"], strategy="best_of", synthesizer="j")]])
async def test_the_winners_answer_is_given_word_for_word(policies, stream):
    router = Router({**ANSWERS, "j": votes_for("Lyon")})
    with track() as journals:
        text, reply = await ask(
            router.client(policies=policies),
            stream=stream,
            temperature=0.5,
            response_format={"type": "json_object"},
        )
    assert text == ANSWERS["b"]
    assert sorted(router.models) == ["a", "b", "c", "j"]
    for model in "abc":
        (asked,) = router.asked(model)
        assert asked["messages"] == [QUESTION]
        assert asked["response_format"] == {"type": "json_object"}
    assert len(reply.attempts) == 4
    (picked,) = [d for d in journals[0].decisions if d.action == "picks"]
    assert picked.data["winner"] == "b"
    assert picked.data["scores"] == {"b": 9}
    assert journals[0].ended is not None
    assert journals[0].complete


async def test_the_judge_is_not_bound_as_the_contestants_are():
    router = Router({**ANSWERS, "j": votes_for("Lyon")})
    await ask(
        router.client(policies=judge(criteria=["It names Lyon."])), max_tokens=5, stop=["}"], temperature=0.0,
        response_format={"type": "json_object"}, n=2, user="u",
    )  # fmt: skip
    (asked,) = router.asked("j")
    assert set(asked) == {"model", "messages", "stream", "user"}
    assert "- It names Lyon." in last(asked)
    assert "word for word" not in said_to(asked)
    for name in ("contestant a", '"a"', "model a"):
        assert name not in last(asked)


def test_the_order_depends_on_the_call_alone_and_favours_nobody():
    assert shuffled(5, "x") == shuffled(5, "x")
    first = [shuffled(3, f"question {n}")[0] for n in range(300)]
    assert all(first.count(n) > 70 for n in range(3))


async def test_what_is_no_verdict_is_asked_for_once_more():
    replies = iter(["They are all lovely.", json.dumps({"winner": "A"})])
    router = Router({**ANSWERS, "j": lambda _: next(replies)})
    await ask(router.client(policies=judge()))
    first, second = router.asked("j")
    assert "no verdict" in last(second)
    assert last(second).startswith(last(first))


@pytest.mark.parametrize("nothing", ["", "  ", completion(None, calls=[("c", "vote", "{}")])])
async def test_a_judge_who_says_nothing_is_asked_once_more_too(nothing):
    replies = iter([nothing, json.dumps({"winner": "A"})])
    router = Router({**ANSWERS, "j": lambda _: next(replies)})
    text, _ = await ask(router.client(policies=judge()))
    assert text in ANSWERS.values()
    assert len(router.asked("j")) == 2
    with pytest.raises(InvalidResponse) as caught:
        await ask(Router({**ANSWERS, "j": lambda _: nothing}).client(policies=judge()))
    assert caught.value.code == "no_verdict"


async def test_and_then_it_is_an_error():
    router = Router({**ANSWERS, "j": "They are all lovely."})
    with pytest.raises(InvalidResponse, match="j was asked twice which of 3 answers is the best"):
        await ask(router.client(policies=judge()))


async def test_a_judge_who_fails_is_the_calls_error():
    router = Router({**ANSWERS, "j": 400})
    with pytest.raises(Exception, match="400") as caught:
        await ask(router.client(policies=judge()))
    assert caught.value.__notes__ == ["j was to judge 3 answers"]


async def test_one_who_is_left_wins_without_a_judge():
    router = Router({**ANSWERS, "a": 503, "c": 503})
    text, reply = await ask(router.client(policies=judge()))
    assert text == ANSWERS["b"]
    assert "no other answered" in reply.routing_reason
    with pytest.raises(EnsembleFailed):
        await ask(Router(dict.fromkeys("abc", 503)).client(policies=judge()))


async def test_a_contestant_is_that_model_or_an_error():
    router = Router({**ANSWERS, "a": 503, "spare": "A spare answer.", "j": votes_for("Lyon")})
    fallback = Fallback(to=["spare"])
    await ask(router.client(policies=[*judge(), fallback]))
    assert "spare" not in router.models
    with FakeClock(auto=True):
        router = Router({**ANSWERS, "spare": "A spare answer.", "j": votes_for("Lyon")}, after={"a": 5})
        hedge = Hedge(after=1.0, to=["spare"], max_extra_spend=1.0)
        await ask(router.client(policies=[*judge(), hedge]))
        assert "spare" not in router.models


async def test_nor_a_cheaper_one_of_a_budget():
    prices = {**dict.fromkeys("bcj", Price(input=0, output=1)), "a": Price(input=0, output=10**6),
              "cheap": Price(input=0, output=0)}  # fmt: skip
    router = Router({**ANSWERS, "cheap": "A cheap answer.", "j": votes_for("Lyon")})
    budget = Budget(per_call="0.1", store=MemoryStore(), prices=prices, on_shortage=["cheap"])
    text, reply = await ask(router.client(policies=[*judge(), budget]), max_tokens=100)
    assert text == ANSWERS["b"]
    assert sorted(router.models) == ["b", "c", "j"]
    assert "a failed: BudgetExceeded" in reply.routing_reason


async def test_agreement_makes_a_judge_superfluous():
    with FakeClock(auto=True) as clock:
        router = Router({"a": "It is Paris.", "b": "it is Paris", "c": "Nice."}, after={"c": 60})
        text, reply = await ask(router.client(policies=judge(agreement=0.9)))
        assert text == "It is Paris."
        assert clock.now() == 0
        assert "2 of 3 agree" in reply.routing_reason


async def test_responses_are_judged_too():
    router = Router({**ANSWERS, "j": lambda body: votes_for("Lyon")({"messages": body["input"]})})
    client = router.client(policies=judge())
    answer = await client.responses.create(model="m", input="Which?")
    assert answer.output_text == ANSWERS["b"]
    events = [e async for e in await client.responses.create(model="m", input="Which?", stream=True)]
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == ANSWERS["b"]
    assert events[-1].response.cost is None
    assert len(events[-1].response.attempts) == 4


async def test_a_raw_response_is_the_winners():
    router = Router({**ANSWERS, "b": completion("Lyon is it.", id="winner"), "j": votes_for("Lyon")})
    client = router.client(policies=judge())
    raw = await client.chat.completions.with_raw_response.create(model="m", messages=[QUESTION])
    assert raw.parse().id == "winner"
    assert json.loads(raw.content)["id"] == "winner"
    streamed = await client.chat.completions.with_raw_response.create(model="m", messages=[QUESTION], stream=True)
    assert "x-hanzo-cache" not in streamed.headers
    assert "".join([c.choices[0].delta.content or "" async for c in streamed.parse()]) == "Lyon is it."


@pytest.mark.parametrize(
    ("said", "winner"),
    [
        ('{"reason": "x", "scores": {"A": 3, "B": "8/10"}, "winner": "B"}', "B"),
        ('```json\n{"winner": "b"}\n```', "B"),
        ('Let me think. {"winner": "A"}? No: {"winner": "C", "reason": "}"}', "C"),
        ('{"Winner": "Answer B", "scores": []}', "B"),
        ("The winner is B.", "B"),
        ("**Winner: Answer C**", "C"),
        ("B", "B"),
        ("Answer A.", "A"),
        ('{"winner": "D"}', None),
        ('{"winner": 1}', None),
        ('{"winner": ["A"]}', None),
        ('{"winner": "A or B"}', None),
        ("A is good, B is better.", None),
        ("The winner is A. The winner is B.", None),
        ("The winner is a tie.", None),
        ("It is hard to name a winner; a case can be made for both.", None),
        ("There is no clear winner. A is as good as B.", None),
        ("Winner: A/B", None),
        ("The winner is A or B.", None),
        ("The winner is B, a clear choice.", "B"),
        ("", None),
        ("{" * 5000, None),
    ],
)
def test_a_verdict_is_read_leniently_but_not_guessed(said, winner):
    found = verdict_in(said, "ABC")
    assert (None if found is None else found[0]) == winner


def test_scores_that_are_none_are_left_out():
    said = '{"winner": "A", "scores": {"A": 9, "B": "7/10", "C": true, "D": 1, "b": null}, "reason": null}'
    assert verdict_in(said, "ABC") == ("A", {"A": 9.0, "B": 7.0}, "")


LOOPING = [
    QUESTION,
    {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "1", "content": "x"},
]  # fmt: skip


async def test_who_is_not_to_be_judged():
    router = Router({**ANSWERS, "j": "Mine.", "m": "The model's own."})
    client = router.client(policies=judge())
    await client.responses.create(model="m", input="Go on.", previous_response_id="resp_1")
    text, reply = await ask(client, messages=LOOPING)
    assert text == "Mine."
    assert "Judge asks one alone: j: tools have answered" in reply.routing_reason
    await ask(client.with_options(max_retries=0))
    assert router.models == ["m", "j", "j"]
    plan = await client.explain(model="m", messages=LOOPING)
    assert [leg.target for leg in plan.legs] == ["j"]
    plan = await client.explain(model="m", input="Go on.", previous_response_id="resp_1")
    assert [leg.target for leg in plan.legs] == ["m"]


async def test_criteria_are_told_to_the_one_who_carries_out_the_best_proposal():
    router = Router({**ANSWERS, "j": "Done."})
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    policies = judge(criteria=["It is bold."])
    plan = await router.client(policies=policies).explain(model="m", messages=[QUESTION], tools=[tool])
    assert "then j carries out the best proposal" in str(plan)
    await ask(router.client(policies=policies), tools=[tool])
    (final,) = router.asked("j")
    assert "- It is bold." in final["messages"][0]["content"]
    assert final["tools"] == [tool]
