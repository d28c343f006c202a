"""Explaining an agent's next model call: what the runner would send is built, and the model is not called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import ItemHelpers, RunConfig, RunContextWrapper
from agents._tool_identity import resolve_tool_name_collisions
from agents.models.interface import Model, ModelTracing
from agents.run_internal.turn_preparation import (
    get_all_tools,
    get_handoffs,
    get_model,
    get_model_settings,
    get_output_schema,
    maybe_filter_model_input,
)

from hanzo_agents._agents.models import HanzoModel
from hanzo_agents._agents.wrap import PolicyModel
from hanzo_agents._wire.explain import plan_raised_by, rehearsed
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from agents import Agent, TResponseInputItem

    from hanzo_agents._kernel.plan import Plan

__all__ = ["explain_run", "model_arguments"]


async def explain_run(
    agent: Agent[Any],
    given: str | list[TResponseInputItem],
    config: RunConfig,
    *,
    context: Any = None,
    previous_response_id: str | None = None,
    conversation_id: str | None = None,
) -> Plan:
    """What would happen to the model call with which a run of the agent begins.

    Raises:
        ConfigError: the agent's model does not run through our policies, or the agent lives in a sandbox.
    """
    if type(agent).__module__.startswith("agents.sandbox"):
        raise ConfigError(
            "explain: a SandboxAgent gets its tools from a running sandbox, and explaining starts none"
        )
    model = _rehearsing(get_model(agent, config))
    arguments = await model_arguments(agent, given, config, context)
    arguments |= {"previous_response_id": previous_response_id, "conversation_id": conversation_id}
    return await plan_raised_by(lambda: model.get_response(**arguments))


def _rehearsing(model: Model) -> Model:
    """The model, over a stack that says what it would do."""
    if isinstance(model, PolicyModel):
        return model.rehearsal(rehearsed(model.stack))
    if isinstance(model, HanzoModel):
        return model.rehearsal()
    raise ConfigError(
        f"explain: the agent's model is a {type(model).__name__}, which does not run through our policies; "
        "name a model, or wrap() it"
    )


async def model_arguments(
    agent: Agent[Any], given: str | list[TResponseInputItem], config: RunConfig, context: Any
) -> dict[str, Any]:
    """The arguments of the first model call of a run, in the steps of the SDK's `run_single_turn`.

    Instructions, prompts, filters and conditions that are functions are called; tools, hooks and guardrails are
    not. MCP servers are asked for their tools.
    """
    wrapper: RunContextWrapper[Any] = RunContextWrapper(context=context)
    items = ItemHelpers.input_to_new_input_list(given)
    wrapper.turn_input = list(items)
    tools = await get_all_tools(agent, wrapper)
    instructions = await agent.get_system_prompt(wrapper)
    prompt = await agent.get_prompt(wrapper)
    handoffs = await get_handoffs(agent, wrapper)
    tools, handoffs = resolve_tool_name_collisions(
        tools, handoffs, collision_policy=config.tool_name_collision_policy
    )
    asked = await maybe_filter_model_input(
        agent=agent, run_config=config, context_wrapper=wrapper, input_items=items,
        system_instructions=instructions,
    )  # fmt: skip
    return {
        "system_instructions": asked.instructions,
        "input": asked.input,
        "model_settings": get_model_settings(agent, config),
        "tools": tools,
        "output_schema": get_output_schema(agent),
        "handoffs": handoffs,
        "tracing": ModelTracing.DISABLED,
        "prompt": prompt,
    }
