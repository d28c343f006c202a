"""The reply of an accepted call, and what hangs on its end.

`await send(call)` returns a Reply once the call is *accepted*: a whole value, or a stream with its first useful
event in hand. What outlives acceptance (permits, reservations, verdicts, spans) hangs on `on_settled`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Cost

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.journal import Attempt, Usage

__all__ = ["Reply", "Settled", "Settlement"]

_logger = logging.getLogger("hanzo_agents")


@dataclass(frozen=True, slots=True)
class Settled:
    """How a reply ended.

    Attributes:
        error: what broke it, None when it ended well or the reader simply left.
        complete: the answer arrived whole. False after an error and after an early close.
    """

    usage: Usage | None = None
    cost: Cost = field(default_factory=Cost)
    error: BaseException | None = None
    complete: bool = True


class Settlement:
    """The end of a reply, and who wants to hear of it.

    Apart from the reply, so that a stream can settle itself without holding what holds it: a stream that nobody
    reads any more is then settled at once, and not when the garbage collector comes by.
    """

    __slots__ = ("_hooks", "settled")

    def __init__(self, settled: Settled | None = None) -> None:
        self.settled = settled
        self._hooks: list[Callable[[Settled], None]] = []

    def on_settled(self, hook: Callable[[Settled], None], *, last: bool = False) -> None:
        """Call `hook(settled)` exactly once, at the end; at once if it is over."""
        if self.settled is not None:
            _run(hook, self.settled)
        elif last:
            self._hooks.insert(0, hook)
        else:
            self._hooks.append(hook)

    def settle(self, settled: Settled) -> None:
        """End the reply. Only the first call counts."""
        if self.settled is not None:
            return
        self.settled = settled
        while self._hooks:
            _run(self._hooks.pop(), settled)


class Reply:
    """An accepted answer: `value` is the parsed object, or the stream that yields its events.

    A value is settled when it is made; a stream settles once: at its end, at an early close, at cancellation,
    at a failure in its middle, or when the last reference to it is dropped.

    Args:
        value: the parsed object or the stream.
        attempt: the record of the attempt that brought it.
        raw: what the transport delivered it in (an HTTP response), None where there was no transport.
        end: its settlement; by default it is settled already, with nothing to account for.
        bound: of a stream: `bound(until, idle)` limits what follows acceptance (see `Deadline`).
        tap: of a stream: `tap(hear)` has each event shown to `hear` as it comes (see `Tap`).
        meant: the target that was to answer, where a policy chose another than the call's own; None: that one.
    """

    __slots__ = ("_end", "attempt", "bound", "meant", "raw", "tap", "value")

    def __init__(
        self,
        value: Any,
        attempt: Attempt | None = None,
        *,
        raw: Any = None,
        end: Settlement | None = None,
        bound: Callable[[float | None, float | None], None] | None = None,
        tap: Callable[[Callable[[Any], None]], None] | None = None,
        meant: str | None = None,
    ) -> None:
        self.value = value
        self.attempt = attempt
        self.raw = raw
        self.bound = bound
        self.tap = tap
        self.meant = meant
        self._end = Settlement(Settled()) if end is None else end

    @property
    def settled(self) -> Settled | None:
        """How it ended, None while it is under way."""
        return self._end.settled

    def on_settled(self, hook: Callable[[Settled], None], *, last: bool = False) -> None:
        """Call `hook(settled)` exactly once, when the reply has ended; at once if it already has.

        Hooks are synchronous, run last-in first-out, and what they raise is logged and dropped: an account
        must not turn a good answer into an error. A `last` one runs after all that were there before it.
        """
        self._end.on_settled(hook, last=last)


def _run(hook: Callable[[Settled], None], settled: Settled) -> None:
    try:
        hook(settled)
    except Exception:
        _logger.exception("a settlement hook failed")
