"""Two legs of one call, of which the first to be accepted answers it. Nothing is left running behind them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.primed import finish_closing
from hanzo_agents.policies.left import Leg

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.clock import Alarm
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Race"]

_logger = logging.getLogger("hanzo_agents")


class Race:
    """Sends a call, and a second leg beside it when it is not accepted in time.

    The first leg runs in the caller's own task: as long as it is in time, a race costs an alarm and no task. When
    the second is accepted before it, the first is cancelled where it stands, as `asyncio.timeout` does it.

    Args:
        delay: seconds from the first leg's sending to the second's. Waiting for our own limits does not count.
        second: asked when the time has come; a leg to run, or None to go on alone.
        silent: asked when the first is about to be left: the key of its target, if that is to count against it.
    """

    __slots__ = ("_alarm", "_call", "_delay", "_leg", "_open", "_scope", "_second", "_send", "_silent", "record")

    def __init__(
        self,
        call: Call,
        send: Send,
        delay: float,
        second: Callable[[], Coroutine[Any, Any, Reply] | None],
        silent: Callable[[], str | None],
    ) -> None:
        self.record = Leg()
        self._call = call.recorded_in(self.record)
        self._send = send
        self._delay = delay
        self._second = second
        self._silent = silent
        self._leg: asyncio.Task[Reply] | None = None
        self._open = True
        self._alarm: Alarm = call.clock.call_at(call.clock.now() + delay, self._ring)
        self._scope = asyncio.timeout(None)

    async def run(self) -> tuple[Reply, bool]:
        """The reply that was accepted first, and whether it is the second leg's.

        When both fail, the first one's error is raised, the other noted on it. When this returns or raises, the
        other leg has ended and cleaned up; who is cancelled again while it does so no longer waits for that.
        """
        try:
            async with self._scope:
                reply = await self._send(self._call)
        except Exception as error:
            self._close()
            if self._leg is None:
                raise
            answer = await self._answer_of(self._leg)
            if isinstance(answer, BaseException):
                error.add_note(f"the hedge failed too: {type(answer).__name__}: {answer}")
                raise
            return answer, True
        except BaseException:
            self._close()
            if self._leg is not None:
                await _abandon(self._leg)
            raise
        self._close()
        if self._leg is not None:
            try:
                await _abandon(self._leg)
            except BaseException:
                await finish_closing(_leave(reply))
                raise
        return reply, False

    def _close(self) -> None:
        self._open = False
        self._alarm.cancel()

    def _ring(self) -> None:
        if not self._open:
            return
        clock = self._call.clock
        now = clock.now()
        due = (self.record[0].started if self.record else now) + self._delay
        if due > now:
            # Not sent yet, or only after a wait for our own limits: the upstream has its full time.
            self._alarm = clock.call_at(due, self._ring)
            return
        try:
            leg = self._second()
        except Exception:
            _logger.exception("a hedge could not be sent")
            return
        if leg is not None:
            self._leg = asyncio.get_running_loop().create_task(leg)
            self._leg.add_done_callback(self._second_ended)

    def _second_ended(self, leg: asyncio.Task[Reply]) -> None:
        if not leg.cancelled() and leg.exception() is None and self._open:
            # The scope expires: the first leg has lost.
            self._scope.reschedule(asyncio.get_running_loop().time())
            self.record.silent = self._silent()

    async def _answer_of(self, leg: asyncio.Task[Reply]) -> Reply | BaseException:
        """What becomes of the second leg, now that the first has lost or failed."""
        try:
            await asyncio.wait({leg})
        except BaseException:
            await _abandon(leg)
            raise
        if leg.cancelled():
            return asyncio.CancelledError()
        return leg.exception() or leg.result()


async def _abandon(leg: asyncio.Task[Reply]) -> None:
    """Cancel a leg and wait until it has cleaned up, even if we are cancelled meanwhile."""
    leg.cancel()
    await finish_closing(_ended(leg))


async def _ended(leg: asyncio.Task[Reply]) -> None:
    await asyncio.wait({leg})
    if not leg.cancelled() and leg.exception() is None:
        # Accepted at the same moment.
        await _leave(leg.result())


async def _leave(reply: Reply) -> None:
    """Close what nobody will read. That it cannot be closed takes no answer away."""
    if reply.settled is not None:
        return
    close = getattr(reply.value, "close", None) or getattr(reply.value, "aclose", None)
    if close is not None:
        with suppress(Exception):
            await close()
