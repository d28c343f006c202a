"""Answers given before: the policy `Cache`, and what it has done."""

from hanzo_agents.policies.cache.policy import Cache
from hanzo_agents.policies.cache.shelf import CacheStats

__all__ = ["Cache", "CacheStats"]
