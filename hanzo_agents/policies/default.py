"""The stack that a user's `policies=`, `fallbacks=` and `max_retries=` mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hanzo_agents._kernel.stack import Policy, Stack, arrange
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.deadline import Deadline
from hanzo_agents.policies.fallback import Fallback
from hanzo_agents.policies.retry import Retry
from hanzo_agents.policies.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    if max_retries is not None and (type(max_retries) is not int or max_retries < 0):
        raise ConfigError(f"max_retries: expected an integer >= 0, got {max_retries!r}")
    if isinstance(fallbacks, str | bytes) or not isinstance(fallbacks, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"fallbacks: expected a list of model names or Targets, got {fallbacks!r}")
    retry = Retry() if max_retries is None else Retry(attempts=max_retries + 1)
    extra = [Fallback(to=[Target.of(target, "fallbacks") for target in fallbacks])] if fallbacks else ()
    return arrange(policies, default=(Trace(), Deadline(), retry), extra=extra)
