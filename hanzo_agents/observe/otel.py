"""Spans and histograms for OpenTelemetry. The only module that imports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from hanzo_agents._version import __version__
from hanzo_agents.errors import ConfigError
from hanzo_agents.observe import outcomes, semantics
from hanzo_agents.observe.names import Names

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from hanzo_agents._kernel.journal import Attempt, Decision, Journal
    from hanzo_agents.observe.semantics import Attributes

__all__ = ["OpenTelemetry"]

_SCOPE = "hanzo_agents"
_MOST_MODELS = 100
"""Distinct names of models in the histograms; more are "other", as upstreams choose them. Spans have them all."""

_FEW = frozenset({"gen_ai.operation.name", "gen_ai.provider.name", "server.address", "server.port"})
_FAILED = frozenset({"error", "broken", "refused"})


@dataclass(slots=True)
class _Open:
    """The spans of a call that is under way."""

    call: Span | None = None
    attempts: dict[int, tuple[Span, Attributes]] = field(default_factory=dict["int", "tuple[Span, Attributes]"])


class OpenTelemetry:
    """Tells OpenTelemetry of calls, with the attributes of its conventions for generative AI (`gen_ai.*`).

    A span `hanzo.call` for each call, beneath the span that is current when it begins; beneath it a client span
    for each request, "chat gpt-4o", with models, tokens, cost and the class of an error; decisions are events of
    the call's span. Tokens stand on requests only, so that sums over spans are right. The histograms
    `gen_ai.client.operation.duration` and `gen_ai.client.token.usage` count requests.

    An observer: `watch(OpenTelemetry())`, or `Trace(to=[OpenTelemetry()])` for one provider or client. Works with
    and without the Agents SDK. Prompts, answers and keys are not told.

    Args:
        tracer_provider, meter_provider: the global ones by default.

    Raises:
        ConfigError: the extra `otel` is not installed.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise ConfigError(
                "OpenTelemetry: the extra `otel` is not installed; pip install 'hanzo-agents-provider[otel]'"
            ) from error
        self._api: Any = trace
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._durations = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "Seconds a request took, its stream included."
        )
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens of a request.")
        self._models = Names(_MOST_MODELS)
        self._open: WeakKeyDictionary[Journal, _Open] = WeakKeyDictionary()

    def call_started(self, journal: Journal) -> None:
        """Open the call's span."""
        attributes = semantics.call_at_start(journal)
        self._open[journal] = _Open(self._tracer.start_span("hanzo.call", attributes=attributes))

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        """Open the request's span beneath it."""
        if not outcomes.is_request(attempt):
            return
        spans = self._open.get(journal)
        if spans is None:
            spans = self._open[journal] = _Open()
        attributes = semantics.at_start(journal, attempt)
        span = self._tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}",
            context=None if spans.call is None else self._api.set_span_in_context(spans.call),
            kind=self._api.SpanKind.CLIENT,
            attributes=attributes,
        )
        spans.attempts[id(attempt)] = (span, attributes)

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        """Close it, with what the request came to."""
        spans = self._open.get(journal)
        opened = None if spans is None else spans.attempts.pop(id(attempt), None)
        if opened is None:
            return
        span, attributes = opened
        known = semantics.at_end(attempt)
        self._end(span, known)
        self._record(attributes | known, attempt)

    def decided(self, journal: Journal, decision: Decision) -> None:
        """An event of the call's span."""
        spans = self._open.get(journal)
        if spans is not None and spans.call is not None:
            spans.call.add_event("hanzo.decision", semantics.decided(decision))

    def call_ended(self, journal: Journal) -> None:
        """Close the call's span, and those of requests that a caller who vanished left open."""
        spans = self._open.get(journal)
        if spans is None:
            return
        for attempt in journal.attempts:
            self.attempt_ended(journal, attempt)
        call, spans.call = spans.call, None
        if call is not None:
            self._end(call, semantics.call_at_end(journal))

    def _end(self, span: Span, attributes: Attributes) -> None:
        span.set_attributes(attributes)
        if attributes["hanzo.outcome"] in _FAILED:
            span.set_status(self._api.StatusCode.ERROR)
        span.end()

    def _record(self, attributes: Attributes, attempt: Attempt) -> None:
        """The histograms, with attributes of which there are few."""
        few = {name: value for name, value in attributes.items() if name in _FEW}
        for name in ("gen_ai.request.model", "gen_ai.response.model"):
            if name in attributes:
                few[name] = self._models.of(str(attributes[name]))
        usage = attempt.usage
        if usage is not None and not attempt.cache_hit:
            self._tokens.record(usage.input_tokens, {**few, "gen_ai.token.type": "input"})
            self._tokens.record(usage.output_tokens, {**few, "gen_ai.token.type": "output"})
        if attempt.ended is not None:
            if "error.type" in attributes:
                few["error.type"] = attributes["error.type"]
            self._durations.record(attempt.ended - attempt.started, few)
