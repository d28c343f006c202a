"""A text in tokens: lower case, numbers in digits, short forms in full, one word for what is one word."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from hanzo_agents.policies.semantic.gate import vocabulary as v
from hanzo_agents.policies.semantic.gate.phrases import REWRITES

__all__ = ["PLAIN", "SIGNS", "STOPS", "Shape", "Token", "bared", "tokens_of"]

_TOKEN = re.compile(
    r"\d+(?:[/:.-]\d+){2,}"  # a date, an address, a version
    r"|[-−+]?\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th)?\b"
    r"|(?:[A-Za-z]\.){2,}"  # U.S., p.m.
    r"|[^\W\d_][\w]*(?:[+#]+|(?:['’.@/_-][\w]+)*)"  # words, C++, don't, e-mail, a.b@c
    r"|[$€£¥₹%°]|[-+*/^=<>×÷−]|[,;:?!.()\"“”]"
)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?(st|nd|rd|th)?$")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?(st|nd|rd|th)?$")
_BITS = re.compile(r"([kKMGT])i?b(?=$|ps|/s)")
_ROMAN = re.compile(r"(?=[IVX]{2,}$)X{0,3}(IX|IV|V?I{0,3})$")
STOPS = frozenset(',;:?!.()"“”')
SIGNS = frozenset("+-*/^=<>")
_POWER = re.compile(r"[²³¹⁰⁴-⁹⁺⁻]")
_LETTERS = {"I": 1, "V": 5, "X": 10}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a token was written: as a name, as a short form in capitals, behind a number."""

    name: bool = False
    capitals: bool = False
    counted: bool = False


PLAIN = Shape()
Token = tuple[str, Shape]

_REWRITES = [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in REWRITES]


def bared(text: str) -> str:
    """The text without what only leads up to it, each way to ask in one form."""
    text = unicodedata.normalize("NFKC", _POWER.sub(r"^\g<0>", text)).replace("’", "'").replace("−", "-")
    for pattern, instead in _REWRITES:
        text = pattern.sub(instead, text).strip() or text
    return text


def tokens_of(text: str) -> list[Token]:
    """A bared text in tokens."""
    text = re.sub(r"(\d)([A-Za-z°%µ])", r"\1 \2", re.sub(r"\b([ap])\.m\.?", r"\1m", text))
    shouted = text.isupper()
    found: list[Token] = []
    first = True
    for match in _TOKEN.finditer(text):
        raw = match.group()
        if raw in STOPS or raw == "-":
            found.append((raw, PLAIN))
            first = first or raw in ".?!:"
            continue
        behind_number = bool(found) and found[-1][0].startswith("#")
        found += _figures(raw, behind_number=behind_number, shouted=shouted) or _word(
            raw, first=first, shouted=shouted, behind_number=behind_number
        )
        first = False
    return _joined(_signed(_counted(found)))


def _figures(raw: str, *, behind_number: bool, shouted: bool) -> list[Token]:
    """A token that is a number, or one with a sign before it; nothing when it is none."""
    if _NUMBER.match(raw):
        if behind_number and raw[0] in "+-":  # of "2-2": no sign of the second
            return [(raw[0], PLAIN), (_number(raw[1:]), PLAIN)]
        return [(_number(raw), PLAIN)]
    if behind_number and (bits := _BITS.match(raw)):
        return [(f"{bits[1].lower()}bit", PLAIN)]
    if behind_number and len(raw) < 4 and not raw.islower() and raw.isalpha() and raw.lower() not in _ANY_CASE:
        return [(raw, PLAIN)]  # mW is not MW
    return [(f"#{_roman(raw)}", PLAIN)] if _ROMAN.match(raw) and not shouted else []


def _word(raw: str, *, first: bool, shouted: bool, behind_number: bool) -> list[Token]:
    """A word as one token or more: contractions in full, without the s of a genitive."""
    word = raw.replace(".", "").lower() if _is_abbreviation(raw) else raw.lower().rstrip(".")
    full = v.CONTRACTIONS.get(word) or v.LONG_FORMS.get(word)
    if full is None and word.endswith("n't"):
        full = word[:-3] + " not"
    if full is not None:
        return [(f"#{part}" if part.isdigit() else part, PLAIN) for part in full.split()]
    if word.endswith("'s") and word[:-2] in _SUBJECTS:
        return [(word[:-2], PLAIN), ("is", PLAIN)]
    name = not first and raw[:1].isupper() and raw != "I" and not shouted
    parts = word.split("-")
    if len(parts) > 1 and tuple(parts) not in v.COMPOUNDS and word not in v.SYNONYMS:
        return [(part, Shape(name and part not in _DAYS)) for part in parts if part]
    for ending in ("'re", "'ve", "'ll", "'d", "'m", "'s"):
        word = word.removesuffix(ending)
    capitals = not shouted and ((raw.isupper() and len(raw) > 1) or (raw in {"A", "May"} and not first))
    return [(word.removesuffix("'"), Shape(name and word not in _DAYS, capitals, behind_number))]


