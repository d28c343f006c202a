"""What explaining a run and naming it stand on in the Agents SDK: the runner's own steps, and its tracing's memory."""

import inspect
from contextvars import Token
from dataclasses import fields

import pytest
from agents import (
    Agent,
    AgentOutputSchema,
    FunctionTool,
    Handoff,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    UserError,
    agent_span,
    function_tool,
    handoff,
    set_tracing_disabled,
    trace,
    turn_span,
)  # fmt: skip
from agents._tool_identity import resolve_tool_name_collisions
from agents.models._run_context import get_model_run_owner, model_run_context
from agents.models.interface import Model, ModelProvider
from agents.run import CallModelData, ModelInputData
from agents.run_internal import run_loop
from agents.run_internal.turn_preparation import (
    get_all_tools,
    get_handoffs,
    get_model,
    get_model_settings,
    get_output_schema,
    maybe_filter_model_input,
)  # fmt: skip
from agents.tracing import get_current_span, get_current_trace

from hanzo_agents._agents.spelling import HANDOFF_LEFT_OUT, TOOL_LEFT_OUT


def tool(name, **fields):
    def run() -> str:
        return name

    return function_tool(run, name_override=name, **fields)


class Bare(Model):
    async def get_response(self, *args, **kwargs):
        raise NotImplementedError

    def stream_response(self, *args, **kwargs):
        raise NotImplementedError


class Bares(ModelProvider):
    def __init__(self):
        self.asked = []

    def get_model(self, model_name):
        self.asked.append(model_name)
        return Bare()


def test_of_tools_with_one_name_the_last_is_kept_and_a_handoff_wins(caplog):
    first, second, other = tool("a"), tool("a"), tool("b")
    assert resolve_tool_name_collisions([first, second, other], [], collision_policy="warn") == (
        [second, other],
        [],
    )
    to = handoff(Agent("x"), tool_name_override="b")
    assert resolve_tool_name_collisions([first, other], [to], collision_policy="warn") == ([first], [to])
    with pytest.raises(UserError):
        resolve_tool_name_collisions([first, second], [], collision_policy="error")
    assert RunConfig().tool_name_collision_policy in {"warn", "error"}


def test_the_runner_says_which_run_a_model_is_called_for():
    assert get_model_run_owner() is None
    owner = object()
    with model_run_context(owner):
        assert get_model_run_owner() is owner
        with model_run_context("inner"):
            assert get_model_run_owner() == "inner"
        assert get_model_run_owner() is owner
    assert get_model_run_owner() is None


@pytest.fixture
def traced():
    set_tracing_disabled(disabled=False)
    yield
    set_tracing_disabled(disabled=True)


@pytest.mark.parametrize("disabled", [False, True])
def test_spans_and_traces_remember_what_they_were_opened_in(traced, disabled):
    """`_prev_span_token` and `_prev_context_token`, of those that are switched off as well."""
    with trace("outer", disabled=disabled) as outer:
        assert outer._prev_context_token.old_value in (None, Token.MISSING)
        with agent_span("a") as agent:
            assert agent._prev_span_token.old_value in (None, Token.MISSING)
            with turn_span(1, "a") as turn:
                assert turn._prev_span_token.old_value is agent
                assert get_current_span() is turn
                assert turn.span_data.agent_name == "a"
                with trace("inner", disabled=disabled) as inner:
                    assert inner._prev_context_token.old_value is outer
                    assert get_current_trace() is inner
            assert agent.span_data.name == "a"
    assert (outer.trace_id == "no-op") is disabled


def test_private_fields_that_tell_the_model_nothing_are_there_to_be_left_out():
    """The agent's and the run's bookkeeping, such as `_default_tool_identity`."""
    for left_out, kind in ((TOOL_LEFT_OUT, FunctionTool), (HANDOFF_LEFT_OUT, Handoff)):
        assert {name for name in left_out if name.startswith("_")} <= {field.name for field in fields(kind)}
    assert handoff(Agent("x"))._default_tool_identity == ("x", "transfer_to_x")
    assert handoff(Agent("x"), tool_name_override="go")._default_tool_identity is None


async def test_the_tools_of_an_agent_are_those_that_are_enabled():
    on, off = tool("on"), tool("off", is_enabled=False)
    assert await get_all_tools(Agent("a", tools=[on, off]), RunContextWrapper(context=None)) == [on]


async def test_handoffs_are_made_of_agents_and_asked_whether_they_are_enabled():
    inner, asked = Agent("inner"), []

    def enabled(context, agent):
        asked.append((context.context, agent.name))
        return False

    off = handoff(Agent("off"), is_enabled=enabled)
    (one,) = await get_handoffs(Agent("a", handoffs=[inner, off]), RunContextWrapper(context="mine"))
    assert isinstance(one, Handoff)
    assert one.tool_name == "transfer_to_inner"
    assert asked == [("mine", "a")]


def test_a_runs_model_wins_over_the_agents_and_names_go_to_the_provider():
    bare, provider = Bare(), Bares()
    assert get_model(Agent("a", model="named"), RunConfig(model=bare)) is bare
    assert get_model(Agent("a", model=bare), RunConfig(model_provider=provider)) is bare
    for agent, config in (
        (Agent("a", model="named"), RunConfig(model_provider=provider)),
        (Agent("a", model=bare), RunConfig(model="runs", model_provider=provider)),
        (Agent("a"), RunConfig(model_provider=provider)),
    ):
        get_model(agent, config)
    assert provider.asked[:2] == ["named", "runs"]
    assert len(provider.asked) == 3


def test_a_runs_settings_lie_over_the_agents():
    agent = Agent("a", model=Bare(), model_settings=ModelSettings(temperature=0.1, max_tokens=5))
    settings = get_model_settings(agent, RunConfig(model_settings=ModelSettings(temperature=0.9)))
    assert (settings.temperature, settings.max_tokens) == (0.9, 5)


def test_text_needs_no_schema():
    assert get_output_schema(Agent("a")) is None
    assert get_output_schema(Agent("a", output_type=str)) is None
    schema = get_output_schema(Agent("a", output_type=int))
    assert isinstance(schema, AgentOutputSchema)
    assert schema.output_type is int


async def test_a_filter_changes_a_copy_of_what_the_model_is_given():
    agent, given = Agent("a"), [{"role": "user", "content": "Hello!"}]

    async def filtered(data: CallModelData):
        assert (data.agent, data.context) == (agent, "mine")
        data.model_data.input.clear()
        return ModelInputData(input=data.model_data.input, instructions="other")

    async def asked(config):
        return await maybe_filter_model_input(
            agent=agent, run_config=config, context_wrapper=RunContextWrapper(context="mine"), input_items=given,
            system_instructions="mine",
        )  # fmt: skip

    plain = await asked(RunConfig())
    assert (plain.input, plain.instructions) == (given, "mine")
    other = await asked(RunConfig(call_model_input_filter=filtered))
    assert (other.input, other.instructions) == ([], "other")
    assert len(given) == 1


def test_these_are_the_steps_that_the_runner_takes():
    source = inspect.getsource(run_loop)
    for step in (
        get_all_tools, get_handoffs, get_model, get_model_settings, get_output_schema, maybe_filter_model_input,
        resolve_tool_name_collisions, model_run_context,
    ):  # fmt: skip
        assert f"{step.__name__}(" in source
