"""Which models the clients of a server may ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents.errors import ConfigError
from hanzo_agents.provider import HanzoModelProvider

if TYPE_CHECKING:
    from agents import ModelProvider

__all__ = ["Catalogue"]


class Catalogue:
    """The models that clients may ask.

    Args:
        provider: who reaches them.
        allowed: their names; None for whatever the router offers.
    """

    def __init__(self, provider: HanzoModelProvider, allowed: Sequence[str] | None) -> None:
        self._provider = provider
        self.allowed = None if allowed is None else tuple(allowed)

    @classmethod
    def of(cls, provider: ModelProvider | None, models: object) -> Catalogue:
        """What a server's `models=` means.

        Raises:
            ConfigError: it is neither True nor a list of names.
        """
        assert isinstance(provider, HanzoModelProvider)
        if models is True:
            return cls(provider, None)
        given = cast("Sequence[Any]", models)
        if (
            isinstance(models, str)
            or not isinstance(models, Sequence)
            or not given
            or not all(isinstance(name, str) and name for name in given)
        ):
            raise ConfigError(f"models: expected True, or a list of models' names, got {models!r}")
        return cls(provider, given)

    async def names(self) -> list[str]:
        """Their names."""
        return await self._provider.list_models() if self.allowed is None else list(self.allowed)

    def chosen(self, name: str | None) -> str:
        """The model to ask.

        Raises:
            ConfigError: it is none of them, or none was named and there is no default.
        """
        default = self._provider.client.default_model
        name = name or default or (self.allowed[0] if self.allowed and len(self.allowed) == 1 else None)
        if name is None:
            raise ConfigError("model: expected a name; the tool `models` lists them")
        if self.allowed is not None and name not in self.allowed:
            raise ConfigError(f"model: expected one of {', '.join(self.allowed)}, got {name!r}")
        return name
