"""How hard a task is, from what is asked: a score from 0 to 1, and what made it so.

A sum of a few weights, squashed: no model is asked, nothing is learned at run time, and every point can be
explained. What the weights are worth is measured in `benchmarks/routing/`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import texts_in
from hanzo_agents.routing.vocabulary import CLOSINGS, PHRASES, SIGNS, WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Complexity", "complexity"]

HEAD, TAIL = 700, 300
"""Characters read at the start and at the end: what is asked stands before or after what it is asked about."""

FOLLOW_UP_WORDS = 6
"""A turn of so few words that names no task of its own goes on with the one before it."""

MOST_TURNS = 4
"""How many follow-ups back the task is looked for."""

_WORD = re.compile(r"[^\W_]+(?:[-+'\u2019][^\W_]+)*")
_FORMULA = re.compile(r"[a-z0-9)]\s?\^\s?[a-z0-9(]|[a-z]'' ?[+=-]|\b[a-z] ?[<>]?= ?-?\d|\bo\([n1]|[∑∫√≤≥∈∀∃]")
_CODE = re.compile(r"```|\bdef \w+\(|\bclass \w+[:({]|=>|\w+\(\)|[;{]\s*$|</?\w+>", re.MULTILINE)
_QUOTED = re.compile(r'["“„«][^"”“»]{12,}["”“»]|:\s*\n|```')
# One class of characters is searched for much faster than an alternation; most prompts have none of them.
_FORMULA_SIGNS = re.compile(r"[\^=(∑∫√≤≥∈∀∃]|''")
_CODE_SIGNS = re.compile(r"[`(){};<>:]")
_QUOTED_SIGNS = re.compile(r'["“„«:`]')
_NUMBER = re.compile(r"(?<![\w.:])-?\d+(?:\.\d+)?(?![\w:.]\d)", re.ASCII)
_DIFFERENTIALS = frozenset({"dx", "dy", "dt"})

# Fitted by hand on the tuning half of benchmarks/routing; no other figure here was chosen by looking at results.
BIAS = -0.6
FIRST = {
    "hard task": 1.9, "hard topic": 1.3, "reasoning": 0.7, "constraints": 0.35,
    "easy task": -2.0, "small talk": -1.8, "fact": -1.3, "brief": -0.7, "everyday text": -1.2, "role play": -1.5,
}  # fmt: skip
"""What the first word of a group adds."""
FURTHER = {
    "hard task": 0.6, "hard topic": 0.7, "reasoning": 0.3, "constraints": 0.3,
    "easy task": -0.3, "small talk": -0.3, "fact": -0.2, "brief": -0.2, "everyday text": -0.3, "role play": -0.3,
}  # fmt: skip
"""What each further one adds, three at most."""
FORMULA, FIGURES, CODE, LONG_ASK, GIVEN_TEXT, QUESTION = 1.2, 1.4, 0.3, 0.5, -0.8, 0.3
SHORT_QUESTION, LONG_FACT = 14, 0.3
"""A question of more words is hardly one of fact: what says so counts this much."""

MANY_FIGURES = 4
"""Numbers from which a question is taken for a word problem."""
LEADING = 0.8
"""The first word of a request says most about it: what it adds is counted once more, times this."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """How hard a task is.

    Attributes:
        score: from 0 (anybody answers it) to 1 (only the best do); 0.5 is the border.
        because: what added to it and what took from it, largest first.
    """

    score: float
    because: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        why = ", ".join(f"{name} {weight:+.1f}" for name, weight in self.because[:3])
        return f"{self.score:.2f} ({why})" if why else f"{self.score:.2f}"


def complexity(asked: str | Sequence[Mapping[str, Any]]) -> Complexity:
    """Score a prompt, or the last user turn of a conversation.

    A short turn that names no task of its own ("go on", "commit it") is as hard as the task it goes on with.

    Args:
        asked: a text, or messages in the spelling of Chat Completions or Responses.
    """
    turns = [asked] if isinstance(asked, str) else _user_turns(asked)
    weights: dict[str, float] = {}
    for turn in turns:
        found, follows = _weigh(turn, more=turn is not turns[-1])
        for name, weight in found.items():
            weights[name] = weights.get(name, 0.0) + weight
        if not follows:
            break
    total = BIAS + sum(weights.values())
    ranked = sorted(weights.items(), key=lambda item: -abs(item[1]))
    return Complexity(round(1 / (1 + math.exp(-total)), 3), tuple((name, round(w, 2)) for name, w in ranked if w))


def _user_turns(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What users said, last first, as far back as it may matter."""
    turns: list[str] = []
    for message in reversed(messages):
        if message.get("role") == "user":
            turns.append("\n".join(texts_in(message)))
            if len(turns) == MOST_TURNS:
                break
    return turns or [""]


