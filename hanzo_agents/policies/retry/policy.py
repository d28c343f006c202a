"""Try again on the same target, a little later, and never as a storm."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.clock import Duration, required_seconds, seconds_of
from hanzo_agents._kernel.fields import check_count, check_function
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.verdict import final, is_final, tick
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.classify import retry_after, status_of, transient
from hanzo_agents.policies.retry.budget import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.call import Call, Predicate, Send
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Retry"]


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Retry transient failures with exponential backoff and full jitter.

    The wait before attempt n+1 is uniform in [0, min(max_delay, base_delay * 2**(n-1))] (full jitter: AWS
    Architecture Blog, "Exponential Backoff And Jitter"), and never shorter than the upstream's Retry-After.
    When the wait cannot end before the deadline, or Retry-After exceeds `max_retry_after`, the error is raised
    at once, so that a fallback can act while there is time. And while another target of a chain stands ready,
    nothing waits for this one: a retry that would have to wait is left to that target.

    Attributes:
        attempts: requests in all to one target, the first included.
        base_delay, max_delay: of the backoff, in seconds.
        max_retry_after: the longest Retry-After that is waited for, in seconds.
        on: which errors are worth another attempt.
        budget: bounds retries across calls, so that an outage is not amplified; shared by sharing the object.
            None turns it off.
        jitter: a draw from [0, 1); for tests.
    """

    place: ClassVar[Place] = Place.RETRY

    attempts: int = 3
    base_delay: Duration = 0.5
    max_delay: Duration = 8.0
    max_retry_after: Duration = 60.0
    on: Predicate = transient
    budget: RetryBudget | None = field(default_factory=RetryBudget)
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        check_count("Retry.attempts", self.attempts)
        for name in ("base_delay", "max_delay", "max_retry_after"):
            object.__setattr__(self, name, required_seconds(f"Retry.{name}", getattr(self, name)))
        if self.budget is not None and not isinstance(self.budget, RetryBudget):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Retry.budget: expected a RetryBudget or None, got {type(self.budget).__name__}")
        check_function("Retry.jitter", self.jitter)
        check_function("Retry.on", self.on)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send, and send again while that makes sense."""
        if call.single:
            return await send(call)
        while True:
            began = tick()
            try:
                reply = await send(call)
            except Exception as error:
                delay = None if is_final(error, since=began) else self._delay(call, error)
                if delay is None:
                    raise
            else:
                if self.budget is not None:
                    self.budget.succeeded()
                return reply
            await call.clock.sleep(delay)
            call = call.again()

    def plan(self, call: Call) -> Decision:
        """How often the call would be tried, and how long it would wait in between."""
        if call.single:
            return Decision("Retry", "passes on", "the call is to be a single request")
        data: dict[str, object] = {"attempts": self.attempts}
        if self.attempts == 1:
            return Decision("Retry", "passes on", "one attempt", data)
        base, cap = seconds_of(self.base_delay), seconds_of(self.max_delay)
        waits = [min(cap, base * 2.0 ** min(n, 60)) for n in range(min(self.attempts - 1, 10))]
        data["longest_waits"] = waits
        why = f"up to {self.attempts} attempts, after at most {', '.join(f'{wait:g}' for wait in waits)} s"
        if call.spare and any(waits):
            why = "only what need not wait, for another target stands ready"
        if self.budget is not None:
            data["budget"] = self.budget.tokens
            why += f"; {self.budget.tokens:g} of {self.budget.capacity:g} retries left"
        return Decision("Retry", "tries again", why, data)

    def _delay(self, call: Call, error: Exception) -> float | None:
        """Seconds to wait before the next attempt, None to let the error go."""
        if not self.on(error):
            if call.attempt > 1:
                final(error)
            return None
        delay, stop = self._wait(call, error)
        if stop is not None:
            call.note("Retry", "gives up", f"{stop}: {_reason(error)}", attempt=call.attempt)
            if self.attempts > 1:
                final(error)
            return None
        call.note("Retry", "retries", _reason(error), delay=delay, attempt=call.attempt + 1)
        return delay

    def _wait(self, call: Call, error: Exception) -> tuple[float, str | None]:
        """How long to wait, and why not to."""
        if call.attempt >= self.attempts:
            return 0.0, f"{self.attempts} attempts made"
        asked = retry_after(error, now=call.clock.wall()) or 0.0
        if asked > seconds_of(self.max_retry_after):
            return asked, f"Retry-After of {asked:g} s is too long to wait for"
        # The exponent is capped: 2.0 ** 1024 overflows, and max_delay has decided long before.
        cap = min(seconds_of(self.max_delay), seconds_of(self.base_delay) * 2.0 ** min(call.attempt - 1, 60))
        delay = max(self.jitter() * cap, asked)
        if call.spare and delay > 0:
            return delay, "another target stands ready"
        remaining = call.remaining()
        if remaining is not None and delay >= remaining:
            return delay, f"waiting {delay:.3g} s would pass the deadline"
        # Last, so that a retry that is not made is not paid for.
        if self.budget is not None and not self.budget.withdraw():
            return delay, "retry budget spent"
        return delay, None


def _reason(error: Exception) -> str:
    status = status_of(error)
    return f"{type(error).__name__}{f' ({status})' if status else ''}"
