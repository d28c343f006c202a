"""What a router's pages say of its models: `/model/info`, `/model_group/info`, or `/models` with prices.

A router of LiteLLM's kind writes 0 for a model whose price it does not know, and 0 for one that its operator
declared free. They are told apart as far as the page shows: see `_Costs.declared`. What cannot be told apart is
unknown, not free.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict, as_list, dicts
from hanzo_agents.errors import ConfigError
from hanzo_agents.prices.price import EXACT, Price, Tiered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Listed", "Page", "read_page"]

_PARTS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "reasoning": "output_cost_per_reasoning_token",
}
_ABOVE = re.compile(rf"({'|'.join(_PARTS.values())})_above_(\d+)k_tokens", re.ASCII)

_LOCAL = frozenset({"llamafile", "lm_studio", "ollama", "ollama_chat", "vllm"})
"""Providers, as LiteLLM names them, that run on their user's own machines and bill no tokens."""

_NOT_LOCAL = ("-cloud", ":cloud")
"""How Ollama marks the models that it runs on its own machines."""

_WORDLESS = frozenset({"embedding", "moderation", "rerank"})
"""Modes of models that answer without tokens."""


_TELLING = frozenset({"model_name", "model_group", "pricing"})
"""What an entry has that may tell a price."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One deployment on a page.

    Attributes:
        price: None when the page does not say, or says zero in a way that may mean "unknown".
        max_output: the most tokens it answers with, when the page says.
        names: what the upstream calls the model: the public list may know it when the page does not.
    """

    price: Price | Tiered | None
    max_output: int | None = None
    names: tuple[str, ...] = ()


Page = dict[str, list[Listed]]
"""The deployments that a router lists, by the name under which callers ask for them."""


def read_page(page: Any) -> Page:
    """Read what a router's page says, parsed from JSON.

    Raises:
        ValueError: it is none of the pages.
    """
    data: Any = as_dict(page).get("data")
    entries = dicts(data) or dicts([data])
    if not isinstance(data, dict | list) or (data and not entries):
        raise ValueError("not a page of models")
    if not any(_TELLING & entry.keys() for entry in entries):
        # A provider's own list of models says nothing of prices, and so does not deny those that are public.
        return {}
    listed: Page = {}
    for entry in entries:
        name, deployment = _entry(entry)
        if isinstance(name, str) and name:
            listed.setdefault(name, []).append(deployment)
    return listed


def _entry(entry: Mapping[str, Any]) -> tuple[Any, Listed]:
    if "model_name" in entry:
        return entry["model_name"], _deployment(entry)
    if "model_group" in entry:
        return entry["model_group"], _group(entry)
    return entry.get("id"), _priced_model(entry)


def _deployment(entry: Mapping[str, Any]) -> Listed:
    """An entry of `/model/info`: what the operator configured, completed from the router's own list."""
    info, params = as_dict(entry.get("model_info")), as_dict(entry.get("litellm_params"))
    named = [params.get("model"), info.get("base_model"), params.get("base_model"), info.get("key")]
    names = tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name))
    provider = params.get("custom_llm_provider") or info.get("litellm_provider") or "".join(names[:1])
    costs = _Costs(info, params=params, local=_local([provider], names))
    return Listed(costs.price(), _limit(info), names)


def _group(entry: Mapping[str, Any]) -> Listed:
    """An entry of `/model_group/info`, which says 0 also where the router knows nothing."""
    providers = [provider for provider in as_list(entry.get("providers")) if isinstance(provider, str)]
    names = tuple(f"{provider}/{entry['model_group']}" for provider in providers)
    costs = _Costs({"key": None, **entry}, local=_local(providers, names))
    return Listed(costs.price(), _limit(entry), names)


def _local(providers: Sequence[Any], names: tuple[str, ...]) -> bool:
    owners = {str(provider).partition("/")[0] for provider in providers}
    return bool(owners) and owners <= _LOCAL and not any(name.endswith(_NOT_LOCAL) for name in names)


