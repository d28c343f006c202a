"""The one command: `python -m benchmarks.semantic [--tuning]` measures the semantic cache, and keeps RESULTS.md.

`--tuning` looks at the tuning half only, lists what is wrong there, and writes nothing: the gate is tuned by it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time

from benchmarks.semantic import search
from benchmarks.semantic.score import (
    DEFAULT,
    HERE,
    Scored,
    as_much_recall,
    counts,
    embedded,
    pairs,
    scored,
    shown,
    strangers,
)
from hanzo_agents.policies.semantic.gate import LexicalGate

HEAD = """# Semantic cache: how often it answers, and how often it should not have

Made by `python -m benchmarks.semantic`. Intervals are Wilson's, 19 of 20. What the pairs are, who wrote them
and how they were split and frozen: [README.md](README.md). Similarity is that of the packaged model
(extra `semantic`).
"""


def changed() -> list[str]:
    """The halves that are not what they were when they were frozen."""
    lines = (HERE / "FROZEN").read_text(encoding="utf-8").splitlines()
    return [
        name
        for digest, name in map(str.split, lines)
        if hashlib.sha256((HERE / name).read_bytes()).hexdigest() != digest
    ]


def quality(half: str, of: Scored) -> list[str]:
    default = of.answered(DEFAULT)
    at_default = counts(of, default)
    alone = as_much_recall(of, at_default.hits)
    rows = [
        (f"**default** (similarity {DEFAULT:g} and the gate)", at_default),
        ("similarity 0.95 and the gate", counts(of, of.answered(0.95))),
        ("the gate alone", counts(of, of.answered(-1.0))),
        (
            f"similarity alone, as much recall as the default ({alone:.3f})",
            counts(of, of.answered(alone, gate=False)),
        ),
        ("similarity alone, 0.95", counts(of, of.answered(0.95, gate=False))),
        ("similarity alone, 0.9", counts(of, of.answered(0.9, gate=False))),
    ]
    lines = [
        f"## The {half.replace('_', '-')} half",
        "",
        "| | recall | false hits among near-misses | precision |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {c.recall} | {c.false} | {c.precision} |" for name, c in rows]
    lines += [
        "",
        "The default, by where the pairs come from and what they are:",
        "",
        "| pairs | answered |",
        "|---|---|",
    ]
    for source, same in (("fow", True), ("fow", False), ("own", True), ("own", False)):
        one = of.part(lambda pair, s=source, w=same: pair.id.startswith(s) and pair.same is w)
        for kind in sorted({pair.kind for pair in one.pairs}):
            part = one.part(lambda pair, k=kind: pair.kind == k)
            what = "mean the same" if same else "do not"
            given = shown(sum(part.answered(DEFAULT)), len(part.pairs))
            lines.append(f"| {source}: {kind} ({what}) | {given} |")
    close, passed, whole = strangers(half, DEFAULT)
    lines += [
        "",
        f"Questions of different pairs, each with each: of {whole:,}, {close:,} have a similarity of {DEFAULT:g}",
        f"or more; the gate lets {passed} of them pass. Those are not labelled: some of them do mean the same.",
        "",
    ]
    return lines


def speed() -> list[str]:
    text = "How do I change the email address on my account?"
    texts = [pair.a for pair in pairs("tuning")[:100]]  # the same one again would be quicker
    began = time.perf_counter()
    for one in texts:
        embedded([one])
    embedding = (time.perf_counter() - began) / len(texts)
    gate = LexicalGate()
    began = time.perf_counter()
    for number in range(500):
        gate(text, f"How can I change my e-mail address on account {number}?")
    judging = (time.perf_counter() - began) / 500
    lines = [
        "## What it costs",
        "",
        f"To embed a question with the packaged model: {1000 * embedding:.1f} ms. To judge a pair of questions:",
        f"{1e6 * judging:.0f} us. To look among vectors of {search.LENGTH} numbers, with answers of",
        f"{len(search.CONTENT)} bytes (median of {search.LOOKS}; the first look in a file or a",
        "Redis reads all vectors into the process):",
        "",
        "| store | answers | put one, ms | first look, ms | next looks, ms |",
        "|---|---|---|---|---|",
    ]
    for kind, count, put, first, then in search.measured():
        lines.append(f"| {kind} | {count:,} | {1000 * put:.2f} | {1000 * first:.1f} | {1000 * then:.2f} |")
    return lines


def mistakes(of: Scored) -> list[str]:
    gate = LexicalGate()
    lines = []
    for pair, given in zip(of.pairs, of.answered(DEFAULT), strict=True):
        if given != pair.same:
            lines.append(
                f"{'missed' if pair.same else 'FALSE'} {pair.id}: {pair.a} | {pair.b} | {gate(pair.a, pair.b)}"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.semantic", description=__doc__)
    parser.add_argument("--tuning", action="store_true", help="the tuning half only, and what is wrong there")
    options = parser.parse_args()
    if names := changed():
        sys.exit(f"{', '.join(names)}: changed since it was frozen; a new set needs a name of its own")
    tuning = scored("tuning")
    if options.tuning:
        print("\n".join([*mistakes(tuning), *quality("tuning", tuning)]))
        return
    lines = [HEAD, *quality("held_out", scored("held_out")), *quality("tuning", tuning), *speed()]
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
