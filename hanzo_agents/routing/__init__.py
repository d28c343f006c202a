"""Which model answers: the policy `Route`, strategies of your own, and what they go by.

from hanzo_agents.routing import Route, RoutingStrategy, pii
"""

from __future__ import annotations

from hanzo_agents.routing.asked import routed
from hanzo_agents.routing.catalogue import CATALOGUE, TIERS, ModelFacts
from hanzo_agents.routing.complexity import Complexity, complexity
from hanzo_agents.routing.memory import Memory
from hanzo_agents.routing.personal import Finding, contains_pii
from hanzo_agents.routing.route import Route
from hanzo_agents.routing.strategy import RoutingStrategy

__all__ = [
    "CATALOGUE",
    "TIERS",
    "Complexity",
    "Finding",
    "Memory",
    "ModelFacts",
    "Route",
    "RoutingStrategy",
    "complexity",
    "contains_pii",
    "pii",
    "routed",
]

pii = contains_pii
"""For `Route(local_for=pii)`."""
