"""Cached answers: what every store does with them. To a store an answer is bytes under a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries.flights import Flights
    from hanzo_agents.stores.pending import Telling

__all__ = ["SPACE", "Bounds", "Claim", "Entries"]

SPACE = 8
"""Bytes at the beginning of a key that say whose it is: what has them in common can be cleared together."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a store may keep; what was not used for longest goes first.

    Attributes:
        entries: how many answers.
        size: bytes of answers, all together.
    """

    entries: int
    size: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks the upstream, of several processes that want the same answer.

    Attributes:
        content: the answer, when somebody was faster.
        fence: counts upwards; who holds the lease puts its answer with this. None when another one holds it.
    """

    content: bytes | None = None
    fence: int | None = None


class Entries(Protocol):
    """Answers under keys, each for a while. Repeating an operation changes nothing.

    Attributes:
        flights: who of this process is asking what.
        shared: whether other processes see the same entries, so that asking needs a lease.
        bounded: whether `Bounds` are kept; a server that many share has bounds of its own.
        largest: bytes of the largest answer that is kept.
    """

    flights: Flights
    shared: bool
    bounded: bool
    largest: int

    def get(self, key: bytes, *, clock: Clock) -> Telling[bytes | None]:
        """The answer under `key`, None when there is none or its time is over."""
        ...

    def put(
        self, key: bytes, content: bytes, *, ttl: float, bounds: Bounds, fence: int | None, clock: Clock
    ) -> Telling[bool]:
        """Keep an answer for `ttl` seconds, and give the lease back.

        False when nothing was kept: since `fence` was given out, another process has taken over.
        """
        ...

    def remove(self, key: bytes, *, content: bytes, clock: Clock) -> Telling[None]:
        """Drop the entry under `key` if it still is `content`."""
        ...

    def claim(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Telling[Claim]:
        """Take the lease on asking for `key`, for `lease` seconds, unless there is an answer or another owner."""
        ...

    def prolong(self, key: bytes, *, owner: str, lease: float, clock: Clock) -> Telling[None]:
        """Let a lease that has not ended last for `lease` seconds from now. One that has is not taken again."""
        ...

    def release(self, key: bytes, *, owner: str, clock: Clock) -> Telling[None]:
        """Give the lease back without an answer."""
        ...

    def clear(self, space: bytes, *, position: str, clock: Clock) -> Telling[tuple[int, str]]:
        """Drop some of the entries whose key begins with `space`; all of them when it is empty.

        Begins at the position ""; the result is how many were dropped, and the position to go on from, "" when
        there are no more.
        """
        ...
