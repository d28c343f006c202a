"""Who answers from a cache. Each subject has been asked once; what is timed is the same question again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.subjects import Build, Subject, over_chat, over_model

OUR_MEMORY = "AsyncHanzo, MemoryStore"
OUR_DISK = "AsyncHanzo, SQLiteStore"
OUR_MODEL = "HanzoModel, MemoryStore"
LITELLM_CACHE = "litellm.acompletion, local cache"


def _client(store: Any, base_url: str, model: str) -> Subject:
    from hanzo_agents import AsyncHanzo, Cache

    client = AsyncHanzo(base_url=base_url, api_key="k", policies=[Cache(ttl=3600, store=store)])
    return over_chat(client.chat.completions.create, model)


def in_memory(base_url: str, model: str) -> Subject:
    from hanzo_agents import MemoryStore

    return _client(MemoryStore(), base_url, model)


def on_disk(base_url: str, model: str) -> Subject:
    from hanzo_agents import SQLiteStore

    return _client(SQLiteStore(Path(tempfile.mkdtemp()) / "cache.db"), base_url, model)


def model_in_memory(base_url: str, model: str) -> Subject:
    from hanzo_agents import Cache, HanzoModelProvider, MemoryStore

    policies = [Cache(ttl=3600, store=MemoryStore())]
    provider = HanzoModelProvider(base_url=base_url, api_key="k", model=model, policies=policies)
    return over_model(provider.get_model(None))


def litellm_local(base_url: str, model: str) -> Subject:
    import litellm
    from litellm.caching.caching import Cache

    litellm.cache = Cache(type="local")

    async def create(**asked: Any) -> Any:
        return await litellm.acompletion(
            **{**asked, "model": f"openai/{model}"}, api_base=base_url, api_key="k", caching=True
        )

    return over_chat(create, model)


CACHED: dict[str, Build] = {
    LITELLM_CACHE: litellm_local,
    OUR_MEMORY: in_memory,
    OUR_DISK: on_disk,
    OUR_MODEL: model_in_memory,
}
