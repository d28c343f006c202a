"""What happened to one logical call: its attempts and its decisions, in order.

The journal is written by the wire and by policies (`call.note`), and read by observers (`Trace`, `track`).
It never holds prompts, answers or keys.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hanzo_agents._kernel.money import added

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Attempt", "Basis", "Cost", "Decision", "Journal", "Observer", "Usage"]

_logger = logging.getLogger("hanzo_agents")

Basis = Literal["reported", "estimated", "unknown"]
"""Where a figure comes from: the upstream said so, we reckoned it, or nobody knows (which is not zero)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt."""

    input_tokens: int
    output_tokens: int
    basis: Basis = "reported"
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars of one attempt; `amount` is None exactly when `basis` is "unknown"."""

    amount: Decimal | None = None
    basis: Basis = "unknown"


@dataclass(slots=True, eq=False)
class Attempt:
    """One request that was (about to be) sent.

    Attributes:
        number: its place among the attempts on the same target, from 1.
        target: the name of the target.
        model: the model that answered, as far as the upstream says.
        started, accepted, ended: monotonic seconds; `accepted` is the time of the first useful event.
        status_code: HTTP status of the reply, None when there was none.
        error: what ended it badly, before or after acceptance.
        sent: whether bytes of the request may have reached the upstream.
        server: host and port of the endpoint, when known.
        provider: who stands behind the endpoint, when somebody said so: a name, or the address a router asked.
        aside: a policy sent it for itself (an embedding to look for an answer by); it brings its caller nothing.
    """

    number: int
    target: str
    started: float
    model: str | None = None
    accepted: float | None = None
    ended: float | None = None
    status_code: int | None = None
    request_id: str | None = None
    usage: Usage | None = None
    cost: Cost = field(default_factory=Cost)
    cache_hit: bool = False
    error: BaseException | None = None
    sent: bool = True
    server: str | None = None
    provider: str | None = None
    aside: bool = False

    @property
    def ttft(self) -> float | None:
        """Seconds from sending to the first useful event (time to first token)."""
        return None if self.accepted is None else self.accepted - self.started


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy did and why, in terms a person can read."""

    policy: str
    action: str
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Observer(Protocol):
    """Somebody who watches calls. Observers must not raise; what they raise is logged and dropped.

    They may be told on any thread, and anywhere a stream that nobody reads any more is dropped. One that has a
    `call_started(journal)` is told when it begins to watch a call, too.
    """

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        """A request is about to be sent."""
        ...

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        """A request has been settled: answered whole, failed, closed early or cancelled.

        What only a policy can say of it, such as the estimate for one that was left, is written by `call_ended`.
        """
        ...

    def decided(self, journal: Journal, decision: Decision) -> None:
        """A policy decided something."""
        ...

    def call_ended(self, journal: Journal) -> None:
        """The logical call is over."""
        ...


@dataclass(slots=True, eq=False, weakref_slot=True)
class Journal:
    """The record of one logical call, shared by all its attempts.

    Attributes:
        started, ended: monotonic seconds.
        operation: what was asked for: "chat", "responses", ...
        target: the name of the target that was asked, when somebody watches.
        agent: the name of the agent that asks, when the SDK's tracing tells.
        run: the id of the agent run it belongs to, when there is one.
    """

    started: float
    operation: str
    agent: str | None = None
    run: str | None = None
    leg: bool = False
    """Whether the call is a leg of another one that has a journal of its own."""
    target: str | None = None
    observers: tuple[Observer, ...] = field(default=(), repr=False)
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    decisions: list[Decision] = field(default_factory=list[Decision])
    ended: float | None = None
    error: BaseException | None = None
    complete: bool = True
    """Whether the answer arrived whole; False also when its reader left early, which is no error."""
    kept: dict[object, Any] = field(default_factory=dict[object, Any], init=False, repr=False)
    """What policies keep of this call for as long as it is remembered, each under an object of its own."""

    def watched_by(self, observer: Observer) -> None:
        """Let `observer` hear of what follows."""
        self.observers = (*self.observers, observer)
        begun = getattr(observer, "call_started", None)
        if begun is not None:
            _tell(begun, self)

    def begin(self, attempt: Attempt) -> None:
        """Write down that an attempt starts."""
        self.attempts.append(attempt)
        for observer in self.observers:
            _tell(observer.attempt_started, self, attempt)

    def finish(self, attempt: Attempt) -> None:
        """Write down that an attempt is settled."""
        for observer in self.observers:
            _tell(observer.attempt_ended, self, attempt)

    def note(self, decision: Decision) -> None:
        """Write down a decision."""
        self.decisions.append(decision)
        for observer in self.observers:
            _tell(observer.decided, self, decision)

    def close(self, now: float, error: BaseException | None = None, *, complete: bool = True) -> None:
        """Write down that the call is over; later closings change nothing."""
        if self.ended is not None:
            return
        self.ended, self.error, self.complete = now, error, complete and error is None
        for observer in self.observers:
            _tell(observer.call_ended, self)

    @property
    def answered(self) -> Attempt | None:
        """The attempt whose reply the caller got."""
        return next((a for a in reversed(self.attempts) if a.accepted is not None and not a.aside), None)

    @property
    def cost(self) -> Cost:
        """All attempts together; unknown as soon as one that was sent is unknown."""
        costs = [a.cost for a in self.attempts if a.sent]
        if self.attempts and not costs:
            return Cost(Decimal(0), "reported")
        if not costs or any(c.amount is None for c in costs):
            return Cost()
        total = added(c.amount for c in costs if c.amount is not None)
        estimated = any(c.basis == "estimated" for c in costs)
        return Cost(total, "estimated" if estimated else "reported")


def _tell(method: Any, *args: Any) -> None:
    try:
        method(*args)
    except Exception:
        _logger.exception("an observer failed")
