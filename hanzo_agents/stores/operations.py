"""Ids for store operations: an operation that names itself may be repeated, and counts once."""

from __future__ import annotations

import itertools
import os
import secrets
import sys

__all__ = ["new_op"]


class _Ops:
    """Ids of this process, unlike those of every other."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.forked()

    def forked(self) -> None:
        self._process = secrets.token_hex(12)

    def new(self) -> str:
        return f"{self._process}-{next(self._numbers):x}"


_ops = _Ops()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_ops.forked)


def new_op() -> str:
    """An id that no other operation has: of this process, another, or one forked from this."""
    return _ops.new()
