"""How the halves were made, once, before any rule was tuned: by hash, label by label and kind by kind.

`python -m benchmarks.routing.split ALL.tsv tuning.tsv held_out.tsv`
"""

from __future__ import annotations

import hashlib
import sys
from itertools import groupby
from pathlib import Path


def order(line: str) -> tuple[str, str, str]:
    """Lines of one label and kind together, in the order of their hashes."""
    label, kind, text = line.split("\t")
    return label, kind, hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    source, tuning, held_out = map(Path, sys.argv[1:])
    lines = sorted(source.read_text(encoding="utf-8").splitlines(), key=order)
    halves: tuple[list[str], list[str]] = ([], [])
    for _, group in groupby(lines, key=lambda line: order(line)[:2]):
        for index, line in enumerate(group):
            # Groups of odd size begin in the half that is smaller so far.
            halves[(index + (len(halves[0]) > len(halves[1]))) % 2].append(line)
    for path, half in ((tuning, halves[0]), (held_out, halves[1])):
        path.write_text("\n".join(half) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
