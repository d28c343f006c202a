"""`estimate_cost`: what a call would cost, before anybody makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.target import Target
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.tools import spell_tools
from hanzo_agents.errors import ConfigError, Unaccountable
from hanzo_agents.policies.budget.quote import quote, tokens_in

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.price import Prices

__all__ = ["USUAL_OUTPUT", "CostEstimate", "estimate"]

USUAL_OUTPUT = 4096
"""Tokens of the largest answer to a call that names no limit, as `Budget` reserves for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What a call can cost at most, as a `Budget` would reserve for it.

    Attributes:
        model: whose prices these are.
        cost: US dollars for `input_tokens` and the largest answer.
        input_tokens: estimated from the text, on the safe side.
        max_output_tokens: of the largest answer it is for, of each choice.
    """

    model: str
    cost: Decimal
    input_tokens: int
    max_output_tokens: int


async def estimate(
    prices: Prices,
    *,
    model: str | None,
    messages: Iterable[Any],
    max_tokens: int | None,
    arguments: dict[str, Any],
) -> CostEstimate:
    """The most that a chat request can cost. Sends nothing but, at most, a question for prices to the router.

    Raises:
        ConfigError: there is no model, or `max_tokens` is no number of tokens.
        Unaccountable: nobody knows what the model costs, which is not zero.
    """
    if model is None or not isinstance(model, str) or not model:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError("model: expected a model's name; pass model=, or give the client one")
    if max_tokens is not None and (type(max_tokens) is not int or max_tokens < 1):
        raise ConfigError(f"max_tokens: expected tokens > 0, got {max_tokens!r}")
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        kind: type[object] = type(messages)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        raise ConfigError(f"messages: expected a list of messages, got {kind.__name__}")
    body = {**spell_tools(arguments), "model": model, "messages": list(messages)}
    view = CHAT.view(body if max_tokens is None else {**body, "max_tokens": max_tokens})
    price = await prices.learn(Target(model))
    if price is None:
        raise Unaccountable(f"nobody knows what {model} costs, which is not zero", code="unpriced")
    largest = view.max_output or min(USUAL_OUTPUT, price.max_output or USUAL_OUTPUT)
    most = quote(price, tokens_in(view), largest, view.choices)
    return CostEstimate(
        model=model, cost=most.amount, input_tokens=most.tokens_in, max_output_tokens=most.tokens_out
    )
