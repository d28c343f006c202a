"""The provider behind what is served, and whether a budget can hold there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import Agent, Model, ModelProvider

from hanzo_agents.errors import ConfigError
from hanzo_agents.provider import (
    FallbackProvider,
    HanzoModel,
    HanzoModelProvider,
    PolicyModel,
    RateLimitedProvider,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["backing", "check_accountable", "key_of"]

_OURS = (HanzoModelProvider, FallbackProvider, RateLimitedProvider)


def backing(given: object, agents: Sequence[Agent[Any]], *, models: bool) -> ModelProvider | None:
    """The provider to use; None where every agent brings its model.

    Raises:
        ConfigError: it is none, or it is none that knows which models there are.
    """
    if given is None and not models and all(isinstance(agent.model, Model) for agent in agents):
        return None
    provider = HanzoModelProvider() if given is None else given
    if not isinstance(provider, ModelProvider):
        raise ConfigError(f"provider: expected a ModelProvider, got {type(provider).__name__}")
    if models and not isinstance(provider, HanzoModelProvider):
        raise ConfigError(f"models: they are asked through a HanzoModelProvider, and provider is {provider!r}")
    return provider


def check_accountable(
    provider: ModelProvider | None, agents: Sequence[Agent[Any]], model: str | Model | None
) -> None:
    """Refuse a budget that would not see every call.

    Args:
        provider: of models that are named.
        agents: those that are served.
        model: what the configuration of runs has in place of every agent's.

    Raises:
        ConfigError: names the agent, or the provider.
    """
    used = [(f"the agent {agent.name!r}", agent.model) for agent in _reachable(agents)]
    for whose, own in used if model is None else [("run_config", model)]:
        if isinstance(own, Model):
            if not isinstance(own, HanzoModel | PolicyModel):
                raise ConfigError(
                    f"budget: the model of {whose} is a {type(own).__name__}, whose calls no budget sees; name a "
                    "model, or wrap() it"
                )
        elif not isinstance(provider, _OURS):
            raise ConfigError(f"budget: no budget sees the calls through a {type(provider).__name__}")


def key_of(provider: ModelProvider | None) -> Callable[[], str | None]:
    """Gives the key that the provider uses now."""
    if isinstance(provider, HanzoModelProvider):
        client = provider.client
        return lambda: client.api_key
    return lambda: None


def _reachable(agents: Sequence[Agent[Any]]) -> Iterator[Agent[Any]]:
    left, seen = list(agents), set[int]()
    while left:
        agent = left.pop()
        if id(agent) not in seen:
            seen.add(id(agent))
            yield agent
            # The SDK keeps the agents of a handoff() and of an as_tool() where only it looks.
            behind: list[Any] = [getattr(one, "_agent_ref", None) for one in agent.handoffs]
            held: list[Any] = [*agent.handoffs, *(found() for found in behind if found is not None)]
            held += [getattr(tool, "_agent_instance", None) for tool in agent.tools]
            left += [other for other in held if isinstance(other, Agent)]
