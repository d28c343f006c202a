"""One question at the cache: found, waited for, or asked and kept."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Attempt, Cost, Usage
from hanzo_agents._kernel.reply import Settled
from hanzo_agents.stores.entries.flights import Lead, Waiter

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.policies.cache.entry import Entry
    from hanzo_agents.policies.sealed import Facts

__all__ = ["Lookup"]

_FREE = Cost(Decimal(0), "reported")
_NONE = Usage(0, 0)
_NO_ANSWER = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What reading JSON raises that is not of the expected shape."""

_logger = logging.getLogger("hanzo_agents")


class Lookup:
    """A call on its way through the cache."""

    __slots__ = ("_call", "_entry")

    def __init__(self, call: Call, entry: Entry) -> None:
        self._call = call
        self._entry = entry

    async def answer(self, send: Send) -> Reply:
        """The answer, from whoever has it first."""
        entry = self._entry
        seat = entry.shelf.entries.flights.board(entry.key)
        if isinstance(seat, Waiter):
            outcome = await seat.wait(self._call.clock)
            if isinstance(outcome, bytes) and (reply := await self._hit(outcome, shared=True)) is not None:
                return reply
            entry.lead = outcome if isinstance(outcome, Lead) else None
        else:
            entry.lead = seat
        try:
            reply = await self._found()
            if reply is not None:
                return reply
            entry.shelf.figures.count("misses")
            reply = await send(self._call)
        except BaseException as error:
            entry.failed(harmless=not isinstance(error, Exception))
            raise
        self._keep(reply)
        return reply

    async def _found(self) -> Reply | None:
        """The answer in the store, or that of another process that asks the same just now."""
        entry = self._entry
        content = await entry.content()
        if content is None or (reply := await self._hit(content)) is None:
            # Who leads nobody may be waiting for a stream of its own, which then holds the lease.
            content = None if entry.lead is None else await entry.claim()
            reply = None if content is None else await self._hit(content, shared=True)
        if reply is not None and entry.lead is not None:
            entry.lead.landed(content)
        return reply

    async def _hit(self, content: bytes, *, shared: bool = False) -> Reply | None:
        """The answer in an entry; None when it does not open."""
        call, entry = self._call, self._entry
        assert call.codec is not None
        found = entry.opened(content)
        if found is not None:
            facts, body = found
            now = call.clock.now()
            record = Attempt(
                call.attempt, str(call.target), now, model=facts.model, provider=facts.provider, accepted=now,
                ended=now, usage=_NONE, cost=_FREE, cache_hit=True, sent=False,
            )  # fmt: skip
            try:
                reply = await call.codec.reply(call, body, record)
            except _NO_ANSWER:
                pass
            else:
                self._report(record, facts, shared=shared)
                return reply
        entry.drop(content)
        return None

    def _report(self, record: Attempt, facts: Facts, *, shared: bool) -> None:
        call = self._call
        call.begin(record)
        call.journal.finish(record)
        age = max(0.0, call.clock.wall() - facts.made)
        reason = "the same was just being asked" if shared else f"answered {age:.0f} s ago by {facts.model}"
        call.note(
            "Cache", "hit", reason, saved=facts.cost.amount, basis=facts.cost.basis,
            tokens=None if facts.usage is None else facts.usage.total_tokens, age=age,
        )  # fmt: skip
        self._entry.shelf.figures.hit(facts, shared=shared)

    def _keep(self, reply: Reply) -> None:
        """Have the answer kept once it is whole."""
        call, entry = self._call, self._entry
        assert call.codec is not None
        entry.expects(reply.attempt, reply.meant)
        if reply.settled is None:
            entry.streams()
        try:
            call.codec.listen(call, reply, entry.heard, entry.moved)
        except Exception:
            # An answer that cannot be kept is an answer all the same.
            _logger.exception("an answer could not be kept")
            entry.heard("it could not be read", Settled())
