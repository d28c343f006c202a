"""When two answers say the same, as far as can be seen without understanding them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["agreed", "likeness"]

_WORD = re.compile(r"\w+(?:[.,:/-]\w+)*")
_NUMBER = re.compile(r"\d")
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
    case and punctuation aside. Answers of fewer words are compared whole. Two that differ in a number, or in
    how often they say "not", are not alike at all, however many words they share.
    """
    first, second = _words(one), _words(other)
    if not first or not second:
        return 0.0
    if first == second:
        return 1.0
    if _facts(first) != _facts(second) or min(len(first), len(second)) < SHINGLE:
        return 0.0
    these, those = _shingles(first), _shingles(second)
    return len(these & those) / len(these | those)


def agreed(answers: Sequence[str], *, of: int, threshold: float) -> list[int] | None:
    """The answers that agree, by their numbers, once more than half of the panel do; else None.

    Each of them is alike to the first of them. None of an empty panel, or of one, agree.

    Args:
        answers: what has been said so far.
        of: how many were asked.
        threshold: the likeness that counts as the same.
    """
    needed = max(of // 2 + 1, 2)
    for number, answer in enumerate(answers):
        alike = [n for n, other in enumerate(answers) if n == number or likeness(answer, other) >= threshold]
        if len(alike) >= needed:
            return alike
    return None


def _words(text: str) -> list[str]:
    return _WORD.findall(_SHORT.sub(r"\1 not", text.casefold()))


def _facts(words: list[str]) -> tuple[list[str], int]:
    return sorted(word for word in words if _NUMBER.search(word)), sum(word in _NOT for word in words)


def _shingles(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[n : n + SHINGLE]) for n in range(len(words) - SHINGLE + 1)}
