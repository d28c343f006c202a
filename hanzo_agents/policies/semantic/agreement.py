"""Whether two answers say the same, as far as words tell."""

from __future__ import annotations

import re

from hanzo_agents.policies.semantic.gate.reading import (
    MOST_CHARACTERS,
    content_of,
    polarity_of,
    quantities_of,
    read,
)

__all__ = ["agree"]

ENOUGH = 0.6
"""Share of the words of the shorter answer that are in the longer one too."""

SHORT = 4
"""Words of an answer that is only the fact: all of them count."""


def agree(one: str, other: str) -> bool:
    """Whether two answers to one question say the same: yes or no alike, and the shorter one's words in the other.

    A model puts the same in other words each time, so that this is a rough measure, on the careful side: of a
    short answer every word and number must be found again.
    """
    first, second = sorted((content_of(one), content_of(other)), key=len)
    if polarity_of(one) != polarity_of(other):
        return False
    if not first:
        return not second
    if _denies(one, other) or _denies(other, one):
        return False
    common = len(first & second) / len(first)
    if len(first) <= SHORT:
        return common == 1
    shorter, longer = sorted((quantities_of(one), quantities_of(other)), key=len)
    return common >= ENOUGH and (not shorter or len(shorter & longer) > len(shorter) / 2)


def _denies(one: str, other: str) -> bool:
    """Whether the first sentence here denies what is said there, or has changed its from and to."""
    here, there = read(_first_sentence(one)), read(_first_sentence(other))
    common = {*here.words} & {*there.words}
    ours = [(mark, word) for mark, word in here.behind - there.behind if word in common]
    theirs = {mark for mark, word in there.behind - here.behind if word in common}
    return any(mark == "not" or mark in theirs for mark, _ in ours)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[^\W\d_])[.!?](?:\s|$)|\n", text[:MOST_CHARACTERS].strip(), maxsplit=1)[0]
