"""Where a call can go: an endpoint and a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast
from urllib.parse import urlsplit

from hanzo_agents.errors import ConfigError

__all__ = ["Target"]

CAPABILITIES = frozenset({"tools", "vision", "audio", "json_schema"})


@dataclass(frozen=True, init=False)
class Target:
    """A model, and the endpoint that serves it.

    Attributes:
        model: the model's name at the endpoint, or an `agents.Model` of any make (agents only; the client
            refuses those). None keeps the name the caller asked for.
        base_url: the endpoint; None means the caller's own.
        api_key: its key. Given exactly when `base_url` is: a key never travels to another endpoint.
        headers: sent to this endpoint only.
        lacks: capabilities the model is known not to have, of "tools", "vision", "audio", "json_schema"; a
            call that needs one passes the target by.
        context_window: tokens the model takes, input and output together, when known.
        label: how traces and errors call the target; the model's name by default.
        provider: who answers there ("local", "openai"), where the address does not tell.
    """

    model: Any
    base_url: str | None
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] | None = field(repr=False)
    lacks: frozenset[str]
    context_window: int | None
    label: str | None
    provider: str | None

    def __init__(  # noqa: PLR0917 - in the order in which they are named above
        self,
        model: Any = None,
        base_url: str | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        lacks: Iterable[str] = frozenset(),
        context_window: int | None = None,
        label: str | None = None,
        provider: str | None = None,
    ) -> None:
        """Refuse what cannot be a target.

        Raises:
            ConfigError: a key without its endpoint or the reverse, an unknown capability, an empty name.
        """
        given = {
            "model": model, "base_url": base_url, "api_key": api_key, "headers": headers, "lacks": lacks,
            "context_window": context_window, "label": label, "provider": provider,
        }  # fmt: skip
        try:
            _check(**given)
        except ConfigError as error:
            # The frames below hold the key, and so does this one.
            given.clear()
            base_url = api_key = headers = None
            raise error.with_traceback(None) from None
        for name, value in given.items():
            object.__setattr__(self, name, frozenset(lacks) if name == "lacks" else value)

    @cached_property
    def name(self) -> str:
        """The model's name, for the wire and for people; empty when the target keeps the caller's."""
        if self.model is None:
            return ""
        if isinstance(self.model, str):
            return self.model
        inner = getattr(self.model, "model", None)
        return inner if isinstance(inner, str) else type(self.model).__name__

    def __str__(self) -> str:
        if self.label is not None:
            return self.label
        name = self.name or "the caller's model"
        if self.base_url is None:
            return name
        return f"{name}@{urlsplit(self.base_url).netloc.rpartition('@')[2]}"

    @cached_property
    def foreign(self) -> bool:
        """Whether the target is a model object rather than a name at an endpoint."""
        return self.model is not None and not isinstance(self.model, str)

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """What makes two targets one place, whatever they are called: model, endpoint, key and headers."""
        model = id(self.model) if self.foreign else self.model
        return model, self.base_url, self.api_key, tuple(sorted((self.headers or {}).items()))

    @classmethod
    def of(cls, value: str | Target, field: str = "target") -> Target:
        """A target from what users write in a chain.

        Raises:
            ConfigError: it is neither a model's name nor a Target.
        """
        if isinstance(value, Target):
            return value
        if isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - users are not type-checked
            if not value.strip():
                raise ConfigError(f"{field}: expected a model's name, got an empty string")
            return cls(value)
        raise ConfigError(f"{field}: expected a model's name or a Target, got {type(value).__name__}")


def _check(
    *,
    model: Any,
    base_url: Any,
    api_key: Any,
    headers: Any,
    lacks: Any,
    context_window: Any,
    label: Any,
    provider: Any,
) -> None:
    if (base_url is None) != (api_key is None):
        raise ConfigError(
            "Target: base_url and api_key go together, so that a key never reaches another endpoint; "
            f"got only {'api_key' if base_url is None else 'base_url'}"
        )
    texts = (("base_url", base_url), ("api_key", api_key), ("label", label), ("provider", provider))
    for name, value in texts:
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"Target.{name}: expected a string, got {type(value).__name__}")
    _check_model(model)
    _check_headers(headers)
    if headers and base_url is None:
        raise ConfigError("Target.headers: they go with a base_url; without one the client's are sent")
    if api_key == "":
        raise ConfigError("Target.api_key: expected a key, got an empty string")
    if isinstance(lacks, str) or not isinstance(lacks, Iterable):
        raise ConfigError(f"Target.lacks: expected a set of capabilities, got {lacks!r}")
    if unknown := {str(one) for one in cast("Iterable[object]", lacks)} - CAPABILITIES:
        raise ConfigError(f"Target.lacks: expected some of {sorted(CAPABILITIES)}, got {sorted(unknown)}")
    if context_window is not None and (type(context_window) is not int or context_window <= 0):
        raise ConfigError(f"Target.context_window: expected tokens > 0, got {context_window!r}")


def _check_model(model: Any) -> None:
    kind = cast("type[object]", type(model))
    if issubclass(kind, int | float | bytes | list | tuple | dict):
        raise ConfigError(f"Target.model: expected a name or an agents.Model, got {kind.__name__}")
    if isinstance(model, str) and not model.strip():
        raise ConfigError("Target.model: expected a model's name, got an empty string")


def _check_headers(headers: Any) -> None:
    if headers is None:
        return
    if not isinstance(headers, Mapping):
        raise ConfigError(f"Target.headers: expected a mapping of strings, got {type(headers).__name__}")
    for name, value in cast("Mapping[object, object]", headers).items():
        if not isinstance(name, str) or not isinstance(value, str):
            odd = name if not isinstance(name, str) else value
            raise ConfigError(f"Target.headers: expected names and values as strings, got {type(odd).__name__}")
