"""Public list prices, by a model's name: the data of the `genai-prices` package, imported when first asked.

The list is what providers publish. It knows nothing of discounts, of a router's margin, or of who runs a model.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.clock import current_clock
from hanzo_agents.errors import ConfigError
from hanzo_agents.prices.price import EXACT, Price, Tiered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._kernel.price import Pricing
    from hanzo_agents._kernel.target import Target

__all__ = ["PUBLIC", "PublicPrices"]

MOST_NAMES = 4096
"""Names whose price is remembered: they come from requests, and so could be any number."""

_THROUGH = frozenset({"any-llm", "hanzo", "litellm", "litellm_proxy"})
"""Prefixes that say by which road a model is reached, not whose it is."""

_ALSO_CALLED = {"azure_ai": "azure", "fireworks_ai": "fireworks"}
"""Providers that LiteLLM's spellings name otherwise than the list does."""

_PARTS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
}


class PublicPrices:
    """What `genai-prices` knows. No I/O: the list comes with the package.

    A name may carry its provider: "anthropic/claude-3-haiku-20240307", "litellm/azure/gpt-4o". A name with the
    prefix of somebody whom the list does not know ("ollama/...") is nobody's, whatever follows.
    """

    __slots__ = ("_current", "_found", "_snapshot")

    def __init__(self) -> None:
        self._current: Callable[[], Any] | None = None
        self._snapshot: Any = None
        self._found: dict[tuple[str, str | None], Pricing | None] = {}

    def known(self, target: Target) -> Pricing | None:
        """The list price of the model of that name, at that address if it is a provider's; None if unlisted."""
        return self.of(target.name, target.base_url)

    async def learn(self, target: Target) -> Pricing | None:
        """The same: there is nobody to ask."""
        return self.known(target)

    def of(self, name: str, base_url: str | None = None) -> Pricing | None:
        """The list price of a name."""
        if self._current is None:
            from genai_prices.data_snapshot import get_snapshot

            self._current = get_snapshot
        snapshot = self._current()
        if snapshot is not self._snapshot:  # the user's process has updated the list
            self._snapshot, self._found = snapshot, {}
        found = self._found
        key = (name, base_url)
        try:
            return found[key]
        except KeyError:
            pass
        if len(found) >= MOST_NAMES:
            found.clear()
        pricing = found[key] = _pricing(_find(snapshot, name, base_url))
        return pricing

    def __repr__(self) -> str:
        return "PublicPrices()"


PUBLIC = PublicPrices()
"""One for the process: the list is the same for everybody."""


def _find(snapshot: Any, name: str, base_url: str | None) -> Any:
    """The list's entry for a name, None when there is none or it is not certain."""
    from genai_prices.data_snapshot import find_provider_by_id

    providers = snapshot.providers
    ref = name.strip().lower()
    if base_url is not None and (seller := _provider(snapshot, None, base_url)) is not None:
        return seller.find_model(ref, all_providers=providers)
    prefix, slash, rest = ref.partition("/")
    while slash and prefix in _THROUGH:
        ref = rest
        prefix, slash, rest = ref.partition("/")
    if not ref:
        return None
    if slash:
        seller = find_provider_by_id(providers, _ALSO_CALLED.get(prefix, prefix))
        return None if seller is None else seller.find_model(rest, all_providers=providers)
    # A bare name is whose it looks like; else OpenAI's, whose API this is.
    seller = _provider(snapshot, ref, None) or find_provider_by_id(providers, "openai")
    return None if seller is None else seller.find_model(ref, all_providers=providers)


def _provider(snapshot: Any, ref: str | None, base_url: str | None) -> Any:
    try:
        return snapshot.find_provider(ref, None, base_url)
    except LookupError:
        return None


def _pricing(info: Any) -> Pricing | None:
    if info is None:
        return None
    prices: Any = info.prices
    if not isinstance(prices, list):
        return _price(prices, info.id)
    dated = _Dated(info)
    return dated if dated.complete else None


class _Dated:
    """Prices that change on a date, or with the hour of the day."""

    __slots__ = ("_info", "_prices")

    max_output = None

    def __init__(self, info: Any) -> None:
        self._info = info
        self._prices = {id(dated.prices): _price(dated.prices, info.id) for dated in info.prices}

    @property
    def complete(self) -> bool:
        """Whether there is a price for every time."""
        return bool(self._prices) and None not in self._prices.values()

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for these tokens, now."""
        return self._now().cost(usage)

    def most(self, tokens_in: int, tokens_out: int) -> Decimal:
        """The most US dollars that so many tokens can cost, now."""
        return self._now().most(tokens_in, tokens_out)

    def _now(self) -> Pricing:
        moment = datetime.fromtimestamp(current_clock().wall(), UTC)
        price = self._prices[id(self._info.get_prices(moment))]
        assert price is not None
        return price


def _price(listed: Any, name: str) -> Price | Tiered | None:
    """The prices of one entry; None where the entry leaves one out that matters.

    An entry without any price is a model that costs nothing when its name says so (":free"), else one whose price
    the list does not have. One without an output price answers with no tokens (embeddings) or is unknown.
    """
    values: Mapping[str, Any] = {unit: price for unit, price in listed.__dict__.items() if price is not None}
    if not values:
        return Price(input=0, output=0) if name.endswith(":free") else None
    if "input_mtok" not in values:
        return None
    if "output_mtok" not in values:
        if "embed" not in name.lower():
            return None
        values = {**values, "output_mtok": Decimal(0)}
    starts = sorted({tier.start for price in values.values() for tier in getattr(price, "tiers", ())})
    try:
        prices = tuple(_flat(values, beyond) for beyond in (None, *starts))
    except ConfigError:  # a list that somebody has put in place may hold anything
        return None
    return Tiered(tuple(starts), prices) if starts else prices[0]


def _flat(values: Mapping[str, Any], beyond: int | None) -> Price:
    """The prices that hold for prompts of more than `beyond` tokens."""
    parts = {ours: _tier(values.get(theirs), beyond) for ours, theirs in _PARTS.items()}
    requests = _tier(values.get("requests_kcount"), beyond)
    return Price(**parts, per_request=0 if requests is None else requests.scaleb(-3, EXACT))  # type: ignore[arg-type]


def _tier(price: Any, beyond: int | None) -> Decimal | None:
    tiers = getattr(price, "tiers", None)
    if tiers is None:
        return price  # type: ignore[no-any-return]
    held: Decimal = price.base
    for tier in tiers:
        if beyond is not None and tier.start <= beyond:
            held = tier.price
    return held
