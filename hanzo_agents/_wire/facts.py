"""What an answer took: the facts in the router's headers, which the SDK throws away, and its tokens."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Cost, Usage
from hanzo_agents._kernel.outcome import provider_of
from hanzo_agents._kernel.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanzo_agents._kernel.journal import Attempt

__all__ = ["estimate_tokens", "estimated_usage", "filled", "note_headers", "note_usage", "usage_of"]

_logger = logging.getLogger("hanzo_agents")

MOST_TOKENS = 10_000_000
"""What the longest context windows hold. More is not believed, of the input or of the output: nobody can have read
or written it, and one such reply would use up a month's budget."""

MOST_COST = Decimal(100_000)
"""US dollars. More is not believed: `MOST_TOKENS` cost 6 000 dollars with the dearest models."""

_TOLD = ("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens")
_CACHED = frozenset({"cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens"})
"""How OpenAI, Anthropic and DeepSeek name the tokens read from a cache, among the details or beside them."""
_WRITTEN = frozenset({"cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"})
"""How OpenAI, LiteLLM and Anthropic name the tokens written to it."""


def estimated_usage(text_in: str, text_out: str, *, given: int = 0) -> Usage:
    """Usage for an answer that came without, marked as estimated; `given` tokens of the input were numbers."""
    return Usage(estimate_tokens(text_in) + given, estimate_tokens(text_out), "estimated")


def note_headers(attempt: Attempt, headers: Mapping[str, str], *, stream: bool = False) -> None:
    """Write what the reply's headers tell into the attempt.

    The price in a stream's headers is left: the router prices some before there is an answer. So is a price of
    zero: the router says it of failures, and of models whose price it does not know.
    """
    attempt.request_id = headers.get("x-request-id") or headers.get("x-litellm-call-id")
    if group := headers.get("x-litellm-model-group"):
        attempt.model = group
    if address := headers.get("x-litellm-model-api-base"):
        attempt.provider = provider_of(address)
    if headers.get("x-hanzo-node") == "free":
        # The embedded node runs on the caller's own machine.
        attempt.cost = Cost(Decimal(0), "reported")
    elif headers.get("x-litellm-cache-key"):
        # The router repeats the first answer's price on a hit, which cost nothing.
        attempt.cache_hit = True
        attempt.cost = Cost(Decimal(0), "reported")
    elif not stream and (amount := _money(headers.get("x-litellm-response-cost"))):
        attempt.cost = Cost(amount, "reported")


def note_usage(attempt: Attempt, usage: Usage, raw: Any) -> None:
    """Write tokens into the attempt, and the price where the body carries one (`usage.cost`, streams)."""
    attempt.usage = usage
    if attempt.cost.amount is None and (amount := _money(_fields(raw).get("cost"))):
        attempt.cost = Cost(amount, "reported")


def filled(told: Usage | None, estimate: Callable[[], Usage]) -> Usage:
    """What an upstream told of its tokens, completed: zero for what was not empty is no count.

    Args:
        told: None when it told nothing.
        estimate: made only when it is needed.
    """
    if told is not None and told.input_tokens and told.output_tokens:
        return told
    guess = estimate()
    if told is None:
        return guess
    tokens_in, tokens_out = told.input_tokens or guess.input_tokens, told.output_tokens or guess.output_tokens
    if (tokens_in, tokens_out) == (told.input_tokens, told.output_tokens):
        return told
    return replace(told, input_tokens=tokens_in, output_tokens=tokens_out, basis="estimated")


def usage_of(raw: Any) -> Usage | None:
    """Read the usage object of any dialect; None when it is missing or makes no sense.

    Negative numbers, what is no number, and more than `MOST_TOKENS` make none, and are logged.

    Input tokens include the cached and the written ones, and output tokens those spent on reasoning, also where
    the upstream counts them apart.
    """
    if raw is None:
        return None
    told = _fields(raw)
    tokens_in = _count(told.get("prompt_tokens"), told.get("input_tokens"))
    tokens_out = _count(told.get("completion_tokens"), told.get("output_tokens", 0))
    if tokens_in is None or tokens_out is None:
        if any(told.get(name) is not None for name in _TOLD):
            _logger.warning("an upstream's count of tokens makes no sense; they are estimated")
        return None
    details_in = _fields(told.get("prompt_tokens_details") or told.get("input_tokens_details"))
    details_out = _fields(told.get("completion_tokens_details") or told.get("output_tokens_details"))
    cached = _largest(details_in, told, _CACHED)
    written = _largest(details_in, told, _WRITTEN)
    reasoned = _count(details_out.get("reasoning_tokens")) or 0
    parts = cached + written
    if parts and (parts > tokens_in or not (details_in or "prompt_tokens" in told)):
        tokens_in += parts  # Anthropic counts them apart
    if reasoned and (reasoned > tokens_out or told.get("total_tokens") == tokens_in + tokens_out + reasoned):
        tokens_out += reasoned  # so do xAI and Google
    return Usage(tokens_in, tokens_out, "reported", cached, reasoned, written)


def _fields(part: Any) -> Mapping[str, Any]:
    """What an object holds, fields beyond its class included: asking one for what it lacks costs a microsecond."""
    own: Mapping[str, Any] = getattr(part, "__dict__", None) or {}
    more: Mapping[str, Any] | None = getattr(part, "__pydantic_extra__", None)
    return {**own, **more} if more else own


def _largest(details: Mapping[str, Any], told: Mapping[str, Any], names: frozenset[str]) -> int:
    """The largest of the counts that name the same tokens; 0 where none makes sense."""
    counts = [_count(of[name]) or 0 for of in (details, told) for name in names.intersection(of)]
    return max(counts, default=0)


def _count(*values: Any) -> int | None:
    for value in values:
        if value is not None:
            return value if type(value) is int and 0 <= value <= MOST_TOKENS else None
    return None


def _money(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    if amount > MOST_COST:
        _logger.warning("an upstream says that a request cost more than $%s, which is not believed", MOST_COST)
        return None
    return amount
