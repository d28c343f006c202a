"""The most a call can cost, before it is sent: what a budget reserves."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents._kernel.counts import json_size
from hanzo_agents._kernel.money import EXACT
from hanzo_agents._kernel.shapes import as_dict

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import View
    from hanzo_agents._kernel.price import Pricing

__all__ = ["FEWEST_BYTES_PER_TOKEN", "LEAST_OUTPUT", "Quote", "dollars", "quote", "tokens_foretold", "tokens_in"]

FEWEST_BYTES_PER_TOKEN = 3
"""Of the request, as JSON. English prose has 4 and more, code and JSON about 3, Chinese, Japanese and Korean 2 to
3; only digits and base64 have fewer. So a reservation is seldom too small, and the truth replaces it. What marks
where a message begins and who speaks, 3 or 4 tokens with most models, is paid by the 27 bytes for it in JSON."""

PER_MEDIUM = 2_000
"""Tokens of an image, and the least of a sound or a file: the large models count up to 1 600 for an image."""

BYTES_PER_SOUND_TOKEN = 30
"""Of base64. Models count up to 32 tokens a second, and speech is packed into 6 000 bits a second at the least,
which are 1 000 bytes of base64."""

BYTES_PER_PLAIN_SOUND_TOKEN = 300
"""The same of sound that is not packed: 8 000 bytes a second at the least, which are 10 600 of base64."""

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
    """Tokens that go in, on the safe side: all that is sent counts, but for media, which count by their kind."""
    media = _Media()
    for message in view.messages:
        if type(message.get("content")) is not str:  # most are a text, and no more
            media.look(message)
    shown = max(view.size - media.size, 0)
    return -(-shown // FEWEST_BYTES_PER_TOKEN) + view.given_tokens + media.tokens


def tokens_foretold(view: View) -> int:
    """Tokens of a predicted answer: those that do not come true are billed as output, whatever its limit."""
    return -(-view.foretold // FEWEST_BYTES_PER_TOKEN)


def quote(price: Pricing, tokens_in: int, tokens_out: int, choices: int = 1, foretold: int = 0) -> Quote:
    """The most that a call with an answer of `tokens_out` can cost. Never less than its input.

    Args:
        price: of the target.
        tokens_in: of the input.
        tokens_out: of each answer.
        choices: how many answers.
        foretold: tokens of output beyond them.
    """
    tokens_in, tokens_out = max(tokens_in, 0), max(tokens_out, 0)
    most = price.most(tokens_in, tokens_out * max(choices, 1) + max(foretold, 0))
    return Quote(most.quantize(UNIT, context=_UP), tokens_in, tokens_out)


def affordable(
    price: Pricing, asked: Quote, available: Decimal, choices: int = 1, foretold: int = 0
) -> Quote | None:
    """The same call with as large an answer as `available` US dollars pay for; None when that is too small."""
    bare = price.most(asked.tokens_in, foretold)
    each = EXACT.subtract(price.most(asked.tokens_in, foretold + 1_000_000), bare)
    if each <= 0 or bare >= available:
        return None
    left = EXACT.multiply(EXACT.subtract(available, bare), 1_000_000)
    most = _DOWN.divide(left, EXACT.multiply(each, choices))
    tokens_out = int(most.to_integral_value(ROUND_FLOOR))
    if tokens_out >= asked.tokens_out or tokens_out < min(LEAST_OUTPUT, asked.tokens_out):
        return None
    return quote(price, asked.tokens_in, tokens_out, choices, foretold)


def dollars(amount: Decimal) -> str:
    """An amount for people: "$10", "$0.0125"; what is less than a billionth counts as one."""
    text = f"{amount.quantize(UNIT, context=_UP):f}".rstrip("0").rstrip(".")
    return f"${text or '0'}"


class _Media:
    """What of a request is no text, wherever it is: in messages, outputs of tools, answers of old.

    Attributes:
        size: its bytes, as JSON.
        tokens: what it counts instead.
    """

    __slots__ = ("size", "tokens")

    def __init__(self) -> None:
        self.size = 0
        self.tokens = 0

    def look(self, part: object) -> None:
        """Look into a part of the request."""
        if isinstance(part, list):
            for each in cast("list[object]", part):
                self.look(each)
        elif isinstance(part, dict):
            fields = cast("dict[str, Any]", part)
            kind = named if isinstance(named := fields.get("type"), str) else ""
            if kind in _FILES:
                self._file(fields)
            elif kind == "input_audio":
                self._sound(as_dict(fields.get("input_audio")))
            elif kind in _IMAGES:
                self._image(fields)
            else:
                for value in fields.values():
                    if type(value) is not str:
                        self.look(value)

    def _image(self, part: dict[str, Any]) -> None:
        self.size += sum(json_size(part[name]) for name in _SHOWN if name in part)
        self.tokens += PER_MEDIUM

    def _sound(self, sound: dict[str, Any]) -> None:
        size = json_size(sound.get("data"))
        plain = str(sound.get("format")) in {"wav", "pcm16"}
        each = BYTES_PER_PLAIN_SOUND_TOKEN if plain else BYTES_PER_SOUND_TOKEN
        self.size += size
        self.tokens += max(PER_MEDIUM, -(-size // each))

    def _file(self, part: dict[str, Any]) -> None:
        # Its text is in its bytes, packed or not, and they count as text; of one named by its id nothing is known.
        self.tokens += max(PER_MEDIUM - json_size(part) // FEWEST_BYTES_PER_TOKEN, 0)


_FILES = frozenset({"file", "input_file"})
_IMAGES = frozenset({"image", "image_url", "input_image", "computer_screenshot", "image_generation_call"})
_SHOWN = ("image_url", "data", "source", "result")
"""Fields that hold an image, or say where it is."""
