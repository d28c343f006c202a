"""A store in this process: nothing to set up, nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.stores.store import part

if TYPE_CHECKING:
    from hanzo_agents.stores.circuits.memory import MemoryCircuits
    from hanzo_agents.stores.entries.memory import MemoryEntries
    from hanzo_agents.stores.ledger.memory import MemoryLedger
    from hanzo_agents.stores.limits.memory import MemoryLimits
    from hanzo_agents.stores.vectors.memory import MemoryVectors

__all__ = ["MemoryStore"]


class MemoryStore:
    """State of one process, shared by its threads and event loops, gone with it."""

    scope = "this process"

    @part
    def ledger(self) -> MemoryLedger:
        """Money: reserved, spent, by whom and on what."""
        from hanzo_agents.stores.ledger.memory import MemoryLedger

        return MemoryLedger()

    @part
    def limits(self) -> MemoryLimits:
        """Requests and tokens in the last minute, and calls under way."""
        from hanzo_agents.stores.limits.memory import MemoryLimits

        return MemoryLimits()

    @part
    def circuits(self) -> MemoryCircuits:
        """Which targets are failing."""
        from hanzo_agents.stores.circuits.memory import MemoryCircuits

        return MemoryCircuits()

    @part
    def entries(self) -> MemoryEntries:
        """Cached answers."""
        from hanzo_agents.stores.entries.memory import MemoryEntries

        return MemoryEntries()

    @part
    def vectors(self) -> MemoryVectors:
        """Cached answers, by what their questions are like."""
        from hanzo_agents.stores.vectors.memory import MemoryVectors

        return MemoryVectors()

    def close(self) -> None:
        """Nothing to let go of."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(scope={self.scope!r})"
