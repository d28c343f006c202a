"""A user's own prices, laid over what others say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError
from hanzo_agents.prices.price import Price

if TYPE_CHECKING:
    from hanzo_agents._kernel.price import Prices, Pricing
    from hanzo_agents._kernel.target import Target

__all__ = ["checked_table", "over"]


def checked_table(field: str, table: object) -> dict[str, Price]:
    """A user's prices by model, copied.

    Raises:
        ConfigError: it is no table of model names and `Price`s; the message names `field`.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{field}: expected a dict of model names and Prices, got {type(table).__name__}")
    checked: dict[str, Price] = {}
    for name, price in table.items():  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{field}: expected model names, got {name!r}")
        if not isinstance(price, Price):
            got = type(price).__name__  # pyright: ignore[reportUnknownArgumentType]
            raise ConfigError(f"{field}[{name!r}]: expected a Price(input=..., output=...), got {got}")
        checked[name] = price
    return checked


def over(table: Mapping[str, Price], prices: Prices) -> Prices:
    """Prices where `table` wins over `prices`. Cheap: make it anew for each call.

    A name in the table is a model's name as it is sent, or a target's label, which goes first.
    """
    return _Over(table, prices) if table else prices


class _Over:
    __slots__ = ("_last", "_prices", "_table")

    def __init__(self, table: Mapping[str, Price], prices: Prices) -> None:
        self._table = table
        self._prices = prices
        self._last: tuple[Target, Pricing] | None = None

    def known(self, target: Target) -> Pricing | None:
        last = self._last
        if last is not None and last[0] is target:  # a call asks twice: what it may cost, and what it did
            return last[1]
        found = self._look_up(target)
        self._last = None if found is None else (target, found)
        return found

    def _look_up(self, target: Target) -> Pricing | None:
        own = self._own(target)
        if own is None:
            return self._prices.known(target)
        if own.max_output is None and (theirs := self._prices.known(target)) is not None:
            return own.with_max_output(theirs.max_output)
        return own

    async def learn(self, target: Target) -> Pricing | None:
        if self._own(target) is None:
            return await self._prices.learn(target)
        return self.known(target)

    def _own(self, target: Target) -> Price | None:
        if target.label is not None and (own := self._table.get(target.label)) is not None:
            return own
        return self._table.get(target.name)

    def __repr__(self) -> str:
        return f"over({sorted(self._table)}, {self._prices!r})"
