"""What would happen and why: the plan says what the run then does, and finding out does nothing."""

import json
import re
from dataclasses import dataclass

import pytest
from agents import (
    Agent,
    AgentHooks,
    ModelSettings,
    RunConfig,
    Runner,
    function_tool,
    handoff,
    input_guardrail,
)
from agents.run import ModelInputData
from agents.testing import ScriptedModel, assistant_message
from upstream import HELLO, Upstream, completion, response

from hanzo_agents import (
    ConfigError,
    Deadline,
    Fallback,
    Hedge,
    Plan,
    Retry,
    Stack,
    Target,
    Trace,
    track,
    wrap,
)
from hanzo_agents._kernel.journal import Decision
from hanzo_agents.testing.clock import FakeClock


@dataclass
class Weather:
    sunny: bool


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    raise AssertionError("explaining runs no tool")


class Hooks(AgentHooks):
    async def on_start(self, context, agent):
        raise AssertionError("explaining runs no hook")

    async def on_llm_start(self, *_):
        raise AssertionError("explaining runs no hook")


@input_guardrail
async def guard(context, agent, given):
    raise AssertionError("explaining runs no guardrail")


async def instructions(context, agent):
    return f"You help {context.context}. You are {agent.name}."


def agent_of(kind="plain", **fields):
    """Agents of many kinds; what must not run is added by `watched`."""
    other = Agent(name="Other", handoff_description="knows other things")
    kinds = {
        "plain": {},
        "dynamic instructions": {"instructions": instructions},
        "tools": {"tools": [weather]},
        "a disabled tool": {"tools": [function_tool(lambda: "x", name_override="off", is_enabled=False), weather]},
        "handoffs": {"handoffs": [other, handoff(Agent(name="Never"), is_enabled=lambda *_: False)]},
        "output type": {"output_type": Weather},
        "settings": {"model_settings": ModelSettings(temperature=0.1, max_tokens=50, tool_choice="none")},
        "everything": {
            "instructions": instructions, "tools": [weather], "handoffs": [other], "output_type": Weather,
            "model_settings": ModelSettings(max_tokens=50, parallel_tool_calls=False),
        },
    }  # fmt: skip
    return Agent(**{"name": "A", "model": "m", **kinds[kind], **fields})


KINDS = [
    "plain", "dynamic instructions", "tools", "a disabled tool", "handoffs", "output type", "settings", "everything"
]  # fmt: skip


class Spy:
    """A policy that remembers the call it is asked about."""

    def __init__(self):
        self.planned = []
        self.sent = []

    async def __call__(self, call, send):
        self.sent.append(call)
        return await send(call)

    def plan(self, call):
        self.planned.append(call)
        return Decision("Spy", "looks", "at the call")


def upstream_for(api):
    said = '{"response": {"sunny": true}}'
    return Upstream(completion(said) if api == "chat" else response(text=said))


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_call_that_is_explained_is_the_one_that_the_runner_makes(kind, api):
    """The whole body, whatever the agent: explained first, then run, on one provider."""
    spy, upstream = Spy(), upstream_for(api)
    provider = upstream.provider(api=api, policies=Stack(spy))
    config = RunConfig(model_settings=ModelSettings(top_p=0.5))
    plan = await provider.explain(agent_of(kind, hooks=Hooks()), "Hello!", context="Ada", run_config=config)
    assert upstream.hits == 0
    config.model_provider = provider
    await Runner.run(agent_of(kind), "Hello!", context="Ada", run_config=config)
    (planned,), (sent,) = spy.planned, spy.sent
    made, explained = dict(sent.view.body), dict(planned.view.body)
    made.pop("prompt_cache_key", None)  # of a run, which explaining is not
    assert explained == made
    assert (planned.target, planned.pinned, planned.single) == (sent.target, sent.pinned, sent.single)
    assert plan.operation == sent.view.operation


