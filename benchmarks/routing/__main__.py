"""The one command: `python -m benchmarks.routing [--tuning]` measures the scorers, and keeps RESULTS.md.

`--tuning` looks at the tuning halves only, lists what is wrong there, and writes nothing: rules are tuned by it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from benchmarks.routing import report, score

FROZEN = Path(__file__).parent / "FROZEN"


def changed() -> list[str]:
    """The halves that are not what they were when they were frozen."""
    found = []
    for line in FROZEN.read_text(encoding="utf-8").splitlines():
        digest, name = line.split()
        if hashlib.sha256((FROZEN.parent / name).read_bytes()).hexdigest() != digest:
            found.append(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument("--tuning", action="store_true", help="the tuning halves only, and what is wrong there")
    options = parser.parse_args()
    if names := changed():
        sys.exit(f"{', '.join(names)}: changed since it was frozen; a new set needs a name of its own")
    if options.tuning:
        print("\n".join(report.mistakes()))
        return
    lines = report.lines()
    (score.HERE / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
