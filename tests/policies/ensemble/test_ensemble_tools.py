"""Ensembles and tools: nobody calls them but the one who answers, and nobody is asked twice about a fact."""

import asyncio
import json

import pytest
from agents import Agent, ModelSettings, RunConfig, Runner, function_tool
from agents.testing import ModelStep, ScriptedModel, assistant_message
from panels import Router, last, said_to
from pydantic import BaseModel
from upstream import call_chunks, call_item, completion, message_item, response, response_events, sse

from hanzo_agents import Blend, HanzoModelProvider, Judge, Retry, Target, track, wrap
from hanzo_agents.policies.ensemble.audience import audience

ran = []


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    ran.append((a, b))
    return a + b


class Sum(BaseModel):
    total: int


ARGUMENTS = '{"a": 15, "b": 23}'


def aggregator(body):
    """Calls the tool, then says what it gave."""
    if "input" in body:
        if body["input"][-1].get("type") == "function_call_output":
            return f"It is {body['input'][-1]['output']}."
        item = call_item("call_1", "add", ARGUMENTS)
        return sse(*response_events(item), done=False) if body.get("stream") else response(item)
    results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    if results:
        return f"It is {results[-1]}."
    if body.get("stream"):
        return sse(*call_chunks("call_1", "add", ARGUMENTS))
    return completion(None, calls=[("call_1", "add", ARGUMENTS)])


def panel():
    return Router({"a": "Call add.", "b": "I would add them.", "m": aggregator})


async def run(config, *, stream, agent=None):
    ran.clear()
    agent = agent or Agent(name="A", instructions="Be brief.", tools=[add], model="m")
    if not stream:
        return (await Runner.run(agent, "15 + 23?", run_config=config)).final_output
    result = Runner.run_streamed(agent, "15 + 23?", run_config=config)
    async for _ in result.stream_events():
        pass
    return result.final_output


POLICIES = [
    Blend(["a", "b"]),
    Blend(["a", "b"], strategy="council"),
    Blend(["a", "b"], strategy="best_of"),
    Blend(["a", "b"], strategy="chain"),
    Blend(["a", "b"], strategy="moa", layers=1),
    Blend(["a"], synthesizer="m", strategy="self_moa", samples=2),
    Judge(["a", "b"], judge="m"),
]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: getattr(policy, "strategy", "judge"))
async def test_an_agents_tools_are_called_by_the_one_who_answers(policy, stream, api):
    router = panel()
    provider = router.provider(policies=[policy], api=api)
    settings = ModelSettings(tool_choice="auto", parallel_tool_calls=False)
    agent = Agent(name="A", instructions="Be brief.", tools=[add], model="m", model_settings=settings)
    assert (await run(RunConfig(model_provider=provider), stream=stream, agent=agent)).strip() == "It is 38."
    assert ran == [(15, 23)]
    advisers = [body for body in router.bodies if body["model"] != "m"]
    assert advisers
    for body in advisers:
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)
        if "Review the answers" not in said_to(body):
            assert "add: Add two numbers." in said_to(body)
    first, second = router.asked("m")
    assert first["tools"] == second["tools"]
    assert first["tool_choice"] == "auto"
    # The turn that follows the tool is the answerer's own, with nothing added to it.
    assert router.bodies[-1] is not None
    assert router.models[-1] == "m"
    assert "Call add." not in said_to(second)
    assert len(router.bodies) == len(advisers) + 2


async def test_advice_may_be_had_on_results_too():
    router = panel()
    provider = router.provider(policies=[Blend(["a", "b"], tool_turns=True)])
    await run(RunConfig(model_provider=provider), stream=False)
    assert [len(router.asked(model)) for model in "abm"] == [2, 2, 2]
    later = router.asked("a")[1]
    assert {message["role"] for message in later["messages"]} == {"system", "user", "assistant"}
    assert "[called add({" in said_to(later)
    assert "[add returned] 38" in said_to(later)
    # The one who answers sees the calls as they were, and what the others make of them behind.
    *_, called, result, advice = router.asked("m")[1]["messages"]
    assert called["tool_calls"][0]["id"] == result["tool_call_id"]
    assert "I would add them." in advice["content"]


async def test_the_form_of_the_answer_binds_only_the_answer():
    router = Router({"a": "It is 38.", "b": "38.", "m": json.dumps({"total": 38})})
    provider = router.provider(policies=[Blend(["a", "b"])])
    agent = Agent(name="A", model="m", output_type=Sum)
    result = await Runner.run(agent, "15 + 23?", run_config=RunConfig(model_provider=provider))
    assert result.final_output == Sum(total=38)
    *advisers, final = router.bodies
    assert all("response_format" not in body for body in advisers)
    assert final["response_format"]["type"] == "json_schema"


async def test_a_handoff_is_a_tool_too():
    other = Agent(name="Other", model="m", handoff_description="Knows sums.")
    router = Router({"a": "Hand it over.", "b": "Yes.", "m": "Done."})
    provider = router.provider(policies=[Blend(["a", "b"])])
    agent = Agent(name="A", model="m", handoffs=[other])
    await Runner.run(agent, "15 + 23?", run_config=RunConfig(model_provider=provider))
    assert "tools" not in router.asked("a")[0]
    assert "transfer_to_other" in said_to(router.asked("a")[0])
    assert "tools" in router.asked("m")[0]


