"""What mode calls cost at most, by the list prices of the models that they name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hanzo_agents._kernel.money import added
from hanzo_agents._kernel.target import Target
from hanzo_agents.prices.public import PUBLIC

if TYPE_CHECKING:
    from decimal import Decimal

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
        return _Prices(tuple(view.models), _Sum, asked=False)
    spare = tuple(view.spare_models)
    return _Prices(spare, _Dearest, asked=True) if spare else PUBLIC


@dataclass(frozen=True, slots=True)
class _Prices:
    """Of several models, put together.

    Attributes:
        models: their names.
        together: what makes one price of theirs.
        asked: whether the target that is asked is one more of them.
    """

    models: tuple[str, ...]
    together: type[_Sum | _Dearest]
    asked: bool

    def known(self, target: Target) -> Pricing | None:
        """All of them, None when one is unknown."""
        targets = (*map(Target, self.models), *([target] if self.asked else []))
        prices = [PUBLIC.known(each) for each in targets]
        found = tuple(price for price in prices if price is not None)
        return self.together(found) if found and len(found) == len(prices) else None

    async def learn(self, target: Target) -> Pricing | None:
        """The same: there is nobody to ask."""
        return self.known(target)


@dataclass(frozen=True, slots=True)
class _Several:
    prices: tuple[Pricing, ...]

    @property
    def max_output(self) -> int | None:
        limits = [price.max_output for price in self.prices]
        return None if None in limits else max(limit for limit in limits if limit is not None)


@dataclass(frozen=True, slots=True)
class _Sum(_Several):
    """Each reads the whole input; each answers with an equal share of the output."""

    def cost(self, usage: Usage) -> Decimal:
        number = len(self.prices)
        share = replace(
            usage, input_tokens=-(-usage.input_tokens // number), output_tokens=-(-usage.output_tokens // number)
        )
        return added(price.cost(share) for price in self.prices)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        share = -(-tokens_out // len(self.prices))
        return added(price.most(tokens_in, share) for price in self.prices)


@dataclass(frozen=True, slots=True)
class _Dearest(_Several):
    """One of them answers; nobody knows which."""

    def cost(self, usage: Usage) -> Decimal:
        return max(price.cost(usage) for price in self.prices)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        return max(price.most(tokens_in, tokens_out) for price in self.prices)
