"""The model for a call: chosen by what it asks for, what models cost, and how they have done lately."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import DeadlineExceeded, Refused
from hanzo_agents.policies.classify import substitutable
from hanzo_agents.policies.hedge import Latencies
from hanzo_agents.routing.choosing import Choice, Chooser
from hanzo_agents.routing.fields import Checked, checked
from hanzo_agents.routing.memory import Memory, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from decimal import Decimal

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.clock import Clock, Duration
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.reply import Reply, Settled
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.prices import Price
    from hanzo_agents.routing.candidates import StrategyName
    from hanzo_agents.routing.catalogue import ModelFacts
    from hanzo_agents.routing.memory import Health
    from hanzo_agents.routing.strategy import RoutingStrategy

__all__ = ["Route"]


@dataclass(frozen=True, kw_only=True)
class Route:
    """Choose the target of each call.

        Route(to=["gpt-4o", "gpt-4o-mini", node], strategy="cost_optimized", local=[node], local_for=pii)

    A target that lacks what the call needs, whose context window is too small, or that is dearer, slower or worse
    than allowed, is passed by. The others are compared by what the strategy counts: the quality that the task
    needs (see `complexity`), what the call would cost there, and how soon the target has begun to answer lately.
    One that has failed twice in a row goes last for half a minute. Within a tool loop the model that asked for
    the tools goes on. Between two turns of a conversation another model must be better by `margin`, the
    cost of reading the prompt anew included.

    It chooses; it does not walk on. What happens when the target fails is for `Fallback` and `Retry`.

    Attributes:
        to: candidates: model names or `Target`s. May be empty when the strategy is your own.
        strategy: "balanced", "cost_optimized", "latency_optimized", "quality_focused", or a `RoutingStrategy`.
        alias: the model name that means "choose one"; calls that ask for another are left alone. None: every call
            is routed, whatever it asks for.
        quality: the least that will do: "acceptable", "good", "excellent", or a share from 0 to 1.
        max_latency: seconds to the first useful event (the whole answer, where nothing streams): a target usually
            slower is passed by while there is another, and a call that takes longer fails. An accepted stream is
            never cut.
        max_cost: US dollars that one request may cost at most; a target without a known price is passed by.
        local: those of `to` that stay on this machine. What they cost is nothing.
        local_for: says of a text whether it must stay there, e.g. `pii`. Such a call is sent nowhere else, by
            nobody below: with no local target left it is refused.
        prefer_local: choose a local target when it is good enough for the task.
        prefer: model names that are chosen first, in this order, whenever they can take the call.
        models: what you know of models, by name; it goes before the catalogue.
        prices: what models cost you, by name; it goes before all other prices.
        lock: keep a tool loop at one model.
        margin: by how much another target must be better to take over a conversation, as a share of the penalties
            that `explain` shows; 0 is none.
        latencies: times to the first useful event; shared by sharing the object.
        memory: where conversations are and who has failed lately; shared by sharing the object.

    Raises:
        Refused: no candidate can take the call; `code` is "no_target", or "local_only" where only local ones may.
        DeadlineExceeded: nothing useful came within `max_latency`.
    """

    place: ClassVar[Place] = Place.ROUTE

    to: Sequence[str | Target] = ()
    strategy: StrategyName | RoutingStrategy = "balanced"
    alias: str | None = None
    quality: float | str | None = None
    max_latency: Duration | None = None
    max_cost: Decimal | float | str | None = None
    local: Sequence[str | Target] = ()
    local_for: Callable[[str], object] | None = None
    prefer_local: bool = False
    prefer: Sequence[str] = ()
    models: Mapping[str, ModelFacts] = field(default_factory=dict[str, "ModelFacts"])
    prices: Mapping[str, Price] = field(default_factory=dict[str, "Price"])
    lock: bool = True
    margin: float = 0.1
    latencies: Latencies = field(default_factory=Latencies, repr=False, compare=False)
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)
    _chooser: Chooser = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        given: Checked = checked(self)
        object.__setattr__(self, "to", given.to)
        object.__setattr__(self, "_chooser", Chooser(given, self.latencies, self.memory))

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Choose, and send."""
        choice = self._chooser.choose(call)
        if choice.refused is not None:
            call.note("Route", "refuses", choice.reason, **choice.data())
            raise Refused(choice.reason, code=choice.refused)
        record: list[Attempt] = []
        aimed = self._aimed(call, choice, record)
        if choice.target is not None:
            call.note("Route", "chose", choice.reason, **choice.data())
        try:
            reply = await self._sent(aimed, send, choice.within)
        except BaseException:
            self._learn(aimed, record)
            raise
        self._learn(aimed, record)
        if choice.turn is not None:
            answered = self._answered(choice, reply)
            self.memory.places.put(choice.turn.keys, answered, call.clock.now())
        self._watch(aimed, reply)
        return reply

    def plan(self, call: Call) -> Decision:
        """Which target would be chosen, and why not the others."""
        choice = self._chooser.choose(call)
        if choice.refused is not None:
            return Decision("Route", "refuses", choice.reason, choice.data())
        if choice.target is None:
            return Decision("Route", "passes on", choice.reason, choice.data())
        return Decision("Route", "chooses", choice.reason, choice.data())

    def onward(self, call: Call) -> list[Call]:
        """The call aimed at the target that would be chosen."""
        choice = self._chooser.choose(call)
        if choice.refused is not None:
            return []
        return [call if choice.target is None else call.aimed_at(choice.target, spare=call.spare)]

    def _aimed(self, call: Call, choice: Choice, record: list[Attempt]) -> Call:
        aimed = call if choice.target is None else call.aimed_at(choice.target, spare=call.spare)
        guards = aimed.guards
        if choice.local_only:
            guards = (*guards, self._refuse_elsewhere)
        deadline = aimed.deadline
        if choice.within is not None:
            until = call.clock.now() + choice.within
            deadline = until if deadline is None else min(deadline, until)
        return replace(aimed, guards=guards, deadline=deadline, records=(*aimed.records, record))

    def _refuse_elsewhere(self, call: Call) -> None:
        """Run right before each send: a chain, a hedge or a retry below may aim elsewhere."""
        if not self._chooser.is_local(call.target):
            raise Refused(
                f"{call.target} is not local, and this call must stay on this machine", code="local_only"
            )

    async def _sent(self, call: Call, send: Send, within: float | None) -> Reply:
        if within is None:
            return await send(call)
        until = call.clock.now() + within
        try:
            async with call.clock.timeout_at(until):
                return await send(call)
        except TimeoutError:
            if call.clock.now() < until:
                raise
        reason = f"nothing useful from {call.target} within {within:g} s"
        call.note("Route", "gives up", reason)
        raise DeadlineExceeded(reason, code="max_latency") from None

    def _learn(self, call: Call, record: Sequence[Attempt]) -> None:
        """Take what the attempts below have shown, also those of a chain that went on to other candidates."""
        now = call.clock.now()
        for attempt in record:
            target = self._chooser.by_label.get(attempt.target)
            if target is None or attempt.cache_hit:
                continue
            key = key_of(target, call)
            if attempt.ttft is not None:
                self.memory.health.answered(key, now)
                self.latencies.note(key, attempt.ttft)
            elif _failed(attempt.error):
                self.memory.health.failed(key, now)

    def _watch(self, call: Call, reply: Reply) -> None:
        """A stream that breaks in its middle is a failure of its target."""
        target = None if reply.attempt is None else self._chooser.by_label.get(reply.attempt.target)
        if target is not None and reply.settled is None:
            # Not the call itself: it leads to the stream, which is to settle as soon as nobody else holds it.
            reply.on_settled(partial(_settled, self.memory.health, key_of(target, call), call.clock))

    def _answered(self, choice: Choice, reply: Reply) -> str:
        """Who has answered: a chain below may have gone on to another candidate, and the conversation with it."""
        label = None if reply.attempt is None else reply.attempt.target
        return str(choice.target) if label is None or label not in self._chooser.by_label else label


def _settled(health: Health, key: Hashable, clock: Clock, settled: Settled) -> None:
    if _failed(settled.error):
        health.failed(key, clock.now())


def _failed(error: BaseException | None) -> bool:
    """Whether an error is the target's: not a refusal of ours, not an answer to a bad request."""
    return isinstance(error, Exception) and not isinstance(error, Refused) and substitutable(error)