def speaker(text):
    return ScriptedModel([[assistant_message(text)] for _ in range(5)])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("strategy", ["consensus", "best_of"])
async def test_models_of_any_make_are_blended(stream, strategy):
    advisers = [Target(speaker("It is Paris."), label="a"), Target(speaker("Lyon, no doubt."), label="b")]
    verdict = json.dumps({"winner": "A"})
    last_word = ScriptedModel([[assistant_message(verdict if strategy == "best_of" else "Paris.")]])
    model = wrap(last_word, Blend(advisers, strategy=strategy), Retry(attempts=1))
    with track() as journals:
        text = await run(RunConfig(), stream=stream, agent=Agent(name="A", model=model, instructions="Be brief."))
    assert text in ({"It is Paris.", "Lyon, no doubt."} if strategy == "best_of" else {"Paris."})
    (journal,) = journals
    assert [attempt.target for attempt in journal.attempts][:2] == ["a", "b"]
    asked = last_word.calls[0] if hasattr(last_word, "calls") else None
    if asked is not None and strategy == "consensus":
        assert "It is Paris." in str(asked.input)


class Listener:
    """An audience."""

    listens = True

    def __init__(self):
        self.heard = {}
        self.over = []

    def begins(self, leg):
        self.heard[leg.name] = []

    def says(self, leg, text):
        self.heard[leg.name].append(text)

    def ends(self, leg):
        self.over.append(leg)

    def hears(self, verdict):
        self.verdict = verdict


async def test_models_of_any_make_are_heard_as_they_speak():
    listener = Listener()
    token = audience.set(listener)
    advisers = [Target(speaker("It is Paris."), label="a"), Target(speaker("Lyon, no doubt."), label="b")]
    model = wrap(speaker("Paris."), Blend(advisers), Retry(attempts=1))
    try:
        assert await run(RunConfig(), stream=True, agent=Agent(name="A", model=model)) == "Paris."
    finally:
        audience.reset(token)
    assert "".join(listener.heard["a"]) == "It is Paris."
    assert [leg.text for leg in listener.over] == ["It is Paris.", "Lyon, no doubt."]


async def test_a_model_that_cancels_itself_has_failed():
    async def gives_up(_call):
        raise asyncio.CancelledError

    broken = Target(ScriptedModel([ModelStep(responder=gives_up)]), label="broken")
    model = wrap(speaker("Paris."), Blend([broken, Target(speaker("It is Paris."), label="b")]), Retry(attempts=1))
    assert await run(RunConfig(), stream=False, agent=Agent(name="A", model=model)) == "Paris."


async def test_a_model_of_another_make_may_advise_ours():
    router = Router({"a": "It is 38.", "m": "38."})
    provider = router.provider(policies=[Blend(["a", Target(speaker("Thirty-eight."), label="other")])])
    assert isinstance(provider, HanzoModelProvider)
    assert await run(RunConfig(model_provider=provider), stream=False, agent=Agent(name="A", model="m")) == "38."
    assert "Thirty-eight." in last(router.asked("m")[0])


async def test_responses_are_heard_as_they_come():
    listener = Listener()
    router = Router({"a": "It is Paris.", "b": "Lyon, no doubt.", "m": "Paris."})
    token = audience.set(listener)
    try:
        stream = await router.client(policies=[Blend(["a", "b"])]).responses.create(
            model="m", input="?", stream=True
        )
        async for _ in stream:
            pass
    finally:
        audience.reset(token)
    assert listener.heard["b"] == ["Lyon, no doubt."]
    assert all(body["stream"] for body in router.bodies)


REASONED = [
    {"role": "user", "content": "15 + 23?"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"},
    {"type": "function_call", "id": "fc_1", "call_id": "1", "name": "add", "arguments": ARGUMENTS},
    {"type": "function_call_output", "call_id": "1", "output": "38"},
]


@pytest.mark.parametrize("synthesizer", [None, "m"])
async def test_who_answers_keeps_its_own_reasoning_in_a_tool_loop(synthesizer):
    router = Router({"m": "It is 38."})
    client = router.client(policies=[Blend(["a", "b"], synthesizer=synthesizer)])
    await client.responses.create(model="m", input=REASONED, reasoning={"effort": "low"})
    (body,) = router.bodies
    assert body["input"] == REASONED
    assert body["reasoning"] == {"effort": "low"}


async def test_and_another_is_not_sent_it():
    router = Router({"s": "It is 38."})
    client = router.client(policies=[Blend(["a", "b"], synthesizer="s")])
    await client.responses.create(model="m", input=REASONED)
    assert "encrypted_content" not in said_to(router.bodies[0])


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_calls_a_tool_nobody_offered_wins_nothing(stream, api):
    def invents(body):
        if "input" in body:
            return response(message_item("I know."), call_item("call_1", "search", "{}"))
        return completion("I know.", calls=[("call_1", "search", "{}")])

    router = Router({"a": invents, "b": "It is 38.", "m": "A"})
    provider = router.provider(policies=[Judge(["a", "b"], judge="m")], api=api)
    with track() as journals:
        said = await run(RunConfig(model_provider=provider), stream=stream, agent=Agent(name="A", model="m"))
    assert said == "It is 38."
    assert "a called a tool that it was not offered" in [decision.reason for decision in journals[0].decisions]
