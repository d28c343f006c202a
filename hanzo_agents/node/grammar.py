"""JSON schemas as grammars that the engine decodes under (Lark, as llguidance reads it)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]

from .apierror import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .conversation import Tool

__all__ = [
    "ANY_OBJECT",
    "call_grammar",
    "call_head",
    "json_grammar",
    "literal_grammar",
    "parameters_schema",
    "quoted",
]

ANY_OBJECT: dict[str, Any] = {"type": "object"}

_HEADER = "%llguidance {}\n"
_SAFE_INTEGER = (1 << 53) - 1
"""RFC 8259: integers up to here survive every JSON reader. Unbounded, a small model may write digits for ever."""
_VALUES = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose content is data, not schema."""


def json_grammar(schema: dict[str, Any], *, strict: bool, field: str) -> str:
    """Grammar of the JSON texts that obey a schema.

    Args:
        schema: The schema; it must be an object.
        strict: Keep the engine from passing over a keyword that it cannot enforce.
        field: Where the request has the schema, for the error.

    Raises:
        ApiError: It is not a JSON schema.
    """
    return f"{_HEADER}start: {_json(schema, strict=strict, field=field)}\n"


def call_grammar(tool: Tool) -> str:
    """Grammar of one call of a tool: `{"name": ..., "arguments": ...}`.

    Raises:
        ApiError: The tool's parameters are not a JSON schema.
    """
    arguments = _json(parameters_schema(tool), strict=False, field=tool.field)
    return f'{_HEADER}start: {quoted(call_head(tool))} arguments "}}"\narguments: {arguments}\n'


def call_head(tool: Tool) -> str:
    """The text of a call up to its arguments."""
    return f'{{"name": {quoted(tool.name)}, "arguments": '


def quoted(text: str) -> str:
    """A JSON string, which is a Lark string as well."""
    return json.dumps(text, ensure_ascii=False)


def literal_grammar(text: str) -> str:
    """Grammar of one text: decoding under it reads off how likely the model finds that text."""
    return f"{_HEADER}start: {quoted(text)}\n"


def parameters_schema(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's arguments: an object, of the declared properties only unless it says otherwise."""
    defaults: dict[str, Any] = {"properties": {}, "additionalProperties": False}
    return defaults | tool.parameters | {"type": "object"}


def _json(schema: dict[str, Any], *, strict: bool, field: str) -> str:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ApiError(f"{field}: not a JSON schema: {error.message}", param=field) from None
    options = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False, "lenient": not strict}
    bounded = cast("dict[str, Any]", _bounded(schema))
    return "%json " + json.dumps(bounded | {"x-guidance": options}, ensure_ascii=False)


def _bounded(node: Any) -> Any:
    if isinstance(node, list):
        return [_bounded(item) for item in cast("Sequence[Any]", node)]
    if not isinstance(node, dict):
        return node
    pairs = cast("dict[str, Any]", node).items()
    copy = {key: value if key in _VALUES else _bounded(value) for key, value in pairs}
    if copy.get("type") == "integer" and not copy.keys() & {"enum", "const"}:
        if not copy.keys() & {"minimum", "exclusiveMinimum"}:
            copy["minimum"] = -_SAFE_INTEGER
        if not copy.keys() & {"maximum", "exclusiveMaximum"}:
            copy["maximum"] = _SAFE_INTEGER
    return copy
