"""Vectorcache behind FastAPI: POST /query answers, GET /stats says what the cache saved.

Set VECTORCACHE_API_KEY and run it: python examples/vectorcache_fastapi.py
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from hanzo_agents.vectorcache import AsyncVectorcacheClient, NotCacheable, RateLimitExceeded, VectorcacheError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncVectorcacheClient() as app.state.cache:
        yield


app = FastAPI(lifespan=lifespan)


class Query(BaseModel):
    """What is asked."""

    prompt: str = Field(min_length=1)
    model: str = "gpt-4o"
    similarity_threshold: float = Field(0.85, ge=0, le=1)


@app.post("/query")
async def query(asked: Query, request: Request) -> dict[str, Any]:
    cache: AsyncVectorcacheClient = request.app.state.cache
    try:
        return asdict(await cache.query(asked.prompt, asked.model, asked.similarity_threshold))
    except NotCacheable:
        raise HTTPException(422, "not cacheable: ask the model itself") from None
    except RateLimitExceeded as error:
        headers = {"Retry-After": f"{error.retry_after or 1:.0f}"}
        raise HTTPException(429, "too many questions", headers) from None
    except VectorcacheError as error:
        raise HTTPException(502, str(error)) from None


@app.get("/stats")
async def stats(request: Request) -> dict[str, Any]:
    cache: AsyncVectorcacheClient = request.app.state.cache
    return {"queries": cache.stats.queries, "hit_rate": cache.stats.hit_rate, "saved": str(cache.stats.saved)}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=8000)
