"""What a server says of its tools."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.canonical import CANONICAL
from hanzo_agents._kernel.shapes import as_dict, as_list
from hanzo_agents.errors import ToolError
from hanzo_agents.mcp.cleaning import clean, shortened

if TYPE_CHECKING:
    from mcp_types import Tool

__all__ = ["ToolDefinition", "Unusable"]

LONGEST_DESCRIPTION = 8000
"""Characters. What is longer is cut: it is paid for with every call of the model."""
LARGEST_SCHEMA = 64_000
"""Bytes as JSON. A tool with a larger one is left out."""
_SHOWN = 300


class Unusable(ValueError):
    """A tool whose definition cannot be given to a model."""


@dataclass(frozen=True)
class ToolDefinition:
    """A tool as its server defines it.

    Attributes:
        server: the name of its server.
        name: its name there.
        title, description: for people, and for models; cleaned of control and invisible characters.
        schema: of its arguments, JSON Schema; cleaned like those. Arguments are held against the server's own.
        read_only: the server says that it changes nothing.
        idempotent: the server says that calling it twice is as good as once.
        digest: SHA-256 of the whole definition, as the server gave it.
    """

    server: str
    name: str
    title: str
    description: str
    schema: dict[str, Any] = field(hash=False)
    read_only: bool
    idempotent: bool
    digest: str
    _check: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, server: str, tool: Tool) -> ToolDefinition:
        """The definition of a tool.

        Raises:
            Unusable: its name or its schema cannot be used; the message says why.
        """
        schema = tool.input_schema
        hints = tool.annotations
        told = tool.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta", "icons"})
        try:
            spelled = CANONICAL.encode(told).encode()
            size = len(CANONICAL.encode(schema))
            readable = _readable(schema)
        except (TypeError, ValueError, RecursionError):
            raise Unusable("its definition is no plain JSON, or too deep") from None
        if not tool.name or len(tool.name) > 256 or clean(tool.name) != tool.name:
            raise Unusable("its name is empty, too long, or has characters that nobody sees")
        if size > LARGEST_SCHEMA:
            raise Unusable(f"its schema has {size:,} bytes, and more than {LARGEST_SCHEMA:,} are not taken")
        return cls(
            server=server, name=tool.name, title=_told(tool.title or (hints.title if hints else None)),
            description=_told(tool.description), schema=readable,
            read_only=bool(hints and hints.read_only_hint), idempotent=bool(hints and hints.idempotent_hint),
            digest=hashlib.sha256(spelled).hexdigest(), _check=_checker(schema),
        )  # fmt: skip

    @property
    def repeatable(self) -> bool:
        """Whether it may be called again when nobody knows what became of the first call."""
        return self.read_only or self.idempotent

    def check(self, arguments: dict[str, Any]) -> None:
        """Hold arguments against the schema.

        Raises:
            ToolError: they do not fit; the message says where, for the model to mend.
        """
        exceptions: Any = import_module("jsonschema.exceptions")  # it has no types
        try:
            error: Any = exceptions.best_match(self._check.iter_errors(arguments))
        except Exception as failure:  # noqa: BLE001 - the schema is a stranger's: what it refers to, how deep it goes
            raise ToolError(
                f"{self.name}: its schema cannot be checked against ({type(failure).__name__})",
                code="invalid_arguments",
            ) from None
        if error is not None:
            where = "".join(f"[{part!r}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
            said = shortened(clean(error.message), _SHOWN)
            raise ToolError(f"{self.name}: arguments{where}: {said}", code="invalid_arguments")


def _told(text: str | None) -> str:
    return shortened(clean(text or ""), LONGEST_DESCRIPTION)


def _readable(part: Any) -> Any:
    """A schema without what nobody sees: the model reads all of it, names and values too."""
    if isinstance(part, str):
        return clean(part)
    if isinstance(part, dict):
        return {clean(name): _readable(value) for name, value in as_dict(part).items()}  # pyright: ignore[reportUnknownArgumentType]
    return [_readable(one) for one in as_list(part)] if isinstance(part, list) else part  # pyright: ignore[reportUnknownArgumentType]


def _checker(schema: dict[str, Any]) -> Any:
    jsonschema: Any = import_module("jsonschema")
    referencing: Any = import_module("referencing")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except (jsonschema.SchemaError, RecursionError):
        raise Unusable("its schema is not JSON Schema") from None
    # A registry of its own: the default one would fetch what a `$ref` names, from wherever that is.
    return kind(schema, registry=referencing.Registry())
