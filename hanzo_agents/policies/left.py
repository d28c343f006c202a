"""A first leg that was left for another: whether that speaks against its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Attempt

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call

__all__ = ["Leg", "left_silent"]


class Leg(list[Attempt]):
    """The attempts of a first leg, recorded in its call.

    Attributes:
        silent: the key of its target, once it was left for another and that counts as a failure.
    """

    silent: str | None = None


def left_silent(call: Call, target: str) -> bool:
    """Whether a call that was cancelled was left, and this target's silence is to blame."""
    return any(isinstance(record, Leg) and record.silent == target for record in call.records)
