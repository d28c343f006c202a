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
    from hanzo_agents._kernel.reply import Reply, Settled
    from hanzo_agents._kernel.stack import Place, Policy, Stack, StackWarning
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._kernel.tracking import track
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.errors import (
        AllProvidersFailed,
        ConfigError,
        DeadlineExceeded,
        Failure,
        HanzoError,
        InvalidResponse,
        Refused,
        ResponseTooLarge,
        StreamTruncated,
    )
    from hanzo_agents.policies.classify import substitutable, transient
    from hanzo_agents.policies.deadline import Deadline
    from hanzo_agents.policies.fallback import Fallback
    from hanzo_agents.policies.retry import Retry
    from hanzo_agents.policies.retry_budget import RetryBudget
    from hanzo_agents.policies.trace import Trace
    from hanzo_agents.prices.price import Price
    from hanzo_agents.provider import (
        FallbackProvider,
        HanzoModel,
        HanzoModelProvider,
        PolicyModel,
        get_hanzo_provider,
        get_provider,
        wrap,
    )
    from hanzo_agents.settings import Settings

__all__ = [
    "AllProvidersFailed",
    "AsyncHanzo",
    "Attempt",
    "Call",
    "ConfigError",
    "Cost",
    "Deadline",
    "DeadlineExceeded",
    "Decision",
    "Failure",
    "Fallback",
    "FallbackProvider",
    "HanzoError",
    "HanzoModel",
    "HanzoModelProvider",
    "InvalidResponse",
    "Journal",
    "Observer",
    "Place",
    "Policy",
    "PolicyModel",
    "Price",
    "Refused",
    "Reply",
    "ResponseTooLarge",
    "Retry",
    "RetryBudget",
    "Send",
    "Settings",
    "Settled",
    "Stack",
    "StackWarning",
    "StreamTruncated",
    "Target",
    "Trace",
    "Usage",
    "__version__",
    "errors",
    "get_hanzo_provider",
    "get_provider",
    "substitutable",
    "track",
    "transient",
    "wrap",
]

_HOMES = {
    "_kernel.call": ("Call", "Send"),
    "_kernel.journal": ("Attempt", "Cost", "Decision", "Journal", "Observer", "Usage"),
    "_kernel.reply": ("Reply", "Settled"),
    "_kernel.stack": ("Place", "Policy", "Stack", "StackWarning"),
    "_kernel.target": ("Target",),
    "_kernel.tracking": ("track",),
    "client": ("AsyncHanzo",),
    "errors": (
        "AllProvidersFailed",
        "ConfigError",
        "DeadlineExceeded",
        "Failure",
        "HanzoError",
        "InvalidResponse",
        "Refused",
        "ResponseTooLarge",
        "StreamTruncated",
    ),
    "policies.classify": ("substitutable", "transient"),
    "policies.deadline": ("Deadline",),
    "policies.fallback": ("Fallback",),
    "policies.retry": ("Retry",),
    "policies.retry_budget": ("RetryBudget",),
    "policies.trace": ("Trace",),
    "prices.price": ("Price",),
    "provider": (
        "FallbackProvider",
        "HanzoModel",
        "HanzoModelProvider",
        "PolicyModel",
        "get_hanzo_provider",
        "get_provider",
        "wrap",
    ),
    "settings": ("Settings",),
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
