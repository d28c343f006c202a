"""What a store is: five accounts of what calls did, kept in a process, a file or a Redis.

Every operation begins when it is called and returns a `Pending`. It takes the clock of the call it is for: a store
of one process counts by its monotonic time, a file by wall time, which its processes share (limits, which know no
calendar, by the machine's monotonic time), and Redis by the time of its server, except under the clock of a test,
whose time counts everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hanzo_agents.errors import HanzoError

if TYPE_CHECKING:
    from hanzo_agents.stores.circuits import Circuits
    from hanzo_agents.stores.entries import Entries
    from hanzo_agents.stores.ledger import Ledger
    from hanzo_agents.stores.limits import Limits
    from hanzo_agents.stores.vectors import Vectors

if TYPE_CHECKING:
    part = property
else:
    # A part is made when it is first used. Type checkers see the property that the protocol asks for.
    from functools import cached_property as part

__all__ = ["Store", "StoreUnavailable", "part"]


class StoreUnavailable(HanzoError):
    """The store did not answer in time, or cannot be written; whether the operation happened is unknown."""


class Store(Protocol):
    """Where policies keep what must outlive a call. Share the object to share the state."""

    @property
    def scope(self) -> str:
        """How far the state reaches, for people: "this process", "file usage.db", "redis cache:6379/0 hanzo"."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Money: reserved, spent, by whom and on what."""
        ...

    @property
    def limits(self) -> Limits:
        """Requests and tokens in the last minute, and calls under way."""
        ...

    @property
    def circuits(self) -> Circuits:
        """Which targets are failing."""
        ...

    @property
    def entries(self) -> Entries:
        """Cached answers."""
        ...

    @property
    def vectors(self) -> Vectors:
        """Cached answers, by what their questions are like."""
        ...

    def close(self) -> None:
        """Finish what was asked for and let go of connections. Safe to repeat."""
        ...
