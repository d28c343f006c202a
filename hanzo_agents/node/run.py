"""Serving a node in the foreground, for a command line."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from .local import LocalNode

__all__ = ["run_node"]


def run_node(node: LocalNode, *, on_ready: Callable[[LocalNode], None] | None = None) -> None:
    """Start a node and serve until Ctrl-C or SIGTERM, then stop it and return.

    Call it on the main thread: only there can Python handle signals. The handlers that were there come back.

    Args:
        node: The node to serve; it is stopped afterwards.
        on_ready: Called once when the node answers, e.g. to print `node.base_url`.

    Raises:
        ConfigError: The node cannot be started.
    """
    asked_to_stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked_to_stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with node:
            if on_ready is not None:
                on_ready(node)
            # in slices, because Windows delivers no signal to a thread that waits without an end
            while not asked_to_stop.wait(0.5):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
