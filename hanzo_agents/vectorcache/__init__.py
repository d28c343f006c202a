"""Vectorcache: answers from a semantic cache that runs as a service."""

from __future__ import annotations

from hanzo_agents.errors import InvalidResponse
from hanzo_agents.vectorcache.client import AsyncVectorcacheClient
from hanzo_agents.vectorcache.errors import (
    BadRequest,
    Forbidden,
    KeyRefused,
    NotCacheable,
    NotFound,
    RateLimitExceeded,
    ServiceFailed,
    TimedOut,
    Unreachable,
    VectorcacheError,
    VectorcacheStatusError,
)
from hanzo_agents.vectorcache.response import VectorcacheResponse
from hanzo_agents.vectorcache.stats import VectorcacheBatch, VectorcacheStats
from hanzo_agents.vectorcache.store import VectorcacheStore
from hanzo_agents.vectorcache.sync_client import VectorcacheClient

__all__ = [
    "AsyncVectorcacheClient",
    "BadRequest",
    "Forbidden",
    "InvalidResponse",
    "KeyRefused",
    "NotCacheable",
    "NotFound",
    "RateLimitExceeded",
    "ServiceFailed",
    "TimedOut",
    "Unreachable",
    "VectorcacheBatch",
    "VectorcacheClient",
    "VectorcacheError",
    "VectorcacheResponse",
    "VectorcacheStats",
    "VectorcacheStatusError",
    "VectorcacheStore",
]
