"""What tokens cost, and who says so.

In order of truth: what the router reported for the call itself (read by `_wire.facts`), a user's own prices
(`over`), the router's page of models, the public list of `genai-prices`. A model that nobody knows has no price,
which is not a price of zero.
"""

from __future__ import annotations

from hanzo_agents.prices.own import checked_table, over
from hanzo_agents.prices.price import Price, Tiered

__all__ = ["Price", "Tiered", "checked_table", "over"]
