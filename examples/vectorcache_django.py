"""Vectorcache behind Django: POST /query answers, GET /stats says what the cache saved.

A whole site in one file; of yours, the views and their addresses are a part. Set VECTORCACHE_API_KEY and run it:
python examples/vectorcache_django.py runserver --noreload
"""

import json
import secrets
import sys
from functools import cache

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views import View

from hanzo_agents import ConfigError
from hanzo_agents.vectorcache import NotCacheable, RateLimitExceeded, VectorcacheClient, VectorcacheError

if not settings.configured:
    settings.configure(
        SECRET_KEY=secrets.token_hex(), ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__
    )


@cache
def client() -> VectorcacheClient:
    """One client for all requests: it keeps connections."""
    return VectorcacheClient()


class QueryView(View):
    """Answers a question."""

    def post(self, request: HttpRequest) -> JsonResponse:
        """Take {"prompt": ..., "model": ..., "similarity_threshold": ...}; the last two may be left out."""
        try:
            asked = json.loads(request.body)
            answer = client().query(
                asked["prompt"], asked.get("model", "gpt-4o"), asked.get("similarity_threshold", 0.85)
            )
        except (ConfigError, json.JSONDecodeError, KeyError, TypeError, AttributeError):
            return JsonResponse({"error": "expected a prompt, and a threshold from 0 to 1"}, status=400)
        except NotCacheable:
            return JsonResponse({"error": "not cacheable: ask the model itself"}, status=422)
        except RateLimitExceeded as error:
            headers = {"Retry-After": f"{error.retry_after or 1:.0f}"}
            return JsonResponse({"error": "too many questions"}, status=429, headers=headers)
        except VectorcacheError as error:
            return JsonResponse({"error": str(error)}, status=502)
        return JsonResponse(
            {"cache_hit": answer.cache_hit, "response": answer.response, "cost_saved": answer.cost_saved}
        )


def stats(request: HttpRequest) -> JsonResponse:
    """What the cache saved."""
    told = client().stats
    return JsonResponse({"queries": told.queries, "hit_rate": told.hit_rate, "saved": str(told.saved)})


urlpatterns = [path("query", QueryView.as_view()), path("stats", stats)]


if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
