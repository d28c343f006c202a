"""Our observers' view, told to the Agents SDK's tracing: a child span per attempt and per decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.tracing import custom_span, get_current_trace

from hanzo_agents.observe import semantics

if TYPE_CHECKING:
    from agents.tracing import CustomSpanData, Span

    from hanzo_agents._kernel.journal import Attempt, Decision, Journal

__all__ = ["AgentsTracer"]


class AgentsTracer:
    """Opens spans under whatever span is current when the attempt starts (the SDK's generation span).

    Their data goes by the names of OpenTelemetry's conventions. Spans are never made current: an attempt's span
    lives as long as its stream, across the reader's pulls.
    """

    def __init__(self) -> None:
        self._open: dict[int, Span[CustomSpanData]] = {}

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        """Open the attempt's span."""
        if get_current_trace() is None:
            return
        span = custom_span("hanzo.attempt", dict(semantics.at_start(journal, attempt)))
        span.start()
        self._open[id(attempt)] = span

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        """Close it, with what the attempt came to."""
        span = self._open.pop(id(attempt), None)
        if span is None:
            return
        span.span_data.data.update(semantics.at_end(attempt))
        if attempt.error is not None:
            # The type only: an error's text may quote the prompt.
            span.set_error({"message": type(attempt.error).__name__, "data": None})
        span.finish()

    def decided(self, journal: Journal, decision: Decision) -> None:
        """One closed span for a decision."""
        if get_current_trace() is None:
            return
        data = {
            "action": decision.action,
            "reason": decision.reason,
            **decision.data,
            **semantics.data_of(decision),
        }
        span = custom_span(f"hanzo.{decision.policy.lower()}", data)
        span.start()
        span.finish()

    def call_ended(self, journal: Journal) -> None:
        """Close what a caller that vanished left open."""
        for attempt in journal.attempts:
            self.attempt_ended(journal, attempt)
