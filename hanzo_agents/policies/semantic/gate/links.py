"""What links the words of a question: which way, by whom, with which of two words that exclude each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanzo_agents.policies.semantic.gate.reading import Reading

__all__ = ["linked_otherwise", "rivals_of"]

_LINKS = frozenset({"to", "into", "from", "by", "for", "with", "as", "and", "or", "in", "on", "of", "at", "about"})
_LOOSE = frozenset(
    frozenset(pair.split())
    for pair in (
        "in at", "in of", "on at", "on of", "at of", "of for", "of about", "of from", "about on", "to into",
        "into in", "to for", "and with",
    )
)  # fmt: skip
"""Links that may stand for each other; any other two before the same word say something else."""

_RIVALS = {
    name: re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)
    for name, pattern in {
        "moment time": r"(?:what|which)(?:'s| is| was)?(?: the)? time",
        "moment day": r"(?:what|which)(?:'s| is| was)?(?: the)? (?:day|date)",
        "moment year": r"(?:what|which)(?:'s| is| was)?(?: the)? year",
        "leave possible": r"is it possible|am i able",
        "leave allowed": r"(?:is it|am i) (?:ok|okay|alright|all right|allowed|permitted|acceptable)",
        "which any": r"any",
        "which some": r"some",
    }.items()
}
_SHORT_FORM = re.compile(r"\b(?=\w?[A-Z])[A-Za-z]{2,3}\b")


def rivals_of(text: str) -> frozenset[tuple[str, str]]:
    """What the text, as it came, says in one of several ways that exclude each other: CO or Co, any or some."""
    said = {(name.split()[0], name.split()[1]) for name, says in _RIVALS.items() if says.search(text)}
    if not text.isupper():
        said |= {(short.lower(), short) for short in _SHORT_FORM.findall(text)}
    return frozenset(said)


def linked_otherwise(one: Reading, other: Reading) -> str | None:
    """The word that is linked in another way there, or what is said otherwise; None when there is none."""
    here, there = _links(one), _links(other)
    for word in (*one.words, ""):
        ours, theirs = here[word] - there.get(word, frozenset()), there.get(word, frozenset()) - here[word]
        if any(frozenset((link, rival)) not in _LOOSE for link in ours for rival in theirs):
            return word or "at the end"
        if "by" in ours | theirs and not (here[word] and there.get(word)):
            return word or "at the end"
    said, rival = dict(one.rivals - other.rivals), dict(other.rivals - one.rivals)
    return next((said[about] for about in sorted(said.keys() & rival.keys())), None)


def _links(reading: Reading) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for word, marks in zip((*reading.words, ""), (*reading.marks, reading.tail), strict=True):
        found[word] = found.get(word, frozenset()) | _LINKS.intersection(marks)
    return found
