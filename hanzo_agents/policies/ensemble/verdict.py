"""What a judge said, read as leniently as it can be without guessing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Verdict", "verdict_in"]

_NAMED = re.compile(
    r"\b(?i:winner)[^\w.,;!?]{0,12}?(?i:is\W+)?(?i:(?:answer|candidate|response)\W+)?([A-Z])\b"
    r"(?!\s*(?:[/,&]|(?i:or|and)\b)\s*[A-Z]\b)"
)
"""In prose a letter is a capital, since "a" is a word; and one of two that are named has not won."""

MOST_READ = 20_000
"""Characters: a verdict stands at the end of what a judge says."""

_ALONE = re.compile(r"\W*(?:(?:answer|candidate|response)\s+)?([A-Z])\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's choice.

    Attributes:
        winner: the target whose answer is the best.
        scores: what the judge gave each, by target; empty where it gave none.
        reason: in the judge's words.
        judge: who judged; None where one answer was left and nobody had to.
    """

    winner: str
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    reason: str = ""
    judge: str | None = None


def verdict_in(said: str, letters: Sequence[str]) -> tuple[str, dict[str, float], str] | None:
    """The winner's letter, the scores by letter, and the reason; None when it names no winner.

    Any JSON object in the text that has a "winner" counts, the last one if there are several: who thinks aloud
    concludes at the end. Without one, the words "the winner is B", or a letter alone, do.
    """
    said = said[-MOST_READ:]
    told = [{str(key).casefold(): value for key, value in one.items()} for one in _objects(said)]
    for named in reversed([one for one in told if "winner" in one]):
        winner = _letter(named["winner"], letters)
        if winner is None:
            return None
        return winner, _scores(named.get("scores"), letters), str(named.get("reason") or "").strip()
    found = {letter.upper() for letter in _NAMED.findall(said)} & set(letters)
    if len(found) == 1:
        return found.pop(), {}, ""
    alone = _ALONE.fullmatch(said)
    if alone is not None and alone[1].upper() in letters:
        return alone[1].upper(), {}, ""
    return None


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects in a text, from its beginning; not those inside another."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if isinstance(found, dict):
                yield cast("Mapping[str, Any]", found)
        start = text.find("{", end)


def _letter(named: object, letters: Sequence[str]) -> str | None:
    if not isinstance(named, str):
        return None
    alone = _ALONE.fullmatch(named)
    return alone[1].upper() if alone is not None and alone[1].upper() in letters else None


def _scores(given: object, letters: Sequence[str]) -> dict[str, float]:
    if not isinstance(given, Mapping):
        return {}
    scores: dict[str, float] = {}
    for name, value in cast("Mapping[object, object]", given).items():
        letter, score = _letter(name, letters), _number(value)
        if letter is not None and score is not None:
            scores[letter] = score
    return scores


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value.split("/")[0]) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
