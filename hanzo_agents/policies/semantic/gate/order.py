"""Whether words that come in another order still say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanzo_agents.policies.semantic.gate.reading import Reading

__all__ = ["turned"]

_BELONGING = frozenset({"of", "in", "on", "at", "for", "with"})
_PASSED_OVER = frozenset({"about", "a", "an", "the", "is", "are"})
_LISTING = frozenset({"and", "or", "versus"})
_WHILE = frozenset({"when", "where", "as"})
_OPENING = frozenset({",", ":", "?", ";"})


def turned(one: Reading, other: Reading) -> str | None:
    """What has changed places so that the sense may be another; None when nothing has."""
    for mark, word in sorted(one.behind - other.behind):
        if any(direction == mark for direction, _ in other.behind - one.behind):
            return f"{mark} {word}"
    if one.words == other.words:
        return None
    if len(set(one.words)) < len(one.words):
        return "words that are repeated"
    if _rotated(one, other) or _rotated(other, one):
        return None
    for word, later in _inverted(one, other):
        listed = _listed(one, word, later) and _listed(other, later, word)
        if not (listed or _belongs(one, other, word, later) or _belongs(other, one, later, word)):
            return f"{word} and {later}"
    return None


def _inverted(one: Reading, other: Reading) -> list[tuple[str, str]]:
    """Pairs of words in their order here, which there is the other way round."""
    places = {word: index for index, word in enumerate(other.words)}
    return [
        (word, later)
        for index, word in enumerate(one.words)
        for later in one.words[index + 1 :]
        if places[word] > places[later]
    ]


def _between(reading: Reading, word: str, later: str) -> list[tuple[str, ...]]:
    start, end = reading.words.index(word), reading.words.index(later)
    return list(reading.marks[start + 1 : end + 1])


def _listed(reading: Reading, word: str, later: str) -> bool:
    """Whether two words stand side by side in a list: A and B."""
    marks = _between(reading, word, later)
    return len(marks) == 1 and bool(_LISTING.intersection(marks[0]))


def _belongs(one: Reading, other: Reading, word: str, later: str) -> bool:
    """Whether "the X of Y" here is "Y's X" there."""
    here = [mark for marks in _between(one, word, later) for mark in marks]
    there = [mark for marks in _between(other, later, word) for mark in marks]
    linked = [mark for mark in here if mark in _BELONGING]
    return len(linked) == 1 and (_BELONGING | _PASSED_OVER).issuperset(here) and not there


def _rotated(one: Reading, other: Reading) -> bool:
    """Whether the beginning here, up to a stop, is the end there: "At sea level, what ..."."""
    if _WHILE.intersection(one.marks[0]).intersection(other.marks[0]):
        return False  # when one, then the other: not when the other, then the one
    for cut in range(1, len(one.words)):
        if one.words[cut:] + one.words[:cut] == other.words:
            expletive = "it" in one.marks[0] and "to" in one.marks[cut - 1] + one.marks[cut]
            return bool(_OPENING.intersection(one.marks[cut])) or expletive
    return False
