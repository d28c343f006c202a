"""One question at the semantic cache: answered, compared, or asked and kept."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Attempt, Cost, Decision, Usage
from hanzo_agents._kernel.reply import Settled
from hanzo_agents.policies.sealed import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.codec import Kept
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.policies.semantic.answers import Answers, Asked, Found
    from hanzo_agents.policies.semantic.stats import Reach

__all__ = ["Lookup", "Rules"]

_FREE = Cost(Decimal(0), "reported")
_NONE = Usage(0, 0)
_NO_ANSWER = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What reading JSON raises that is not of the expected shape."""

_logger = logging.getLogger("hanzo_agents")
NAME = "SemanticCache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a cache was made with, as its lookups need it.

    Attributes:
        answers: who finds and keeps them.
        gate: tells apart what only looks alike: why two questions are not the same, None when they are.
        agree: whether two answers say the same.
        patience: seconds that a look may take.
        substitutes: whether the answer of another target than the one that was asked is kept.
    """

    answers: Answers
    gate: Callable[[str, str], str | None] | None
    agree: Callable[[str, str], bool]
    patience: float
    substitutes: bool


class Lookup:
    """A call on its way through the cache."""

    __slots__ = ("_asked", "_reach", "_rules")

    def __init__(self, rules: Rules, reach: Reach, asked: Asked) -> None:
        self._rules = rules
        self._reach = reach
        self._asked = asked

    async def answer(self) -> Reply:
        """The answer: to a similar question, or of the model."""
        asked, reach = self._asked, self._reach
        try:
            async with asked.call.clock.timeout_at(asked.call.clock.now() + self._rules.patience):
                candidates = await self._rules.answers.find(asked)
            found = self._passing(candidates)
        except Exception as error:  # noqa: BLE001 - a cache that fails is no cache
            reach.away(error, asked.call.clock)
            asked.call.note(NAME, "goes on without", f"it is away: {type(error).__name__}")
            return await asked.send(asked.call)
        reach.back()
        if found is None:
            reach.figures.count("misses")
            reply = await asked.send(asked.call)
            self._listen(reply, None)
            return reply
        if reach.trial.state == "serving" if found.fresh else reach.trial.serves():
            given = await self._given(found)
            if given is not None:
                return given
            reach.figures.count("misses")
        if found.fresh:
            self._leave(found)
        reply = await asked.send(asked.call)
        self._listen(reply, None if found.fresh else found)
        return reply

    def _passing(self, candidates: Sequence[Found]) -> Found | None:
        """The first that the gate lets pass."""
        for found in candidates:
            if found.question is None or self._rules.gate is None:
                return found
            objection = self._rules.gate(self._asked.text, found.question)
            if objection is None:
                return found
            self._reach.figures.count("gated")
            self._asked.call.note(NAME, "tells apart", objection, similarity=found.similarity)
        return None

    async def _given(self, found: Found) -> Reply | None:
        """The answer that was found, as a reply; None when it is none."""
        asked, call = self._asked, self._asked.call
        assert call.codec is not None
        assert call.likeness is not None
        facts, now = found.facts, call.clock.now()
        record = Attempt(
            call.attempt, str(call.target), now, model=facts.model, provider=facts.provider, accepted=now,
            ended=now, usage=facts.usage if found.fresh else _NONE, cost=facts.cost if found.fresh else _FREE,
            cache_hit=not found.fresh, sent=found.fresh,
        )  # fmt: skip
        try:
            body = found.body if found.body is not None else call.likeness.spoken(call, found.text or "")
            reply = await call.codec.reply(call, body, record)
        except _NO_ANSWER:
            call.note(NAME, "drops an entry", "it does not have the shape of an answer")
            self._rules.answers.drop(found, clock=call.clock)
            return None
        call.begin(record)
        call.journal.finish(record)
        if found.fresh:
            call.note(NAME, "asks", f"{self._rules.answers.scope} had it answered", model=facts.model)
            return reply
        self._note_hit(found, max(0.0, asked.call.clock.wall() - facts.made))
        self._reach.figures.hit(facts)
        return reply

    def _leave(self, found: Found) -> None:
        """Write down what was answered just now, and is paid for, but is not given."""
        call, facts, now = self._asked.call, found.facts, self._asked.call.clock.now()
        record = Attempt(
            call.attempt, str(call.target), now, model=facts.model, provider=facts.provider, accepted=now,
            ended=now, usage=facts.usage, cost=facts.cost, aside=True,
        )  # fmt: skip
        call.begin(record)
        call.journal.finish(record)
        call.note(
            NAME, "leaves", f"{self._rules.answers.scope} had it answered; the model is asked, and paid, too"
        )

    def _note_hit(self, found: Found, age: float) -> None:
        facts = found.facts
        shown = {"question": found.question} if found.question is not None and _may_be_shown() else {}
        like = "" if found.similarity is None else f" (similarity {found.similarity:.3f})"
        self._asked.call.note(
            NAME, "hit", f"a question like it was answered {age:.0f} s ago by {facts.model}{like}",
            similarity=found.similarity, saved=facts.cost.amount, basis=facts.cost.basis,
            tokens=None if facts.usage is None else facts.usage.total_tokens, age=age, **shown,
        )  # fmt: skip

    def _listen(self, reply: Reply, rival: Found | None) -> None:
        """Have the answer kept once it is whole, or compared with the one that was found."""
        call = self._asked.call
        assert call.codec is not None
        ending = Ending(self._rules, self._reach, self._asked, reply.attempt, rival)
        try:
            call.codec.listen(call, reply, ending.heard, _nothing)
        except Exception:
            # An answer that cannot be kept is an answer all the same.
            _logger.exception("an answer could not be kept")
            ending.heard("it could not be read", Settled())


class Ending:
    """What becomes of an answer of the model. Holds no reply: its stream holds this to its end."""

    __slots__ = ("_asked", "_attempt", "_reach", "_rival", "_rules")

    def __init__(
        self, rules: Rules, reach: Reach, asked: Asked, attempt: Attempt | None, rival: Found | None
    ) -> None:
        self._rules = rules
        self._reach = reach
        self._asked = asked
        self._attempt = attempt
        self._rival = rival

    def heard(self, kept: Kept | str | None, settled: Settled) -> None:
        """The answer is over."""
        if kept is None:
            return
        why = kept if isinstance(kept, str) else self._objection(kept)
        if why is not None:
            self._note("keeps nothing", why)
            return
        assert not isinstance(kept, str)
        if self._rival is not None:
            self._compare(self._rival, kept.body)
            return
        self._rules.answers.keep(self._asked, self._facts(settled), kept.body).tell(self._was_kept, self._was_not)

    def _objection(self, kept: Kept) -> str | None:
        if kept.calls_tools:
            return "it calls tools"
        if self._rules.substitutes:
            return None
        if kept.substitute:
            return "the router had another model answer"
        target = self._asked.call.target
        if self._attempt is not None and self._attempt.target != str(target):
            return f"{self._attempt.target} answered for {target}"
        return None

    def _facts(self, settled: Settled) -> Facts:
        attempt, call = self._attempt, self._asked.call
        cost = settled.cost
        if cost.amount is None and settled.usage is not None:
            pricing = call.prices.known(call.target)
            cost = cost if pricing is None else Cost(pricing.cost(settled.usage), "estimated")
        model, provider = (None, None) if attempt is None else (attempt.model, attempt.provider)
        return Facts(model, provider, call.clock.wall(), settled.usage, cost)

    def _compare(self, rival: Found, body: bytes) -> None:
        """Hold the answer that was found against the model's."""
        likeness = self._asked.call.likeness
        assert likeness is not None
        try:
            found = rival.text if rival.body is None else likeness.text_of(rival.body)
            agree = self._rules.agree(found or "", likeness.text_of(body))
        except Exception:
            _logger.exception("two answers could not be compared")
            return
        state = self._reach.trial.compared(agree=agree)
        said = (
            "the answer to a similar question says the same"
            if agree
            else "the answer to a similar question differs"
        )
        self._note("compares", said, similarity=rival.similarity, agree=agree)
        if state is not None:
            self._reach.turned(state)
            self._note("shuts itself off" if state == "off" else "begins to answer", "by what comparisons showed")

    def _was_kept(self, kept: bool) -> None:
        self._reach.figures.count("kept", int(kept))

    def _was_not(self, error: BaseException) -> None:
        self._reach.away(error, self._asked.call.clock)

    def _note(self, action: str, reason: str, **data: object) -> None:
        self._asked.call.journal.note(Decision(NAME, action, reason, data))


def _may_be_shown() -> bool:
    """Whether the Agents SDK is allowed to log what goes to models: its flag is on unless it is switched off."""
    flag = os.environ.get("OPENAI_AGENTS_DONT_LOG_MODEL_DATA")
    return flag is not None and flag != "1" and flag.lower() != "true"


def _nothing() -> None:
    """Nobody waits for the answer."""
