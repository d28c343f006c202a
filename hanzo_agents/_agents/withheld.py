"""Traces of runs on the embedded node stay on this machine.

The Agents SDK exports every trace to OpenAI's service when OPENAI_API_KEY is set, whoever answers. A trace in
which a model of `HanzoModelProvider.local()` was asked is withheld from that exporter, whole: what other models
are asked later quotes earlier answers. Other processors, of the user's own, get it as ever.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from agents.tracing import get_current_trace
from agents.tracing.processors import default_exporter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents.tracing import Span, Trace

__all__ = ["withhold_trace"]

MOST_TRACES = 1 << 16
"""Traces that are remembered, the latest asked ones; more than can be under way."""

_logger = logging.getLogger("hanzo_agents")
_withheld: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


def withhold_trace() -> None:
    """Keep the current trace from the SDK's exporter to OpenAI; what it has exported before is gone.

    A run that was given a key for its trace, `RunConfig(tracing={"api_key": ...})`, is exported: it was asked for.
    """
    trace = get_current_trace()
    if trace is None or trace.trace_id == "no-op" or trace.tracing_api_key:
        return
    with _lock:
        _withheld[trace.trace_id] = None
        _withheld.move_to_end(trace.trace_id)
        while len(_withheld) > MOST_TRACES:
            _withheld.popitem(last=False)
        exporter = default_exporter()
        if isinstance(exporter.export, _Sieve):
            return
        exporter.export = _Sieve(exporter.export)  # type: ignore[method-assign]
    _logger.info(
        "traces of runs on the embedded node are not exported to OpenAI; "
        'RunConfig(tracing={"api_key": ...}) exports one'
    )


class _Sieve:
    """The exporter's `export`, for what is not withheld."""

    def __init__(self, export: Callable[[list[Trace | Span[Any]]], None]) -> None:
        self._export = export

    def __call__(self, items: Sequence[Trace | Span[Any]]) -> None:
        if kept := [item for item in items if item.trace_id not in _withheld]:
            self._export(kept)
