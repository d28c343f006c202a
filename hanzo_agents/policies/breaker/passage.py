"""One call's way through a breaker: asked at the door, let through right before the send, told of at the end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hanzo_agents.errors import CircuitOpen, DeadlineExceeded
from hanzo_agents.policies.breaker.fault import asked_rest
from hanzo_agents.policies.left import left_silent
from hanzo_agents.stores.operations import new_op
from hanzo_agents.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hanzo_agents._kernel.call import Call, Predicate
    from hanzo_agents._kernel.reply import Settled
    from hanzo_agents.policies.breaker.board import Board
    from hanzo_agents.stores.circuits import Admission, Change, Circuits, CircuitView, Verdict

__all__ = ["Passage", "refusal"]

EARLY = 0.1
"""Seconds before its deadline from which a cancelled call counts as timed out: whoever set it looks at a clock of
their own, and began to count a little earlier."""

_logger = logging.getLogger("hanzo_agents")


class Passage:
    """A call that wants to pass, and the ticket it gets.

    Args:
        board: the circuits.
        call: the call.
        on: which errors count against its target.
        most_rest: seconds of rest, at most, that a target is given when it asks for more than its breaker gives.
    """

    __slots__ = ("_board", "_by", "_call", "_circuits", "_epoch", "_key", "_most_rest", "_on", "_over", "_probe")

    def __init__(self, board: Board, call: Call, on: Predicate, most_rest: float) -> None:
        self._board = board
        self._call = call
        self._on = on
        self._most_rest = most_rest
        self._key = board.key(call)
        self._by = new_op()  # processes share circuits
        self._circuits: Circuits | None = None
        self._epoch = 0
        self._probe = False
        self._over = False

    def at_the_door(self) -> Awaitable[None] | None:
        """Refuse at once what would be refused after it has waited; what cannot be told at once is awaited.

        Raises:
            CircuitOpen: there is no passing now.
        """
        board, call = self._board, self._call
        view = board.own.look(self._key, board.rules, clock=call.clock).value
        if view.state == "closed":
            return None
        if board.shared is not None:
            return self._look()
        self._check(view)
        return None

    def check(self, _: Call) -> Awaitable[None] | None:
        """Let the call through or refuse it: the guard that runs right before the send.

        Raises:
            CircuitOpen: there is no passing now.
        """
        board = self._board
        if board.shared is not None:
            return self._ask(board.shared)
        self._enter(board.own, board.own.admit(self._key, self._by, board.rules, clock=self._call.clock).value)
        return None

    def failed(self, error: BaseException) -> None:
        """The call was not accepted."""
        if isinstance(error, asyncio.CancelledError):
            if self._timed_out():
                error = TimeoutError("no answer within the deadline")
            elif left_silent(self._call, self._key):
                error = TimeoutError("no answer, time after time, before another target has one")
        if not isinstance(error, Exception):
            self._end("neutral")
            return
        self._end("failure" if self._counts(error) else "neutral", self._rest(error))

    def settled(self, settled: Settled) -> None:
        """The call's reply has ended; a reader that left early had been given an answer."""
        error = settled.error
        if error is None:
            self._end("success")
        elif isinstance(error, DeadlineExceeded):
            # What stalls after it was accepted is no refusal of ours.
            self.failed(TimeoutError(str(error)))
        else:
            self.failed(error)

    async def _look(self) -> None:
        board, call = self._board, self._call
        assert board.shared is not None
        try:
            view = await board.shared.look(self._key, board.rules, clock=call.clock)
        except StoreUnavailable as error:
            self._alone(error)
            view = board.own.look(self._key, board.rules, clock=call.clock).value
        else:
            board.see(self._key, view, call.clock)
        self._check(view)

    async def _ask(self, shared: Circuits) -> None:
        board, call = self._board, self._call
        circuits = shared
        pending = shared.admit(self._key, self._by, board.rules, clock=call.clock)
        try:
            admission = await pending
        except StoreUnavailable as error:
            self._alone(error)
            circuits = board.own
            admission = board.own.admit(self._key, self._by, board.rules, clock=call.clock).value
        except BaseException:
            # The store may yet let us through, and nobody would give the lease back.
            pending.tell(self._let_through_too_late, board.lost)
            raise
        else:
            board.see(self._key, admission.view, call.clock)
        self._enter(circuits, admission)

    def _alone(self, error: StoreUnavailable) -> None:
        self._board.lost(error)
        self._call.note("Breaker", "goes on alone", str(error))

    def _check(self, view: CircuitView) -> None:
        if not view.admits or (self._call.extra and view.state != "closed"):
            self._refuse(view)

    def _enter(self, circuits: Circuits, admission: Admission) -> None:
        call = self._call
        if admission.change is not None:
            self._board.tell(admission.change, str(call.target), call)
        if not admission.admitted:
            self._refuse(admission.view)
        self._circuits, self._epoch, self._probe = circuits, admission.epoch, admission.probe
        if not admission.probe:
            return
        if call.extra:
            # A leg that is likely to be cancelled finds nothing out.
            self._end("neutral")
            self._refuse(admission.view)
        call.note("Breaker", "probes", admission.view.reason, target=str(call.target))

    def _refuse(self, view: CircuitView) -> None:
        error = refusal(str(self._call.target), view)
        self._call.note("Breaker", "refuses", str(error), state=view.state, retry_after=error.retry_after)
        raise error

    def _let_through_too_late(self, admission: Admission) -> None:
        self._board.tell(admission.change, str(self._call.target), self._call)
        if admission.probe and self._board.shared is not None:
            self._circuits, self._epoch, self._probe, self._over = self._board.shared, admission.epoch, True, False
            self._end("neutral")

    def _timed_out(self) -> bool:
        remaining = self._call.remaining()
        return remaining is not None and remaining <= EARLY

    def _counts(self, error: Exception) -> bool:
        try:
            return bool(self._on(error))
        except Exception:
            _logger.exception("Breaker.on failed")
            return False

    def _rest(self, error: Exception) -> float:
        asked = asked_rest(error, now=self._call.clock.wall()) if self._most_rest else 0.0
        return min(asked, self._most_rest) if asked > self._board.rules.rest else 0.0

    def _end(self, verdict: Verdict, rest: float = 0.0) -> None:
        circuits = self._circuits
        if self._over or circuits is None:
            return
        self._over = True
        if verdict == "neutral" and not rest and not self._probe:
            return
        board, clock = self._board, self._call.clock
        pending = circuits.record(self._key, self._by, self._epoch, verdict, board.rules, clock=clock, rest=rest)
        if circuits is board.shared:
            pending.tell(self._recorded, lambda error: self._not_recorded(error, verdict, rest))
        else:
            pending.tell(self._recorded, board.lost)

    def _recorded(self, change: Change | None) -> None:
        self._board.tell(change, str(self._call.target), self._call)

    def _not_recorded(self, error: BaseException, verdict: Verdict, rest: float) -> None:
        """The store went away meanwhile: the verdict is for our own circuit, unless that asks about probes.

        A success is not: it may be told after failures that came later, and would make them forgotten.
        """
        board, clock = self._board, self._call.clock
        board.lost(error)
        if verdict == "success":
            return
        view = board.own.look(self._key, board.rules, clock=clock).value
        if view.state == "closed":
            board.own.record(self._key, self._by, view.epoch, verdict, board.rules, clock=clock, rest=rest).tell(
                self._recorded, board.lost
            )


def refusal(target: str, view: CircuitView) -> CircuitOpen:
    """The error for a circuit that lets nobody through now."""
    if view.held:
        until = "until it is closed by hand"
    elif view.state == "half_open":
        until = "while it is being probed"
    else:
        until = f"for another {view.retry_after or 0.0:.3g} s"
    reason = f"{view.reason}; " if view.reason else ""
    return CircuitOpen(
        f"the circuit of {target} is open: {reason}refused {until}",
        code="circuit_open", retry_after=view.retry_after,
    )  # fmt: skip
