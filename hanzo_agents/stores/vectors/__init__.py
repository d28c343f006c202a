"""Answers by likeness: what every store does with them. To a store a question is a vector, an answer bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Telling

__all__ = ["Near", "Vectors"]


@dataclass(frozen=True, slots=True)
class Near:
    """Something that was kept under a vector like the one that was asked for.

    Attributes:
        id: its name in this store.
        similarity: cosine of the two vectors, -1 to 1.
        vector: its own, as it was put.
        content: what was put under it.
    """

    id: int
    similarity: float
    vector: bytes = field(repr=False)
    content: bytes = field(repr=False)


class Vectors(Protocol):
    """Contents under vectors, in spaces that know nothing of each other, each for a while.

    A vector is its numbers as little-endian float32, of length 1. One of another length than those that are
    there already, or with something in it that is no number, is never near to anything.

    Attributes:
        largest: bytes of the largest content that is kept.
    """

    largest: int

    async def nearest(self, space: bytes, vector: bytes, *, least: float, most: int, clock: Clock) -> list[Near]:
        """Up to `most` contents of the space whose similarity is at least `least`, the most similar first."""
        ...

    def put(
        self, space: bytes, vector: bytes, content: bytes, *, ttl: float, bounds: Bounds, clock: Clock
    ) -> Telling[bool]:
        """Keep a content for `ttl` seconds; what was not used for longest makes room. False: it finds none."""
        ...

    def remove(self, near: Near, *, clock: Clock) -> Telling[None]:
        """Drop one that was found."""
        ...

    def clear(self, *, clock: Clock) -> Telling[int]:
        """Drop all, of every space; how many."""
        ...
