"""Where policies keep what must outlive a call: in a process, a file, or a Redis."""

from __future__ import annotations

from hanzo_agents.stores.memory import MemoryStore
from hanzo_agents.stores.redis import RedisStore
from hanzo_agents.stores.sqlite import SQLiteStore
from hanzo_agents.stores.store import Store, StoreUnavailable

__all__ = ["MemoryStore", "RedisStore", "SQLiteStore", "Store", "StoreUnavailable"]
