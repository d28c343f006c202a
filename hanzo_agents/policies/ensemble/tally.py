"""What all the legs of a call took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanzo_agents._kernel.journal import Attempt, Basis

__all__ = ["total_usage"]


def total_usage(attempts: Iterable[Attempt]) -> Usage | None:
    """The tokens of all attempts together; None when none is known."""
    known = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if not known:
        return None
    basis: Basis = "reported" if all(usage.basis == "reported" for usage in known) else "estimated"
    return Usage(
        sum(usage.input_tokens for usage in known),
        sum(usage.output_tokens for usage in known),
        basis,
        sum(usage.cached_tokens for usage in known),
        sum(usage.reasoning_tokens for usage in known),
        sum(usage.cache_write_tokens for usage in known),
    )
