"""Several models asked at the same time, none of which may be left behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Cost
from hanzo_agents._kernel.money import added
from hanzo_agents._kernel.primed import finish_closing
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents.errors import DeadlineExceeded, InvalidResponse
from hanzo_agents.policies.ensemble.audience import audience
from hanzo_agents.policies.spend import book_lost, expected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Attempt, Basis
    from hanzo_agents.policies.ensemble.audience import Audience

__all__ = ["Leg", "ask", "ask_all"]


@dataclass(slots=True, eq=False)
class Leg:
    """One model that is asked, and what came of it.

    Attributes:
        role: "answer" (a candidate), "review", "verdict" or "final".
        record: the attempts it took.
        reply: its answer as one value; of a "final" one, the reply of the call.
        text: what it said.
        left: it was cancelled before it had answered.
    """

    call: Call = field(repr=False)
    role: str
    record: list[Attempt] = field(default_factory=list["Attempt"], repr=False)
    started: float = 0.0
    ended: float | None = None
    reply: Reply | None = field(default=None, repr=False)
    text: str = field(default="", repr=False)
    error: Exception | None = None
    left: bool = False

    @property
    def name(self) -> str:
        """The target that was asked."""
        return str(self.call.target)

    @property
    def cost(self) -> Cost:
        """US dollars of all its attempts; unknown as soon as one that was sent is."""
        costs = [attempt.cost for attempt in self.record if attempt.sent]
        if any(cost.amount is None for cost in costs):
            return Cost()
        basis: Basis = "estimated" if any(cost.basis == "estimated" for cost in costs) else "reported"
        return Cost(added(cost.amount for cost in costs if cost.amount is not None), basis)


async def ask_all(
    legs: Sequence[Leg], send: Send, *, until: float | None, enough: Callable[[], bool] = lambda: False
) -> None:
    """Ask all of them at once; what comes of each is written into it.

    When this returns or raises, none of them is under way: who has not answered has been cancelled, has cleaned
    up, and is billed. Who cancels this a second time does not wait for that.

    Args:
        legs: to be asked.
        send: each of them passes through it.
        until: monotonic time at which those who have not answered have failed.
        enough: asked after each answer; True leaves the rest.
    """
    tasks = [asyncio.create_task(ask(leg, send, until=until)) for leg in legs]
    waiting = set(tasks)
    try:
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if waiting and enough():
                break
    finally:
        for task in waiting:
            task.cancel()
        if waiting:
            await finish_closing(_ended(waiting))
    for leg, task in zip(legs, tasks, strict=True):
        if task.cancelled():
            leg.left = True
        else:
            task.result()


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def ask(leg: Leg, send: Send, *, until: float | None) -> None:
    """Ask one of them for its whole answer."""
    hearer, clock = audience.get(), leg.call.clock
    leg.started = clock.now()
    hearer.begins(leg)
    try:
        async with clock.timeout_at(until):
            await _answered(leg, send, until, hearer)
    except Exception as error:  # noqa: BLE001 - kept: it is this leg's, and not the call's
        late = isinstance(error, TimeoutError) and until is not None and clock.now() >= until
        if late and not isinstance(error, DeadlineExceeded):
            error = DeadlineExceeded(f"no answer from {leg.name} in its time", code="deadline")
        leg.error = error.with_traceback(None)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            leg.left = True
            raise
        leg.error = InvalidResponse(f"{leg.name} cancelled its own call", code="cancelled")
    finally:
        leg.ended = clock.now()
        if leg.reply is None:
            book_lost(leg.call, leg.record, expected(leg.call, None))
        hearer.ends(leg)


async def _answered(leg: Leg, send: Send, until: float | None, hearer: Audience) -> None:
    call, voice = leg.call.recorded_in(leg.record), leg.call.voice
    assert voice is not None
    if until is not None:
        call = call.within(until)
    if not hearer.listens:
        call = voice.whole(call)
    reply = await send(call)
    if hearer.listens:
        try:
            value = await voice.gathered(call, reply, lambda text: hearer.says(leg, text))
        finally:
            await finish_closing(_closed(reply))
        reply = Reply(value, reply.attempt, raw=reply.raw, end=Settlement(reply.settled or Settled()))
    leg.text = voice.text(reply.value).strip()
    if not leg.text:
        raise InvalidResponse(f"{leg.name} said nothing", code="empty_reply")
    leg.reply = reply


async def _closed(reply: Reply) -> None:
    close: Any = getattr(reply.value, "close", None) or getattr(reply.value, "aclose", None)
    if close is not None:
        with suppress(Exception):
            await close()
