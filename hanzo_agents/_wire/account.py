"""The account of one streamed answer, settled once: before its reader, who may not come back, has its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.outcome import Outcome
from hanzo_agents._kernel.reply import Settled, Settlement
from hanzo_agents._wire.costs import estimate
from hanzo_agents._wire.facts import estimated_usage, filled, note_usage, usage_of
from hanzo_agents._wire.replies import note_outcome

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._wire.dialects.dialect import EventCheck

__all__ = ["StreamAccount"]


class StreamAccount:
    """What a stream took, written into its attempt.

    Args:
        call: the call that it answers.
        record: its attempt.
        check: what follows its events.
        group: the model that a router says has answered.
    """

    def __init__(self, call: Call, record: Attempt, check: EventCheck, group: str | None) -> None:
        self.end = Settlement()
        self._call = call
        self._record = record
        self._check = check
        self._group = group
        self._outcome = Outcome(call.journal, record, lambda: check.tool_calls)

    def accept(self) -> None:
        """The stream is accepted, perhaps with all of its answer at once."""
        self._record.accepted = self._call.clock.now()
        if self._check.accounted:
            self.finished(None, complete=True)

    def accounted(self, events: list[Any]) -> None:
        """The answer is whole, its tokens are known, and these are its last events."""
        for event in events[-1:]:
            note_outcome(event, self._outcome)
        if self._record.accepted is not None:
            self.finished(None, complete=True)

    def finished(self, error: BaseException | None, complete: bool) -> None:
        """The stream is over. Only the first call counts."""
        if self.end.settled is not None:
            return
        record, check = self._record, self._check
        usage = check.usage or usage_of(check.raw_usage)
        if record.accepted is not None:
            usage = filled(usage, lambda: estimated_usage(self._call.view.text, check.output_text))
        if usage is not None:
            note_usage(record, usage, check.raw_usage)
            estimate(self._call, record, group=self._group)
        record.ended, record.error = self._call.clock.now(), error
        if record.accepted is not None:
            self._call.journal.finish(record)
            whole = complete or (error is None and check.complete)
            self.end.settle(Settled(usage, record.cost, error, whole))
