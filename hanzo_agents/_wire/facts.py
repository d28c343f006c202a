"""What an answer took: the facts in the router's headers, which the SDK throws away, and its tokens."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Cost, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._kernel.journal import Attempt

__all__ = ["estimate_tokens", "estimated_usage", "note_headers", "note_usage", "usage_of"]

BYTES_PER_TOKEN = 4
"""OpenAI's own rule of thumb for English text; used only where nobody reports the truth, and marked so."""


def estimate_tokens(text: str) -> int:
    """Tokens in a text, roughly: a quarter of its UTF-8 bytes, at least one for any text."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def estimated_usage(text_in: str, text_out: str) -> Usage:
    """Usage for an answer that came without, marked as estimated."""
    return Usage(estimate_tokens(text_in), estimate_tokens(text_out), "estimated")


def note_headers(attempt: Attempt, headers: Mapping[str, str], *, stream: bool = False) -> None:
    """Write what the reply's headers tell into the attempt.

    The price in a stream's headers is left: the router prices some before there is an answer.
    """
    attempt.request_id = headers.get("x-request-id") or headers.get("x-litellm-call-id")
    if group := headers.get("x-litellm-model-group"):
        attempt.model = group
    if headers.get("x-litellm-cache-key"):
        # The router repeats the first answer's price on a hit, which cost nothing.
        attempt.cache_hit = True
        attempt.cost = Cost(Decimal(0), "reported")
    elif not stream and (amount := _money(headers.get("x-litellm-response-cost"))) is not None:
        attempt.cost = Cost(amount, "reported")


def note_usage(attempt: Attempt, usage: Usage, raw: Any) -> None:
    """Write tokens into the attempt, and the price where the body carries one (`usage.cost`, streams)."""
    attempt.usage = usage
    if attempt.cost.amount is None and (amount := _money(getattr(raw, "cost", None))) is not None:
        attempt.cost = Cost(amount, "reported")


def usage_of(raw: Any) -> Usage | None:
    """Read the usage object of any dialect; None when it is missing or makes no sense (negative, not a number)."""
    if raw is None:
        return None
    tokens_in = _count(getattr(raw, "prompt_tokens", None), getattr(raw, "input_tokens", None))
    tokens_out = _count(getattr(raw, "completion_tokens", None), getattr(raw, "output_tokens", 0))
    if tokens_in is None or tokens_out is None:
        return None
    details_in = getattr(raw, "prompt_tokens_details", None) or getattr(raw, "input_tokens_details", None)
    details_out = getattr(raw, "completion_tokens_details", None) or getattr(raw, "output_tokens_details", None)
    return Usage(
        tokens_in,
        tokens_out,
        "reported",
        _count(getattr(details_in, "cached_tokens", None)) or 0,
        _count(getattr(details_out, "reasoning_tokens", None)) or 0,
    )


def _count(*values: Any) -> int | None:
    for value in values:
        if value is not None:
            return value if type(value) is int and value >= 0 else None
    return None


def _money(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None
