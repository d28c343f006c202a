"""Somebody who can be asked: the router, a provider's own API, or a target of the user's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hanzo_agents._kernel.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DIRECT", "SUBSTITUTES", "Direct", "Endpoint", "Provider", "in_the_cloud"]

SUBSTITUTES: dict[str, str] = {"anthropic": "claude-haiku-4-5", "openai": "gpt-4.1-mini"}
"""What a provider is asked for in place of a model that is not its own. `fallback_order=["openai/gpt-4.1"]` names
another."""

MOST_NAMES = 1024
"""Models whose target is remembered: their names come from requests, and so could be any number."""


class Provider(Protocol):
    """Who may answer a call, by the models it has."""

    @property
    def name(self) -> str:
        """What it is called in `fallback_order`."""
        ...

    def serving(self, model: str, operation: str) -> Target | None:
        """Where that very model is asked, None when it is not this provider's."""
        ...

    def instead(self, operation: str) -> Target | None:
        """What is asked here when the model is not this provider's; None when there is nothing to ask for."""
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """What is known of a provider's own API.

    Attributes:
        base_url: its OpenAI-compatible address.
        key: the variable that holds its key.
        models: the names that are its models.
        operations: what it can be asked for.
        lacks: as in `Target`.
    """

    base_url: str
    key: str
    models: re.Pattern[str]
    operations: frozenset[str]
    lacks: frozenset[str] = frozenset()


DIRECT: dict[str, Direct] = {
    "openai": Direct(
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        re.compile(r"(?:gpt-(?!oss)|chatgpt|codex|computer-use|o\d|text-embedding-|ft:)", re.IGNORECASE),
        frozenset({"chat", "responses", "embeddings"}),
    ),
    # What that API ignores, by its own documentation, is declared as lacking: an ignored schema is a wrong answer.
    "anthropic": Direct(
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        re.compile(r"claude", re.IGNORECASE),
        frozenset({"chat"}),
        frozenset({"audio", "json_schema"}),
    ),
}

_ELSEWHERE = re.compile(r"(?:gemini|grok-|command-[ar]|palm)", re.IGNORECASE)


def in_the_cloud(model: str) -> bool:
    """Whether a model of that name only ever runs at its maker's."""
    bare = model.rpartition("/")[2]
    return any(one.models.match(bare) for one in DIRECT.values()) or _ELSEWHERE.match(bare) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A provider at one address.

    Attributes:
        name: what it is called.
        base_url, api_key, headers: as in `Target`; without an address it is the client's home.
        model: what is asked here in place of a model that is not this provider's.
        models: the names that are its own; None for any.
        operations: what it can be asked for; None for anything.
        lacks, context_window, provider: as in `Target`.
    """

    name: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    model: str | None = None
    models: re.Pattern[str] | None = None
    operations: frozenset[str] | None = None
    lacks: frozenset[str] = frozenset()
    context_window: int | None = None
    provider: str | None = None
    _known: dict[str, Target] = field(default_factory=dict[str, Target], init=False, repr=False, compare=False)

    def serving(self, model: str, operation: str) -> Target | None:
        """A target for one of its own models, under the plain name of that."""
        if self.operations is not None and operation not in self.operations:
            return None
        prefix, slash, rest = model.partition("/")
        if slash and prefix == self.name and rest:
            return self._target(rest)
        if self.models is None or self.models.match(model):
            return self._target(model)
        return None

    def instead(self, operation: str) -> Target | None:
        """A target for its substitute."""
        if self.model is None or (self.operations is not None and operation not in self.operations):
            return None
        return None if operation == "embeddings" else self._target(self.model)

    def target(self, model: str | None = None) -> Target:
        """A target here for a model; None keeps the caller's."""
        label = self.name if model is None else f"{self.name}/{model}"
        return Target(
            model, self.base_url, self.api_key, headers=self.headers, lacks=self.lacks,
            context_window=self.context_window, label=label, provider=self.provider,
        )  # fmt: skip

    def _target(self, model: str) -> Target:
        target = self._known.get(model)
        if target is None:
            if len(self._known) >= MOST_NAMES:
                self._known.clear()
            target = self._known[model] = self.target(model)
        return target
