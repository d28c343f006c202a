"""When two answers say the same, as far as can be seen without understanding them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["agreed", "likeness"]

_DRESS = re.escape(
    ".,;:!?'\"()[]{}*`#-\u2013\u2014\u2026\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2022\u00b7\u00a1\u00bf"
    "\u3001\u3002\uff0c\uff1a\uff1b\uff01\uff1f\uff08\uff09\u300c\u300d\u060c\u061f"
)
"""Punctuation and markup: how an answer is written, and not what it says."""

_WORD = re.compile(
    r"(?:(?<!\w)[-+\u2212]?\.?(?=\d))?\w+(?:[.,:/-]\w+)*"  # the sign of a number is part of it
    rf"|(?<=\w)#|!(?=[\w(=])|[^\w\s{_DRESS}]"  # C#, !done, and every other sign: <, %, a currency, a tick
)
_FACT = re.compile(r"\d|^\W")
_NOT = frozenset(
    {"no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot", "false"}
)
_SHORT = re.compile(r"(\w)n['\u2019]t\b")
"""Contractions: "isn't" is "is not", and one that a word count would not tell from "is"."""

SHINGLE = 3
"""Words that are compared together: fewer would not see their order, more would let one word spoil much."""


def likeness(one: str, other: str) -> float:
    """How alike two answers are, from 0 to 1.

    The share of runs of three words that both have, of all that either has (Jaccard's index of their shingles),
    case and punctuation aside. Answers of fewer words are compared whole. Two that differ in a number, in a sign
    that is no punctuation, or in how often they say "not", are not alike at all, however many words they share.
    """
    return _Read(one).like(_Read(other))


def agreed(answers: Sequence[str], *, of: int, threshold: float) -> list[int] | None:
    """The answers that agree, by their numbers, once more than half of the panel do; else None.

    Each of them is alike to the first of them. None of an empty panel, or of one, agree.

    Args:
        answers: what has been said so far.
        of: how many were asked.
        threshold: the likeness that counts as the same.
    """
    needed = max(of // 2 + 1, 2)
    if len(answers) < needed:
        return None
    read = [_Read(answer) for answer in answers]  # once: the answers may be many and long
    for number, answer in enumerate(read):
        alike = [n for n, other in enumerate(read) if n == number or answer.like(other) >= threshold]
        if len(alike) >= needed:
            return alike
    return None


def _words(text: str) -> list[str]:
    return _WORD.findall(_SHORT.sub(r"\1 not", text.casefold()))


class _Read:
    """An answer, taken apart to be compared."""

    __slots__ = ("facts", "shingles", "words")

    def __init__(self, text: str) -> None:
        self.words = _words(text)
        self.facts = sorted(filter(_FACT.search, self.words)), sum(word in _NOT for word in self.words)
        self.shingles = {tuple(self.words[n : n + SHINGLE]) for n in range(len(self.words) - SHINGLE + 1)}

    def like(self, other: _Read) -> float:
        if not self.words or not other.words:
            return 0.0
        if self.words == other.words:
            return 1.0
        if self.facts != other.facts or not self.shingles or not other.shingles:
            return 0.0
        both = len(self.shingles & other.shingles)
        return both / (len(self.shingles) + len(other.shingles) - both)
