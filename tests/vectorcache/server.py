"""A Vectorcache on a real socket: a small semantic cache that speaks every shape the service documents."""

import math
import re
from dataclasses import dataclass

from hanzo_agents.testing._http import json_http
from hanzo_agents.testing._server import WireServer

KEY = "vc_0123456789abcdef0123456789abcdef"
PATH = "/v1/cache/query"
MEANS = {"ml": "machine learning", "explain": "what is", "tell me about": "what is"}
"""Words that this cache takes for others."""


@dataclass
class Entry:
    vector: dict
    answer: str
    context: str
    model: str


def vector_of(text):
    text = text.lower()
    for word, meaning in MEANS.items():
        text = re.sub(rf"\b{word}\b", meaning, text)
    words = re.findall(r"\w+", text)
    return {word: words.count(word) for word in words}


def similarity(one, other):
    dot = sum(count * other.get(word, 0) for word, count in one.items())
    norms = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return dot / norms if norms else 0.0


class VectorcacheServer(WireServer):
    """What the guide and the API reference say: POST /v1/cache/query, and nothing else.

    `shape` "rest" speaks as documented, "js" as the service's JavaScript SDK expects. `errors` are "detail" (the API
    reference) or "guide" (the guide to errors). `script` goes out first, one reply a request. A prompt in
    `uncacheable` gets the guide's 422.
    """

    def __init__(self, *, shape="rest", errors="detail", auth=None, limit=None, **more):
        super().__init__(**more)
        self.shape, self.errors_as, self.limit = shape, errors, limit
        self.auth = auth or ("x-api-key" if shape == "js" else "bearer")
        self.script, self.entries, self.uncacheable = [], [], set()
        self.says = lambda prompt: f"An answer to: {prompt}"
        self.asked_models = []

    @property
    def asked(self):
        """The bodies that came, in order."""
        return [request.json for request in self.requests]

    def then(self, *replies):
        """Send these next, one a request."""
        self.script += replies

    def _reply_to(self, request):
        if self.script:
            return self.script.pop(0)
        return self._refusal(request) or self._served(request.json)

    def _refusal(self, request):
        """Why the request is not even read, None when it is."""
        if (request.method, request.path) != ("POST", PATH):
            return self.refuse(404, "Not Found", "not_found")
        if not self._known(request.headers):
            return self.refuse(401, "Invalid API key", "unauthorized")
        if self.limit is not None and self.hits > self.limit:
            headers = (("X-RateLimit-Limit", "100"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "60"))
            return self.refuse(429, "Rate limit exceeded", "rate_limit_exceeded", headers=headers)
        return None if isinstance(request.json, dict) else self.refuse(400, "Invalid JSON", "bad_request")

    def _served(self, body):
        asked = body.get("query" if self.shape == "js" else "prompt")
        if not isinstance(asked, str) or not isinstance(body.get("model"), str):
            wrong = [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]
            return json_http({"detail": wrong}, status=422)
        if asked in self.uncacheable:
            return self.refuse(422, "This prompt cannot be cached", "not_cacheable", fallback="call_llm_directly")
        return json_http(self._answer(asked, body))

    def _known(self, headers):
        if self.auth == "bearer":
            return headers.get("authorization") == f"Bearer {KEY}" and "x-api-key" not in headers
        return headers.get("x-api-key") == KEY and "authorization" not in headers

    def _answer(self, asked, body):
        asked_as, context, model = vector_of(asked), body.get("context", ""), body["model"]
        there = [one for one in self.entries if (one.context, one.model) == (context, model)]
        best = max(there, key=lambda one: similarity(one.vector, asked_as), default=None)
        score = 0.0 if best is None else round(similarity(best.vector, asked_as), 4)
        hit = best is not None and score >= body.get("similarity_threshold", 0.85)
        if not hit:
            self.asked_models.append(model)
            best = Entry(asked_as, self.says(asked), context, model)
            self.entries.append(best)
        told = {"response": best.answer, "similarity_score": score if hit else None}
        if self.shape == "js":
            return {
                "is_cache_hit": hit, **told, "response_time_ms": 12, "tokens_used": 0 if hit else 40,
                "estimated_cost": 0 if hit else 0.0007, "cache_entry_id": "e-1", "query_id": "q-1",
            }  # fmt: skip
        told |= {
            "cache_hit": hit,
            "cost_saved": 0.0035 if hit else 0,
            "llm_provider": "cache" if hit else "openai",
        }
        if body.get("include_debug"):
            told["debug"] = {
                "embedding_time_ms": 3, "search_time_ms": 1, "total_time_ms": 5,
                "matched_cache_entry_id": "e-1" if hit else None, "cache_entry_count": len(self.entries),
            }  # fmt: skip
        return told

    def refuse(self, status, message, code, *, headers=(), **more):
        """An error in the shape that this server speaks; the guide alone has 422 and more fields."""
        if self.errors_as == "guide" or more:
            return json_http({"error": code, "message": message, **more}, status=status, headers=headers)
        return json_http({"detail": message}, status=status, headers=headers)
