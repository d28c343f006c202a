"""The most a call can cost, before it is sent: what a budget reserves."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.shapes import as_dict, dicts

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import View
    from hanzo_agents._kernel.price import Pricing

__all__ = ["BYTES_PER_TOKEN", "LEAST_OUTPUT", "Quote", "dollars", "quote", "tokens_in"]

BYTES_PER_TOKEN = 3
"""Of the text that goes in. English prose has 4 and more, code and JSON about 3, Chinese, Japanese and Korean 2 to
3; only digits and base64 have fewer. So a reservation is seldom too small, and the truth replaces it."""

PER_MESSAGE = 8
"""Tokens that mark where a message begins, who speaks, and where it ends; 3 or 4 with most models."""

PER_MEDIUM = 2_000
"""Tokens of an image or a sound, which no text shows: the large models count up to 1 600 for an image."""

LEAST_OUTPUT = 256
"""Tokens of an answer below which cutting it down is no way to pay for it."""

UNIT = Decimal("1e-9")
_UP = Context(prec=60, rounding=ROUND_CEILING)
_DOWN = Context(prec=60, rounding=ROUND_FLOOR)


@dataclass(slots=True)
class Quote:
    """What a call can cost at most. Not changed once it is made.

    Attributes:
        amount: US dollars.
        tokens_in: estimated input.
        tokens_out: the largest answer it is for, of each choice.
    """

    amount: Decimal
    tokens_in: int
    tokens_out: int


def tokens_in(view: View) -> int:
    """Tokens that go in, on the safe side."""
    text = view.text
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    messages = view.messages
    shown = -(-size // BYTES_PER_TOKEN) + view.given_tokens
    return shown + PER_MESSAGE * len(messages) + sum(map(_media, messages))


def quote(price: Pricing, tokens_in: int, tokens_out: int, choices: int = 1) -> Quote:
    """The most that a call with an answer of `tokens_out` can cost."""
    most = price.most(tokens_in, tokens_out * choices)
    return Quote(most.quantize(UNIT, context=_UP), tokens_in, tokens_out)


def affordable(price: Pricing, asked: Quote, available: Decimal, choices: int = 1) -> Quote | None:
    """The same call with as large an answer as `available` US dollars pay for; None when that is too small."""
    bare = price.most(asked.tokens_in, 0)
    each = price.most(asked.tokens_in, 1_000_000) - bare
    if each <= 0 or bare >= available:
        return None
    most = _DOWN.divide((available - bare) * 1_000_000, each * choices)
    tokens_out = int(most.to_integral_value(ROUND_FLOOR))
    if tokens_out >= asked.tokens_out or tokens_out < min(LEAST_OUTPUT, asked.tokens_out):
        return None
    return quote(price, asked.tokens_in, tokens_out, choices)


def dollars(amount: Decimal) -> str:
    """An amount for people: "$10", "$0.0125"; what is less than a billionth counts as one."""
    text = f"{amount.quantize(UNIT, context=_UP):f}".rstrip("0").rstrip(".")
    return f"${text or '0'}"


def _media(message: object) -> int:
    """Tokens of what a message holds beside text."""
    content = as_dict(message).get("content")
    if isinstance(content, str) or content is None:
        return 0
    return sum(_medium(part) for part in dicts(content))


def _medium(part: dict[str, object]) -> int:
    kind = part.get("type")
    if kind in {"file", "input_file"}:
        data = as_dict(part.get("file")).get("file_data") or part.get("file_data")
        return max(PER_MEDIUM, len(data) // BYTES_PER_TOKEN if isinstance(data, str) else 0)
    return PER_MEDIUM if kind in {"image_url", "input_image", "input_audio"} else 0
