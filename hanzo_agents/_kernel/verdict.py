"""Marks on errors, for whoever would retry above us.

The runner of the Agents SDK can retry model calls on its own. After our policies have acted on a call, another
round of theirs would multiply the attempts; so the error says that the last word is spoken.
"""

from __future__ import annotations

__all__ = ["final", "is_final"]

_MARK = "_hanzo_final"


def final(error: BaseException) -> None:
    """Mark an error: our policies have acted on this call and it must not be sent again."""
    try:
        setattr(error, _MARK, True)
    except AttributeError:  # an exception with slots: nothing to mark, the runner decides
        return


def is_final(error: BaseException) -> bool:
    """Whether the error, or one it was raised from, is marked."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        if getattr(current, _MARK, False):
            return True
        seen.add(id(current))
        current = current.__cause__
    return False
