"""Watching calls: metrics, logs and spans. None of them is told prompts, answers or keys."""

from __future__ import annotations

from hanzo_agents.observe.log import Log
from hanzo_agents.observe.metrics import BUCKETS, Metrics
from hanzo_agents.observe.otel import OpenTelemetry

__all__ = ["BUCKETS", "Log", "Metrics", "OpenTelemetry"]
