"""Phone numbers: told by Google's libphonenumber where it is installed, else by how they are written."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["phone_spans"]

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "BR", "IN", "CN", "JP", "PL")
"""Whose national spelling is tried where a number has no country code, and a word says what it is."""

BEFORE = 32
"""Characters before a number in which that word is looked for."""

_WORD = re.compile(
    r"(?<![^\W_])(?:phone|tel|telephone|mobile|cell|call(?:\s+me)?(?:\s+(?:on|at|back))?|ring|dial|text|sms|fax|whatsapp|telegram|signal"
    r"|telefon\w*|handy\w*|mobil\w*|ruf\w*|anruf\w*|durchwahl|erreich\w*|nummer|portable|appel\w*|téléphone|tél"
    r"|tel[eé]fono|m[oó]vil|celular|ll[aá]m\w*|cellulare|chiam\w*|telefone|bel|bellen|zadzwoń|komórk\w*|звон\w*|тел\w*"
    r"|my number is|phone number)(?![^\W_])|电话|手机|電話|携帯|फ़ोन|هاتف",
    re.IGNORECASE,
)
_CANDIDATE = re.compile(r"(?<![\w.@/#-])(?:\+|00|\()?\d[\d ()/.-]{5,22}\d(?![\w@]|[.,]\d)", re.ASCII)
_NORTH_AMERICAN = re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-. ]\d{4}", re.ASCII)
_DATE = re.compile(
    r"(?:19|20)\d\d([-./])\d{1,2}\1\d{1,2}.*|\d{1,2}([-./])\d{1,2}\2(?:19|20)?\d\d.*|\d{8}|(?:\d{1,3}\.){3}\d{1,3}"
    r"|(?:\d{4}-)+\d{4}",
    re.ASCII,
)
_LAX = re.compile(r"\+\d[\d ()/.-]{6,20}|0\d[\d ()/.-]{6,16}", re.ASCII)


@cache
def _library() -> Any:
    """libphonenumber, None where the extra is not installed."""
    try:
        import phonenumbers
    except ImportError:
        return None
    return phonenumbers


def phone_spans(text: str) -> Iterable[tuple[int, int]]:
    """Where phone numbers stand."""
    library = _library()
    for match in _CANDIDATE.finditer(text):
        number = match[0].rstrip(" ()/.-")
        if not 7 <= sum(map(str.isdigit, number)) <= 15 or _DATE.fullmatch(number):
            continue
        named = _WORD.search(text, max(0, match.start() - BEFORE), match.start()) is not None
        possible = _could_be(number, named=named) if library is None else _is_one(library, number, named=named)
        if possible:
            yield match.start(), match.start() + len(number)


def _is_one(library: Any, number: str, *, named: bool) -> bool:
    """Whether it is a number that could be dialled somewhere."""
    if number.startswith(("+", "00")):
        # "(0)" after a country code is written for those who dial from within.
        return _valid(library, re.sub(r"^00", "+", number.replace("(0)", "")), None)
    if _NORTH_AMERICAN.fullmatch(number) and _valid(library, number, "US"):
        return True
    return named and any(_valid(library, number, region) for region in REGIONS)


def _valid(library: Any, number: str, region: str | None) -> bool:
    try:
        return bool(library.is_valid_number(library.parse(number, region)))
    except library.NumberParseException:
        return False


def _could_be(number: str, *, named: bool) -> bool:
    """Without the library: whatever is written like one."""
    return named or bool(_NORTH_AMERICAN.fullmatch(number) or _LAX.fullmatch(number))
