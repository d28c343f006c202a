"""Routing before a router: the client, agents with tools, and models of strangers."""

import httpx2
import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message
from upstream import HELLO, Upstream, completion, sse, text_chunks

from hanzo_agents import ConfigError, Refused, Route, Target, track, wrap
from hanzo_agents.modes.walk import StaysHere
from hanzo_agents.routing import ModelFacts, RoutingStrategy, pii, routed

MODELS = {"best": ModelFacts(quality=0.9), "small": ModelFacts(quality=0.68)}
HARD = {"role": "user", "content": "Prove that every finite integral domain is a field."}


def by_task(**fields):
    return Route(**{"to": ["small", "best"], "models": MODELS, **fields})


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
async def test_the_client_sends_the_model_that_was_chosen(stream):
    upstream = Upstream(lambda _request: sse(*text_chunks("ok")) if stream else completion("ok"))
    client = upstream.client(policies=[by_task(alias="auto")])
    for messages, model in (([HELLO], "small"), ([HARD], "best")):
        with track() as journals:
            answer = await client.chat.completions.create(model="auto", messages=messages, stream=stream)
            if stream:
                assert [c async for c in answer]
        assert upstream.bodies[-1]["model"] == model
        (chosen,) = [d for d in journals[0].decisions if d.policy == "Route"]
        assert chosen.data["target"] == model
        assert journals[0].answered.target == model


async def test_responses_are_routed_and_embeddings_are_not():
    from upstream import response

    upstream = Upstream(lambda _request: response())
    client = upstream.client(policies=[by_task()])
    await client.responses.create(model="asked", input="Prove that the series converges.")
    assert upstream.bodies[-1]["model"] == "best"


async def test_explain_sends_nothing():
    upstream = Upstream(lambda _request: completion("ok"))
    plan = await upstream.client(policies=[by_task()]).explain(model="asked", messages=[HARD])
    assert plan.targets == ("best",)
    assert "best by balanced" in str(plan)
    assert upstream.hits == 0


class StaysAtHome(RoutingStrategy):
    def should_use_local(self, messages, options):
        return self.contains_pii(" ".join(message["content"] for message in messages))


@pytest.mark.parametrize("say", ["instructions", "embeddings", "system"])
async def test_personal_data_is_found_wherever_a_call_says_it(say):
    upstream = Upstream(lambda _request: completion("ok"))
    client = upstream.client(policies=[Route(strategy=StaysAtHome())])
    private = "Write to jane@example.com."
    ask = {
        "instructions": lambda: client.responses.create(model="m", input="x", instructions=private),
        "embeddings": lambda: client.embeddings.create(model="m", input=["x", private]),
        "system": lambda: client.chat.completions.create(
            model="m", messages=[{"role": "system", "content": private}, HELLO]
        ),
    }[say]
    with pytest.raises(Refused) as error:
        await ask()
    assert error.value.code == "local_only"
    assert upstream.hits == 0


async def test_a_model_object_is_nothing_that_a_client_could_send_to():
    class Named(RoutingStrategy):
        def select_model(self, messages, options):
            return Target(model=ScriptedModel([]))

    upstream = Upstream(lambda _request: completion("ok"))
    with pytest.raises(ConfigError, match="is a model object, which the client cannot send to"):
        await upstream.client(policies=[Route(strategy=Named())]).chat.completions.create(
            model="m", messages=[HELLO]
        )
    assert upstream.hits == 0


async def test_options_of_a_block_reach_the_strategy_and_nobody_else():
    class ByRole(RoutingStrategy):
        def select_model(self, messages, options):
            return "best" if options.get("user_role") == "enterprise" else "small"

    upstream = Upstream(lambda _request: completion("ok"))
    client = upstream.client(policies=[Route(strategy=ByRole())])
    with routed(options={"user_role": "enterprise"}):
        await client.chat.completions.create(model="m", messages=[HELLO])
    assert upstream.bodies[-1]["model"] == "best"
    assert "enterprise" not in str(upstream.bodies)


@function_tool
def reckon(a: int) -> int:
    """Reckon with a number."""
    return a + 1


async def test_a_run_with_tools_stays_with_one_model():
    def answer(_request):
        tools = sum(message["role"] == "tool" for message in upstream.bodies[-1]["messages"])
        return completion("done") if tools == 3 else completion(None, calls=[(f"c{tools}", "reckon", '{"a": 1}')])

    upstream = Upstream(answer)
    provider = upstream.provider(policies=[by_task(strategy="latency_optimized")])
    agent = Agent(name="A", model="m", tools=[reckon])
    await Runner.run(agent, HARD["content"], run_config=RunConfig(model_provider=provider, tracing_disabled=True))
    models = [body["model"] for body in upstream.bodies]
    assert len(models) == 4
    assert len(set(models)) == 1


async def test_models_of_strangers_are_candidates():
    mine, other = ScriptedModel([[assistant_message("mine")]]), ScriptedModel([[assistant_message("other")]])
    to = [Target(mine, label="small"), Target(other, label="best")]
    model = wrap(mine, Route(to=to, strategy="quality_focused", prefer=["best"]))
    run = await Runner.run(Agent(name="A", model=model), "Hello!", run_config=RunConfig(tracing_disabled=True))
    assert run.final_output == "other"


async def test_personal_data_is_sent_to_no_router():
    upstream = Upstream(lambda _request: completion("ok"))
    local = Target("tiny", "http://127.0.0.1:9/v1", "k", lacks={"tools"})
    client = upstream.client(policies=[by_task(to=["best", local], local=[local], local_for=pii)])
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    with pytest.raises(Refused):
        await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "jane@example.com"}], tools=tools
        )
    assert upstream.hits == 0


@pytest.mark.parametrize("here", [False, True], ids=["elsewhere", "local mode"])
async def test_personal_data_is_in_no_other_request_either(here):
    upstream = Upstream(lambda _request: httpx2.Response(200, json={"data": [], "created": 1}))
    local = Target("tiny", "http://127.0.0.1:9/v1", "k")
    policies = [by_task(to=["best", local], local=[local], local_for=pii), *([StaysHere()] if here else ())]
    client = upstream.client("http://127.0.0.1:9/v1", policies=policies)
    private = "a portrait of jane.doe@example.com"
    for send in (
        lambda: client.images.generate(model="m", prompt=private),
        lambda: client.images.edit(model="m", image=b"png", prompt=private),
        lambda: client.beta.responses.create(model="m", input=[{"role": "user", "content": private}]),
        lambda: client.post("chat/completions", body={"messages": [{"content": private}]}, cast_to=object),
        lambda: client.post("/x", options={"extra_json": {"text": (private,)}}, body={}, cast_to=object),
        lambda: client.post("/x", content=private.encode(), cast_to=object),
    ):
        if here:
            await send()
        else:
            with pytest.raises(Refused, match="must stay on this machine") as error:
                await send()
            assert error.value.code == "local_only"
            assert "jane" not in str(error.value)
    await client.images.generate(model="m", prompt="a cat")
    await client.models.list()
    assert upstream.hits == (8 if here else 2)
