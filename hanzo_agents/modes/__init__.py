"""Where calls go: the models of this machine, the router, providers asked directly, and in which order.

`plan` turns the settings of a client into its home endpoint and the policies that walk the others. It is called
once, when the client is made, and refuses there what contradicts itself.
"""

from __future__ import annotations

from hanzo_agents.modes.asked import MODES
from hanzo_agents.modes.plan import Plan, plan
from hanzo_agents.modes.provider import SUBSTITUTES

__all__ = ["MODES", "SUBSTITUTES", "Plan", "plan"]
