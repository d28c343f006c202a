"""Our observers' view, told to the Agents SDK's tracing: a child span per attempt and per decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.tracing import custom_span, get_current_trace

if TYPE_CHECKING:
    from agents.tracing import CustomSpanData, Span

    from hanzo_agents._kernel.journal import Attempt, Decision, Journal

__all__ = ["AgentsTracer"]


class AgentsTracer:
    """Opens spans under whatever span is current when the attempt starts (the SDK's generation span).

    Spans are never made current: an attempt's span lives as long as its stream, across the reader's pulls.
    """

    def __init__(self) -> None:
        self._open: dict[int, Span[CustomSpanData]] = {}

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        """Open the attempt's span."""
        if get_current_trace() is None:
            return
        span = custom_span("hanzo.attempt", {"target": attempt.target, "attempt": attempt.number})
        span.start()
        self._open[id(attempt)] = span

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        """Close it, with what the attempt came to."""
        span = self._open.pop(id(attempt), None)
        if span is None:
            return
        span.span_data.data.update(_facts(attempt))
        if attempt.error is not None:
            # The type only: an error's text may quote the prompt.
            span.set_error({"message": type(attempt.error).__name__, "data": None})
        span.finish()

    def decided(self, journal: Journal, decision: Decision) -> None:
        """One closed span for a decision."""
        if get_current_trace() is None:
            return
        data = {"action": decision.action, "reason": decision.reason, **decision.data}
        span = custom_span(f"hanzo.{decision.policy.lower()}", data)
        span.start()
        span.finish()

    def call_ended(self, journal: Journal) -> None:
        """Close what a caller that vanished left open."""
        for attempt in journal.attempts:
            self.attempt_ended(journal, attempt)


def _facts(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    facts: dict[str, Any] = {
        "model": attempt.model,
        "status": attempt.status_code,
        "request_id": attempt.request_id,
        "ttft": attempt.ttft,
        "cache_hit": attempt.cache_hit or None,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "usage_basis": usage.basis if usage else None,
        "cost": str(attempt.cost.amount) if attempt.cost.amount is not None else None,
        "cost_basis": attempt.cost.basis,
    }
    return {name: value for name, value in facts.items() if value is not None}
