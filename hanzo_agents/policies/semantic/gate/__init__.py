"""The gate behind the similarity: what two questions must share to be the same, which embeddings do not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents.policies.semantic.gate.links import linked_otherwise
from hanzo_agents.policies.semantic.gate.order import turned
from hanzo_agents.policies.semantic.gate.reading import MOST_CHARACTERS, read

if TYPE_CHECKING:
    from hanzo_agents.policies.semantic.gate.reading import Reading

__all__ = ["LexicalGate"]


@dataclass(frozen=True)
class LexicalGate:
    """Says why two questions are not the same, or None: `gate(one, other)`. Symmetric, and the same each time.

    Two questions pass when they are about the same words, up to endings, spelling and common synonyms, when nobody
    has changed places, and when the little words agree: negations, must and may, whose, when. It knows English; of
    other languages it takes words as they are, so that little but the same words passes.
    """

    def __call__(self, one: str, other: str) -> str | None:
        """Why the two are not the same, None when they are."""
        if one == other:
            return None
        if max(len(one), len(other)) > MOST_CHARACTERS:
            return "they are too long to be compared by words"
        first, second = read(one), read(other)
        return _words_apart(first, second) or _sense_apart(first, second) or _order_apart(first, second)


def _words_apart(one: Reading, other: Reading) -> str | None:
    if one.literal != other.literal:
        return "what is quoted differs"
    if not one.words:
        return "they have no words of content"
    if sorted(one.words) == sorted(other.words):
        return None
    odd = {*one.words} ^ {*other.words}
    if any(word.startswith("#") for word in odd):
        return "numbers differ"
    return "names differ" if odd & (one.names | other.names) else "words differ"


def _sense_apart(one: Reading, other: Reading) -> str | None:
    how = one.kind == other.kind == "how"
    by_the_way = frozenset({"can"}) if how else frozenset[str]()
    if one.negations != other.negations:
        return "one is negated"
    besides = (one.yes_no, one.also, one.helped) != (other.yes_no, other.also, other.helped)
    if besides or (one.kind != other.kind and not _alike(one.kind, other.kind)):
        return "something else is asked for"
    if one.modals - by_the_way != other.modals - by_the_way:
        return "must, may or will differ"
    return _persons_apart(one, other, how=how) or _times_apart(one, other)


def _persons_apart(one: Reading, other: Reading, *, how: bool) -> str | None:
    """Whose affairs differ; how I do it is how you do it, unless it is about both."""
    both = any({"i", "you"} <= reading.persons for reading in (one, other))
    if not (one.persons ^ other.persons) <= ({"i", "you"} if how and not both else set[str]()):
        return "persons differ"
    return "persons have changed places" if one.persons == other.persons and one.cast != other.cast else None


def _times_apart(one: Reading, other: Reading) -> str | None:
    if {one.time, other.time} in ({"was", "is"}, {"did", "does"}, {"been", "is"}):
        return "times differ"
    turned_round = {(word, "ed" if form == "ing" else "ing") for word, form in one.forms - other.forms}
    return "times differ" if turned_round & (other.forms - one.forms) else None


def _alike(one: str, other: str) -> bool:
    """Whether two ways to ask ask the same of the same words: how tall it is, what its height is."""
    return {one, other} <= {"", "measure", "much"}


def _order_apart(one: Reading, other: Reading) -> str | None:
    swapped = turned(one, other) or turned(other, one)
    if swapped is not None:
        return f"words have changed places: {swapped}"
    linked = linked_otherwise(one, other)
    return None if linked is None else f"words are linked otherwise: {linked}"
