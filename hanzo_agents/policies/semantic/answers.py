"""Answers to similar questions: what `SemanticCache` asks of whoever keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.sealed import Facts
    from hanzo_agents.stores.pending import Telling

__all__ = ["Answers", "Asked", "Found"]


@dataclass(slots=True)
class Asked:
    """A question on its way through the cache.

    Attributes:
        partition: 32 bytes, a keyed hash of everything but the last text of the user: instructions, conversation,
            tools, settings, model, endpoint and its key, tenant, routing. Only what was kept under the same
            partition may be given.
        secret: known only to who may ask this endpoint.
        text: the last text of the user, as it is sent.
        alone: nothing else is told to the model. A service that answers by itself may do so only then.
        threshold: the similarity from which an answer may be given, 0 to 1; None: the keeper's own.
        ttl: seconds for which an answer is kept.
        call: the call itself, for its clock, its deadline and its target.
        send: the stack below the cache, for who must ask something (an embedding) to find an answer.
        note: what the keeper wants to remember from `find` to `keep`.
    """

    partition: bytes
    secret: bytes = field(repr=False)
    text: str = field(repr=False)
    alone: bool
    threshold: float | None
    ttl: float
    call: Call
    send: Send
    note: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer to a similar question.

    Attributes:
        similarity: of the two questions, 0 to 1; None when the keeper does not say.
        facts: of the answer; its cost is what giving it saves, or for a `fresh` one what it took.
        body: the answer as its dialect spells it: what `Answers.keep` was given.
        text: the answer as plain text, in place of `body`.
        question: what it was given to, when the keeper knows; then the gate is asked too.
        fresh: nobody had it; the keeper has had it answered just now, and that is billed.
        own: what the keeper wants to know it again by.
    """

    similarity: float | None
    facts: Facts
    body: bytes | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    question: str | None = field(default=None, repr=False)
    fresh: bool = False
    own: Any = field(default=None, repr=False)


class Answers(Protocol):
    """Finds answers to similar questions, and keeps new ones. Serves every event loop and thread.

    One whose `find` may take long, as it asks a model, has a `patience`: the seconds it may take.
    """

    @property
    def scope(self) -> str:
        """How far it reaches, for people: "this process", "vectorcache api.vectorcache.ai". Never a key."""
        ...

    async def find(self, asked: Asked, /) -> Sequence[Found]:
        """Answers to similar questions of the partition, best first, a handful at most.

        What it raises means that it is away: the call goes on as if there were no cache.
        """
        ...

    def keep(self, asked: Asked, facts: Facts, body: bytes, /) -> Telling[bool]:
        """Keep an answer; False: it is not kept.

        Begins when it is called, on any thread, also where no event loop runs; it never waits.
        """
        ...

    def drop(self, found: Found, /, *, clock: Clock) -> None:
        """Remove an answer that turned out to be none."""
        ...

    async def clear(self, *, clock: Clock) -> int:
        """Drop every answer; how many."""
        ...
