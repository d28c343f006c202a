"""A store in this process: nothing to set up, nothing left behind."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanzo_agents.stores.circuits.memory import MemoryCircuits
    from hanzo_agents.stores.entries.memory import MemoryEntries
    from hanzo_agents.stores.ledger.memory import MemoryLedger
    from hanzo_agents.stores.limits.memory import MemoryLimits

__all__ = ["MemoryStore"]


class MemoryStore:
    """State of one process, shared by its threads and event loops, gone with it."""

    scope = "this process"

    @cached_property
    def ledger(self) -> MemoryLedger:
        """Money: reserved, spent, by whom and on what."""
        from hanzo_agents.stores.ledger.memory import MemoryLedger

        return MemoryLedger()

    @cached_property
    def limits(self) -> MemoryLimits:
        """Requests and tokens in the last minute, and calls under way."""
        from hanzo_agents.stores.limits.memory import MemoryLimits

        return MemoryLimits()

    @cached_property
    def circuits(self) -> MemoryCircuits:
        """Which targets are failing."""
        from hanzo_agents.stores.circuits.memory import MemoryCircuits

        return MemoryCircuits()

    @cached_property
    def entries(self) -> MemoryEntries:
        """Cached answers."""
        from hanzo_agents.stores.entries.memory import MemoryEntries

        return MemoryEntries()

    def close(self) -> None:
        """Nothing to let go of."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scope={self.scope!r})"
