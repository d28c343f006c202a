"""The best of several answers, as it was given: contestants, and a judge who does not know whose is whose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents.errors import InvalidResponse
from hanzo_agents.policies.ensemble.audience import audience
from hanzo_agents.policies.ensemble.legs import ask_all
from hanzo_agents.policies.ensemble.panel import failure_of
from hanzo_agents.policies.ensemble.prompts import AGAIN, JUDGE, LETTERS, question_for_judge, shuffled
from hanzo_agents.policies.ensemble.verdict import Verdict, verdict_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.policies.ensemble.legs import Leg
    from hanzo_agents.policies.ensemble.panel import Panel

__all__ = ["CRITERIA", "Contest"]

CRITERIA = (
    "It is correct: what it says is true, and its reasoning holds.",
    "It does all of what was asked for, in the form that was asked for, and nothing else.",
    "It is clear, and no longer than it has to be.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Contestants answer the caller's own request, and the judge's choice is the answer, word for word.

    Attributes:
        judge: who judges; None: the call's own target.
        criteria: what the judge goes by.
    """

    panel: Panel
    contestants: Sequence[Target]
    judge: Target | None
    criteria: Sequence[str] = CRITERIA

    async def held(self) -> Reply:
        """The winner's answer, in the form in which the caller wants it.

        Raises:
            EnsembleFailed: too few contestants answered.
            InvalidResponse: the judge gave no verdict, twice.
        """
        panel = self.panel
        legs = [panel.leg(target, part="answers") for target in self.contestants]
        answered = [leg for leg in await panel.round(legs, rounds=3) if self._takes(leg)]
        if len(answered) < panel.quorum:
            raise failure_of(legs)
        agreeing = panel.agrees(answered, of=len(legs))
        if agreeing is not None:
            winner, verdict = agreeing[0], Verdict(agreeing[0].name, reason="most answers agree")
            panel.note("picks", f"{winner.name}: {len(agreeing)} of {len(legs)} agree", winner=winner.name)
        elif len(answered) == 1:
            winner, verdict = answered[0], Verdict(answered[0].name, reason="no other answered")
            panel.note("picks", f"{winner.name}: no other answered", winner=winner.name)
        else:
            winner, verdict = await self._judged(answered)
            panel.note(
                "picks", f"{winner.name}, judged by {verdict.judge}", winner=winner.name, scores=verdict.scores
            )
        voice, reply = panel.call.voice, winner.reply
        assert voice is not None
        assert reply is not None
        audience.get().hears(verdict)
        return panel.summed(await voice.told(panel.call, reply), winner.name)

    def _takes(self, leg: Leg) -> bool:
        """An answer is given as it is: one that calls a tool which nobody offered would end the caller's run."""
        voice = self.panel.call.voice
        assert voice is not None
        assert leg.reply is not None
        if not voice.acts(leg.reply.value):
            return True
        leg.error = InvalidResponse(f"{leg.name} called a tool that it was not offered", code="unknown_tool")
        leg.reply = None
        self.panel.note("goes on without", str(leg.error), target=leg.name)
        return False

    async def _judged(self, answered: Sequence[Leg]) -> tuple[Leg, Verdict]:
        panel = self.panel
        order = shuffled(len(answered), panel.call.view.text)
        lettered = dict(zip(LETTERS, (answered[n] for n in order), strict=False))
        question = question_for_judge([leg.text for leg in lettered.values()], self.criteria)
        for again in (False, True):
            said = f"{question}\n\n{AGAIN.format(letters=', '.join(lettered))}" if again else question
            leg = panel.leg(self.judge, "verdict", instructions=JUDGE, message=said, part="judges")
            await ask_all([leg], panel.send, until=None)
            if leg.error is not None and getattr(leg.error, "code", None) != "empty_reply":
                leg.error.add_note(f"{leg.name} was to judge {len(answered)} answers")
                raise leg.error
            found = verdict_in(leg.text, list(lettered))
            if found is not None:
                letter, scores, reason = found
                named = {lettered[one].name: score for one, score in scores.items()}
                return lettered[letter], Verdict(lettered[letter].name, named, reason, leg.name)
            panel.note("asks the judge again" if not again else "gives up", f"{leg.name} gave no verdict")
        raise InvalidResponse(
            f"{leg.name} was asked twice which of {len(answered)} answers is the best, and did not say",
            code="no_verdict",
        )
