"""Several models for one call: `Blend` makes one answer of theirs, `Judge` gives the best one."""

from hanzo_agents.policies.ensemble.agreement import likeness
from hanzo_agents.policies.ensemble.blend import Blend
from hanzo_agents.policies.ensemble.judge import Judge
from hanzo_agents.policies.ensemble.verdict import Verdict

__all__ = ["Blend", "Judge", "Verdict", "likeness"]
