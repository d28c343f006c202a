"""Spans of the Agents SDK's tracing, kept where a test can look at them."""

from contextlib import contextmanager

import agents
from agents.tracing import TracingProcessor


class Recorder(TracingProcessor):
    def __init__(self):
        self.spans = []
        self.started = 0

    def on_trace_start(self, trace):
        pass

    def on_trace_end(self, trace):
        pass

    def on_span_start(self, span):
        self.started += 1

    def on_span_end(self, span):
        self.spans.append(span.export())

    def shutdown(self):
        pass

    def force_flush(self):
        pass

    def of(self, name):
        """The data of the custom spans of that name."""
        return [s["span_data"]["data"] for s in self.spans if s["span_data"].get("name") == name]

    def shape(self):
        """Every span without what differs from run to run, in the order of ending, with the type of its parent."""
        kinds = {span["id"]: span["span_data"]["type"] for span in self.spans}
        return [(span["span_data"], span["error"], kinds.get(span["parent_id"])) for span in self.spans]


@contextmanager
def recorded_spans():
    recorder = Recorder()
    agents.set_trace_processors([recorder])
    agents.set_tracing_disabled(disabled=False)
    try:
        yield recorder
    finally:
        agents.set_trace_processors([])
        agents.set_tracing_disabled(disabled=True)