async def test_explaining_calls_nobody_and_nothing_hears_of_it():
    upstream = upstream_for("chat")
    provider = upstream.provider(policies=[Hedge(after=1.0)], fallbacks=["b"])
    agent = agent_of("everything", hooks=Hooks(), input_guardrails=[guard])
    heard = []

    class Observer:
        attempt_started = attempt_ended = decided = call_ended = lambda self, *_: heard.append(_)

    watched = upstream.provider(policies=[Trace(to=[Observer()])])
    with track() as journals:
        for each in (provider, watched):
            assert isinstance(await each.explain(agent, "Hello!", context="Ada"), Plan)
    assert (upstream.hits, journals, heard) == (0, [], [])
    budget = next(policy.budget for policy in provider.client.stack if isinstance(policy, Retry))
    assert budget.tokens == budget.capacity


async def test_what_it_says():
    with FakeClock():
        provider = upstream_for("chat").provider(
            fallbacks=[Target("blind", lacks={"tools"}), "claude-3-haiku-20240307"],
            policies=[
                Trace(to=[]),
                Deadline(total=60, first_event=5, idle=None),
                Hedge(after=2.0, to=["gpt-4o-mini"], max_extra_spend=1.0),
            ],
        )
        agent = agent_of("tools", model="gpt-4o", model_settings=ModelSettings(max_tokens=1000))
        plan = await provider.explain(agent, "Hello! " * 100)
    # What a model costs is its provider's business, and changes.
    assert re.sub(r"\$[\d.]+", "$", str(plan)) == (
        "chat to gpt-4o > claude-3-haiku-20240307\n"
        "  Trace     reports: to nobody\n"
        "  Deadline  limits: 60 s in all, 5 s to the first useful event\n"
        "  Fallback  walks: gpt-4o > claude-3-haiku-20240307; skips blind, which lacks tools\n"
        "    gpt-4o:\n"
        "      Retry     tries again: only what need not wait, for another target stands ready; 100 of 100 retries left\n"
        "      Hedge     asks a second target: gpt-4o-mini, when gpt-4o is not heard of in 2 s\n"
        "    claude-3-haiku-20240307:\n"
        "      Retry     tries again: up to 3 attempts, after at most 0.5, 1 s; 100 of 100 retries left\n"
        "      Hedge     asks a second target: gpt-4o-mini, when claude-3-haiku-20240307 is not heard of in 2 s\n"
        "requests, in order:\n"
        "  1. gpt-4o: about 247 tokens in, at most 1000 out, $ to $\n"
        "  2. gpt-4o-mini: about 247 tokens in, at most 1000 out, $ to $ (only when the first is slow)\n"
        "  3. claude-3-haiku-20240307: about 247 tokens in, at most 1000 out, $ to $\n"
        "  4. gpt-4o-mini: about 247 tokens in, at most 1000 out, $ to $ (only when the first is slow)"
    )
    assert plan.targets == ("gpt-4o", "claude-3-haiku-20240307")
    assert [decision.policy for decision in plan.decisions][:3] == ["Trace", "Deadline", "Fallback"]
    plain = json.loads(json.dumps(plan.as_dict()))
    assert plain["legs"][0]["least_usd"] == f"{plan.legs[0].least:f}"
    assert plain["steps"][2]["decision"]["data"]["passed_by"] == {"blind": "lacks tools"}
    assert plain["warnings"] == []


async def test_what_may_surprise_is_a_warning():
    class Refuses:
        def plan(self, call):
            return Decision("Refuses", "refuses", f"{call.target} is full")

        async def __call__(self, call, send):
            raise AssertionError

    class Breaks(Refuses):
        def plan(self, call):
            raise RuntimeError("no idea")

    async def mine(call, send):
        raise AssertionError

    client = upstream_for("chat").client(policies=Stack(Fallback(to=["unheard-of"]), mine, Breaks(), Refuses()))
    plan = await client.explain(messages=[HELLO], model="gpt-5", reasoning_effort="low")
    assert plan.warnings == (
        "mine does not say what it would do",
        "Breaks could not say what it would do: RuntimeError: no idea",
        "unheard-of does not take them: reasoning_effort",
        "gpt-5 would not be asked now: Refuses: gpt-5 is full",
        "unheard-of would not be asked now: Refuses: unheard-of is full",
        "nobody knows what unheard-of costs",
    )
    assert "unheard-of: not now: Refuses: unheard-of is full" in str(plan)


