"""What a served tool is, and an agent as one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agents import AgentOutputSchema, AgentOutputSchemaBase
from mcp import types
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json, to_jsonable_python

from hanzo_agents.errors import ConfigError
from hanzo_agents.mcp.serving.problems import CallFailed
from hanzo_agents.mcp.serving.runs import run_to_its_end

if TYPE_CHECKING:
    from agents import Agent

    from hanzo_agents.mcp.serving.progress import Progress
    from hanzo_agents.mcp.serving.runs import Terms

__all__ = ["AgentTool", "Answer", "Arguments", "ServedTool", "schema_of", "tool_name"]

_NO_NAME = re.compile(r"[^a-z0-9_-]+")
_LONGEST = 64


@dataclass(frozen=True)
class Answer:
    """What a tool gives back: text, and the same as JSON where its definition has a schema for it."""

    text: str
    structured: dict[str, Any] | None = None


class Arguments(BaseModel):
    """Arguments of a tool; their JSON Schema is made of them."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ServedTool(Protocol):
    """A tool that clients may call."""

    @property
    def definition(self) -> types.Tool:
        """What clients are told of it."""
        ...

    async def __call__(self, given: dict[str, Any], progress: Progress, /) -> Answer:
        """Do it. Raises ValidationError when the arguments are wrong."""
        ...


class _Input(Arguments):
    input: str = Field(min_length=1, description="What to ask the agent, or tell it to do.")


class AgentTool:
    """An agent as a tool: text in, its final output back."""

    def __init__(self, name: str, agent: Agent[Any], terms: Terms) -> None:
        self._agent = agent
        self._terms = terms
        schema = _output_schema(agent)
        # What is no object by its type, the SDK asks the model for inside of one.
        self._wrapped = getattr(schema, "_is_wrapped", False)
        self.definition = types.Tool(
            name=name,
            title=agent.name,
            description=agent.handoff_description or f"Asks the agent {agent.name}, and waits for its answer.",
            input_schema=schema_of(_Input),
            output_schema=None if schema is None else schema.json_schema(),
            # What its tools do is not known here; without any it can only answer.
            annotations=types.ToolAnnotations(read_only_hint=True) if _only_answers(agent) else None,
        )

    async def __call__(self, given: dict[str, Any], progress: Progress, /) -> Answer:
        """Run the agent to its end."""
        asked = _Input.model_validate(given)
        result = await run_to_its_end(self._agent, asked.input, self._terms, progress)
        if result.interruptions:
            waiting = ", ".join(sorted({item.name or "a tool" for item in result.interruptions}))
            raise CallFailed(f"the agent may not go on until a person approves of {waiting}", "needs_approval")
        output: Any = result.final_output
        text = output if isinstance(output, str) else to_json(output).decode()
        if self.definition.output_schema is None:
            return Answer(text)
        structured = to_jsonable_python(output)
        return Answer(text, {"response": structured} if self._wrapped else structured)


def tool_name(name: str, field: str) -> str:
    """An agent's name as every client accepts it.

    Raises:
        ConfigError: nothing is left of it.
    """
    found = _NO_NAME.sub("_", name.lower()).strip("_")[:_LONGEST]
    if not found:
        raise ConfigError(
            f'{field}: {name!r} gives no tool name of letters and digits; name it with {{"name": agent}}'
        )
    return found


def schema_of(arguments: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a model, without the titles that only repeat its names."""
    schema: dict[str, Any] = _untitled(arguments.model_json_schema())
    return schema


def _untitled(part: Any, *, names: bool = False) -> Any:
    """`names`: the keys of this part are names of properties, and "title" may be one of them."""
    if isinstance(part, dict):
        return {
            key: _untitled(value, names=key in ("properties", "$defs") and not names)
            for key, value in part.items()  # pyright: ignore[reportUnknownVariableType]
            if names or key != "title"
        }
    return [_untitled(each) for each in part] if isinstance(part, list) else part  # pyright: ignore[reportUnknownVariableType]


def _output_schema(agent: Agent[Any]) -> AgentOutputSchemaBase | None:
    """The form of what comes back; None for text, and where another agent may have the last word."""
    kind: Any = agent.output_type
    if kind is None or agent.handoffs:
        return None
    schema = kind if isinstance(kind, AgentOutputSchemaBase) else AgentOutputSchema(kind, strict_json_schema=False)
    return None if schema.is_plain_text() or schema.json_schema().get("type") != "object" else schema


def _only_answers(agent: Agent[Any]) -> bool:
    return not (agent.tools or agent.mcp_servers or agent.handoffs)
