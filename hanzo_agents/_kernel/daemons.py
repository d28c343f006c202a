"""Threads that keep no process alive."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["daemon"]

Ts = TypeVarTuple("Ts")


def daemon(name: str, target: Callable[[*Ts], object], *args: *Ts) -> threading.Thread:
    """Start a thread.

    Raises:
        RuntimeError: the interpreter ends, and starts no thread any more.
    """
    if sys.is_finalizing():  # before 3.12 Python would start it, and wait for ever for it to run
        raise RuntimeError("the interpreter ends, and starts no thread any more")
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    thread.start()
    return thread
