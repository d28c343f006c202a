"""`max_retries`, `retry_on`, `circuit_breaker`, `max_latency_ms`: the Retry, Breaker and Deadline they mean."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import openai

from hanzo_agents._kernel.fields import check_count
from hanzo_agents.errors import ConfigError, InvalidResponse
from hanzo_agents.facade.checked import as_names, as_table, check_positive, known_as
from hanzo_agents.policies.breaker import Breaker
from hanzo_agents.policies.classify import status_of, transient
from hanzo_agents.policies.deadline import Deadline
from hanzo_agents.policies.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents.facade.keywords import Keywords

__all__ = ["RETRY_ON", "OneOf", "breaker_of", "deadline_of", "latency_of", "retry_of"]


def _timed_out(error: Exception) -> bool:
    return isinstance(error, TimeoutError | openai.APITimeoutError) or status_of(error) in {408, 504}


RETRY_ON: dict[str, Callable[[Exception], bool]] = {
    "rate_limit": lambda error: status_of(error) == 429,
    "timeout": _timed_out,
    "server_error": lambda error: (status_of(error) or 0) >= 500,
    "connection": lambda error: isinstance(error, openai.APIConnectionError) and not _timed_out(error),
    "conflict": lambda error: status_of(error) in {409, 425},
    "invalid_response": lambda error: isinstance(error, InvalidResponse),
}
"""Names of `retry_on`, and the errors they stand for."""


@dataclass(frozen=True)
class OneOf:
    """A predicate on errors: one of these kinds, and worth another try at all (`transient`)."""

    kinds: tuple[str, ...]

    def __call__(self, error: Exception) -> bool:
        """Whether the error is one of them."""
        return transient(error) and any(RETRY_ON[kind](error) for kind in self.kinds)


def retry_of(given: Keywords, max_retries: int | None) -> Retry | None:
    """The Retry that these keywords mean, None when they say nothing about it.

    Raises:
        ConfigError: one is wrong, or there are no retries that it could speak of.
    """
    delay, kinds = given.get("retry_delay"), given.get("retry_on")
    if delay is None and kinds is None:
        return None
    if max_retries is not None:
        check_count("max_retries", max_retries, least=0)
    if max_retries == 0:
        raise ConfigError(f"{'retry_on' if delay is None else 'retry_delay'}: has no effect with max_retries=0")
    chosen: dict[str, Any] = {} if max_retries is None else {"attempts": max_retries + 1}
    if kinds is not None:
        chosen["on"] = OneOf(_kinds(kinds))
    if delay is not None:
        check_positive("retry_delay", delay, "seconds")
        chosen |= {"base_delay": delay, "max_delay": max(8.0, delay)}
    with known_as(Retry_base_delay="retry_delay", Retry_attempts="max_retries"):
        return Retry(**chosen)


def _kinds(given: object) -> tuple[str, ...]:
    kinds = as_names("retry_on", given)
    if not kinds:
        raise ConfigError("retry_on: expected some kinds of failure; max_retries=0 turns retries off")
    if unknown := [kind for kind in kinds if kind not in RETRY_ON]:
        raise ConfigError(f"retry_on: expected some of {', '.join(RETRY_ON)}, got {unknown[0]!r}")
    return kinds


def breaker_of(given: Keywords) -> Breaker | None:
    """The Breaker that `circuit_breaker` means, None for none.

    Raises:
        ConfigError: it is no dict of a Breaker's fields, or one of them is wrong.
    """
    wanted = given.get("circuit_breaker")
    if wanted is None or wanted is False:
        return None
    known = [field.name for field in fields(Breaker) if field.init]
    table = {} if wanted is True else as_table("circuit_breaker", wanted, known)
    with known_as(**{f"Breaker_{name}": f"circuit_breaker[{name!r}]" for name in known}):
        return Breaker(**table)


def deadline_of(given: Keywords) -> Deadline | None:
    """The Deadline that `max_latency_ms` means, None for the default one.

    Raises:
        ConfigError: it is no number of milliseconds.
    """
    most = latency_of(given)
    return None if most is None else Deadline(first_event=most)


def latency_of(given: Keywords) -> float | None:
    """The seconds of `max_latency_ms`.

    Raises:
        ConfigError: it is no number of milliseconds.
    """
    most = given.get("max_latency_ms")
    check_positive("max_latency_ms", most, "milliseconds")
    return None if most is None else most / 1000
