"""Listening to a stream while somebody else reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Tap"]


class Tap:
    """Shows the events of a stream to whoever listens: each as it comes, before the stream is settled by it."""

    __slots__ = ("_hear",)

    def __init__(self) -> None:
        self._hear: Callable[[Any], None] | None = None

    def show(self, events: Iterable[Any]) -> None:
        """These have come. Called by the stream."""
        if self._hear is not None:
            for event in events:
                self._hear(event)

    def open(self, held: Iterable[Any], hear: Callable[[Any], None]) -> None:
        """Show what has come already, and from now on what comes.

        `hear` must not raise, and keeps nothing of the event: its reader may change it.
        """
        for event in held:
            hear(event)
        before = self._hear

        def both(event: Any) -> None:
            if before is not None:
                before(event)
            hear(event)

        self._hear = hear if before is None else both
