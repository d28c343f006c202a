"""`logger`, `enable_metrics`, `enable_analytics` and their companions: who watches the calls of a client."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.analytics import Analytics
from hanzo_agents.facade.checked import check_flag, known_as
from hanzo_agents.facade.request_log import RequestLog
from hanzo_agents.observe.log import Log
from hanzo_agents.observe.metrics import Metrics

if TYPE_CHECKING:
    from hanzo_agents._kernel.journal import Observer
    from hanzo_agents.facade.keywords import Keywords
    from hanzo_agents.observe.exposition import MetricsServer

__all__ = ["Watchers", "watchers_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Who watches, and what they can be asked.

    Attributes:
        requests: writes calls down before they are sent, which no observer could.
        metrics_server: the page of the metrics, when this client serves it.
    """

    log: Log | None = None
    requests: RequestLog | None = None
    metrics: Metrics | None = None
    metrics_server: MetricsServer | None = None
    analytics: Analytics | None = None

    @property
    def observers(self) -> tuple[Observer, ...]:
        """All that are told of calls."""
        return tuple(one for one in (self.log, self.metrics, self.analytics) if one is not None)


def watchers_of(given: Keywords) -> Watchers:
    """Those that these keywords mean. A server of metrics listens when this returns.

    Raises:
        ConfigError: a keyword is wrong, or has no effect without another; or the port is taken.
    """
    for name in ("log_requests", "log_responses", "log_routing_decisions", "enable_metrics", "enable_analytics"):
        check_flag(name, given.get(name))
    log, requests = _log(given)
    port = given.get("metrics_port")
    if port is not None and not given.get("enable_metrics"):
        raise ConfigError("metrics_port: has no effect without enable_metrics=True")
    metrics = server = None
    if given.get("enable_metrics"):
        with known_as(Metrics_registry="enable_metrics"):
            metrics = _shared.metrics()
        server = None if port is None else _served(metrics, port)
    analytics = Analytics() if given.get("enable_analytics") else None
    return Watchers(log=log, requests=requests, metrics=metrics, metrics_server=server, analytics=analytics)


def _log(given: Keywords) -> tuple[Log | None, RequestLog | None]:
    logger = given.get("logger")
    if isinstance(logger, str):
        if not logger:
            raise ConfigError("logger: expected a logging.Logger or its name, got an empty string")
        logger = logging.getLogger(logger)
    if logger is not None and not isinstance(logger, logging.Logger):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"logger: expected a logging.Logger or its name, got {type(logger).__name__}")
    names = ("log_requests", "log_responses", "log_routing_decisions")
    wanted = [given.get(name) for name in names]
    requests, responses, decisions = ((logger is not None if value is None else bool(value)) for value in wanted)
    if logger is not None and not (requests or responses or decisions):
        raise ConfigError("logger: nothing is logged with all of log_... set to False; leave it out")
    if not (requests or responses or decisions):
        return None, None
    root = logger or logging.getLogger("hanzo_agents")
    log = Log(root, calls=responses, attempts=requests, decisions=decisions)
    return log, RequestLog(root) if requests else None


def _served(metrics: Metrics, port: int) -> MetricsServer:
    try:
        with known_as(**{"Metrics_serve: port": "metrics_port"}):
            return metrics.serve(port)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"metrics_port: cannot listen on 127.0.0.1:{port}: {reason}; 0 picks a free one"
        ) from None


class _Shared:
    """The one Metrics of all clients in a process: a registry takes each name once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metrics: Metrics | None = None

    def metrics(self) -> Metrics:
        with self._lock:
            if self._metrics is None or self._metrics.closed:
                self._metrics = Metrics()
            return self._metrics


_shared = _Shared()