@pytest.mark.parametrize(
    ("request_", "operation"),
    [
        ({"messages": [HELLO]}, "chat"),
        ({"messages": [HELLO], "stream": True}, "chat"),
        ({"input": "Hello!"}, "responses"),
        ({"input": "Hello!", "api": "embeddings", "model": "text-embedding-3-small"}, "embeddings"),
    ],
)
async def test_a_client_explains_the_three_apis(request_, operation):
    upstream = Upstream()
    client = upstream.client()
    assert (await client.explain(**request_)).operation == operation
    assert upstream.hits == 0


async def test_tokens_that_are_given_as_numbers_count():
    plan = await Upstream().client().explain(input=[[1, 2, 3], [4]], api="embeddings", model="m")
    assert plan.legs[0].tokens_in == 4


async def test_a_client_cannot_explain_what_is_no_request():
    with pytest.raises(ConfigError, match=r"explain: expected messages= .* got \['model'\]"):
        await Upstream().client().explain(model="m")


async def test_what_is_pinned_or_single_goes_nowhere_else():
    client = Upstream().client(fallbacks=["b"], policies=[Hedge(after=1.0, max_extra_spend=1.0)])
    plan = await client.explain(input="Hello!", previous_response_id="resp_1")
    assert (plan.targets, len(plan.legs)) == (("m",), 1)
    plan = await client.with_options(max_retries=0).explain(messages=[HELLO])
    assert len(plan.legs) == 1
    assert {d.policy: d.action for d in plan.decisions if d.policy != "Deadline"} == {
        "Trace": "reports", "Fallback": "passes on", "Retry": "passes on", "Hedge": "passes on"
    }  # fmt: skip


async def test_a_chain_that_holds_a_model_object_is_explained_too():
    upstream = upstream_for("chat")
    scripted = ScriptedModel([[assistant_message("never")]])
    provider = upstream.provider(fallbacks=[Target(scripted, label="mine")])
    plan = await provider.explain(agent_of("tools"), "Hello!")
    assert plan.targets == ("m", "mine")
    assert upstream.hits == 0


async def test_a_wrapped_model_is_explained_and_a_strangers_is_not():
    provider = Upstream().provider()
    scripted = ScriptedModel([[assistant_message("never")]])
    plan = await provider.explain(Agent(name="A", model=wrap(scripted, Hedge(after=1.0))), "Hello!")
    assert [step.policy for step in plan.steps] == ["Trace", "Deadline", "Retry", "Hedge"]
    with pytest.raises(ConfigError, match="the agent's model is a ScriptedModel, which does not run through our"):
        await provider.explain(Agent(name="A", model=scripted), "Hello!")


async def test_a_filter_of_the_run_is_applied():
    spy, upstream = Spy(), upstream_for("chat")
    provider = upstream.provider(policies=Stack(spy))

    def shorter(data):
        return ModelInputData(input=data.model_data.input[-1:], instructions="Be brief.")

    config = RunConfig(call_model_input_filter=shorter)
    history = [{"role": "user", "content": text} for text in ("one", "two")]
    await provider.explain(agent_of(), history, run_config=config)
    assert [message["content"] for message in spy.planned[0].view.body["messages"]] == ["Be brief.", "two"]


async def test_an_agent_in_a_sandbox_is_refused():
    from agents.sandbox import SandboxAgent

    with pytest.raises(ConfigError, match="SandboxAgent"):
        await Upstream().provider().explain(SandboxAgent(name="A"), "Hello!")


async def test_a_timeout_of_the_agents_settings_is_in_the_plan():
    with FakeClock():
        agent = agent_of(model_settings=ModelSettings(timeout=7))
        plan = await Upstream().provider().explain(agent, "Hello!")
    assert "the caller gives up after 7 s" in str(plan)
