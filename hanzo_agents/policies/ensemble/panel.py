"""The models of one ensemble, asked together about one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.verdict import final
from hanzo_agents.errors import BudgetExceeded, EnsembleFailed, Failure
from hanzo_agents.policies.ensemble.agreement import agreed
from hanzo_agents.policies.ensemble.audience import audience
from hanzo_agents.policies.ensemble.legs import Leg, ask_all
from hanzo_agents.policies.ensemble.tally import total_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._kernel.voice import Part

__all__ = ["Panel", "failure_of", "nowhere"]

MOST_SHARE = 0.95
"""Of the time that is left, for one round: what has been said must still be handed on before the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Who asks, what about, and by which rules.

    Attributes:
        policy: the name under which decisions are noted.
        quorum: answers without which a round has failed.
        patience: seconds that the models of a round get; None: an equal share of what is left for each round.
        agreement: the likeness of answers that counts as the same; None: everybody is waited for.
        exact: each model answers itself, or not at all.
    """

    policy: str
    call: Call
    send: Send
    quorum: int = 1
    patience: float | None = None
    agreement: float | None = None
    exact: bool = False

    def leg(
        self,
        target: Target | None,
        role: str = "answer",
        *,
        instructions: str = "",
        message: str = "",
        part: Part = "advises",
    ) -> Leg:
        """One model to ask; None is the call's own target."""
        call, voice = self.call, self.call.voice
        assert voice is not None
        if part != "answers" or instructions or message:
            call = voice.advised(call, instructions=instructions, message=message, part=part)
        # Who answers wrote the turns before, too: named or not, the call's own target keeps its own reasoning.
        own = role == "final" and target == call.target
        aimed = call if own or target is None else call.aimed_at(target)
        return Leg(aimed.but(exact=True) if self.exact and role == "answer" else aimed, role)

    async def round(self, legs: Sequence[Leg], *, rounds: int, quorum: int | None = None) -> list[Leg]:
        """Ask them all; those that have answered, in the order in which they were given.

        Args:
            legs: to ask.
            rounds: how many there are still to be, this one and the final answer among them.
            quorum: answers that will do, where these are fewer than the panel's.

        Raises:
            EnsembleFailed: fewer answered; BudgetExceeded, when that is all that was in their way.
        """
        needed = self.quorum if quorum is None else quorum

        def enough() -> bool:
            said = [leg for leg in legs if leg.reply is not None]
            return len(said) >= needed and self.agrees(said, of=len(legs)) is not None

        await ask_all(legs, self.send, until=self._until(rounds), enough=enough)
        answered = [leg for leg in legs if leg.reply is not None]
        self._note(legs, answered)
        if len(answered) < needed:
            raise failure_of(legs)
        return answered

    def agrees(self, answered: Sequence[Leg], *, of: int) -> list[Leg] | None:
        """Those of a round that agree, where more than half of it do."""
        if self.agreement is None:
            return None
        found = agreed([leg.text for leg in answered], of=of, threshold=self.agreement)
        return None if found is None else [answered[number] for number in found]

    async def final(self, leg: Leg) -> Reply:
        """The reply of the call, in the form its caller wants, from the one who answers it."""
        hearer = audience.get()
        leg.started = self.call.clock.now()
        hearer.begins(leg)
        try:
            leg.reply = await self.send(leg.call.recorded_in(leg.record))
        except BaseException as error:
            leg.error = error if isinstance(error, Exception) else None
            leg.left = leg.error is None
            leg.ended = self.call.clock.now()
            hearer.ends(leg)
            raise
        return self.summed(leg.reply, leg.name)

    def summed(self, reply: Reply, meant: str) -> Reply:
        """The reply, which takes what all legs took."""
        journal, end = self.call.journal, Settlement()

        def settle(settled: Settled) -> None:
            usage = total_usage(journal.attempts) or settled.usage
            end.settle(Settled(usage, journal.cost, settled.error, settled.complete))

        # Not the reply: what hangs on a stream's end must not hold the stream.
        reply.on_settled(settle, last=True)
        return Reply(
            reply.value, reply.attempt, raw=reply.raw, end=end, bound=reply.bound, tap=reply.tap, meant=meant
        )

    def note(self, action: str, reason: str, **data: object) -> None:
        """Tell observers."""
        self.call.note(self.policy, action, reason, **data)

    def _until(self, rounds: int) -> float | None:
        """When a round must be over: each has an equal share of the time that is left, the answer too."""
        remaining, now = self.call.remaining(), self.call.clock.now()
        share = None if remaining is None else max(remaining, 0.0) * min(1 / rounds, MOST_SHARE)
        limits = [limit for limit in (share, self.patience) if limit is not None]
        return now + min(limits) if limits else None

    def _note(self, legs: Sequence[Leg], answered: Sequence[Leg]) -> None:
        for leg in legs:
            if leg.error is not None:
                self.note("goes on without", f"{leg.name} failed: {type(leg.error).__name__}", target=leg.name)
        left = [leg.name for leg in legs if leg.left]
        if left:
            self.note("stops early", f"most of {len(legs)} agree; left: {', '.join(left)}")


def failure_of(legs: Sequence[Leg]) -> Exception:
    """The error for a round that brought too little: of its parts, where money was all that was in the way."""
    failures = [Failure(leg.name, leg.error) for leg in legs if leg.error is not None]
    if failures and all(isinstance(failure.error, BudgetExceeded) for failure in failures):
        return failures[-1].error
    error = EnsembleFailed(failures)
    final(error)
    return error


async def nowhere(call: Call) -> Reply:
    """What a panel sends to that only plans."""
    raise AssertionError(f"a planned leg to {call.target} was sent")
