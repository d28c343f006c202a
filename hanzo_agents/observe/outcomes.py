"""How a call ended, and an attempt, in a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hanzo_agents.errors import Refused

if TYPE_CHECKING:
    from hanzo_agents._kernel.journal import Attempt, Journal

__all__ = ["AttemptOutcome", "CallOutcome", "from_cache", "is_request", "of_attempt", "of_call"]

CallOutcome = Literal["ok", "cached", "closed", "cancelled", "refused", "broken", "error"]
"""Answered by an upstream; by a cache of ours; left by its reader before the end; cancelled; refused by a policy;
failed after the answer had begun; failed before."""

AttemptOutcome = Literal["ok", "cached", "cancelled", "refused", "broken", "error"]
"""The same of one request: refused means that it was never sent, and ok also that its reader left early."""


def of_call(journal: Journal) -> CallOutcome:
    """How a call ended that is over."""
    error = journal.error
    if error is None:
        if not journal.complete:
            return "closed"
        return "cached" if from_cache(journal) else "ok"
    if not isinstance(error, Exception):
        return "cancelled"
    if journal.answered is not None:
        return "broken"
    # Out of time is no refusal when time was spent on an upstream.
    spent = isinstance(error, TimeoutError) and any(attempt.sent for attempt in journal.attempts)
    return "refused" if isinstance(error, Refused) and not spent else "error"


def of_attempt(attempt: Attempt) -> AttemptOutcome:
    """How an attempt ended that is over."""
    error = attempt.error
    if error is None:
        return "ok" if is_request(attempt) else "cached"
    if not isinstance(error, Exception):
        return "cancelled"
    if attempt.accepted is not None:
        return "broken"
    return "refused" if isinstance(error, Refused) and not attempt.sent else "error"


def is_request(attempt: Attempt) -> bool:
    """Whether it went, or was to go, to an upstream: what a cache of ours answers is written down as one too."""
    return attempt.sent or not attempt.cache_hit


def from_cache(journal: Journal) -> bool:
    """Whether a call that was answered took no upstream: one of our caches had the answer."""
    return journal.error is None and not any(
        a.sent and a.accepted is not None and not a.aside for a in journal.attempts
    )
