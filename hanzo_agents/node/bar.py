"""How far a download is, on one line of the terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from .parts import in_words

__all__ = ["Bar"]

WIDTH = 24
"""Columns of the bar."""
OFTEN = 0.1
"""Seconds between two drawings."""


class Bar:
    """Told the bytes so far and in all, it draws itself on stderr."""

    def __init__(self, name: str, to: TextIO | None = None) -> None:
        self._name = name
        self._to = to or sys.stderr
        self._began = self._drawn = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int | None) -> None:
        """So much has come."""
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if now - self._drawn < OFTEN and done != total:
            return
        self._drawn = now
        speed = (done - self._first) / max(now - self._began, 0.001)
        line = f"{self._name} {in_words(done)}"
        if total:
            full = min(WIDTH, WIDTH * done // total)
            line = f"{self._name} {'█' * full}{'░' * (WIDTH - full)} {in_words(done)} of {in_words(total)}"
            if speed > 0 and done < total:
                line += f", {(total - done) / speed:.0f} s left"
        self._to.write(f"\r{line}   ")
        self._to.flush()

    def end(self) -> None:
        """Leave the line, if anything was drawn."""
        if self._first is not None:
            self._to.write("\n")
            self._to.flush()
