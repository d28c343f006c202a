"""Vectorcache behind Flask: POST /query answers, GET /stats says what the cache saved.

Set VECTORCACHE_API_KEY and run it: python examples/vectorcache_flask.py
"""

from functools import cache
from typing import Any

from flask import Flask, request

from hanzo_agents import ConfigError
from hanzo_agents.vectorcache import NotCacheable, RateLimitExceeded, VectorcacheClient, VectorcacheError

app = Flask(__name__)


@cache
def client() -> VectorcacheClient:
    """One client for all requests: it keeps connections."""
    return VectorcacheClient()


@app.post("/query")
def query() -> dict[str, Any]:
    asked = request.get_json()
    answer = client().query(asked["prompt"], asked.get("model", "gpt-4o"), asked.get("similarity_threshold", 0.85))
    return {"cache_hit": answer.cache_hit, "response": answer.response, "cost_saved": answer.cost_saved}


@app.get("/stats")
def stats() -> dict[str, Any]:
    told = client().stats
    return {"queries": told.queries, "hit_rate": told.hit_rate, "saved": str(told.saved)}


@app.errorhandler(ConfigError)
@app.errorhandler(KeyError)
@app.errorhandler(TypeError)
def wrong(error: Exception) -> tuple[dict[str, str], int]:
    return {"error": "expected a prompt, and a threshold from 0 to 1"}, 400


@app.errorhandler(VectorcacheError)
def failed(error: VectorcacheError) -> tuple[dict[str, str], int, dict[str, str]]:
    if isinstance(error, NotCacheable):
        return {"error": "not cacheable: ask the model itself"}, 422, {}
    if isinstance(error, RateLimitExceeded):
        return {"error": "too many questions"}, 429, {"Retry-After": f"{error.retry_after or 1:.0f}"}
    return {"error": str(error)}, 502, {}


if __name__ == "__main__":
    app.run(port=8000)
