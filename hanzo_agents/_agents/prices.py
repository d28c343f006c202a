"""Prices at the Model seam: a model of ours knows its router's, anybody else's goes by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._agents.models import HanzoModel
from hanzo_agents._kernel.target import Target
from hanzo_agents.prices.public import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents import Model

    from hanzo_agents._kernel.price import Prices, Pricing

__all__ = ["ModelPrices"]


class ModelPrices:
    """Prices by target, where targets are models.

    Args:
        model_of: gives the model behind a target.
    """

    __slots__ = ("_model_of", "_named")

    def __init__(self, model_of: Callable[[Target], Model]) -> None:
        self._model_of = model_of
        self._named: dict[str, Target] = {}

    def known(self, target: Target) -> Pricing | None:
        """What is known now, without asking anybody."""
        prices, named = self._knows(target)
        return prices.known(named)

    async def learn(self, target: Target) -> Pricing | None:
        """The same, after asking the router of a model of ours, if that is due."""
        prices, named = self._knows(target)
        return await prices.learn(named)

    def _knows(self, target: Target) -> tuple[Prices, Target]:
        model = self._model_of(target)
        if isinstance(model, HanzoModel):
            return model.prices, self._target(str(model.model))
        beneath: tuple[Prices, Target] | None = getattr(model, "priced", None)  # a model behind policies has it
        return (PUBLIC, target) if beneath is None else beneath

    def _target(self, name: str) -> Target:
        target = self._named.get(name)
        if target is None:
            target = self._named[name] = Target(name)
        return target

    def __repr__(self) -> str:
        return "ModelPrices()"
