"""Metrics for Prometheus: an observer that counts, and a page to scrape."""

from __future__ import annotations

import itertools
import logging
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from hanzo_agents._kernel.fields import check_count
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.errors import ConfigError
from hanzo_agents.observe.figures import Figures

if TYPE_CHECKING:
    from hanzo_agents._kernel.journal import Attempt, Decision, Journal
    from hanzo_agents.observe.exposition import MetricsServer, Page

__all__ = ["BUCKETS", "Metrics"]

BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Seconds. OpenTelemetry's advice for the duration of GenAI requests (`gen_ai.client.operation.duration`)."""

_logger = logging.getLogger("hanzo_agents")


class Metrics:
    """Counts calls, attempts, tokens, dollars, cache hits and errors, for Prometheus.

    An observer: `watch(Metrics())` counts every call of the process, `Trace(to=[Metrics()])` those of one provider
    or client. It holds figures and names, never prompts, answers or keys. It counts this process; each process of
    a server that forks has, and serves, its own.

    Args:
        registry: where the figures are collected from; prometheus_client's own by default, so that a page you
            serve already has them.
        max_names: how many distinct targets, models and errors are told apart; what comes later is counted as
            "other". Names of models come from upstreams, which may send a new one with every answer.
        buckets: upper ends of the buckets of both histograms, in seconds, rising.

    Raises:
        ConfigError: the extra `metrics` is not installed, an argument is wrong, or the registry has metrics of
            these names already.
    """

    def __init__(self, registry: Any = None, *, max_names: int = 100, buckets: Sequence[float] = BUCKETS) -> None:
        try:
            from hanzo_agents.observe.exposition import Page, registry_of
        except ImportError as error:
            raise ConfigError(
                "Metrics: the extra `metrics` is not installed; pip install 'hanzo-agents-provider[metrics]'"
            ) from error
        check_count("Metrics.max_names", max_names)
        self._figures = Figures(max_names, _rising(buckets))
        self._turns = Turns("an observer failed")
        self._page: Page | None = Page(self._figures, self._turns)
        self._servers: list[MetricsServer] = []
        self.registry = registry_of(registry)
        try:
            self.registry.register(self._page)
        except ValueError as error:
            raise ConfigError(
                "Metrics.registry: it has metrics of these names already; share the one Metrics, "
                "or give each a prometheus_client.CollectorRegistry()"
            ) from error
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            _logger.warning(
                "PROMETHEUS_MULTIPROC_DIR is set, and Metrics are not written there: "
                "each process counts, and serves, its own"
            )

    def serve(self, port: int = 9090, host: str = "127.0.0.1") -> MetricsServer:
        """Serve the registry's page over HTTP, from a thread of its own.

        Args:
            port: 0 picks a free one; the server's `.port` tells which.
            host: "0.0.0.0" lets other machines read it. There is no password: the page tells models and spend.

        Returns:
            The server; its `close()`, or that of the metrics, stops it.

        Raises:
            OSError: the port is taken.
            ConfigError: it is none.
        """
        from hanzo_agents.observe.exposition import MetricsServer

        if type(port) is not int or not 0 <= port < 1 << 16:
            raise ConfigError(f"Metrics.serve: port: expected an integer from 0 to 65535, got {port!r}")
        server = MetricsServer(self.registry, host, port)
        self._servers.append(server)
        return server

    @property
    def closed(self) -> bool:
        """Whether they have left their registry."""
        return self._page is None

    def close(self) -> None:
        """Stop what `serve` started and leave the registry. What is counted later is not shown. Safe to repeat."""
        while self._servers:
            self._servers.pop().close()
        page, self._page = self._page, None
        if page is not None:
            self.registry.unregister(page)

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        """Nothing to count yet."""

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        """Count a request; what it took is counted with its call, or now if that is over."""
        self._turns.put(self._count, Figures.attempt, journal, attempt)
        if journal.ended is not None:
            self._turns.put(self._count, Figures.bill, attempt)

    def decided(self, journal: Journal, decision: Decision) -> None:
        """Count a decision."""
        self._turns.put(self._count, Figures.decision, journal, decision)

    def call_ended(self, journal: Journal) -> None:
        """Count a call."""
        self._turns.put(self._count, Figures.call, journal, [a for a in journal.attempts if a.ended is not None])

    def _count(self, count: Any, *facts: Any) -> None:
        count(self._figures, *facts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rising(buckets: Sequence[float]) -> tuple[float, ...]:
    wanted = "Metrics.buckets: expected a list of rising numbers of seconds > 0"
    if isinstance(buckets, str | bytes) or not isinstance(buckets, Sequence) or not buckets:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{wanted}, got {buckets!r}")
    for bucket in buckets:
        if isinstance(bucket, bool) or not isinstance(bucket, int | float) or not 0 < bucket < math.inf:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"{wanted}, got {bucket!r} among them")
    if any(low >= high for low, high in itertools.pairwise(buckets)):
        raise ConfigError(f"{wanted}, got {tuple(buckets)!r}")
    return tuple(map(float, buckets))
