"""Who hears the models of an ensemble speak."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hanzo_agents.policies.ensemble.legs import Leg
    from hanzo_agents.policies.ensemble.verdict import Verdict

__all__ = ["Audience", "audience"]


class Audience(Protocol):
    """Somebody who hears each model of an ensemble speak. Its methods must not raise.

    Attributes:
        listens: pieces of answers are wanted as they come; legs are then asked for streams.
    """

    listens: bool

    def begins(self, leg: Leg) -> None:
        """A model is asked."""
        ...

    def says(self, leg: Leg, text: str) -> None:
        """A piece of its answer has come."""
        ...

    def ends(self, leg: Leg) -> None:
        """It has answered, failed, or was left. Of the one whose reply is the call's, only when it has failed."""
        ...

    def hears(self, verdict: Verdict) -> None:
        """A judge has chosen."""
        ...


class _Nobody:
    listens = False

    def begins(self, leg: Leg) -> None:
        pass

    def says(self, leg: Leg, text: str) -> None:
        pass

    def ends(self, leg: Leg) -> None:
        pass

    def hears(self, verdict: Verdict) -> None:
        pass


audience: ContextVar[Audience] = ContextVar("hanzo_agents_audience", default=_Nobody())  # noqa: B039 - it has no state
"""Who hears the ensembles of the calls made here."""
