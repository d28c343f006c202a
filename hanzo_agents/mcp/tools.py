"""Tools as the Agents SDK and the OpenAI API have them, and their results as the model gets them back."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from agents import FunctionTool, ToolOutputImage, ToolOutputText
from agents.exceptions import UserError
from agents.strict_schema import ensure_strict_json_schema

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.tools import wire_tool
from hanzo_agents.errors import HanzoError, ToolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.tool_context import ToolContext

    from hanzo_agents.mcp.definitions import ToolDefinition
    from hanzo_agents.mcp.results import Allowance, Allowances, ToolResult

    Invoke = Callable[[ToolDefinition, str, Allowance | None], Awaitable[ToolResult]]

__all__ = ["answer_to", "arguments_of", "function_tool", "openai_tool", "parts_of", "said"]


def function_tool(
    name: str, tool: ToolDefinition, invoke: Invoke, allowances: Allowances, *, pause: bool
) -> FunctionTool:
    """The tool for an agent. It works on any event loop, and what goes wrong is told to the model."""

    async def on_invoke_tool(context: ToolContext[Any], arguments: str) -> Any:
        try:
            result = await invoke(tool, arguments, allowances.of(context.usage))
        except HanzoError as error:
            return said(error)
        if not result.images:
            return result.text
        images = [ToolOutputImage(image_url=url) for url in result.images]
        # The text names them: the SDK leaves images out where the API takes none from tools (Chat Completions).
        return [ToolOutputText(text=result.described), *images]

    schema, strict = _fitting(tool.schema)
    return FunctionTool(
        name=name, description=tool.description or tool.title, params_json_schema=schema,
        on_invoke_tool=on_invoke_tool, strict_json_schema=strict, needs_approval=pause and not tool.read_only,
    )  # fmt: skip


def openai_tool(name: str, tool: ToolDefinition) -> dict[str, Any]:
    """The tool as Chat Completions has it, for other clients."""
    schema, strict = _fitting(tool.schema)
    return wire_tool(name, tool.description or tool.title, schema, strict=strict)


def said(error: HanzoError) -> str:
    """What the model is told of a failure."""
    return f"Error: {error}"


def arguments_of(tool: ToolDefinition, given: str) -> dict[str, Any]:
    """The arguments in what a model wrote.

    Raises:
        ToolError: it is no JSON object.
    """
    try:
        arguments: Any = json.loads(given) if given.strip() else {}
    except ValueError as error:
        raise ToolError(f"{tool.name}: the arguments are no JSON: {error}", code="invalid_arguments") from None
    except RecursionError:
        raise ToolError(f"{tool.name}: the arguments are too deep", code="invalid_arguments") from None
    if not isinstance(arguments, dict):
        raise ToolError(f"{tool.name}: the arguments are no JSON object", code="invalid_arguments")
    return as_dict(arguments)  # pyright: ignore[reportUnknownArgumentType]


def parts_of(call: Any) -> tuple[str, str, str, bool]:
    """Name, arguments and id of a tool call, and whether it is one of Responses. Of an object, or its dict."""
    fields = as_dict(call if isinstance(call, dict) else call.model_dump())  # pyright: ignore[reportUnknownArgumentType]
    responses = fields.get("type") == "function_call"
    inner = fields if responses else as_dict(fields.get("function"))
    name, arguments = inner.get("name"), inner.get("arguments")
    ident = fields.get("call_id" if responses else "id")
    return str(name or ""), arguments if isinstance(arguments, str) else "", str(ident or ""), responses


def answer_to(ident: str, text: str, *, responses: bool) -> dict[str, Any]:
    """The message with a tool's result, ready to append to the conversation."""
    if responses:
        return {"type": "function_call_output", "call_id": ident, "output": text}
    return {"role": "tool", "tool_call_id": ident, "content": text}


def _fitting(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema for a model, and whether strictly.

    Strict mode knows fewer schemas: what is optional becomes required there, and open objects closed. A schema
    that it would narrow is given as it is, and what the model writes is checked before the call.
    """
    given = copy.deepcopy(schema)
    given.setdefault("type", "object")
    given.setdefault("properties", {})
    try:
        strict = ensure_strict_json_schema(copy.deepcopy(given))
    except (UserError, RecursionError):
        return given, False
    return given, strict == given
