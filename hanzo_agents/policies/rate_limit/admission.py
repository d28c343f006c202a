"""Getting a call through a lane: asking, waiting for its turn, and going on alone while the store is away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from hanzo_agents.errors import RateLimited
from hanzo_agents.policies.rate_limit.pace import part_of
from hanzo_agents.stores.limits import Limits, Need, Turn
from hanzo_agents.stores.limits.memory import MemoryLimits
from hanzo_agents.stores.operations import new_op
from hanzo_agents.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.rate_limit.pace import Pace
    from hanzo_agents.stores.limits.bells import Bell
    from hanzo_agents.stores.pending import Pending

__all__ = ["Limiter", "Permit", "Terms", "reason", "refusal"]

_logger = logging.getLogger("hanzo_agents")

EXTRA_SHARE = 0.8
"""Of the limits, what a call that may be left out is held to: the rest is for calls that may not."""

SHORTEST = 0.001
"""Seconds: who came a moment too early does not spin."""


class Terms(NamedTuple):
    """What a call asks for and what it is held to, made into a `Need` anew each time: the pace may have changed.

    Attributes:
        tokens: what the call is reckoned to take.
        requests, tokens_limit, slots, queue: the configured limits, as in `Need`.
        pace: what the target itself lets through, None when nobody listens.
        extra: whether the call may be left out (`Call.extra`); then it gets nothing of the last fifth.
    """

    tokens: int
    requests: int | None
    tokens_limit: int | None
    slots: int | None
    queue: int
    pace: Pace | None
    extra: bool = False

    def need(self, patience: float, now: float) -> Need:
        """What it needs now."""
        tokens, requests, tokens_limit, slots, queue, pace, extra = self
        need = Need(tokens, requests, tokens_limit, slots, queue, patience, 0.0)
        if pace is not None:
            hold = pace.hold(now, tokens)
            if hold > 0 or not pace.whole:
                need = lowered(need, pace.share)._replace(slots_limit=pace.concurrency(), hold=hold)
        return lowered(need, EXTRA_SHARE) if extra else need

    def __str__(self) -> str:
        said = [
            f"{limit:,} {what}"
            for limit, what in (
                (self.requests, "requests a minute"),
                (self.tokens_limit, "tokens a minute"),
                (self.slots, "calls at once"),
            )
            if limit is not None
        ]
        return ", ".join(said) or "the given limiter"


class _Asked(NamedTuple):
    """An answer, and the number of the last ring before the question."""

    turn: Turn
    rings: int


class Permit:
    """A call in a lane, until it is settled or withdrawn: the first of them counts. Called from any thread."""

    __slots__ = ("_clock", "_op", "_over", "lane", "limits")

    def __init__(self, limits: Limits, lane: str, clock: Clock) -> None:
        self.limits = limits
        self.lane = lane
        self._clock = clock
        self._op = new_op()
        self._over = False

    def ask(self, need: Need) -> Pending[Turn]:
        """Ask for admission, once more if need be."""
        return self.limits.ask(self.lane, self._op, need, clock=self._clock)

    def hang(self) -> Bell:
        """A bell that rings when it may be this call's turn; use it as a context manager."""
        return self.limits.bells.hang(self.lane, self._op)

    def settle(self, tokens: int | None) -> None:
        """The call is over, and took so many tokens (None: as reckoned)."""
        if not self._over:
            self._over = True
            self.limits.settle(self.lane, self._op, tokens, clock=self._clock)
            self.limits.bells.ring(self.lane)

    def withdraw(self) -> None:
        """The call was not sent: give everything back."""
        if not self._over:
            self._over = True
            self._leave()

    def refused(self) -> None:
        """The lane did not take it: there is nothing to give back."""
        self._over = True
        self.limits.bells.ring(self.lane)

    def move(self, limits: Limits) -> None:
        """Stand in another store's lane."""
        self._leave()
        self.limits = limits

    def _leave(self) -> None:
        self.limits.withdraw(self.lane, self._op, clock=self._clock)
        self.limits.bells.ring(self.lane)


