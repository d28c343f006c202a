"""A second request when the first is slow: the policy `Hedge`, and the latencies it goes by."""

from hanzo_agents.policies.hedge.latency import Latencies
from hanzo_agents.policies.hedge.policy import Hedge

__all__ = ["Hedge", "Latencies"]
