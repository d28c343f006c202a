"""Figures on a page that Prometheus reads. The only module that imports `prometheus_client`."""

from __future__ import annotations

import socket
import threading
from http.server import ThreadingHTTPServer
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import MetricsHandler
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from hanzo_agents.errors import ConfigError
from hanzo_agents.observe.figures import COUNTERS, TIMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from hanzo_agents._kernel.turns import Turns
    from hanzo_agents.observe.figures import Figures

__all__ = ["MetricsServer", "Page", "registry_of"]

LONGEST_GOODBYE = 0.1
"""Seconds until the server's thread sees that it is to stop."""


class Page(Collector):
    """The figures as the families of a registry."""

    def __init__(self, figures: Figures, turns: Turns) -> None:
        self._figures = figures
        self._turns = turns

    def describe(self) -> Iterable[Metric]:
        """The families without their figures: a registry refuses names that it has."""
        yield from (_counter(name) for name in COUNTERS)
        yield from (_histogram(name) for name in TIMES)

    def collect(self) -> Iterable[Metric]:
        """The families as they stand."""
        with self._turns:
            return [*self._counters(), *self._histograms()]

    def _counters(self) -> Iterable[Metric]:
        for name, figures in self._figures.counters.items():
            family = _counter(name)
            for labels, value in figures.items():
                family.add_metric(labels, float(value))
            yield family

    def _histograms(self) -> Iterable[Metric]:
        for name, times in self._figures.times.items():
            family = _histogram(name)
            ends = [*map(str, times.bounds), "+Inf"]
            for labels, counts in times.counts.items():
                family.add_metric(labels, list(zip(ends, accumulate(counts), strict=True)), times.sums[labels])
            yield family


def _counter(name: str) -> CounterMetricFamily:
    described, labels = COUNTERS[name]
    return CounterMetricFamily(name, described, labels=labels)


def _histogram(name: str) -> HistogramMetricFamily:
    described, labels = TIMES[name]
    return HistogramMetricFamily(name, described, labels=labels)


def registry_of(given: Any) -> CollectorRegistry:
    """The registry that a user means.

    Raises:
        ConfigError: it is none.
    """
    if given is None:
        return REGISTRY
    if not isinstance(given, CollectorRegistry):
        raise ConfigError(f"Metrics.registry: expected a CollectorRegistry or None, got {type(given).__name__}")
    return given


class _Server(ThreadingHTTPServer):
    def __init__(self, host: str, port: int, handler: Any) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), handler)


class MetricsServer:
    """The page over HTTP, served by a thread of its own until `close`.

    Attributes:
        host, port: where it listens.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self._http = _Server(host, port, MetricsHandler.factory(registry))
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(LONGEST_GOODBYE,), name="hanzo-metrics", daemon=True
        )
        self._thread.start()
        self.host = host
        self.port = self._http.server_port

    @property
    def url(self) -> str:
        """What to give to Prometheus, or to a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop listening, and wait for the thread. Safe to repeat."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MetricsServer({self.url!r})"
