"""One model call on its way down the stack. Frozen: every policy passes on its own version of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from hanzo_agents._kernel.clock import SYSTEM_CLOCK, Clock
from hanzo_agents._kernel.journal import Decision, Journal
from hanzo_agents._kernel.price import NO_PRICES, Prices

if TYPE_CHECKING:
    from hanzo_agents._kernel.codec import Codec
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.likeness import Likeness
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._kernel.voice import Voice

__all__ = ["Call", "Guard", "Predicate", "Send", "View"]

Send = Callable[["Call"], Awaitable["Reply"]]
"""The inner service: everything below a policy, down to the wire."""

Predicate = Callable[[Exception], bool]


Guard = Callable[["Call"], Awaitable[None] | None]
"""A check that refuses a send by raising. One that must wait for its answer returns something to await."""


class View(Protocol):
    """What a policy may know of a request, and the two things it may change. One implementation a dialect."""

    @property
    def operation(self) -> str:
        """What is asked for: "chat", "responses", "embeddings", "model" or the path of another request."""
        ...

    @property
    def text(self) -> str:
        """All text that goes in, for estimates and classification."""
        ...

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation as the dialect spells it."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """Capabilities the answer needs: of "tools", "vision", "audio", "json_schema"."""
        ...

    @property
    def max_output(self) -> int | None:
        """The most tokens the caller allows in the answer: the largest limit that is sent, above 0.

        None when none is sent, or one that a server may take for "without a limit". Embeddings have 0.
        """
        ...

    @property
    def choices(self) -> int:
        """How many answers are asked for; each may be as long as `max_output`."""
        ...

    @property
    def given_tokens(self) -> int:
        """Tokens of the input that are given as numbers, and so are not in the text."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the input as JSON: of everything that is sent, known to this version or not."""
        ...

    @property
    def foretold(self) -> int:
        """Bytes of an answer that the caller predicts: what does not come true is billed beside the answer."""
        ...

    @property
    def stateful(self) -> bool:
        """Whether the request leans on state that lives at one provider."""
        ...

    @property
    def dropped(self) -> tuple[str, ...]:
        """Settings of the caller that the model of this view does not take, and that are not sent to it."""
        ...

    def with_model(self, model: str | None) -> View:
        """The same request for another target; None keeps the model's name."""
        ...

    def with_max_output(self, tokens: int) -> View:
        """The same request with no larger an answer: every limit that is sent says so."""
        ...


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request, where it goes, and what bounds it.

    Attributes:
        attempt: which try on this target, from 1.
        deadline: monotonic seconds by which the whole logical call must have ended.
        pinned: state lives at one provider: no fallback, hedge or cache.
        spare: another target stands ready should this one fail.
        single: exactly one request may be sent, whatever policies say (somebody else owns the retries).
        extra: a second leg of a call that is under way already, sent only to be quicker. It may be left out: who
            would have to let it wait, or give it what other calls need, refuses it.
        exact: this very target is to answer, or nobody: no fallback, no second leg elsewhere, no cheaper model.
        home: the address of targets that have none of their own, where the edge has one.
        payload: what the edge needs to send it; policies pass it on unread.
        codec: makes entries of answers and answers of entries; None where none can be kept.
        voice: reads answers, and gives them again; None where answers are no text.
        likeness: takes questions apart, so that like ones are found; None where that makes no sense.
        prices: what models cost, as far as anybody knows.
        records: lists that each attempt below is written into, for a policy that accounts for one leg of several.
        guards: checks that the wire runs immediately before each send; they refuse by raising.
    """

    target: Target
    view: View
    journal: Journal
    attempt: int = 1
    deadline: float | None = None
    pinned: bool = False
    spare: bool = False
    single: bool = False
    extra: bool = False
    exact: bool = False
    home: str = ""
    payload: Any = field(default=None, repr=False)
    guards: tuple[Guard, ...] = ()
    records: tuple[list[Attempt], ...] = ()
    codec: Codec | None = field(default=None, repr=False)
    voice: Voice | None = field(default=None, repr=False)
    likeness: Likeness | None = field(default=None, repr=False)
    prices: Prices = field(default=NO_PRICES, repr=False)
    clock: Clock = field(default=SYSTEM_CLOCK, repr=False)

    @property
    def priced_target(self) -> Target:
        """The target as prices know it: one that keeps the caller's model, with that model's name."""
        target = self.target
        if target.model is None and (model := getattr(self.view, "model", None)):
            return replace(target, model=model)
        return target

    def aimed_at(self, target: Target, *, spare: bool = False) -> Call:
        """The same call to another target, its attempts counted afresh.

        Args:
            target: where it goes now.
            spare: whether yet another target stands ready behind that one.
        """
        if target is self.target:
            return self if spare is self.spare else self.but(spare=spare)
        view = self.view.with_model(None if target.model is None else target.name)
        if view.dropped:
            self.note("Fallback", "drops settings", f"{target} does not take them", settings=list(view.dropped))
        return self.but(target=target, view=view, attempt=1, spare=spare)

    def but(self, **changes: Any) -> Call:
        """The same call but for some fields: `dataclasses.replace` in a tenth of the time."""
        given = {**self.__dict__, **changes}
        if len(given) != len(self.__dict__):
            raise AttributeError(f"a Call has no {' and no '.join(changes.keys() - self.__dict__.keys())}")
        made = object.__new__(Call)
        made.__dict__.update(given)
        return made

    def again(self) -> Call:
        """The next attempt on the same target."""
        return self.but(attempt=self.attempt + 1)

    def within(self, deadline: float) -> Call:
        """The same call, bounded by the earlier of two deadlines."""
        if self.deadline is not None and self.deadline <= deadline:
            return self
        return self.but(deadline=deadline)

    def guard(self, check: Guard) -> Call:
        """Have the wire run `check` immediately before each send; what it returns is awaited."""
        return self.but(guards=(*self.guards, check))

    def recorded_in(self, record: list[Attempt]) -> Call:
        """Have the attempts below written into `record`: the journal also holds those of other legs."""
        return self.but(records=(*self.records, record))

    def begin(self, attempt: Attempt) -> None:
        """Write down that an attempt starts. Called by the wire."""
        for record in self.records:
            record.append(attempt)
        self.journal.begin(attempt)

    async def pass_guards(self) -> None:
        """Run the guards. Called by the wire, when nothing but the send is left to do."""
        for check in self.guards:
            waiting = check(self)
            if waiting is not None:
                await waiting

    def note(self, policy: str, action: str, reason: str, **data: Any) -> None:
        """Tell observers what was decided, and why."""
        self.journal.note(Decision(policy, action, reason, data))

    def remaining(self) -> float | None:
        """Seconds left until the deadline, None without one."""
        return None if self.deadline is None else self.deadline - self.clock.now()
