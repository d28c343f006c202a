"""What a store is: five accounts of what calls did, kept in a process, a file or a Redis.

Every operation begins when it is called and returns a `Pending`. It takes the clock of the call it is for: a store
of one process counts by its monotonic time, a file by wall time, which its processes share (limits, which know no
calendar, by the machine's monotonic time), and Redis by the time of its server, except under the clock of a test,
whose time counts everywhere.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from typing_extensions import override

from hanzo_agents.errors import HanzoError

if TYPE_CHECKING:
    from hanzo_agents.stores.circuits import Circuits
    from hanzo_agents.stores.entries import Entries
    from hanzo_agents.stores.ledger import Ledger
    from hanzo_agents.stores.limits import Limits
    from hanzo_agents.stores.vectors import Vectors

__all__ = ["Store", "StoreUnavailable", "made_once", "part"]

T = TypeVar("T")


class made_once(cached_property[T]):  # noqa: N801 - named as the property that it is
    """An attribute that is made when it is first used, and is one for all threads.

    Since Python 3.12 `cached_property` gives each of those that use it first one of their own. Here too each may
    make one, but all get the first that was kept: no lock, as a store is also used while the collector runs.
    """

    if not TYPE_CHECKING:

        @override
        def __get__(self, owner: Any, kind: Any = None) -> Any:
            if owner is None:
                return self
            return owner.__dict__.setdefault(self.attrname, self.func(owner))


# Type checkers see the property that the protocol asks for.
part = property if TYPE_CHECKING else made_once


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
