"""Targets that fail are left alone: the policy `Breaker`, what it tells, and which errors count."""

from hanzo_agents.policies.breaker.board import CircuitChange
from hanzo_agents.policies.breaker.fault import unhealthy
from hanzo_agents.policies.breaker.policy import Breaker

__all__ = ["Breaker", "CircuitChange", "unhealthy"]
