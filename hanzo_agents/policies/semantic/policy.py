"""A similar question, answered from what was answered before, under a measured risk."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

from hanzo_agents._kernel.clock import Duration, current_clock, required_seconds, seconds, seconds_of
from hanzo_agents._kernel.fields import check_count, check_flag, check_function, share_of
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.likeness import Apart
from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.cacheable import (
    Tenant,
    asked_by,
    check_temperature,
    checked_tenant,
    tenant_of,
    too_warm,
)
from hanzo_agents.policies.semantic.agreement import agree
from hanzo_agents.policies.semantic.answers import Answers, Asked
from hanzo_agents.policies.semantic.embedders import embedder_of
from hanzo_agents.policies.semantic.gate import LexicalGate
from hanzo_agents.policies.semantic.gate.reading import MOST_CHARACTERS
from hanzo_agents.policies.semantic.kept import KeptAnswers
from hanzo_agents.policies.semantic.lookup import NAME, Lookup, Rules
from hanzo_agents.policies.semantic.stats import Reach, SemanticStats
from hanzo_agents.policies.semantic.trial import Trial
from hanzo_agents.stores.entries import Bounds
from hanzo_agents.stores.memory import MemoryStore
from hanzo_agents.stores.vectors.matrix import check_numpy

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.policies.semantic.embedders import Function
    from hanzo_agents.stores.store import Store

__all__ = ["SemanticCache"]

VERSION = 1
"""Of what counts for a partition: answers of another version are not found."""

PATIENCE = 5.0
MOST_ENTRIES = 10_000
MOST_BYTES = 256 * 2**20

Gate = Callable[[str, str], str | None]


@dataclass(frozen=True, kw_only=True)
class SemanticCache:
    """Answer a call from an earlier answer to a question that means the same.

    Everything but the last text of the user must be identical: instructions, conversation, tools, settings, model,
    endpoint and its key, tenant, routing. That text must be similar by its embedding, and pass a gate that knows
    what embeddings do not see: numbers, units, names, dates, negations, opposites, who does what to whom. Put an
    exact `Cache` before it: that one asks the same question only once.

    Whole, finished answers without tool calls are kept, as JSON, with their question. A hit costs nothing but its
    embedding, says so, and is a valid stream where one is asked for. Calls in the middle of a tool loop, stateful
    ones, several choices and temperatures above `max_temperature` pass by. Whatever fails, the model is asked.

    Attributes:
        threshold: the similarity from which two questions may mean the same, 0 to 1; by default that of the
            embedding model: 0.6 for the packaged one, which is tuned for the gate behind it, 0.85 for others.
        ttl: seconds for which an answer is kept.
        store: where: a `MemoryStore` of its own by default, a `SQLiteStore`, a `RedisStore`, or something that
            decides itself what is similar (`Answers`), which takes neither `embed` nor bounds.
        embed: None: the packaged model of the extra `semantic`. A name: that model of the endpoint, asked through
            the policies below this one. A function of a text, plain or async.
        gate: a function of the question that is asked and one that was answered: why they are not the same, None
            when they are. `LexicalGate()` by default; None: similarity alone decides, which is unsafe.
        shadow: True: only compare what would have been answered with what the model says, and answer nothing. A
            number: answer after so many comparisons, when no more than `max_false_hits` of them disagree.
        sample: share of the hits that are compared instead of given, once it answers.
        max_false_hits: share of disagreements that is borne. As soon as there certainly are more, the cache shuts
            itself off (`stats().state`), until `reopen()`.
        agree: whether two answers say the same, as a function of both: by their words by default.
        tenant: whose calls these are, as for `Cache`.
        when: which calls to look at, as a function of the call; all by default.
        max_temperature: the highest temperature that a call may name, as for `Cache`.
        tools: whether calls that offer tools are looked at too.
        substitutes: whether the answer of another target than the one that was asked is kept.
        patience: seconds that looking may take; then the model is asked. 5 by default, or what the store asks
            for; a minute with the packaged model, which has to be loaded first.
        max_entries, max_bytes: what the store may hold: 10,000 answers and 256 MiB by default.
    """

    place: ClassVar[Place] = Place.SEMANTIC

    threshold: float | None = None
    ttl: Duration = 3600.0
    store: Store | Answers | None = None
    embed: str | Function | None = None
    gate: Gate | None = field(default_factory=LexicalGate)
    shadow: bool | int = False
    sample: float = 0.02
    max_false_hits: float = 0.05
    agree: Callable[[str, str], bool] = agree
    tenant: Tenant = None
    when: Callable[[Call], bool] | None = None
    max_temperature: float | None = 0.0
    tools: bool = False
    substitutes: bool = False
    patience: Duration | None = None
    max_entries: int | None = None
    max_bytes: int | None = None
    _rules: Rules = field(init=False, repr=False, compare=False)
    _reach: Reach = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        required_seconds("SemanticCache.ttl", self.ttl, zero=False)
        patience = seconds("SemanticCache.patience", self.patience, zero=False)
        self._check_shares()
        for name in ("tools", "substitutes"):
            check_flag(f"SemanticCache.{name}", getattr(self, name))
        for name in ("gate", "when", "agree"):
            if getattr(self, name) is not None or name == "agree":
                check_function(f"SemanticCache.{name}", getattr(self, name))
        if self.tenant is not None and not callable(self.tenant):
            checked_tenant("SemanticCache.tenant", self.tenant)
        answers = self._answers()
        rules = Rules(
            answers=answers, gate=self.gate, agree=self.agree,
            patience=getattr(answers, "patience", PATIENCE) if patience is None else patience,
            substitutes=self.substitutes,
        )  # fmt: skip
        trial = Trial(shadow=self.shadow, sample=self.sample, most=self.max_false_hits)
        object.__setattr__(self, "_rules", rules)
        object.__setattr__(self, "_reach", Reach(answers.scope, trial))

    def _check_shares(self) -> None:
        if self.threshold is not None:
            share_of("SemanticCache.threshold", self.threshold)
        share_of("SemanticCache.max_false_hits", self.max_false_hits)
        if self.sample != 0:
            share_of("SemanticCache.sample", self.sample)
        if not isinstance(self.shadow, bool):
            check_count("SemanticCache.shadow", self.shadow)
        check_temperature("SemanticCache.max_temperature", self.max_temperature)

    def _answers(self) -> Answers:
        """Who finds and keeps the answers."""
        for name in ("max_entries", "max_bytes"):
            if getattr(self, name) is not None:
                check_count(f"SemanticCache.{name}", getattr(self, name))
        given = cast("Any", self.store)
        decides = hasattr(given, "find") and hasattr(given, "keep")
        if isinstance(given, type) or not (given is None or decides or hasattr(given, "vectors")):
            raise ConfigError(
                f"SemanticCache.store: expected a store such as MemoryStore(), or None, got {given!r}"
            )
        if decides:
            return self._deciding(cast("Answers", given))
        check_numpy("SemanticCache")
        bounds = Bounds(self.max_entries or MOST_ENTRIES, self.max_bytes or MOST_BYTES)
        store: Store = MemoryStore() if given is None else given
        object.__setattr__(self, "store", store)
        return KeptAnswers(store, embedder_of(self.embed), bounds)

    def _deciding(self, answers: Answers) -> Answers:
        for name in ("embed", "max_entries", "max_bytes"):
            if getattr(self, name) is not None:
                raise ConfigError(f"SemanticCache.{name}: {answers.scope} sees to that itself; leave it out")
        return answers

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Answer like a similar question was, or from below."""
        apart, partition = self._parted(call)
        if apart.rest.obstacle is not None:
            call.note(NAME, "passes by", apart.rest.obstacle)
        if apart.rest.obstacle is not None or not self._reach.looks(call.clock):
            self._reach.figures.count("bypassed")
            return await send(call)
        asked = Asked(
            partition, apart.rest.secret, apart.text, apart.alone, self.threshold, seconds_of(self.ttl), call, send
        )
        return await Lookup(self._rules, self._reach, asked).answer()

    def plan(self, call: Call) -> Decision:
        """Whether the call would be looked at. Looks into no store."""
        obstacle = self._parted(call)[0].rest.obstacle
        if obstacle is not None:
            return Decision(NAME, "passes by", obstacle)
        scope, state = self._rules.answers.scope, self._reach.trial.state
        what = "compares" if state == "shadow" else "looks"
        return Decision(
            NAME, what, f"for an answer to a similar question in {scope}", {"scope": scope, "state": state}
        )

    def stats(self) -> SemanticStats:
        """What this cache has done since it was made, in this process."""
        return self._reach.stats

    def reopen(self) -> None:
        """Begin as at first, with no comparisons: in the shadow, or answering."""
        self._reach.trial.reopen()

    async def clear(self) -> int:
        """Drop every answer to similar questions in the store; how many.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return await self._rules.answers.clear(clock=current_clock())

    def _parted(self, call: Call) -> tuple[Apart, bytes]:
        """The question in two parts, and where its answers lie; an obstacle says why it is not looked for."""
        apart = self._apart(call)
        rest = apart.rest
        tenant = None if rest.obstacle else tenant_of("SemanticCache.tenant", self.tenant, call, rest)
        if rest.obstacle is not None:
            return apart, b""
        return apart, hmac.digest(rest.secret, asked_by(tenant, rest, b"like %d" % VERSION), "sha256")

    def _apart(self, call: Call) -> Apart:
        from hanzo_agents._kernel.codec import Question

        why: str | None = None
        if call.codec is None or call.likeness is None:
            why = f"answers to {call.view.operation} have no likes"
        elif call.pinned:
            why = "the call leans on state at its provider"
        elif call.view.choices > 1:
            why = "several answers are asked for"
        elif self._reach.trial.state == "off":
            why = "it has shut itself off: too many answers disagreed with the model's"
        elif self.when is not None and not self.when(call):
            why = "`when` leaves it out"
        if why is not None:
            return Apart(Question(obstacle=why))
        assert call.likeness is not None
        apart = call.likeness.apart(call)
        rest = apart.rest
        if rest.obstacle is None and self._too_long(apart.text):
            rest.obstacle = "the text is too long to be compared by words"
        elif rest.obstacle is None and apart.tools and not self.tools:
            rest.obstacle = "the call offers tools"
        rest.obstacle = rest.obstacle or too_warm(rest, self.max_temperature)
        return apart

    def _too_long(self, text: str) -> bool:
        """Whether the gate would let nothing pass but the very same, which is for the exact cache to find."""
        return isinstance(self.gate, LexicalGate) and len(text) > MOST_CHARACTERS
