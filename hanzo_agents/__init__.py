"""The model layer for agents: fallback, retry, deadlines and truthful streams for the OpenAI Agents SDK.

Names are imported when they are first used: a test session that only loads our pytest plugin, or a command that
only prints its help, does not pay for the Agents SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hanzo_agents._version import __version__

if TYPE_CHECKING:
    from hanzo_agents import errors
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Attempt, Cost, Decision, Journal, Observer, Usage
    from hanzo_agents._kernel.plan import Plan
    from hanzo_agents._kernel.reply import Reply, Settled
    from hanzo_agents._kernel.stack import Place, Policy, Stack, StackWarning
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._kernel.tracking import track
    from hanzo_agents._wire.replies import (
        HanzoChatCompletion,
        HanzoChatCompletionChunk,
        HanzoCreateEmbeddingResponse,
        HanzoParsedChatCompletion,
        HanzoParsedResponse,
        HanzoResponse,
    )
    from hanzo_agents.batch import Batch
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.errors import (
        AllProvidersFailed,
        BudgetExceeded,
        CircuitOpen,
        ConfigError,
        DeadlineExceeded,
        EnsembleFailed,
        Failure,
        HanzoError,
        InvalidResponse,
        RateLimited,
        Refused,
        ResponseTooLarge,
        StreamTruncated,
        ToolError,
        TurnsExceeded,
        Unaccountable,
    )
    from hanzo_agents.facade.analytics import Analytics, ModelStats, Summary
    from hanzo_agents.facade.ensembles.results import Blended, Comparison, EnsembleEvent, Judged, ModelAnswer
    from hanzo_agents.facade.estimate import CostEstimate
    from hanzo_agents.mcp.serving import AgentServer, serve_agent
    from hanzo_agents.observe.log import Log
    from hanzo_agents.observe.metrics import Metrics
    from hanzo_agents.observe.otel import OpenTelemetry
    from hanzo_agents.policies.breaker import Breaker, CircuitChange, unhealthy
    from hanzo_agents.policies.budget import Alert, Budget, BudgetAlerts, Run, run_budget
    from hanzo_agents.policies.cache import Cache, CacheStats
    from hanzo_agents.policies.classify import substitutable, transient
    from hanzo_agents.policies.deadline import Deadline
    from hanzo_agents.policies.ensemble import Blend, Judge, Verdict
    from hanzo_agents.policies.fallback import Fallback
    from hanzo_agents.policies.hedge import Hedge
    from hanzo_agents.policies.rate_limit import LimitState, RateLimit
    from hanzo_agents.policies.retry import Retry, RetryBudget
    from hanzo_agents.policies.semantic import LexicalGate, SemanticCache, SemanticStats
    from hanzo_agents.policies.trace import Trace, Watching, watch
    from hanzo_agents.prices.price import Price
    from hanzo_agents.provider import (
        FallbackProvider,
        HanzoModel,
        HanzoModelProvider,
        PolicyModel,
        RateLimitedProvider,
        get_hanzo_provider,
        get_provider,
        wrap,
    )
    from hanzo_agents.routing.route import Route
    from hanzo_agents.settings import Settings
    from hanzo_agents.stores import MemoryStore, RedisStore, SQLiteStore, StoreUnavailable
    from hanzo_agents.stores.circuits import CircuitView
    from hanzo_agents.sync_client import Hanzo

__all__ = [
    "AgentServer",
    "Alert",
    "AllProvidersFailed",
    "Analytics",
    "AsyncHanzo",
    "Attempt",
    "Batch",
    "Blend",
    "Blended",
    "Breaker",
    "Budget",
    "BudgetAlerts",
    "BudgetExceeded",
    "Cache",
    "CacheStats",
    "Call",
    "CircuitChange",
    "CircuitOpen",
    "CircuitView",
    "Comparison",
    "ConfigError",
    "Cost",
    "CostEstimate",
    "Deadline",
    "DeadlineExceeded",
    "Decision",
    "EnsembleEvent",
    "EnsembleFailed",
    "Failure",
    "Fallback",
    "FallbackProvider",
    "Hanzo",
    "HanzoChatCompletion",
    "HanzoChatCompletionChunk",
    "HanzoCreateEmbeddingResponse",
    "HanzoError",
    "HanzoModel",
    "HanzoModelProvider",
    "HanzoParsedChatCompletion",
    "HanzoParsedResponse",
    "HanzoResponse",
    "Hedge",
    "InvalidResponse",
    "Journal",
    "Judge",
    "Judged",
    "LexicalGate",
    "LimitState",
    "Log",
    "MemoryStore",
    "Metrics",
    "ModelAnswer",
    "ModelStats",
    "Observer",
    "OpenTelemetry",
    "Place",
    "Plan",
    "Policy",
    "PolicyModel",
    "Price",
    "RateLimit",
    "RateLimited",
    "RateLimitedProvider",
    "RedisStore",
    "Refused",
    "Reply",
    "ResponseTooLarge",
    "Retry",
    "RetryBudget",
    "Route",
    "Run",
    "SQLiteStore",
    "SemanticCache",
    "SemanticStats",
    "Send",
    "Settings",
    "Settled",
    "Stack",
    "StackWarning",
    "StoreUnavailable",
    "StreamTruncated",
    "Summary",
    "Target",
    "ToolError",
    "Trace",
    "TurnsExceeded",
    "Unaccountable",
    "Usage",
    "Verdict",
    "Watching",
    "__version__",
    "errors",
    "get_hanzo_provider",
    "get_provider",
    "run_budget",
    "serve_agent",
    "substitutable",
    "track",
    "transient",
    "unhealthy",
    "watch",
    "wrap",
]

_HOMES = {
    "_kernel.call": ("Call", "Send"),
    "_kernel.journal": ("Attempt", "Cost", "Decision", "Journal", "Observer", "Usage"),
    "_kernel.plan": ("Plan",),
    "_kernel.reply": ("Reply", "Settled"),
    "_kernel.stack": ("Place", "Policy", "Stack", "StackWarning"),
    "_kernel.target": ("Target",),
    "_kernel.tracking": ("track",),
    "_wire.replies": (
        "HanzoChatCompletion",
        "HanzoChatCompletionChunk",
        "HanzoCreateEmbeddingResponse",
        "HanzoParsedChatCompletion",
        "HanzoParsedResponse",
        "HanzoResponse",
    ),
    "batch": ("Batch",),
    "client": ("AsyncHanzo",),
    "errors": (
        "AllProvidersFailed",
        "BudgetExceeded",
        "CircuitOpen",
        "ConfigError",
        "DeadlineExceeded",
        "EnsembleFailed",
        "Failure",
        "HanzoError",
        "InvalidResponse",
        "RateLimited",
        "Refused",
        "ResponseTooLarge",
        "StreamTruncated",
        "ToolError",
        "TurnsExceeded",
        "Unaccountable",
    ),
    "facade.analytics": ("Analytics", "ModelStats", "Summary"),
    "facade.ensembles.results": ("Blended", "Comparison", "EnsembleEvent", "Judged", "ModelAnswer"),
    "facade.estimate": ("CostEstimate",),
    "mcp.serving": ("AgentServer", "serve_agent"),
    "observe.log": ("Log",),
    "observe.metrics": ("Metrics",),
    "observe.otel": ("OpenTelemetry",),
    "policies.breaker": ("Breaker", "CircuitChange", "unhealthy"),
    "policies.budget": ("Alert", "Budget", "BudgetAlerts", "Run", "run_budget"),
    "policies.cache": ("Cache", "CacheStats"),
    "policies.classify": ("substitutable", "transient"),
    "policies.deadline": ("Deadline",),
    "policies.ensemble": ("Blend", "Judge", "Verdict"),
    "policies.fallback": ("Fallback",),
    "policies.hedge": ("Hedge",),
    "policies.rate_limit": ("LimitState", "RateLimit"),
    "policies.retry": ("Retry", "RetryBudget"),
    "policies.semantic": ("LexicalGate", "SemanticCache", "SemanticStats"),
    "policies.trace": ("Trace", "Watching", "watch"),
    "prices.price": ("Price",),
    "provider": (
        "FallbackProvider",
        "HanzoModel",
        "HanzoModelProvider",
        "PolicyModel",
        "RateLimitedProvider",
        "get_hanzo_provider",
        "get_provider",
        "wrap",
    ),
    "routing.route": ("Route",),
    "settings": ("Settings",),
    "stores": ("MemoryStore", "RedisStore", "SQLiteStore", "StoreUnavailable"),
    "stores.circuits": ("CircuitView",),
    "sync_client": ("Hanzo",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        if name == "errors":
            return import_module("hanzo_agents.errors")
        raise AttributeError(f"module 'hanzo_agents' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"hanzo_agents.{home}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
