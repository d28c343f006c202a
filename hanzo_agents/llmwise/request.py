"""A request as its endpoint function makes it: no I/O, and nothing of who sends it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

from hanzo_agents._wire.compose import ENCODER
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FIELDS", "Request", "delete", "encoded", "get", "patch", "path_part", "post", "put", "read", "sent"]

T = TypeVar("T")

Kind = Literal["json", "object", "list", "text"]
"""What must come back: any JSON, an object, a list, or text."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request, and what its answer is read as: `T`.

    Attributes:
        method: of HTTP.
        path: below the base URL, its parts quoted.
        query: parameters.
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


FIELDS: dict[str, type[Any]] = {
    # Options of the modes, in the order in which they are sent.
    "temperature": float, "max_tokens": int, "cost_saver": bool, "optimization_goal": str, "semantic_memory": bool,
    "semantic_top_k": int, "semantic_min_score": float, "routing": dict, "strategy": str, "synthesizer": str,
    "layers": int, "samples": int, "criteria": list, "conversation_id": str,
    # Arguments of the helpers.
    "limit": int, "offset": int, "days": int, "mode": str, "search": str, "title": str, "q": str, "top_k": int,
    "min_score": float, "amount_usd": float, "pack_id": str, "session_id": str, "enabled": bool,
    "threshold_credits": int, "monthly_cap_usd": int, "goal": str, "min_calls_per_model": int, "use_policy": bool,
    "persist_snapshot": bool, "sample_size": int, "purge_existing_data": bool, "data_training_opt_in": bool,
    "zero_retention_mode": bool, "onboarded": bool, "checklist": dict, "question": str, "path": str,
    "context": dict,
}  # fmt: skip
"""What callers give by name, and the type it is sent as."""

_TAKEN: dict[type[Any], tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number", lambda value: not isinstance(value, bool) and int(value) == float(value)),
    float: ("a number", lambda value: not isinstance(value, bool) and math.isfinite(float(value))),
    bool: ("True or False", lambda value: value in (0, 1)),
    str: ("a string", lambda value: isinstance(value, str)),
    list: ("a list", lambda value: not isinstance(value, str | bytes | Mapping)),
    dict: ("a mapping", lambda value: isinstance(value, Mapping)),
}


def read(name: str, value: Any, kind: type[Any] | None = None) -> Any:
    """An argument as the type it is sent as: `kind`, or the one of its name.

    Raises:
        ConfigError: it would come to something else. The official client sends "false" as true.
    """
    kind = kind or FIELDS[name]
    expected, takes = _TAKEN[kind]
    try:
        if takes(value):
            return kind(value)
    except (TypeError, ValueError, OverflowError):
        pass
    came = repr(value) if value is None or isinstance(value, int | float) else type(value).__name__
    raise ConfigError(f"{name}: expected {expected}, got {came}")


def sent(**given: Any) -> dict[str, Any]:
    """Arguments as they are sent; None leaves one out."""
    return {name: read(name, value) for name, value in given.items() if value is not None}


def get(path: str, *, kind: Kind = "json", **query: Any) -> Request[Any]:
    """Read something."""
    return Request("GET", path, sent(**query), kind=kind)


def post(path: str, body: Mapping[str, Any] | None = None, *, paid: bool = False) -> Request[Any]:
    """Make or start something."""
    return Request("POST", path, body=_object(body), kind="object", paid=paid)


def put(path: str, body: Mapping[str, Any] | None = None, *, secrets: tuple[str, ...] = ()) -> Request[Any]:
    """Change something."""
    return Request("PUT", path, body=_object(body), kind="object", secrets=secrets)


def patch(path: str, **query: Any) -> Request[Any]:
    """Change a part of something; this API takes the change as query parameters."""
    return Request("PATCH", path, sent(**query), kind="object")


def delete(path: str) -> Request[Any]:
    """Remove something."""
    return Request("DELETE", path, kind="object")


def path_part(name: str, value: str) -> str:
    """An id as one part of a path, whatever characters it has.

    Raises:
        ConfigError: it is empty, or no id: the path would name something else, the whole collection for one.
    """
    if isinstance(value, str) and value.strip() not in {"", ".", ".."}:  # pyright: ignore[reportUnnecessaryIsInstance]
        try:
            return quote(value, safe="")
        except UnicodeEncodeError:  # half of a surrogate pair
            pass
    raise ConfigError(f"{name}: expected an id, got {value!r}")


def _object(body: object) -> Mapping[str, Any]:
    if body is not None and not isinstance(body, Mapping):
        raise ConfigError(f"payload: expected a mapping, got {type(body).__name__}")
    return body or {}  # pyright: ignore[reportUnknownVariableType]


def encoded(request: Request[Any]) -> bytes | None:
    """A request's body as it is sent.

    Raises:
        ConfigError: it holds something that is not plain JSON.
    """
    try:
        return None if request.body is None else ENCODER.encode(request.body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        why = str(error)
    raise ConfigError(f"request: expected plain JSON ({why})")
