"""A request as its endpoint function makes it: no I/O, and nothing of who sends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

from hanzo_agents._wire.compose import ENCODER
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Kind", "Request", "delete", "encoded", "get", "patch", "path_part", "post", "put"]

T = TypeVar("T")

Kind = Literal["json", "object", "list", "text"]
"""What must come back: any JSON, an object, a list, or text."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request, and what its answer is read as: `T`.

    Attributes:
        method: of HTTP.
        path: below the base URL, its parts quoted.
        query: parameters; None is left out.
        body: sent as JSON; None is no body.
        kind: what must come back.
        secrets: what of the body must not come back in an error.
        paid: models are asked for it, at a price that nobody knows: a budget refuses it, unless told otherwise.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    kind: Kind = "json"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    paid: bool = False

    @property
    def params(self) -> dict[str, Any]:
        """The query without what is not given."""
        return {name: value for name, value in self.query.items() if value is not None}


def get(path: str, *, kind: Kind = "json", **query: Any) -> Request[Any]:
    """Read something."""
    return Request("GET", path, query, kind=kind)


def post(path: str, body: Mapping[str, Any] | None = None, *, paid: bool = False) -> Request[Any]:
    """Make or start something."""
    return Request("POST", path, body=body or {}, kind="object", paid=paid)


def put(path: str, body: Mapping[str, Any] | None = None, *, secrets: tuple[str, ...] = ()) -> Request[Any]:
    """Change something."""
    return Request("PUT", path, body=body or {}, kind="object", secrets=secrets)


def patch(path: str, **query: Any) -> Request[Any]:
    """Change a part of something; this API takes the change as query parameters."""
    return Request("PATCH", path, query, kind="object")


def delete(path: str) -> Request[Any]:
    """Remove something."""
    return Request("DELETE", path, kind="object")


def path_part(name: str, value: str) -> str:
    """An id as one part of a path, whatever characters it has.

    Raises:
        ConfigError: it is empty, or no id: the path would name something else, the whole collection for one.
    """
    if not isinstance(value, str) or value.strip() in {"", ".", ".."}:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{name}: expected an id, got {value!r}")
    return quote(value, safe="")


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as it is sent.

    Raises:
        ConfigError: it holds something that is not plain JSON.
    """
    try:
        return ENCODER.encode(body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        why = str(error)
    raise ConfigError(f"request: expected plain JSON ({why})")
