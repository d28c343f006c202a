"""A question as the gate reads it: what it is about, in which order, and the little words on which all hangs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from hanzo_agents.policies.semantic.gate import vocabulary as v
from hanzo_agents.policies.semantic.gate.endings import stem, told_in_the_past
from hanzo_agents.policies.semantic.gate.links import rivals_of
from hanzo_agents.policies.semantic.gate.phrases import KINDS
from hanzo_agents.policies.semantic.gate.tokens import SIGNS, STOPS, Shape, Token, bared, tokens_of

__all__ = ["MOST_CHARACTERS", "Reading", "content_of", "polarity_of", "quantities_of", "read", "spelled"]

MOST_CHARACTERS = 2000
"""Of a text that is read. A longer one is not a question any more, and only ever equals itself."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, read.

    Attributes:
        words: what it is about: words of content in their canonical spelling, numbers as "#5", in their order.
        names: those of them that are names, as they are written.
        kind: what is asked for: "how", "why", "when", ... , "" for what or whether.
        yes_no: whether it asks if something is so.
        negations: how many there are.
        modals: what it says of must, may and will.
        persons: whose affairs it is about.
        cast: those persons in the order in which they come.
        also: what is asked for besides: "when and where".
        forms: verbs that something is doing ("ing") or that are done ("ed").
        rivals: what it says in one of several ways that exclude each other.
        time: "was" or "is" as an auxiliary verb tells it; without any, "did" or "does" as the verb's form does.
        behind: each word that gives a direction, or denies, with what stands behind it.
        marks: before each word of content, the empty words and stops that stand between it and the one before.
        tail: the empty words and stops behind the last of them.
        helped: whether a "do" stands in a question for who, which or what: who I call, not who calls me.
        literal: what must be the same to the letter.
    """

    words: tuple[str, ...]
    names: frozenset[str]
    kind: str
    yes_no: bool
    negations: int
    modals: frozenset[str]
    persons: frozenset[str]
    cast: tuple[str, ...]
    also: frozenset[str]
    forms: frozenset[tuple[str, str]]
    rivals: frozenset[tuple[str, str]]
    time: str
    behind: frozenset[tuple[str, str]]
    marks: tuple[tuple[str, ...], ...]
    tail: tuple[str, ...]
    helped: bool
    literal: tuple[str, ...]


def spelled(text: str) -> str:
    """The text in one spelling, for its embedding: numbers as digits, signs as signs, no frills."""
    if len(text) > MOST_CHARACTERS:
        return text
    return " ".join(token for token, _ in tokens_of(bared(text)) if token not in STOPS) or text


def content_of(text: str) -> frozenset[str]:
    """The words of content of a text of any length."""
    return frozenset(read(text[:MOST_CHARACTERS]).words)


def quantities_of(text: str) -> frozenset[str]:
    """The numbers in a text."""
    return frozenset(word for word in content_of(text) if word.startswith("#"))


def polarity_of(text: str) -> str:
    """What an answer says first, when that is yes or no."""
    first = next((token for token, _ in tokens_of(text[:100]) if token not in STOPS), "")
    return {"yes": "yes", "yeah": "yes", "yep": "yes", "no": "no", "nope": "no"}.get(first, "")


@lru_cache(maxsize=1024)
def read(text: str) -> Reading:
    """Read a text."""
    bare = bared(text)
    tokens = tokens_of(bare)
    plain = [token for token, _ in tokens]
    flat = " ".join(token for token in plain if token not in STOPS)
    words, names, marks = _content(tokens, verbatim=not v.VERBATIM.isdisjoint(plain))
    persons = [v.PERSONS[token] for token in plain if token in v.PERSONS]
    return Reading(
        words=words,
        names=names,
        kind=next((kind for kind, asks in _KINDS if asks.search(flat)), ""),
        yes_no=any(token in _ASKING and (not n or plain[n - 1] in STOPS) for n, token in enumerate(plain)),
        negations=sum(token in v.NEGATORS for token in plain),
        modals=frozenset(modal for modal, says in _MODALS if says.search(flat)),
        persons=frozenset(persons),
        cast=tuple(one for one, _ in groupby(persons)),
        also=frozenset(_ALSO.findall(flat)),
        forms=frozenset(_forms(plain)),
        rivals=rivals_of(text),
        time=_time(plain),
        behind=frozenset(
            ("not" if mark in v.NEGATORS else mark, word)
            for word, before in zip(words, marks, strict=False)
            for mark in before
            if mark in _TURNING
        ),
        marks=marks[:-1],
        tail=marks[-1],
        helped=not (_WHO.isdisjoint(plain) or _DO.isdisjoint(plain)),
        literal=(*_literal(bare), *_grouped(plain)),
    )


def _content(
    tokens: list[Token], *, verbatim: bool
) -> tuple[tuple[str, ...], frozenset[str], tuple[tuple[str, ...], ...]]:
    """The words of content, those that are names, and what stands before each and behind the last."""
    words: list[str] = []
    names: set[str] = set()
    marks: list[tuple[str, ...]] = []
    between: list[str] = []
    spoken = False
    for token, shape in tokens:
        if token in STOPS or (_is_empty(token, shape, between) and not (spoken and token not in _LINKING)):
            between.append(token)
            continue
        spoken = spoken or token in v.SPOKEN
        words.append(_canonical(token, shape, verbatim=verbatim))
        if shape.name:
            names.add(words[-1])
        marks.append(tuple(between))
        between = []
    return tuple(words), frozenset(names), (*marks, tuple(between))


_LINKING = frozenset({"to", "into", "in", "of", "for", "from", "with", "as"})
_ALSO = re.compile(
    r"\b(?:(?:who|what|when|where|why|how|which) (?:and|or)|(?:and|or) (?:who|when|where|why|how))\b"
)
_WHO = frozenset({"who", "whom", "which", "what", "many"})
_DO = frozenset({"do", "does", "did"})
_TURNING = v.MARKERS | v.NEGATORS
_KINDS = [(kind, re.compile(rf"\b(?:{pattern})")) for kind, pattern in KINDS]
_MODALS = [(modal, re.compile(rf"\b(?:{pattern})\b")) for modal, pattern in v.MODALS.items()]
_ASKING = v.PAST | v.PRESENT | {"can", "could", "may", "might", "must", "should", "will", "would", "shall"}
_ODD = re.compile(
    r"[^\w\s.,;:?!'’\"“”()*+/$€£¥₹%°×÷−-]|!=|\*\*|//|--|\+\+|&&"
    r"|(?<=\d)!|(?<![\w.])\.\.(?!\.)|(?<!\S)(?:[-+]{1,2}|\.)[A-Za-z]\w*"  # 5!, cd .., ls -l, .NET
)
_QUOTED = re.compile(r'"([^"]*)"|“([^”]*)”|(?<!\w)[\'‘]([^\'’]+)[\'’](?!\w)|`+([^`]+)`+')


def _is_empty(token: str, shape: Shape, between: list[str]) -> bool:
    """Whether a word carries nothing where it stands: US is not us, and long hair is not how long."""
    if token in v.MEASURES:
        return between[-1:] == ["how"]
    return token in v.EMPTY and not shape.capitals


def _canonical(token: str, shape: Shape, *, verbatim: bool) -> str:
    if token.startswith("#") or token in SIGNS:
        return token
    if shape.capitals:
        return token.upper() if token in v.EMPTY else token
    if token in v.UNITS and (shape.counted or len(token) > 3):
        return v.UNITS[token]
    if shape.name or verbatim:
        return token
    root = stem(v.SYNONYMS.get(token, token))
    return v.UNITS.get(root, v.SYNONYMS.get(root, root)) if len(root) > 2 else root


def _time(plain: list[str]) -> str:
    """Which time an auxiliary verb tells, or, where there is none, the form of the verb."""
    perfect = not {"has", "have"}.isdisjoint(plain) and any(form == "ed" for _, form in _forms(plain))
    if perfect or "been" in plain:
        return "been"
    told = {"was" if token in v.PAST else "is" for token in plain if token in v.PAST | v.PRESENT}
    if len(told) == 1:
        return told.pop()
    return "" if told else ("did" if any(map(told_in_the_past, plain)) else "does")


def _forms(plain: list[str]) -> list[tuple[str, str]]:
    """Verbs by their stems: closing is not closed."""
    found: list[tuple[str, str]] = []
    for token in plain:
        if token.endswith("ing") and stem(token) != token:
            found.append((stem(token), "ing"))
        elif told_in_the_past(token) or (token in v.IRREGULAR and token.endswith("n")):
            found.append((stem(token), "ed"))
    return found


def _grouped(plain: list[str]) -> tuple[str, ...]:
    """A sum with brackets, as it stands."""
    if "(" not in plain or SIGNS.isdisjoint(plain):
        return ()
    return tuple(token for token in plain if token in SIGNS or token in {"(", ")"} or token.startswith("#"))


def _literal(text: str) -> tuple[str, ...]:
    """What must be the same to the letter: quotations, what follows a colon or a new line, signs of code."""
    quoted = ["".join(match.groups("")) for match in _QUOTED.finditer(text)]
    _, _, rest = text.strip().partition("\n")
    _, colon, told = text.partition(": ")
    return (*quoted, rest, told if colon else "", *_ODD.findall(text))
