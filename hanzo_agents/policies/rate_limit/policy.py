"""As many requests and tokens a minute, and calls at once, as the upstream takes; the others wait their turn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hanzo_agents._kernel.clock import Duration, current_clock, required_seconds, seconds, seconds_of
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.tokens import estimate_tokens
from hanzo_agents.errors import ConfigError, RateLimited
from hanzo_agents.policies.rate_limit.admission import Limiter, Terms, reason, refusal
from hanzo_agents.policies.rate_limit.fields import check
from hanzo_agents.policies.rate_limit.outcome import account_for, learn, tokens_of
from hanzo_agents.policies.rate_limit.pace import Pace, Paces
from hanzo_agents.policies.target_keys import call_key, target_key
from hanzo_agents.stores.limits.memory import MemoryLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.stores.store import Store

__all__ = ["LimitState", "RateLimit"]


@dataclass(frozen=True, slots=True)
class LimitState:
    """How a limit stands for one target.

    Attributes:
        requests_per_minute, tokens_per_minute, max_concurrent: the limits as they are now: what is configured,
            less what refusals of the upstream have taken off.
        held_for: seconds for which the upstream has asked to be left alone, or has nothing left.
        remaining: requests and tokens that the upstream still takes, where it says so.
        requests, tokens: of the last minute; None when they are in a store that would have to be asked.
        under_way: calls at this moment; None as before.
        waiting: calls of this process that wait for their turn.
    """

    requests_per_minute: int | None
    tokens_per_minute: int | None
    max_concurrent: int | None
    held_for: float
    remaining: Mapping[str, int]
    requests: int | None
    tokens: int | None
    under_way: int | None
    waiting: int


@dataclass(frozen=True, kw_only=True, eq=False)
class RateLimit:
    """Keep within an upstream's limits: in no sliding minute more requests or tokens, and no more calls at once.

    Calls go in the order in which they came. One that cannot go in time is refused at once, so that a `Fallback`
    can move on: when its wait could not end before its deadline, when `max_queued` wait already, or when it is
    larger than the limit itself.

    Tokens are reserved before the call is sent (its input, estimated, and its largest output) and corrected when
    it is over: what was not used is given back, what was used beyond is counted. A call that was not sent counts
    nothing, an answer from the router's cache no tokens. A streaming call is under way until its stream has ended.

    Attributes:
        requests_per_minute, tokens_per_minute: most in any 60 seconds; None for no limit.
        max_concurrent: most calls under way at once; None for no limit.
        max_queued: most calls that may wait for their turn.
        max_wait: seconds a call may wait here; None leaves it to the deadline.
        max_wait_with_spare: the same while another target of a chain stands ready: to wait a moment costs less
            than to leave a warm prompt cache, to wait longer does not.
        expected_output: tokens reckoned for the answer of a call that sets no maximum itself.
        key: what a limit is kept of: "target" (each endpoint and model by itself), any other name (one limit for
            all calls, shared with whoever gives the same name in the same store), or a function of the call that
            returns a name.
        store: where it is kept; None means in this object, so that sharing the object shares the limit.
        local_share: of the limits, what this process allows itself while a shared store is away. A quarter keeps
            four processes within them; give 1/n for n.
        adaptive: learn from the upstream's `x-ratelimit-*` headers and its 429s, target by target in this
            process; never above what is configured.
        limiter: a limiter of yours that every call passes first, such as `aiolimiter.AsyncLimiter`. It is used as
            it is: its waits are not known beforehand, it takes nothing back, and it may belong to one event loop.

    Raises:
        RateLimited: the call was refused; nothing was sent. `.retry_after` says in how many seconds it would go.
    """

    place: ClassVar[Place] = Place.RATE_LIMIT

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    max_queued: int = 1000
    max_wait: Duration | None = None
    max_wait_with_spare: Duration = 1.0
    expected_output: int = 1000
    key: str | Callable[[Call], str] = "target"
    store: Store | None = None
    local_share: float = 0.25
    adaptive: bool = True
    limiter: Any = None
    _limiter: Limiter = field(init=False, repr=False)
    _paces: Paces = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        check(self)
        object.__setattr__(self, "max_wait", seconds("RateLimit.max_wait", self.max_wait))
        object.__setattr__(
            self, "max_wait_with_spare",
            required_seconds("RateLimit.max_wait_with_spare", self.max_wait_with_spare),
        )  # fmt: skip
        limits = MemoryLimits() if self.store is None else self.store.limits
        object.__setattr__(self, "_limiter", Limiter(limits, self.local_share))
        object.__setattr__(self, "_paces", Paces(self.max_concurrent))

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send when it is the call's turn."""
        clock, target = call.clock, call_key(call)
        pace = self._paces.of(target, clock.now())
        terms = self._terms(call, pace)
        if (too_large := self._too_large(call, terms)) is not None:
            call.note("RateLimit", "refuses", str(too_large))
            raise too_large
        if self.limiter is not None:
            await self._pass_limiter(call)
        permit = await self._limiter.enter(call, self._lane(target, call), terms, self._patience(call))
        mark = pace.went(clock.now(), terms.tokens)
        attempts: list[Attempt] = []
        try:
            reply = await send(call.recorded_in(attempts))
        except BaseException as error:
            sent = bool(attempts) and attempts[-1].sent
            account_for(permit, attempts[-1] if sent else None, error)
            if not sent:
                pace.stayed(terms.tokens)
            elif self.adaptive and isinstance(error, Exception):
                learn(call, pace, mark, error)
            raise
        attempt = reply.attempt  # not the reply: a hook that holds it would keep an unread stream alive
        reply.on_settled(lambda settled: permit.settle(tokens_of(attempt, settled)))
        if self.adaptive:
            pace.accepted(clock.now())
            if (headers := getattr(reply.raw, "headers", None)) is not None:
                pace.heard(headers, mark, clock)
        return reply

    def plan(self, call: Call) -> Decision:
        """What would become of the call now."""
        target = call_key(call)
        terms = self._terms(call, self._paces.known(target))
        if (error := self._too_large(call, terms)) is not None:
            return Decision("RateLimit", "refuses", str(error))
        limits = self._limiter.limits
        data: dict[str, Any] = {"tokens": terms.tokens, "scope": self.scope}
        if not isinstance(limits, MemoryLimits):
            return Decision("RateLimit", "asks", f"{terms}, counted in {self.scope}", data)
        need = terms.need(self._patience(call), call.clock.now())
        turn = limits.foresee(self._lane(target, call), need, clock=call.clock)
        data |= {"wait": turn.wait, "ahead": turn.ahead}
        if turn.state == "admitted":
            return Decision("RateLimit", "sends", f"within {terms}", data)
        if turn.state == "queued":
            return Decision("RateLimit", "waits", reason(turn), data)
        return Decision("RateLimit", "refuses", str(refusal(call, turn, terms)), data)

    def state(self, target: str | Target = "", *, name: str | None = None) -> LimitState:
        """How the limit stands for one target.

        Args:
            target: a model that calls have gone to, or a Target.
            name: what `key` gives for the calls in question, where it is a function.

        Raises:
            ConfigError: calls to that model have gone to several endpoints; say which with a Target.
        """
        clock, of = current_clock(), self._meant(target)
        now, pace, limits = clock.now(), self._paces.known(of), self._limiter.limits
        lane = self._lane(of) if name is None else f"name {name}"
        standing = limits.standing(lane, clock=clock).value if isinstance(limits, MemoryLimits) else None
        return LimitState(
            requests_per_minute=pace.rate(self.requests_per_minute),
            tokens_per_minute=pace.rate(self.tokens_per_minute),
            max_concurrent=pace.concurrency(),
            held_for=pace.hold(now, 0),
            remaining=pace.remaining(now),
            requests=standing and standing.requests,
            tokens=standing and standing.tokens,
            under_way=standing and standing.slots,
            waiting=limits.bells.waiting(lane),
        )

    @property
    def scope(self) -> str:
        """How far the limit reaches."""
        return "this object" if self.store is None else self.store.scope

    def _meant(self, target: str | Target) -> str:
        if isinstance(target, Target) and (target.base_url is not None or target.foreign):
            if target.model is None:
                raise ConfigError("RateLimit.state: each model has a limit of its own; say which one is meant")
            return target_key(target, "")
        seen = self._paces.named(target.name if isinstance(target, Target) else target)
        if len(seen) > 1:
            raise ConfigError(f"RateLimit.state: calls to {target} went to {', '.join(seen)}; say which is meant")
        return seen[0] if seen else f" {target}"

    def _lane(self, target: str, call: Call | None = None) -> str:
        if self.key == "target":
            return f"target {target}"
        if isinstance(self.key, str):
            return f"name {self.key}"
        if call is None:
            raise ConfigError("RateLimit.state: expected name=, as key is a function")
        name = self.key(call)
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"RateLimit.key: expected a function that returns a name, got {type(name).__name__}")
        return f"name {name}"

    def _terms(self, call: Call, pace: Pace) -> Terms:
        tokens = 0
        if self.tokens_per_minute is not None:
            view = call.view
            tokens = estimate_tokens(view.text) + view.given_tokens
            if view.operation != "embeddings":
                most = view.max_output
                tokens += (self.expected_output if most is None else most) * view.choices
        return Terms(
            tokens, self.requests_per_minute, self.tokens_per_minute, self.max_concurrent, self.max_queued,
            pace if self.adaptive else None, call.extra,
        )  # fmt: skip

    def _too_large(self, call: Call, terms: Terms) -> RateLimited | None:
        if terms.tokens_limit is None or terms.tokens <= terms.tokens_limit:
            return None
        return RateLimited(
            f"{call.target}: the call is reckoned at {terms.tokens} tokens, more than a minute takes "
            f"(tokens_per_minute={terms.tokens_limit}); a smaller max_tokens would make it smaller",
            code="request_too_large",
        )

    def _patience(self, call: Call) -> float:
        """Seconds the call may wait."""
        if call.extra:
            return 0.0
        remaining = call.remaining()
        patience = math.inf if remaining is None else remaining
        if self.max_wait is not None:
            patience = min(patience, seconds_of(self.max_wait))
        if call.spare:
            patience = min(patience, seconds_of(self.max_wait_with_spare))
        return patience

    async def _pass_limiter(self, call: Call) -> None:
        """Pass the user's own limiter."""
        patience = self._patience(call)
        until = None if patience == math.inf else call.clock.now() + patience
        try:
            async with call.clock.timeout_at(until):
                if hasattr(self.limiter, "acquire"):
                    await self.limiter.acquire()
                else:
                    async with self.limiter:
                        pass
        except TimeoutError:
            if until is None or call.clock.now() < until:
                raise
            call.note("RateLimit", "refuses", f"the limiter did not let the call pass within {patience:.3g} s")
            raise RateLimited(
                f"{call.target}: the limiter did not let the call pass within {patience:.3g} s",
                code="rate_limited",
            ) from None

    def __repr__(self) -> str:
        given = [
            f"{name}={value!r}"
            for name in ("requests_per_minute", "tokens_per_minute", "max_concurrent", "limiter")
            if (value := getattr(self, name)) is not None
        ]
        key = self.key if isinstance(self.key, str) else getattr(self.key, "__name__", "a function")
        return f"RateLimit({', '.join(given)}, key={key!r}, scope={self.scope!r})"
