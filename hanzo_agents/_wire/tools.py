"""Function tools of agents, given to a request: as its API spells them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["spell_tools", "wire_tool"]


def spell_tools(kwargs: dict[str, Any], *, flat: bool = False) -> dict[str, Any]:
    """Put the API's form in place of tools that are objects, such as `FunctionTool`s of the Agents SDK.

    Args:
        kwargs: of `create`.
        flat: as Responses has it, without the inner object.
    """
    tools = kwargs.get("tools")
    if isinstance(tools, Iterable) and not isinstance(tools, str | bytes | dict):
        given: list[Any] = list(tools)  # pyright: ignore[reportUnknownArgumentType]
        kwargs["tools"] = [_spelled(tool, flat=flat) for tool in given]
    return kwargs


def wire_tool(name: str, description: str, schema: Any, *, strict: bool) -> dict[str, Any]:
    """A tool as Chat Completions has it."""
    function: dict[str, Any] = {"name": name, "description": description, "parameters": schema}
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _spelled(tool: Any, *, flat: bool) -> Any:
    if not hasattr(tool, "params_json_schema"):
        return tool
    strict = bool(tool.strict_json_schema)
    spelled = wire_tool(tool.name, tool.description, tool.params_json_schema, strict=strict)
    # Responses is strict unless told otherwise.
    return {"type": "function", **spelled["function"], "strict": strict} if flat else spelled
