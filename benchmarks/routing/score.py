"""What the scorers are worth on labelled texts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).parent
LENGTH = 50
"""Characters from which the length rule calls a prompt hard: `if len(query) < 50:  # Simple query`."""

ROLES = {"S": "system", "U": "user", "A": "assistant", "T": "tool"}


@dataclass(frozen=True)
class Prompt:
    hard: bool
    kind: str
    messages: list[dict[str, Any]]

    @property
    def asked(self) -> str:
        return self.messages[-1]["content"]


def read(name: str) -> list[tuple[str, str, str]]:
    lines = (HERE / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.replace("\\n", "\n").split("\t")) for line in lines]  # type: ignore[misc]


def prompts(half: str) -> list[Prompt]:
    return [Prompt(label == "hard", kind, _messages(text)) for label, kind, text in read(f"prompts_{half}")]


def _messages(text: str) -> list[dict[str, Any]]:
    if not text.startswith(("U: ", "S: ")):
        return [{"role": "user", "content": text}]
    return [{"role": ROLES[turn[0]], "content": turn[3:]} for turn in text.split(" ¶ ")]


def length_rule(prompt: Prompt) -> bool:
    return len(prompt.asked) >= LENGTH


def interval(
    values: Sequence[float], of: Callable[[Sequence[float]], float], draws: int = 10_000
) -> tuple[float, float]:
    """The middle 95 % of a figure over samples drawn with replacement."""
    chance = random.Random(0)
    found = sorted(of(chance.choices(values, k=len(values))) for _ in range(draws))
    return found[int(0.025 * draws)], found[int(0.975 * draws)]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@dataclass(frozen=True)
class Counts:
    """Findings of one text, kind by kind: those that are labelled and found, found only, labelled only."""

    right: int
    wrong: int
    missed: int


def counts(labels: str, found: Sequence[str]) -> Counts:
    expected = [] if labels == "-" else labels.split(",")
    right = sum(min(expected.count(kind), found.count(kind)) for kind in set(expected))
    return Counts(right, len(found) - right, len(expected) - right)


def precision(of: Sequence[Counts]) -> float:
    right, wrong = sum(c.right for c in of), sum(c.wrong for c in of)
    return right / (right + wrong) if right + wrong else 1.0


def recall(of: Sequence[Counts]) -> float:
    right, missed = sum(c.right for c in of), sum(c.missed for c in of)
    return right / (right + missed) if right + missed else 1.0