def _weigh(text: str, *, more: bool) -> tuple[dict[str, float], bool]:
    """What a turn adds, and whether it goes on with the turn before it.

    Args:
        text: the turn.
        more: whether there is a turn before it.
    """
    asked = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"
    lowered = asked.lower()
    words = _WORD.findall(lowered)
    if more and len(words) <= FOLLOW_UP_WORDS:
        if not CLOSINGS.isdisjoint(words):
            return {"ends the task": -3.0}, False
        counts, _ = _count(lowered, words)
        if counts.get("hard task", 0) + counts.get("easy task", 0) == 0 or len(words) <= 2:
            return {}, True
    counts, leading = _count(lowered, words)
    weights = {group: FIRST[group] + FURTHER[group] * min(n - 1, 3) for group, n in counts.items()}
    if len(words) > SHORT_QUESTION and "fact" in weights:
        weights["fact"] *= LONG_FACT
        leading = None if leading == "fact" else leading
    if leading is not None:
        weights[leading] += LEADING * FIRST[leading]
    _weigh_shape(asked, lowered, words, weights)
    return weights, False


def _count(lowered: str, words: list[str]) -> tuple[dict[str, int], str | None]:
    """How many words of each group there are, and the group of the first word."""
    counts: dict[str, int] = {}
    for word in words:
        group, phrases = _known(word)
        if group is not None:
            counts[group] = counts.get(group, 0) + 1
        for phrase, meant in phrases:
            if phrase in lowered:
                counts[meant] = counts.get(meant, 0) + 1
    if not lowered.isascii():
        for group, signs in SIGNS.items():
            if found := sum(sign in lowered for sign in signs):
                counts[group] = counts.get(group, 0) + found
    return counts, _known(words[0])[0] if words else None


_PHRASES: dict[str, list[tuple[str, str]]] = {}
for _group, _phrases in PHRASES.items():
    for _phrase in _phrases:
        _PHRASES.setdefault(_WORD.findall(_phrase)[0], []).append((_phrase, _group))


@lru_cache(maxsize=4096)
def _known(word: str) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The group of a word, and the phrases that begin with it."""
    return WORDS.group_of(word), tuple(_PHRASES.get(word, ()))


def _weigh_shape(asked: str, lowered: str, words: list[str], weights: dict[str, float]) -> None:
    """What the form of the text adds: formulas, code, length of the request itself, given text, questions."""
    if (_FORMULA_SIGNS.search(lowered) and _FORMULA.search(lowered)) or not _DIFFERENTIALS.isdisjoint(words):
        weights["formula"] = FORMULA
    if "?" in asked and "given text" not in weights and len(_NUMBER.findall(asked)) >= MANY_FIGURES:
        weights["figures"] = FIGURES
    if _CODE_SIGNS.search(asked) and _CODE.search(asked):
        weights["code"] = CODE
    if _QUOTED_SIGNS.search(asked) and _QUOTED.search(asked):
        weights["given text"] = GIVEN_TEXT
    elif len(words) > 25:
        weights["long request"] = LONG_ASK
    if (questions := asked.count("?")) > 1:
        weights["questions"] = QUESTION * min(questions - 1, 3)
