"""What a call that was let through took, and what it teaches of the upstream's own limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.errors import InvalidResponse
from hanzo_agents.policies.classify import retry_after, status_of

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.reply import Settled
    from hanzo_agents.policies.rate_limit.admission import Permit
    from hanzo_agents.policies.rate_limit.pace import Mark, Pace

__all__ = ["account_for", "learn", "tokens_of"]


def tokens_of(attempt: Attempt | None, settled: Settled) -> int | None:
    """What an accepted call took, None when nobody says."""
    if attempt is not None and attempt.cache_hit:
        return 0
    return None if settled.usage is None else settled.usage.total_tokens


def account_for(permit: Permit, sent: Attempt | None, error: BaseException) -> None:
    """Account for a call that was not accepted; `sent` is its attempt, if one was sent."""
    if sent is None:
        permit.withdraw()
    elif sent.usage is not None:
        permit.settle(sent.usage.total_tokens)
    elif status_of(error) is not None and not isinstance(error, InvalidResponse):
        permit.settle(0)  # refused before a token was made
    else:
        permit.settle(None)


def learn(call: Call, pace: Pace, mark: Mark, error: Exception) -> None:
    """Learn from a failure of the upstream."""
    if (headers := getattr(getattr(error, "response", None), "headers", None)) is not None:
        pace.heard(headers, mark, call.clock)
    if status_of(error) != 429:
        return
    asked = retry_after(error, now=call.clock.wall())
    if pace.refused(asked, mark, call.clock.now()):
        call.note(
            "RateLimit", "slows down", f"{call.target} refused a call (429)",
            share=pace.share, max_concurrent=pace.concurrency(), retry_after=asked,
        )  # fmt: skip
