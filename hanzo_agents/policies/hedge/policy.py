"""A second leg when the first takes longer than it usually does."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.clock import Duration, required_seconds, seconds, seconds_of
from hanzo_agents._kernel.fields import check_count, share_of, targets_of
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError, Refused
from hanzo_agents.policies.hedge.allowance import Allowance, Ticket
from hanzo_agents.policies.hedge.latency import Latencies, latency_key, percentile_of
from hanzo_agents.policies.hedge.race import Race
from hanzo_agents.policies.spend import Spend, book_lost, expected, likewise, spent
from hanzo_agents.policies.target_keys import call_key

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.reply import Reply, Settled

__all__ = ["Hedge"]

REFUSED_FOR = 1.0
"""Seconds for which a target that refused a leg is asked for none, when the refusal does not say how long."""

MOST_REFUSALS = 256

SILENT = 20
"""First legs of a target that are left in a row before each further one is its failure: of one that is as quick as
ever, and is left at its median, one run in a million is as long."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Hedge:
    """Ask a second target when the first is slow, and take whichever is accepted first.

    The first leg has its usual time, counted from when it is sent. Then one more leg goes to the first of `to`
    that can take the call. The leg that is accepted first answers; the other is cancelled, waited for until it has
    cleaned up, and billed. A first leg that fails in time is not hedged: its error is for `Retry`.

    A call is retried or hedged, never both: a retry gets no second leg. Nor does a call that leans on state at one
    provider, one that must be a single request, and one whose second target lacks what it needs, has just refused
    a leg (an open breaker, a full limiter, a spent budget), or could not answer before the deadline.

    Attributes:
        after: "p95" (any percentile from "p1" to "p99.9") of the target's own observed times to the first useful
            event, which is the whole answer where nothing streams; or seconds.
        to: model names or `Target`s to ask, the first that can take the call. None asks the same target again.
        max_extra_spend: what second legs may take, as a share of what first legs do: in tokens, and in US dollars
            where prices are known. 0.05 pays for one leg in twenty calls.
        min_samples: observations of a target without which its percentile is not trusted.
        initial: seconds that stand for the percentile until then; None hedges nothing until then.
        latencies: the observations; shared by sharing the object.
    """

    place: ClassVar[Place] = Place.HEDGE

    after: str | Duration = "p95"
    to: Sequence[str | Target] | None = None
    max_extra_spend: float = 0.05
    min_samples: int = 20
    initial: Duration | None = None
    latencies: Latencies = field(default_factory=Latencies)
    _allowance: Allowance = field(init=False)
    _share: float | None = field(init=False)
    _refused: dict[Hashable, float] = field(default_factory=dict[Hashable, float], init=False)

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        put = object.__setattr__
        put(self, "_share", percentile_of(self.after))
        if self._share is None:
            put(self, "after", required_seconds("Hedge.after", self.after))  # type: ignore[arg-type]
        if self.to is not None:
            put(self, "to", targets_of("Hedge.to", self.to))
        share = share_of("Hedge.max_extra_spend", self.max_extra_spend)
        check_count("Hedge.min_samples", self.min_samples)
        put(self, "initial", seconds("Hedge.initial", self.initial))
        if not isinstance(self.latencies, Latencies):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Hedge.latencies: expected a Latencies, got {type(self.latencies).__name__}")
        put(self, "_allowance", Allowance(share))

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send, and send a second leg when the first is slow."""
        delay = self._delay(call)
        if isinstance(delay, str):
            reply = await send(call)
            self._observe(call, reply)
            return reply
        tickets: list[Ticket] = []
        race = Race(
            call,
            send,
            delay,
            lambda: self._second_leg(call, send, delay, tickets),
            lambda: self._silent(call, tickets),
        )
        try:
            reply, second = await race.run()
        finally:
            for ticket in tickets:
                if not ticket.used:
                    # The race was over before the leg took its first step.
                    self._allowance.settle(ticket.paid, None)
        if second:
            self._overtaken(call, race.record, reply)
            return reply
        self._observe(call, reply)
        for ticket in tickets:
            if ticket.lost:
                reply.on_settled(partial(self._settle_lost, ticket))
        return reply

    def plan(self, call: Call) -> Decision:
        """When a second leg would be sent, and where to."""
        delay = self._delay(call)
        if isinstance(delay, str):
            return Decision("Hedge", "passes on", delay)
        second = self._affordable(call)
        if isinstance(second, str):
            return Decision("Hedge", "passes on", second, {"after": delay})
        why = f"{second.target}, when {call.target} is not heard of in {delay:.3g} s"
        data = {"after": delay, "to": str(second.target)}
        return Decision("Hedge", "asks a second target", why, data)

    def onward(self, call: Call) -> list[Call]:
        """The legs that may be sent, the first one first."""
        second = "" if isinstance(self._delay(call), str) else self._affordable(call)
        return [call] if isinstance(second, str) else [call, second]

    def __repr__(self) -> str:
        given = f"after={self.after!r}"
        if self.to is not None:
            given += f", to={[str(target) for target in self.to]}"
        return f"Hedge({given}, max_extra_spend={self.max_extra_spend:g}, scope='this object')"

    def _delay(self, call: Call) -> float | str:
        """Seconds until a second leg makes sense, or why none ever does."""
        if call.pinned:
            return "the call leans on state at one provider"
        if call.single:
            return "the call is to be a single request"
        if call.exact and self.to is not None:
            return "this very target is to answer"
        if call.attempt > 1:
            return "the call is a retry"
        share = self._share
        if share is None:
            delay: float | None = seconds_of(self.after)  # type: ignore[arg-type]
        else:
            key = latency_key(call)
            delay = self.latencies.percentile(key, share, at_least=self.min_samples)
            if delay is None:
                if self.initial is None:
                    return f"{self.latencies.count(key)} of {self.min_samples} observations of {call.target} made"
                delay = seconds_of(self.initial)
        assert delay is not None
        remaining = call.remaining()
        return delay if remaining is None or delay < remaining else "the deadline comes first"

    def _second(self, call: Call) -> Call | str:
        """The second leg, or why there is none now."""
        chosen: Target | None = None
        passed_by = "the only target is the call's own"
        for target in self.to or (call.target,):
            assert isinstance(target, Target)
            if self.to and target.identity == call.target.identity:
                continue
            if missing := call.view.needs & target.lacks:
                passed_by = f"{target} lacks {', '.join(sorted(missing))}"
                continue
            chosen = target
            break
        if chosen is None:
            return passed_by
        second = call.again() if self.to is None else call.aimed_at(chosen, spare=call.spare)
        return self._in_time(replace(second, extra=True))

    def _in_time(self, second: Call) -> Call | str:
        """The leg, or why it would not be worth it."""
        key = latency_key(second)
        if self._refused.get(key, -math.inf) > second.clock.now():
            return f"{second.target} has just refused a leg"
        remaining = second.remaining()
        usual = self.latencies.percentile(key, 0.5) or 0.0
        if remaining is not None and remaining <= usual:
            return f"{second.target} could not answer before the deadline"
        return second

    def _second_leg(
        self, call: Call, send: Send, delay: float, tickets: list[Ticket]
    ) -> Coroutine[Any, Any, Reply] | None:
        """The leg to run, paid for; None, and a note of it, when there is to be none."""
        second = self._second(call)
        if isinstance(second, str):
            call.note("Hedge", "holds back", second)
            return None
        paid = self._expected(second)
        if not self._allowance.withdraw(self._expected(call), paid):
            call.note("Hedge", "holds back", self._spent())
            return None
        call.note(
            "Hedge", "asks a second target", f"{call.target} is not heard of after {delay:.3g} s",
            target=str(second.target), after=delay,
        )  # fmt: skip
        ticket = Ticket(second, paid)
        tickets.append(ticket)
        return self._run(ticket, send)

    async def _run(self, ticket: Ticket, send: Send) -> Reply:
        ticket.used = True
        paid = ticket.paid
        record: list[Attempt] = []
        call = ticket.call.recorded_in(record)
        try:
            reply = await send(call)
        except BaseException as error:
            if isinstance(error, Refused):
                self._hold(latency_key(call), call.clock.now() + (error.retry_after or REFUSED_FOR))
            if isinstance(error, Exception):
                call.note("Hedge", "goes on alone", f"{call.target} failed: {type(error).__name__}")
            book_lost(call, record, paid)
            if any(attempt.sent for attempt in record):
                # It stays paid, also when it failed: a target that fails is not to be asked ever again.
                ticket.lost = True
            else:
                self._allowance.settle(paid, None)
            raise
        self._note_time(call, reply)
        reply.on_settled(lambda settled: self._allowance.settle(paid, spent(call, settled) or paid))
        return reply

    def _silent(self, call: Call, tickets: Sequence[Ticket]) -> str | None:
        """The key of a first leg's target, if it is a failure that the leg is left now."""
        key = call_key(call)
        # Where nobody stands ready, an open circuit would refuse what a second leg answers.
        another = call.spare and all(call_key(ticket.call) != key for ticket in tickets)
        return key if another and self.latencies.lost(latency_key(call)) >= SILENT else None

    def _overtaken(self, call: Call, record: Sequence[Attempt], reply: Reply) -> None:
        """Account for a first leg that was left."""
        call.note("Hedge", "takes the second", f"it answered before {call.target}")
        for attempt in record[:1]:
            # It took at least so long: leaving slow ones out would make the percentile ever shorter.
            self.latencies.note(latency_key(call), call.clock.now() - attempt.started, lost=True)
        took = self._expected(call)
        book_lost(call, record, took)
        reply.on_settled(lambda s: self._allowance.earn(took if s.usage is None else likewise(call, s.usage)))

    def _settle_lost(self, ticket: Ticket, settled: Settled) -> None:
        """A second leg that lost is taken to have done what the first did, or a bad guess would be many legs."""
        took = ticket.paid if settled.usage is None else likewise(ticket.call, settled.usage)
        self._allowance.settle(ticket.paid, took)

    def _hold(self, key: Hashable, until: float) -> None:
        if len(self._refused) >= MOST_REFUSALS:
            self._refused.clear()
        self._refused[key] = until

    def _observe(self, call: Call, reply: Reply) -> None:
        """Learn from a first leg."""
        self._note_time(call, reply)

        def earn(settled: Settled) -> None:
            spend = spent(call, settled)
            if spend is not None:
                self._allowance.earn(spend)

        reply.on_settled(earn)

    def _note_time(self, call: Call, reply: Reply) -> None:
        attempt = reply.attempt
        # A hit in the router's cache says nothing of the model behind it.
        if attempt is not None and not attempt.cache_hit and (ttft := attempt.ttft) is not None:
            self.latencies.note(latency_key(call), ttft)

    def _affordable(self, call: Call) -> Call | str:
        """The second leg, or why there would be none; nothing is paid."""
        second = self._second(call)
        if isinstance(second, str) or self._allowance.affords(self._expected(call), self._expected(second)):
            return second
        return self._spent()

    def _spent(self) -> str:
        return f"second legs have had their {self.max_extra_spend:.0%} of the spend"

    def _expected(self, call: Call) -> Spend:
        return expected(call, self._allowance.mean_output)