_DAYS = frozenset(
    f"{day}day{s}" for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun") for s in ("", "s")
)
_SUBJECTS = frozenset({"who", "what", "where", "when", "how", "why", "it", "that", "there", "here", "he", "she"})
_ANY_CASE = frozenset({"am", "pm", "kb", "mb", "gb", "tb", "kg", "km", "cm", "mm", "kw", "kwh", "hz", "mhz", "ghz",
    "usd", "eur", "gbp", "jpy", "inr", "c", "f", "k", "w", "v", "l"})  # fmt: skip
"""Behind a number, what means the same in capitals."""


def _is_abbreviation(raw: str) -> bool:
    return raw.count(".") > 1 and raw.endswith(".")


def _number(raw: str) -> str:
    """Digits as they are: 3.1 is not 3.10, 7 not 007; only the commas of thousands mean nothing."""
    digits = raw.lstrip("+").rstrip(",")
    return f"#{digits.replace(',', '')}" if _THOUSANDS.match(digits) else f"#{digits}"


def _roman(raw: str) -> int:
    values = [_LETTERS[letter] for letter in raw]
    return sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))


def _counted(tokens: list[Token]) -> list[Token]:
    """Numbers in words as digits: "twenty one thousand" is #21000, "two three" stays two numbers."""
    found: list[Token] = []
    whole, part = 0, -1  # what is complete, and what may still grow; -1: no number is open
    for word, shape in [*tokens, ("", PLAIN)]:
        number, scale = v.NUMBERS.get(word), v.SCALES.get(word)
        if number is not None and (part < 0 or _goes_on(part, number)):
            part = max(part, 0) + number
            continue
        if scale is not None and (part > 0 or (part < 0 and found and found[-1][0] == "a")):
            if part < 0:
                found.pop()
            part = max(part, 1) * scale
            if scale >= 1000:
                whole, part = whole + part, 0
            continue
        if part >= 0:
            found.append((f"#{whole + part}", PLAIN))
            whole, part = 0, -1
        if number is not None:
            part = number
        elif word:
            found.append(_behind_number(word, shape, found))
    return found


def _goes_on(part: int, number: int) -> bool:
    """Whether a number goes on with this one: twenty one, two hundred sixteen; not two three."""
    tens, hundreds = part % 100, part % 1000
    return (part == 0) or (hundreds != 0 and tens == 0) or (tens >= 20 and tens % 10 == 0 and 0 < number < 10)


def _behind_number(word: str, shape: Shape, found: list[Token]) -> Token:
    """A word that is no number in words: an ordinal, or perhaps a unit."""
    if word in v.ORDINALS:
        return f"#{v.ORDINALS[word]}th", PLAIN
    counted = bool(found) and found[-1][0].startswith("#") and word in v.UNITS
    return word, Shape(counted=True) if counted else shape


def _signed(tokens: list[Token]) -> list[Token]:
    """Arithmetic in signs: between two numbers, "plus" is "+"."""
    found: list[Token] = []
    for (word, shape), (after, _) in zip(tokens, [*tokens[1:], ("", PLAIN)], strict=False):
        before = found[-1][0] if found else ""
        if before.startswith("#") and word in v.OPERATORS and (after.startswith("#") or after == "by"):
            found.append((v.OPERATORS[word], shape))
        elif (word == "by" and before in {"*", "/"}) or (
            word == "-" and not (_is_operand(before) and _is_operand(after)) and after != "("
        ):
            continue
        else:
            found.append((word, shape))
    return found


def _is_operand(word: str) -> bool:
    return word.startswith("#") or word == ")" or (len(word) == 1 and word not in STOPS)


def _joined(tokens: list[Token]) -> list[Token]:
    """Words that are one, in one."""
    found: list[Token] = []
    for word, shape in tokens:
        first, _, second = word.partition("-")
        whole = v.COMPOUNDS.get((first, second), word)
        before = found[-1][0] if found else ""
        if one := v.COMPOUNDS.get((before, whole)):
            found[-1] = (one, PLAIN)
        else:
            found.append((whole, shape))
    return found
