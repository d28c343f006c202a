"""Ending when the process is asked to."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["asked_to_stop"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def asked_to_stop(stop: Callable[[], object]) -> Generator[None]:
    """Call `stop` on the running loop at SIGTERM or Ctrl-C; the second of them ends the process as ever.

    Off the main thread, and where the loop takes no signals (Windows), they do what they do.
    """
    loop = asyncio.get_running_loop()

    def once() -> None:
        unhandled()
        stop()

    def unhandled() -> None:
        for number in _SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)

    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in _SIGNALS:
            loop.add_signal_handler(number, once)
    try:
        yield
    finally:
        unhandled()
