"""The prices of one model, and what tokens cost at them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import TYPE_CHECKING

from hanzo_agents._kernel.money import EXACT
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._kernel.price import Pricing

__all__ = ["EXACT", "Amount", "Dearest", "Limited", "Price", "Tiered"]

Amount = Decimal | float | str
"""US dollars, as people write them; a float means the number it prints as."""

_MOST = Decimal(1_000_000_000)
"""A price above this is a slip of units. It also keeps sums exact, and so does this:"""
_FINEST = Decimal("1e-18")
"""What a price has beyond its eighteenth decimal is dropped."""


@dataclass(frozen=True, slots=True, init=False)
class Price:
    """What one model costs, in US dollars per million tokens.

        Price(input=0.5, output=1.5)
        Price(input="0.15", output="0.60", cached_input="0.075", max_output=16_384)

    Attributes:
        input: prompt tokens.
        output: answer tokens.
        cached_input: prompt tokens read from the provider's cache; as `input` by default.
        cache_write: prompt tokens written to it; as `input` by default.
        reasoning: answer tokens spent on reasoning; as `output` by default.
        per_request: US dollars for each request, whatever its size.
        max_output: the most tokens the model answers with; None when not known.

    Raises:
        ConfigError: a price that is not a number, is negative, or is not finite.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal
    cache_write: Decimal
    reasoning: Decimal
    per_request: Decimal
    max_output: int | None

    def __init__(
        self,
        *,
        input: Amount,
        output: Amount,
        cached_input: Amount | None = None,
        cache_write: Amount | None = None,
        reasoning: Amount | None = None,
        per_request: Amount = 0,
        max_output: int | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "input", _amount("input", input))
        put(self, "output", _amount("output", output))
        put(self, "cached_input", self.input if cached_input is None else _amount("cached_input", cached_input))
        put(self, "cache_write", self.input if cache_write is None else _amount("cache_write", cache_write))
        put(self, "reasoning", self.output if reasoning is None else _amount("reasoning", reasoning))
        put(self, "per_request", _amount("per_request", per_request))
        if max_output is not None and (type(max_output) is not int or max_output <= 0):
            raise ConfigError(f"Price.max_output: expected tokens > 0, got {max_output!r}")
        put(self, "max_output", max_output)

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for these tokens.

        Cached and written tokens are part of the input, reasoning tokens part of the output; parts that are
        said to be larger than the whole are believed, and the rest counts as none.
        """
        cached, written, reasoned = usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens
        add = EXACT.fma
        total = add(max(usage.input_tokens - cached - written, 0), self.input, 0)
        total = add(max(usage.output_tokens - reasoned, 0), self.output, total)
        if cached:
            total = add(cached, self.cached_input, total)
        if written:
            total = add(written, self.cache_write, total)
        if reasoned:
            total = add(reasoned, self.reasoning, total)
        return EXACT.add(total.scaleb(-6, EXACT), self.per_request)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        """The most US dollars that so many tokens can cost, however many were cached, written or reasoned."""
        total = EXACT.multiply(tokens_in, max(self.input, self.cached_input, self.cache_write))
        total = EXACT.fma(tokens_out, max(self.output, self.reasoning), total)
        return EXACT.add(total.scaleb(-6, EXACT), self.per_request)

    def with_max_output(self, tokens: int | None) -> Price:
        """The same prices for a model that answers with at most so many tokens."""
        if tokens == self.max_output:
            return self
        made = object.__new__(Price)
        for name in Price.__slots__:
            object.__setattr__(made, name, getattr(self, name))
        object.__setattr__(made, "max_output", tokens)
        return made

    @property
    def free(self) -> bool:
        """Whether nothing costs anything."""
        return not (self.most(1, 1))


@dataclass(frozen=True, slots=True)
class Tiered:
    """Prices that depend on the size of the prompt: beyond a threshold another price holds for *all* tokens.

    Attributes:
        starts: prompt sizes, ascending; beyond `starts[i]` tokens `prices[i + 1]` holds.
        prices: one more than there are thresholds.
    """

    starts: tuple[int, ...]
    prices: tuple[Price, ...]

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for these tokens."""
        return self._at(usage.input_tokens).cost(usage)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        """The most US dollars that so many tokens can cost, however many were cached, written or reasoned."""
        return self._at(tokens_in).most(tokens_in, tokens_out)

    @property
    def max_output(self) -> int | None:
        """The most tokens the model answers with, when known."""
        return self.prices[0].max_output

    def _at(self, tokens_in: int) -> Price:
        return self.prices[bisect_left(self.starts, tokens_in)]


@dataclass(frozen=True, slots=True)
class Limited:
    """Prices of a model of which somebody else knows how much it answers with."""

    of: Pricing
    max_output: int

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for these tokens."""
        return self.of.cost(usage)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        """The most US dollars that so many tokens can cost, however many were cached, written or reasoned."""
        return self.of.most(tokens_in, tokens_out)


@dataclass(frozen=True, slots=True)
class Dearest:
    """The highest of several prices: one of these deployments will serve, and nobody knows which."""

    of: tuple[Pricing, ...]

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for these tokens."""
        return max(pricing.cost(usage) for pricing in self.of)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        """The most US dollars that so many tokens can cost, however many were cached, written or reasoned."""
        return max(pricing.most(tokens_in, tokens_out) for pricing in self.of)

    @property
    def max_output(self) -> int | None:
        """The most tokens any of them answers with; None when that of one is not known."""
        limits = [pricing.max_output for pricing in self.of]
        return None if None in limits else max(limit for limit in limits if limit is not None)


def _amount(name: str, value: object) -> Decimal:
    expected = "US dollars per million tokens" if name != "per_request" else "US dollars"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ConfigError(f"Price.{name}: expected {expected}, got {type(value).__name__}")
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ConfigError(f"Price.{name}: expected {expected}, got {value!r}") from None
    if not (amount.is_finite() and 0 <= amount <= _MOST):
        raise ConfigError(f"Price.{name}: expected {expected}, at least 0 and finite, got {value!r}")
    # Written out: 10, not 1E+1, which is how a Decimal comes from JSON.
    whole = amount.to_integral_value()
    return (whole.quantize(Decimal(1), context=EXACT) if amount == whole else _trimmed(amount)).copy_abs()


def _trimmed(amount: Decimal) -> Decimal:
    return amount.quantize(_FINEST, rounding=ROUND_DOWN, context=EXACT).normalize(EXACT)
