"""What mode calls cost at most, by the list prices of the models that they name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.target import Target
from hanzo_agents.prices.public import PUBLIC

if TYPE_CHECKING:
    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._kernel.price import Prices, Pricing
    from hanzo_agents.llmwise.view import ModeView

__all__ = ["prices_of"]


def prices_of(view: ModeView) -> Prices:
    """Prices for a call: those of the list for a chat, of all its models together for a compare.

    Blend and judge ask further models, a number of times that is not published: nobody knows their price.
    """
    return PUBLIC if view.operation != "compare" else _Together(tuple(view.models))


@dataclass(frozen=True, slots=True)
class _Together:
    """Several models that are each asked the same."""

    models: tuple[str, ...]

    def known(self, target: Target) -> Pricing | None:
        """All of them, None when one is unknown."""
        found = [PUBLIC.known(Target(model)) for model in self.models if model.strip()]
        prices = [price for price in found if price is not None]
        return _Sum(tuple(prices)) if prices and len(prices) == len(self.models) else None

    async def learn(self, target: Target) -> Pricing | None:
        """The same: there is nobody to ask."""
        return self.known(target)


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
        limits = [price.max_output for price in self.prices]
        return max((limit for limit in limits if limit is not None), default=None) if None not in limits else None
