"""LLMWise, a gateway that chats, compares, blends and judges models: its whole API, through the policies.

from hanzo_agents.llmwise import AsyncLLMWise, LLMWise, LLMWiseError, LLMWiseModel
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents.llmwise.client import AsyncLLMWise, LLMWise
from hanzo_agents.llmwise.failures import LLMWiseError

if TYPE_CHECKING:
    from hanzo_agents.llmwise.model import LLMWiseModel

__all__ = ["AsyncLLMWise", "LLMWise", "LLMWiseError", "LLMWiseModel"]


def __getattr__(name: str) -> Any:
    # Apart: it imports the Agents SDK, which the clients do without.
    if name == "LLMWiseModel":
        from hanzo_agents.llmwise.model import LLMWiseModel

        return LLMWiseModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
