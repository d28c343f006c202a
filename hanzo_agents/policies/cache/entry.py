"""One entry of a cache, as one call uses it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Cost, Decision
from hanzo_agents.policies.sealed import Facts, opened, sealed
from hanzo_agents.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.codec import Kept
    from hanzo_agents._kernel.journal import Attempt, Usage
    from hanzo_agents._kernel.reply import Settled
    from hanzo_agents.policies.cache.shelf import Shelf
    from hanzo_agents.stores.entries.flights import Lead

__all__ = ["Entry"]

LONGEST_WAIT = 60.0
"""Seconds for which another process that asks is waited for, though it lives; then the question is asked again."""

SHORTEST_POLL, LONGEST_POLL = 0.02, 0.5
"""Seconds between two looks whether another process has answered."""


class Entry:
    """A key in the store: what is found under it, and who puts an answer there.

    Holds neither the call nor its reply: the reply's stream holds this to its end, and must be free to go when
    nobody reads it any more.

    Attributes:
        shelf: where it lies.
        key: its key.
        lead: the right to ask, None where nobody else waits for the answer.
    """

    __slots__ = (
        "_attempt", "_away", "_clock", "_fence", "_journal", "_meant", "_owner", "_prices", "_prolonged",
        "_secret", "_target", "key", "lead", "shelf",
    )  # fmt: skip

    def __init__(self, shelf: Shelf, key: bytes, secret: bytes, call: Call) -> None:
        self.lead: Lead | None = None
        self.shelf = shelf
        self.key = key
        self._secret = secret
        self._clock = call.clock
        self._journal = call.journal
        self._prices = call.prices
        self._target = call.target
        self._meant = str(call.target)
        self._away = False
        self._attempt: Attempt | None = None
        self._owner: str | None = None
        self._fence: int | None = None
        self._prolonged = 0.0

    async def content(self) -> bytes | None:
        """What the store has; None also when it does not answer."""
        try:
            content = await self.shelf.entries.get(self.key, clock=self._clock)
        except StoreUnavailable as error:
            self._away = True
            self.shelf.away(error)
            self._note("goes on without", f"its store is away: {error}")
            return None
        if self.shelf.entries.shared:
            self.shelf.back()
        return content

    async def claim(self) -> bytes | None:
        """The right to ask, or the answer of another process that had it.

        Waits until that has answered, has given up, or has taken too long. None: ask.
        """
        shelf, key, clock = self.shelf, self.key, self._clock
        if not shelf.entries.shared or not self._writes():
            return None
        self._owner = owner = uuid.uuid4().hex
        if self.lead is not None:
            self.lead.owes(lambda: shelf.release(key, owner, clock))
        until, pause = clock.now() + LONGEST_WAIT, SHORTEST_POLL
        while True:
            try:
                claim = await shelf.claim(key, owner, clock)
            except StoreUnavailable as error:
                shelf.not_written(error, clock)
                return None
            self._fence = claim.fence
            if claim.fence is not None:
                shelf.leases.hold(key.hex(), owner, clock)
            if claim.content is not None or claim.fence is not None or clock.now() >= until:
                return claim.content
            await clock.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL)

    def opened(self, content: bytes) -> tuple[Facts, bytes] | None:
        """The facts and the answer in it; None when it does not open."""
        return opened(self.key, self._secret, content)

    def drop(self, content: bytes) -> None:
        """Remove what does not open."""
        self.shelf.figures.count("dropped")
        self._note("drops an entry", "it does not open: damaged, or of another version")
        self.shelf.entries.remove(self.key, content=content, clock=self._clock).tell(_nothing, _nothing)

    def failed(self, *, harmless: bool) -> None:
        """There is no answer: somebody else may ask."""
        self._release()
        if self.lead is not None:
            self.lead.failed(harmless=harmless)

    def expects(self, attempt: Attempt | None, meant: str | None) -> None:
        """The answer that is to be kept has begun; `meant`: whose it is to be, where not the call's target's."""
        self._attempt = attempt
        self._meant = meant or self._meant

    def heard(self, kept: Kept | str | None, settled: Settled) -> None:
        """The answer is over: keep it, if it is one to keep."""
        if kept is None:
            self.failed(harmless=settled.error is None)
            return
        why = kept if isinstance(kept, str) else self._objection(kept)
        if why is None:
            assert not isinstance(kept, str)
            content = sealed(self.key, self._secret, self._facts(settled), kept.body)
            why = self._put(content)
            if why is None:
                if self.lead is not None:
                    self.lead.landed(content)
                return
        self._note("keeps nothing", why)
        self._release()
        if self.lead is not None:
            self.lead.landed(None)

    def streams(self) -> None:
        """The answer has begun, and comes as fast as somebody reads it: from now on, that keeps its lease."""
        if self.lead is not None:
            self.lead.streams()
        self._let_go()
        self._prolonged = self._clock.now()

    def moved(self) -> None:
        """Another part of the answer has come."""
        if self.lead is None:
            return
        self.lead.moved()
        if self._owner is not None and (now := self._clock.now()) - self._prolonged >= self.shelf.prolong_every:
            self._prolonged = now
            self.shelf.prolong(self.key, self._owner, self._clock)

    def _objection(self, kept: Kept) -> str | None:
        if kept.calls_tools and not self.shelf.tool_calls:
            return "it calls tools"
        if self._attempt is not None and self._attempt.cache_hit and not self._attempt.sent:
            return "another cache had it"  # whose time it would outlive
        if self.shelf.substitutes:
            return None
        if kept.substitute:
            return "the router had another model answer"
        if self._attempt is not None and self._attempt.target != self._meant:
            return f"{self._attempt.target} answered for {self._meant}"
        return None

    def _facts(self, settled: Settled) -> Facts:
        attempt = self._attempt
        return Facts(
            attempt.model if attempt is not None else None,
            attempt.provider if attempt is not None else None,
            self._clock.wall(),
            settled.usage,
            self._cost(settled.cost, settled.usage),
        )

    def _cost(self, cost: Cost, usage: Usage | None) -> Cost:
        """What the answer cost: as it was told, or at the price that is known."""
        if cost.amount is not None or usage is None:
            return cost
        pricing = self._prices.known(self._target)
        return cost if pricing is None else Cost(pricing.cost(usage), "estimated")

    def _put(self, content: bytes) -> str | None:
        """Put it into the store; why not, when it is not tried."""
        shelf, clock = self.shelf, self._clock
        self._let_go()
        if len(content) > min(shelf.entries.largest, shelf.bounds.size):
            return f"it is too large ({len(content)} bytes)"
        if not self._writes():
            return None
        putting = shelf.entries.put(
            self.key, content, ttl=shelf.ttl, bounds=shelf.bounds, fence=self._fence, clock=clock
        )
        putting.tell(self._was_put, self._was_not_put)
        return None

    def _writes(self) -> bool:
        return not self._away and self.shelf.writes(self._clock)

    def _was_put(self, kept: bool) -> None:
        self.shelf.written()
        self.shelf.figures.count("kept", int(kept))

    def _was_not_put(self, error: BaseException) -> None:
        self.shelf.not_written(error, self._clock)

    def _release(self) -> None:
        self._let_go()
        if self._owner is not None and self._writes():
            # Also a claim that was cancelled, and does not know whether it has been granted.
            self.shelf.release(self.key, self._owner, self._clock)

    def _let_go(self) -> None:
        """Have the lease end by itself, should the store not hear that it is over."""
        if self._owner is not None:
            self.shelf.leases.drop(self._owner)

    def _note(self, action: str, reason: str) -> None:
        self._journal.note(Decision("Cache", action, reason))


def _nothing(_: Any) -> None:
    """Nobody waits for it: a lease ends by itself, and an entry that stays is found again."""
