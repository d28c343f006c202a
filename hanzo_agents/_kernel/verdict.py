"""Marks on errors, for whoever would retry above us.

The runner of the Agents SDK can retry model calls on its own, and so can a Retry around a model that has one of
its own. After our policies have acted on a call, another round would multiply the attempts; so the error says
that the last word is spoken.
"""

from __future__ import annotations

from itertools import count

__all__ = ["final", "is_final", "tick"]

_MARK = "_hanzo_final"
_ticks = count(1)


def tick() -> int:
    """A moment, for `is_final(error, since=...)`: an error object may be raised more than once."""
    return next(_ticks)


def final(error: BaseException) -> None:
    """Mark an error: our policies have acted on this call and it must not be sent again."""
    try:
        setattr(error, _MARK, tick())
    except AttributeError:  # an exception with slots: nothing to mark, the runner decides
        return


def is_final(error: BaseException, *, since: int = 0) -> bool:
    """Whether the error, or one it was raised from, has been marked after the moment `since`."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        if getattr(current, _MARK, 0) > since:
            return True
        seen.add(id(current))
        current = current.__cause__
    return False