class Limiter:
    """The lanes of one policy: in its store or, while that is away, a share of the limits in this process.

    Args:
        limits: where they are kept.
        share: of the limits, for this process alone.
    """

    __slots__ = ("_alone", "_away", "_share", "limits")

    def __init__(self, limits: Limits, share: float) -> None:
        self.limits = limits
        self._alone = limits if isinstance(limits, MemoryLimits) else MemoryLimits()
        self._share = share
        self._away = False

    async def enter(self, call: Call, lane: str, terms: Terms, patience: float) -> Permit:
        """Wait for the call's turn, at most `patience` seconds.

        Raises:
            RateLimited: it would have to wait longer, or too many wait already.
        """
        permit = Permit(self.limits, lane, call.clock)
        try:
            now, rings = call.clock.now(), self.limits.bells.rings
            turn = await self._ask(call, permit, terms.need(patience, now))
            if turn.state != "admitted":
                await self._wait(call, permit, _Asked(turn, rings), terms, now + patience)
        except BaseException:
            permit.withdraw()
            raise
        return permit

    async def _wait(self, call: Call, permit: Permit, asked: _Asked, terms: Terms, until: float) -> None:
        """Wait until the call is admitted; raises RateLimited when it is not."""
        turn = asked.turn
        if turn.state == "queued":
            call.note("RateLimit", "waits", reason(turn), wait=turn.wait, ahead=turn.ahead)
            turn = await self._queue(call, permit, asked, terms, until)
        if turn.state != "admitted":
            permit.refused()
            error = refusal(call, turn, terms)
            call.note("RateLimit", "refuses", str(error), retry_after=error.retry_after, ahead=turn.ahead)
            raise error

    async def _queue(self, call: Call, permit: Permit, asked: _Asked, terms: Terms, until: float) -> Turn:
        """Ask again until the call is admitted, or is not to wait any longer."""
        turn, rings = asked
        while turn.state == "queued":
            limits = permit.limits
            with permit.hang() as bell:
                # What rang after the question and before the bell hung has not rung this one.
                heard_all = limits.bells.rings == rings
                while turn.state == "queued" and permit.limits is limits:
                    if heard_all:
                        delay = min(turn.delay, until - call.clock.now())
                        await bell.wait(max(SHORTEST, delay), call.clock)
                    heard_all, now = True, call.clock.now()
                    turn = await self._ask(call, permit, terms.need(until - now, now))
            rings = -1
        # There may be room for the next one too.
        permit.limits.bells.ring(permit.lane)
        return turn

    async def _ask(self, call: Call, permit: Permit, need: Need) -> Turn:
        if permit.limits is not self.limits:
            return await permit.ask(lowered(need, self._share))
        try:
            turn = await permit.ask(need)
        except StoreUnavailable as error:
            self._goes_away(call, error)
            permit.move(self._alone)
            return await permit.ask(lowered(need, self._share))
        if self._away:
            self._away = False
            _logger.warning("RateLimit: the store is back; limits are shared again")
        return turn

    def _goes_away(self, call: Call, error: StoreUnavailable) -> None:
        call.note("RateLimit", "goes on alone", str(error), share=self._share)
        if not self._away:
            self._away = True
            _logger.warning("%s; until it is back, this process goes by %g of the limits", error, self._share)


def lowered(need: Need, share: float) -> Need:
    """The same need under a share of its limits, which still lets one call through."""
    tokens = part_of(need.tokens_limit, share)
    if tokens is not None and tokens < need.tokens:
        tokens = need.tokens
    return need._replace(
        requests_limit=part_of(need.requests_limit, share),
        tokens_limit=tokens,
        slots_limit=part_of(need.slots_limit, share),
    )


def reason(turn: Turn) -> str:
    """How long, and for what, a call waits."""
    if turn.wait > 0:
        return f"for {turn.wait:.3g} s, behind {turn.ahead} others" if turn.ahead else f"for {turn.wait:.3g} s"
    return f"for one of the calls under way to end, behind {turn.ahead} others"


def refusal(call: Call, turn: Turn, terms: Terms) -> RateLimited:
    """The error for a call that the lane does not take."""
    retry_after = turn.wait or None
    if turn.state == "full":
        code, why = "queue_full", f"{terms.queue} calls wait for it already"
    elif retry_after is None:
        code, why = "rate_limited", f"all its {terms.slots} calls at once are under way"
    else:
        why = f"within {terms} the call would go in {turn.wait:.3g} s, and it may not wait so long"
        code = "rate_limited"
    return RateLimited(f"{call.target}: {why}", code=code, retry_after=retry_after)
