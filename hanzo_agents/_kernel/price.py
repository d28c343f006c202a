"""What tokens cost, as policies and the wire see it. Where prices come from is told in `hanzo_agents.prices`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._kernel.target import Target

__all__ = ["NO_PRICES", "Prices", "Pricing"]


class Pricing(Protocol):
    """The prices of one model."""

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for these tokens."""
        ...

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        """The most US dollars that so many tokens can cost, however many were cached, written or reasoned."""
        ...

    @property
    def max_output(self) -> int | None:
        """The most tokens the model answers with, when known."""
        ...


class Prices(Protocol):
    """Prices of many models."""

    def known(self, target: Target) -> Pricing | None:
        """What is known now, without asking anybody; None is not zero."""
        ...

    async def learn(self, target: Target) -> Pricing | None:
        """The same, after asking the target's router if nobody has; never raises, never takes long."""
        ...


class _NoPrices:
    """Nobody knows."""

    def known(self, target: Target) -> Pricing | None:
        return None

    async def learn(self, target: Target) -> Pricing | None:
        return None


NO_PRICES: Prices = _NoPrices()
