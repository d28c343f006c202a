"""The keywords themselves, for type checkers, and by which parts they are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from hanzo_agents._kernel.target import Target
    from hanzo_agents.policies.budget.amounts import Amount
    from hanzo_agents.routing.candidates import StrategyName
    from hanzo_agents.routing.strategy import RoutingStrategy

__all__ = [
    "AUTO",
    "KEYWORDS",
    "PLACES",
    "CacheKeywords",
    "Keywords",
    "MoreSettings",
    "PlaceKeywords",
    "RouteKeywords",
]

AUTO = "auto"
"""The model that calls ask for which leave the choice to the client."""


class CacheKeywords(TypedDict, total=False):
    """What answers calls from what was answered before; `configure_cache` takes the same.

    Attributes:
        enable_cache: keep answers, and give them to calls that ask exactly the same.
        cache_backend: "memory" (this process), "disk" (a file in the user's state folder) or "redis".
        cache_ttl: seconds for which an answer is kept; 3600 by default.
        redis_url: of the "redis" backend; HANZO_REDIS_URL, else the Redis of this machine, by default.
        semantic_cache: give them to calls that ask something similar, too (docs/semantic-cache.md).
        similarity_threshold: how similar, 0 to 1; by default what its embedding model is tuned for.
    """

    enable_cache: bool | None
    cache_backend: Literal["memory", "disk", "redis"] | None
    cache_ttl: float | None
    redis_url: str | None
    semantic_cache: bool | None
    similarity_threshold: float | None


class PlaceKeywords(TypedDict, total=False):
    """Where calls go.

    Attributes:
        inference_mode: "local" never leaves this machine; "hybrid" asks it first and then the others; "cloud_only"
            leaves it out. "hybrid" where nothing else says where to go.
        node_url, node_api_key: the node; HANZO_NODE_URL, HANZO_NODE_API_KEY, then known ports of this machine.
        openai_api_key, anthropic_api_key: ask these providers directly.
        providers: targets of your own by name, or names of providers to ask directly.
        fallback_order: who is asked, first to last: "local", "router", "openai", "anthropic", and the names in
            `providers`.
        fallback_on_error: whether the next is asked when one fails; True by default.
        prefer_local: "local" is asked first; with routing, a local model is chosen when it is good enough.
    """

    inference_mode: Literal["local", "hybrid", "cloud_only"] | None
    node_url: str | None
    node_api_key: str | None
    openai_api_key: str | None
    anthropic_api_key: str | None
    providers: Mapping[str, Target] | Sequence[str] | None
    fallback_order: Sequence[str] | None
    fallback_on_error: bool | None
    prefer_local: bool | None


class RouteKeywords(TypedDict, total=False):
    """Which model answers calls that name none: a `Route`.

    Attributes:
        auto_route: choose; "balanced" without a strategy.
        routing_strategy: "balanced", "cost_optimized", "latency_optimized", "quality_focused", or a
            `RoutingStrategy` of your own.
        cost_optimize: the same as `routing_strategy="cost_optimized"`.
        models: the candidates; what there is by default: the node's models and those the router lists. With
            `prefer_local` and `local_for` the node's are candidates besides.
        preferred_models: chosen first, in this order, whenever they can take the call; candidates too.
        min_quality_threshold: "acceptable", "good", "excellent" or a share from 0 to 1; `quality_threshold=` of a
            call goes before it.
        allow_expensive_models: False passes by models above 15 dollars for a million tokens of output.
        local_for: says of a text whether it must stay on this machine: `hanzo_agents.routing.pii`, or a function
            of yours. Such a call is answered by a local model or refused, whatever model it names.
    """

    auto_route: bool | None
    routing_strategy: StrategyName | RoutingStrategy | None
    cost_optimize: bool | None
    models: Sequence[str] | None
    preferred_models: Sequence[str] | None
    min_quality_threshold: float | str | None
    allow_expensive_models: bool | None
    local_for: Callable[[str], object] | None


class Keywords(CacheKeywords, PlaceKeywords, RouteKeywords, total=False):
    """What `Hanzo` and `AsyncHanzo` take for everyday use. Each stands for a policy; None is "not given".

    Attributes:
        daily_budget, monthly_budget, max_cost_per_request: US dollars: `Budget(daily=, monthly=, per_call=)`.
        budget_alerts: `thresholds`, `webhook`, `secret`, `callback`: of `BudgetAlerts`.
        retry_delay: seconds that the backoff begins with: `Retry(base_delay=)`.
        retry_on: which failures are tried again, of "rate_limit", "timeout", "server_error", "connection",
            "conflict", "invalid_response"; all of them by default.
        circuit_breaker: `failure_threshold`, `timeout`, `half_open_requests` and other fields of `Breaker`; True
            takes its defaults.
        max_latency_ms: milliseconds until the first useful event of an answer: `Deadline(first_event=)`.
        prefer_streaming: ask for a stream also where the caller wants the whole answer, which is put together.
        warm_models: models that get a request of one token when the client is made, in the background.
        logger: where to log instead of "hanzo_agents": a `logging.Logger` or its name.
        log_requests, log_responses, log_routing_decisions: what is logged; with a `logger`, all by default.
        enable_metrics: count for Prometheus: `Metrics()`, one for all clients of the process.
        metrics_port: serve the page on this port of this machine; 0 picks a free one.
        enable_analytics: count for `client.analytics.get_summary()`.
    """

    daily_budget: Amount | None
    monthly_budget: Amount | None
    max_cost_per_request: Amount | None
    budget_alerts: Mapping[str, Any] | None
    retry_delay: float | None
    retry_on: Sequence[str] | None
    circuit_breaker: Mapping[str, Any] | bool | None
    max_latency_ms: float | None
    prefer_streaming: bool | None
    warm_models: Sequence[str] | None
    logger: logging.Logger | str | None
    log_requests: bool | None
    log_responses: bool | None
    log_routing_decisions: bool | None
    enable_metrics: bool | None
    metrics_port: int | None
    enable_analytics: bool | None


class MoreSettings(Keywords, total=False):
    """The keywords, and what the SDK's own clients take besides."""

    organization: str | None
    project: str | None
    webhook_secret: str | None


KEYWORDS = frozenset(Keywords.__optional_keys__)
"""The names of all of them."""

PLACES = frozenset(PlaceKeywords.__optional_keys__)
"""Those that say where calls go."""
