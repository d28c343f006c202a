"""The same target again: the policy `Retry`, and the budget that keeps retries from becoming a storm."""

from hanzo_agents.policies.retry.budget import RetryBudget
from hanzo_agents.policies.retry.policy import Retry

__all__ = ["Retry", "RetryBudget"]
