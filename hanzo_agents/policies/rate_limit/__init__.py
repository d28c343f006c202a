"""Within an upstream's limits: the policy `RateLimit`, and how one of its limits stands."""

from hanzo_agents.policies.rate_limit.policy import LimitState, RateLimit

__all__ = ["LimitState", "RateLimit"]
