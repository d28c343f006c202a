"""The stack that a user's `policies=`, `fallbacks=` and `max_retries=` mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.fields import check_count, targets_of
from hanzo_agents._kernel.stack import Policy, Stack, arrange
from hanzo_agents.policies.deadline import Deadline
from hanzo_agents.policies.fallback import Fallback
from hanzo_agents.policies.retry import Retry
from hanzo_agents.policies.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hanzo_agents._kernel.target import Target

__all__ = ["stack_of"]


def stack_of(
    policies: Iterable[Policy] | Stack | None,
    *,
    fallbacks: Sequence[str | Target] = (),
    max_retries: int | None = None,
) -> Stack:
    """The default stack (Trace, Deadline, Retry), changed as the user asks; see `arrange`.

    Args:
        policies: None, a list, or an exact `Stack`.
        fallbacks: adds a Fallback to whichever stack there is.
        max_retries: a shorthand for `Retry(attempts=max_retries + 1)` in the default stack.

    Raises:
        ConfigError: one of them is no such thing.
    """
    if max_retries is not None:
        check_count("max_retries", max_retries, least=0)
    chain = targets_of("fallbacks", fallbacks, least=0)
    retry = Retry() if max_retries is None else Retry(attempts=max_retries + 1)
    extra = [Fallback(to=chain)] if chain else ()
    return arrange(policies, default=(Trace(), Deadline(), retry), extra=extra)
