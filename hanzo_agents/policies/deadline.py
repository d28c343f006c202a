"""One deadline for the whole logical call: every attempt, wait, fallback and the stream itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.clock import Duration, required_seconds, seconds, seconds_of
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import DeadlineExceeded

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Deadline"]


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Bound the call in time.

    Attributes:
        total: seconds for the whole call: attempts, waits and fallbacks, up to the last event of a stream.
            600 is the OpenAI client's own default timeout.
        first_event: seconds until the call must be accepted (the first useful event of a stream, or the whole
            value), over all attempts. None leaves it to `total`.
        idle: seconds that may pass between two events of an accepted stream; catches a stream that stalls or
            drips bytes for ever. None leaves it to `total`.

    Raises:
        DeadlineExceeded: before acceptance as a refusal that ends the chain, afterwards from the stream.
    """

    place: ClassVar[Place] = Place.DEADLINE

    total: Duration = 600.0
    first_event: Duration | None = None
    idle: Duration | None = 120.0

    def __post_init__(self) -> None:
        """Turn timedeltas into seconds; ConfigError names the field that is no duration."""
        required_seconds("Deadline.total", self.total)
        for name in ("total", "first_event", "idle"):
            value = seconds(f"Deadline.{name}", getattr(self, name), zero=False)
            object.__setattr__(self, name, value)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send within the deadline."""
        now = call.clock.now()
        call = call.within(now + seconds_of(self.total))
        sent = call if self.first_event is None else call.within(now + seconds_of(self.first_event))
        until = sent.deadline
        assert until is not None
        try:
            async with call.clock.timeout_at(until):
                reply = await send(sent)
        except TimeoutError as error:
            if isinstance(error, DeadlineExceeded) or call.clock.now() < until:
                raise
            raise _exceeded(call, until - now) from None
        if reply.bound is not None:
            reply.bound(call.deadline, None if self.idle is None else seconds_of(self.idle))
        return reply

    def plan(self, call: Call) -> Decision:
        """How long the call may take."""
        limits: dict[str, float] = {
            name: seconds_of(value)
            for name in ("total", "first_event", "idle")
            if (value := getattr(self, name)) is not None
        }
        why = f"{limits['total']:g} s in all"
        if "first_event" in limits:
            why += f", {limits['first_event']:g} s to the first useful event"
        if "idle" in limits:
            why += f", {limits['idle']:g} s between two events"
        remaining = call.remaining()
        if remaining is not None and remaining < limits["total"]:
            why += f"; the caller gives up after {max(remaining, 0.0):.3g} s"
        return Decision("Deadline", "limits", why, limits)

    def onward(self, call: Call) -> list[Call]:
        """The call within its limit."""
        return [call.within(call.clock.now() + seconds_of(self.total))]


def _exceeded(call: Call, limit: float) -> DeadlineExceeded:
    # Whom a chain or an ensemble asked last: the call's own target may have had no part in it.
    asked = call.journal.attempts[-1].target if call.journal.attempts else call.target
    error = DeadlineExceeded(f"no answer from {asked} within {limit:g} s", code="deadline")
    call.note("Deadline", "gives up", str(error))
    return error