def _priced_model(entry: Mapping[str, Any]) -> Listed:
    """An entry of `/models` that carries a `pricing`, in US dollars a token, as OpenRouter writes it."""
    told, top = as_dict(entry.get("pricing")), as_dict(entry.get("top_provider"))
    parts = {"input": "prompt", "output": "completion", "cached_input": "input_cache_read",
             "cache_write": "input_cache_write", "reasoning": "internal_reasoning"}  # fmt: skip
    values = {ours: _dollars(told.get(theirs)) for ours, theirs in parts.items()}
    limit = _tokens(top.get("max_completion_tokens"))
    if values["input"] is None or values["output"] is None:
        return Listed(None, limit)
    return Listed(_made(values, per_request=_dollars(told.get("request"))), limit)


@dataclass(frozen=True, slots=True)
class _Costs:
    """The costs in one entry."""

    info: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    local: bool = False

    def price(self) -> Price | Tiered | None:
        tokens_in, tokens_out = (self._cost(_PARTS[part]) for part in ("input", "output"))
        if not tokens_in and not tokens_out:
            known = self.local or (tokens_in is not None and tokens_out is not None and self.declared)
            return Price(input=0, output=0) if known and not self._other_costs() else None
        if tokens_out is None or (not tokens_out and not self.declared):
            # Zero beside a price: the router filled in what it did not know, unless there is nothing to bill.
            tokens_out = Decimal(0) if self.info.get("mode") in _WORDLESS else None
        if not tokens_in and not self.declared:
            tokens_in = None
        if tokens_in is None or tokens_out is None:
            return None
        return self._tiered(tokens_in, tokens_out)

    @property
    def declared(self) -> bool:
        """Whether the operator wrote the two prices, rather than the router's own list or its default of 0.

        What is in `litellm_params` is the operator's. `model_info` begins with what is the operator's, and goes on
        with what the router knows, from `key` on.
        """
        costs = (_PARTS["input"], _PARTS["output"])
        if all(self._number(self.params, cost) is not None for cost in costs):
            return True
        before = list(self.info)
        if "key" in before:
            before = before[: before.index("key")]
        return set(costs).issubset(before)

    def _tiered(self, tokens_in: Decimal, tokens_out: Decimal) -> Price | Tiered | None:
        held: dict[str, Decimal | None] = {part: self._cost(name) for part, name in _PARTS.items()}
        held |= {"input": tokens_in, "output": tokens_out}
        above: dict[int, dict[str, Decimal]] = {}
        for name in self.info:
            if (match := _ABOVE.fullmatch(name)) and (cost := self._cost(name)):
                above.setdefault(int(match[2]) * 1000, {})[match[1]] = cost
        prices = [_made(held)]
        for start in sorted(above):
            held |= {part: above[start][name] for part, name in _PARTS.items() if name in above[start]}
            prices.append(_made(held))
        made = tuple(price for price in prices if price is not None)
        if len(made) < len(prices):
            return None
        return Tiered(tuple(sorted(above)), made) if above else made[0]

    def _cost(self, name: str) -> Decimal | None:
        cost = self._number(self.params, name)
        return self._number(self.info, name) if cost is None else cost

    def _number(self, of: Mapping[str, Any], name: str) -> Decimal | None:
        return _dollars(of.get(name))

    def _other_costs(self) -> bool:
        """Whether something else than tokens is billed: seconds, characters, images."""
        return any(
            _dollars(value) for part in (self.params, self.info) for name, value in part.items() if "cost" in name
        )


def _made(values: Mapping[str, Decimal | None], per_request: Decimal | None = None) -> Price | None:
    """A price from US dollars a token."""
    parts = {part: None if value is None else value.scaleb(6, EXACT) for part, value in values.items()}
    try:
        return Price(**parts, per_request=per_request or 0)  # type: ignore[arg-type]
    except ConfigError:  # beyond what a price can be
        return None


def _dollars(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _limit(info: Mapping[str, Any]) -> int | None:
    # Where `max_output_tokens` is missing, `max_tokens` is the whole window: never too small.
    return _tokens(info.get("max_output_tokens")) or _tokens(info.get("max_tokens"))


def _tokens(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return int(value) if 0 < value < 1 << 53 and value == int(value) else None
