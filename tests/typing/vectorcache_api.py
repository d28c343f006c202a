"""The Vectorcache client as its users write it. mypy and pyright check this file; it is never run."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, assert_type

import httpx2

from hanzo_agents import Retry
from hanzo_agents.policies.semantic import SemanticCache
from hanzo_agents.vectorcache import (
    AsyncVectorcacheClient,
    NotCacheable,
    RateLimitExceeded,
    VectorcacheBatch,
    VectorcacheClient,
    VectorcacheResponse,
    VectorcacheStats,
    VectorcacheStatusError,
    VectorcacheStore,
)

if TYPE_CHECKING:
    from hanzo_agents.policies.semantic import Answers


def use(*values: object) -> None:
    """Stands for whatever a user does with what he got."""


def asked() -> None:
    with VectorcacheClient("vc_key", timeout=timedelta(seconds=5), policies=[Retry(attempts=2)]) as client:
        answer = client.query("What is AI?", "gpt-4o", 0.9, "support", include_debug=True)
        assert_type(answer, VectorcacheResponse)
        assert_type(answer.similarity_score, float | None)
        assert_type(answer.cost_saved, float)
        assert_type(answer.debug, dict[str, Any] | None)
        assert_type(client.batch(["a", "b"], "gpt-4o"), VectorcacheBatch)
        assert_type(client.stats, VectorcacheStats)
        assert_type(client.stats.saved, Decimal)
        client.query("What is AI?")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    VectorcacheClient(dialect="soap")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def asked_on_a_loop() -> None:
    async with AsyncVectorcacheClient(dialect="js", auth="bearer") as client:
        assert_type(await client.query("What is AI?", "gpt-4o"), VectorcacheResponse)
        batch = await client.batch(("a", "b"), "gpt-4o", max_concurrent=2)
        assert_type(batch[0], VectorcacheResponse)
        assert_type(batch.results, tuple[VectorcacheResponse | Exception, ...])
        assert_type(batch.hit_rate, float)


def failed(error: Exception) -> None:
    if isinstance(error, NotCacheable):
        use(error.fallback)
    elif isinstance(error, RateLimitExceeded):
        assert_type(error.retry_after, float | None)
        assert_type(error.remaining, int | None)
    elif isinstance(error, VectorcacheStatusError):
        assert_type(error.status_code, int)
        assert_type(error.response, httpx2.Response)


def cached(client: VectorcacheClient) -> None:
    store: Answers = VectorcacheStore(client, misses="serve", model="gpt-4o")
    SemanticCache(store=store)
    VectorcacheStore(client)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
