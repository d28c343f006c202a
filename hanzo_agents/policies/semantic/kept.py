"""Answers in a store of ours: found by the vector of their question, each sealed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from hanzo_agents._kernel.canonical import CANONICAL
from hanzo_agents.policies.sealed import opened, sealed
from hanzo_agents.policies.semantic.answers import Found
from hanzo_agents.policies.semantic.gate.reading import spelled
from hanzo_agents.stores.pending import Done

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.sealed import Facts
    from hanzo_agents.policies.semantic.answers import Asked
    from hanzo_agents.policies.semantic.embedders import Embedder
    from hanzo_agents.stores.entries import Bounds
    from hanzo_agents.stores.pending import Telling
    from hanzo_agents.stores.store import Store
    from hanzo_agents.stores.vectors import Near

__all__ = ["KeptAnswers"]

MOST_FOUND = 8
"""Similar questions that are looked at; the gate may refuse the first of them and let the next one pass."""


class KeptAnswers:
    """Answers in memory, in a file or in Redis.

    An entry is the question and the answer, sealed with the endpoint's key over the partition and the vector it
    lies under: what is damaged, moved, or written by somebody without the key does not open, and is removed.
    """

    def __init__(self, store: Store, embedder: Embedder, bounds: Bounds) -> None:
        self.scope = store.scope
        self.patience = embedder.patience
        self._vectors = store.vectors
        self._embedder = embedder
        self._bounds = bounds

    async def find(self, asked: Asked, /) -> list[Found]:
        """Answers to similar questions of the partition, best first."""
        vector = await self._embedder.vector(spelled(asked.text), asked)
        made = f"{len(vector)} {self._embedder.identity}"  # vectors of another length are of another model
        space = hashlib.sha256(asked.partition + made.encode()).digest()
        asked.note = (space, vector)
        least = self._embedder.threshold if asked.threshold is None else asked.threshold
        clock = asked.call.clock
        nears = await self._vectors.nearest(space, vector, least=least, most=MOST_FOUND, clock=clock)
        return [found for near in nears if (found := self._opened(space, asked, near)) is not None]

    def _opened(self, space: bytes, asked: Asked, near: Near) -> Found | None:
        inside = opened(_name(space, near.vector), asked.secret, near.content)
        if inside is not None:
            facts, rest = inside
            question, _, body = rest.partition(b"\n")
            return Found(near.similarity, facts, body, question=json.loads(question), own=near)
        asked.call.note("SemanticCache", "drops an entry", "it does not open: damaged, or of another version")
        self._vectors.remove(near, clock=asked.call.clock).tell(_nothing, _nothing)
        return None

    def keep(self, asked: Asked, facts: Facts, body: bytes, /) -> Telling[bool]:
        """Keep an answer under the vector that `find` has made."""
        if asked.note is None:
            return Done(False)
        space, vector = asked.note
        rest = CANONICAL.encode(asked.text).encode() + b"\n" + body
        content = sealed(_name(space, vector), asked.secret, facts, rest)
        if len(content) > min(self._vectors.largest, self._bounds.size):
            return Done(False)
        return self._vectors.put(
            space, vector, content, ttl=asked.ttl, bounds=self._bounds, clock=asked.call.clock
        )

    def drop(self, found: Found, /, *, clock: Clock) -> None:
        """Remove an answer that turned out to be none."""
        self._vectors.remove(found.own, clock=clock).tell(_nothing, _nothing)

    async def clear(self, *, clock: Clock) -> int:
        """Drop every answer of the store that was kept by likeness."""
        dropped = 0
        while more := await self._vectors.clear(clock=clock):
            dropped += more
        return dropped


def _name(space: bytes, vector: bytes) -> bytes:
    return space + hashlib.sha256(vector).digest()


def _nothing(_: object) -> None:
    """Nobody waits for it: an entry that stays is found again."""
