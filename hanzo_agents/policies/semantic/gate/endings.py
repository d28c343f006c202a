"""Words without the endings of number and time; too little is taken off rather than too much."""

from __future__ import annotations

from hanzo_agents.policies.semantic.gate.vocabulary import IRREGULAR

__all__ = ["stem", "told_in_the_past"]

_SHORTEST = 4
_NO_PLURAL = ("ss", "us", "is")
_HISSING = ("sses", "shes", "ches", "xes", "zes")
_SILENT_E = ("at", "iz", "v", "c", "u", "g", "bl")
"""What a verb ends with that had an e before its ending was put on."""


def stem(word: str) -> str:
    """The word as a dictionary has it, as far as its ending tells."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) < _SHORTEST or not word.isascii() or not word.isalpha():
        return word
    return _without_time(_singular(_in_z(word)))


def told_in_the_past(word: str) -> bool:
    """Whether the form of a verb says that it is over."""
    return (word.endswith("ed") and len(word) > _SHORTEST) or (
        word in IRREGULAR and not word.endswith(("s", "ing", "n"))
    )


def _in_z(word: str) -> str:
    """summarise, summarised: as in summarize."""
    if word.endswith("isation"):
        return word[:-7] + "ization"
    for ending in ("ise", "ised", "ises", "ising"):
        if word.endswith(ending) and len(word) > len(ending) + 4:
            return word.removesuffix(ending) + ending.replace("is", "iz", 1)
    return word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > _SHORTEST:
        return word[:-3] + "y"
    if word.endswith(_HISSING):
        return word[:-2]
    return word if word.endswith(_NO_PLURAL) else word.removesuffix("s")


def _without_time(word: str) -> str:
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and set(base) & set("aeiouy"):
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz":
                return base[:-1]
            return base + "e" if base.endswith(_SILENT_E) else base
    return word
