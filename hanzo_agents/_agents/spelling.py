"""What a call of a model asks, in plain JSON: its arguments, and whose model it is."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import openai
import pydantic
from agents.tool import FunctionTool

from hanzo_agents._wire.keeping.asked import body_of, headers_of

if TYPE_CHECKING:
    from agents import Model
    from agents.agent_output import AgentOutputSchemaBase
    from agents.handoffs import Handoff
    from agents.model_settings import ModelSettings
    from agents.tool import Tool

__all__ = [
    "HANDOFF_LEFT_OUT",
    "SETTINGS_LEFT_OUT",
    "TOOL_LEFT_OUT",
    "handoff_of",
    "identity_of",
    "output_of",
    "settings_of",
    "tool_of",
]

SETTINGS_LEFT_OUT: dict[str, str] = {
    "include_usage": "whether tokens are reported, not what is answered",
    "metadata": "a label for logs; only its `tags`, by which a router may choose, count",
    "prompt_cache_options": "how the provider keeps what it has read",
    "prompt_cache_retention": "how long the provider keeps what it has read",
    "retry": "how often it is tried",
    "timeout": "how long it may take",
}
"""Fields of ModelSettings that are no part of the key, each with its reason; in `extra_body`, `extra_args` and
`extra_headers` it is what `LEFT_OUT` and `LEFT_OUT_HEADERS` name."""

TOOL_LEFT_OUT: dict[str, str] = dict.fromkeys(
    (
        "on_invoke_tool", "is_enabled", "tool_input_guardrails", "tool_output_guardrails", "needs_approval",
        "timeout_seconds", "timeout_behavior", "timeout_error_function", "custom_data_extractor",
        "_output_type_adapter", "_failure_error_function", "_use_default_failure_error_function", "_is_agent_tool",
        "_agent_tool_default_identity", "_is_codex_tool", "_agent_instance", "_mcp_title", "_tool_origin",
        "_emit_tool_origin", "_mcp_tool_binding", "_mcp_annotations",
    ),
    "how the tool is run, which the model is not told",
)  # fmt: skip
"""Fields of a FunctionTool that are no part of the key."""

HANDOFF_LEFT_OUT: dict[str, str] = dict.fromkeys(
    (
        "on_invoke_handoff", "input_filter", "nest_handoff_history", "is_enabled", "_agent_ref",
        "_default_tool_identity",
    ),
    "how the handoff is made, which the model is not told",
)  # fmt: skip
"""Fields of a Handoff that are no part of the key."""


def settings_of(settings: ModelSettings) -> dict[str, Any]:
    """What counts of the settings. TypeError when something in them cannot be spelled."""
    given = {f.name: v for f in fields(settings) if (v := getattr(settings, f.name)) is not None}
    asked = {name: plain(value) for name, value in given.items() if name not in SETTINGS_LEFT_OUT}
    for name in ("extra_body", "extra_args"):
        if isinstance(asked.get(name), dict):
            asked[name] = body_of(asked[name])
    if "extra_headers" in given:
        asked["extra_headers"] = headers_of(given["extra_headers"].items())
    if tags := (settings.metadata or {}).get("tags"):
        asked["tags"] = plain(tags)
    return asked


def tool_of(tool: Tool) -> Any:
    """What a model is told of a tool. TypeError when something in it cannot be spelled."""
    left_out = TOOL_LEFT_OUT if isinstance(tool, FunctionTool) else {}
    return (type(tool).__name__, _told(tool, left_out))


def handoff_of(handoff: Handoff[Any, Any]) -> Any:
    """What a model is told of a handoff."""
    return _told(handoff, HANDOFF_LEFT_OUT)


def output_of(schema: AgentOutputSchemaBase | None) -> Any:
    """What a model is told of the output that is wanted."""
    if schema is None or schema.is_plain_text():
        return None
    return (schema.name(), schema.json_schema(), schema.is_strict_json_schema())


def _told(thing: Any, left_out: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a dataclass that say something; functions are run here, and say nothing to a model."""
    if not is_dataclass(thing):
        raise TypeError(f"{type(thing).__name__} cannot be spelled")
    told = {f.name: getattr(thing, f.name) for f in fields(thing) if f.name not in left_out}
    return {name: plain(value) for name, value in told.items() if value is not None and not callable(value)}


def plain(value: Any) -> Any:
    """A value as plain JSON.

    Raises:
        TypeError: it is of a kind whose meaning is not known here.
    """
    spelled: Any
    if isinstance(value, enum.Enum):
        spelled = plain(value.value)
    elif value is None or isinstance(value, str | int | float):
        spelled = value
    elif isinstance(value, Mapping):
        items: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        spelled = {str(name): plain(inner) for name, inner in items.items()}
    elif isinstance(value, list | tuple):
        spelled = [plain(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    elif isinstance(value, set | frozenset):
        spelled = sorted((plain(inner) for inner in value), key=repr)  # pyright: ignore[reportUnknownVariableType]
    elif isinstance(value, pydantic.BaseModel):
        spelled = plain(value.model_dump(mode="json", exclude_unset=True))
    elif isinstance(value, type):
        spelled = f"{value.__module__}.{value.__qualname__}"
    elif is_dataclass(value):
        spelled = {"": type(value).__name__, **_told(value, {})}
    else:
        raise TypeError(f"{type(value).__name__} cannot be spelled")
    return spelled


_identities: WeakKeyDictionary[Model, tuple[Any, bool]] = WeakKeyDictionary()


def identity_of(model: Model) -> tuple[Any, bool]:
    """Whose answers a model gives, and whether that says who may ask it.

    Two objects that are made alike are one model, in every process. One that holds what cannot be compared is like
    no other, and one without a name is not either.
    """
    known = _identities.get(model)
    if known is None:
        known = _identities[model] = _identity(model)
    return known


def _identity(model: Model) -> tuple[Any, bool]:
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    steady = True
    told: dict[str, Any] = {}
    try:
        for name, value in vars(model).items():
            if isinstance(value, openai.AsyncOpenAI):
                told[name], steady = _client(value)
            else:
                told[name] = plain(value)
    except TypeError:
        told = {}
    if not isinstance(told.get("model"), str):
        return (kind, uuid.uuid4().hex), True
    return (kind, told), steady


def _client(client: openai.AsyncOpenAI) -> tuple[Any, bool]:
    asked: Any = client
    http = asked._client  # noqa: SLF001
    steady = asked._api_key_provider is None and http.auth is None  # noqa: SLF001
    told = (
        str(asked.base_url), asked.api_key if steady else None, asked.organization, asked.project,
        headers_of(asked._custom_headers.items()), headers_of(http.headers.items()),  # noqa: SLF001
        sorted(f"{name}={value}" for name, value in asked._custom_query.items()),  # noqa: SLF001
    )  # fmt: skip
    return told, steady
