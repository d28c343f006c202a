"""`enable_cache` and its companions: the `Cache` they mean, and the `SemanticCache` behind it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.checked import check_flag, check_one_of, check_share, known_as
from hanzo_agents.policies.cache import Cache
from hanzo_agents.stores.memory import MemoryStore
from hanzo_agents.stores.sqlite import SQLiteStore
from hanzo_agents.stores.state_dir import state_dir

if TYPE_CHECKING:
    from hanzo_agents._kernel.stack import Policy
    from hanzo_agents.facade.keywords import CacheKeywords
    from hanzo_agents.stores.store import Store

__all__ = ["REDIS", "REDIS_URL", "caches_of"]

REDIS_URL = "HANZO_REDIS_URL"
REDIS = "redis://127.0.0.1:6379/0"
"""Where a Redis listens that nobody has configured."""


def caches_of(given: CacheKeywords, store: Store | None = None, *, routed: bool = False) -> tuple[Policy, ...]:
    """The caches that these keywords mean: none, the exact one, or that and the one of similar questions.

    Args:
        given: the keywords.
        store: where to keep answers, if it is known already.
        routed: the model is chosen for each call: no answer is that of a substitute.

    Raises:
        ConfigError: one is wrong, or has no effect without another.
    """
    for name in ("enable_cache", "semantic_cache"):
        check_flag(name, given.get(name))
    backend = given.get("cache_backend")
    check_one_of("cache_backend", backend, ("memory", "disk", "redis"))
    _check_semantic(given)
    if not given.get("enable_cache"):
        for name in ("cache_backend", "cache_ttl", "redis_url"):
            if given.get(name) is not None:
                raise ConfigError(f"{name}: has no effect without enable_cache=True")
        return ()
    if given.get("redis_url") is not None and backend != "redis":
        raise ConfigError('redis_url: has no effect without cache_backend="redis"')
    fields: dict[str, Any] = {} if given.get("cache_ttl") is None else {"ttl": given.get("cache_ttl")}
    store = store or _store(backend or "memory", given.get("redis_url"))
    with known_as(Cache_ttl="cache_ttl"):
        exact = Cache(store=store, substitutes=routed, **fields)
    if not given.get("semantic_cache"):
        return (exact,)
    from hanzo_agents.policies.semantic import SemanticCache

    fields["threshold"] = given.get("similarity_threshold")
    with known_as(SemanticCache_embed="semantic_cache", SemanticCache_threshold="similarity_threshold"):
        return exact, SemanticCache(store=store, substitutes=routed, **fields)


def _check_semantic(given: CacheKeywords) -> None:
    check_share("similarity_threshold", given.get("similarity_threshold"))
    if given.get("semantic_cache"):
        if not given.get("enable_cache"):
            raise ConfigError("semantic_cache: has no effect without enable_cache=True")
    elif given.get("similarity_threshold") is not None:
        raise ConfigError("similarity_threshold: has no effect without semantic_cache=True")


def _store(backend: str, redis_url: object) -> Store:
    if backend == "memory":
        return MemoryStore()
    if backend == "disk":
        return SQLiteStore(state_dir() / "answers.db")
    from hanzo_agents.stores.redis import RedisStore

    if redis_url is not None and not isinstance(redis_url, str):
        raise ConfigError(f"redis_url: expected a redis:// address, got {type(redis_url).__name__}")
    with known_as(RedisStore_url="redis_url"):
        return RedisStore(redis_url or os.environ.get(REDIS_URL) or REDIS)
