"""What mode calls cost at most, by the list prices of the models that they name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.target import Target
from hanzo_agents.prices.public import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._kernel.price import Prices, Pricing
    from hanzo_agents.llmwise.view import ModeView

__all__ = ["prices_of"]


def prices_of(view: ModeView) -> Prices:
    """Prices for a call: those of the list for a chat, of all its models together for a compare.

    A chat that the service may move to other models (`routing`) has the price of the dearest of them. Blend and
    judge ask further models, a number of times that is not published: nobody knows their price.
    """
    if view.operation == "compare":
        return _Prices(tuple(view.models), _Sum)
    return _Prices(spare, _Dearest) if (spare := tuple(view.spare_models)) else PUBLIC


@dataclass(frozen=True, slots=True)
class _Prices:
    """Of several models, put together: the ones that a compare names, or the target and those that stand by."""

    models: tuple[str, ...]
    together: Callable[[tuple[Pricing, ...]], Pricing]

    def known(self, target: Target) -> Pricing | None:
        """All of them, None when one is unknown."""
        targets = [Target(model) for model in self.models if model.strip()]
        if self.together is _Dearest:
            targets.append(target)
        prices = tuple(price for each in targets if (price := PUBLIC.known(each)) is not None)
        return self.together(prices) if prices and len(prices) == len(targets) else None

    async def learn(self, target: Target) -> Pricing | None:
        """The same: there is nobody to ask."""
        return self.known(target)


@dataclass(frozen=True, slots=True)
class _Dearest:
    """One of them answers; nobody knows which."""

    prices: tuple[Pricing, ...]

    def cost(self, usage: Usage) -> Decimal:
        return max(price.cost(usage) for price in self.prices)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        return max(price.most(tokens_in, tokens_out) for price in self.prices)

    @property
    def max_output(self) -> int | None:
        return _largest(self.prices)


@dataclass(frozen=True, slots=True)
class _Sum:
    """Each reads the whole input; each answers with an equal share of the output."""

    prices: tuple[Pricing, ...]

    def cost(self, usage: Usage) -> Decimal:
        number = len(self.prices)
        share = replace(
            usage, input_tokens=-(-usage.input_tokens // number), output_tokens=-(-usage.output_tokens // number)
        )
        return sum((price.cost(share) for price in self.prices), Decimal(0))

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        share = -(-tokens_out // len(self.prices))
        return sum((price.most(tokens_in, share) for price in self.prices), Decimal(0))

    @property
    def max_output(self) -> int | None:
        return _largest(self.prices)


def _largest(prices: tuple[Pricing, ...]) -> int | None:
    limits = [price.max_output for price in prices]
    return max((limit for limit in limits if limit is not None), default=None) if None not in limits else None
