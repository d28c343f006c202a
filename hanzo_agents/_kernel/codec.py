"""Answers that outlive their call: what a policy that keeps them asks of a dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.reply import Reply, Settled

__all__ = ["Codec", "Kept", "Question"]


@dataclass(slots=True)
class Question:
    """What a call asks, so that it can be compared with what another asks.

    Attributes:
        asked: everything that decides the answer, in one canonical spelling; empty when there is an obstacle.
        secret: known only to who may ask this endpoint; keys and seals of entries are made with it. Empty when
            the endpoint's key is made anew each time, and so tells nobody apart.
        temperature: the sampling temperature that the caller names, None when it names none.
        obstacle: why no answer to it may be kept.
    """

    asked: bytes = field(default=b"", repr=False)
    secret: bytes = field(default=b"", repr=False)
    temperature: float | None = None
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A whole answer, as it is kept.

    Attributes:
        body: JSON, from which the dialect can make a value as well as a stream.
        calls_tools: whether it asks for tools to be run.
        substitute: whether the endpoint says that another model answered than the one that was asked.
    """

    body: bytes = field(repr=False)
    calls_tools: bool = False
    substitute: bool = False


class Codec(Protocol):
    """Makes something to keep of a reply, and a reply of what was kept. One a seam."""

    def question(self, call: Call) -> Question:
        """What the call asks. Pure: looks at nothing but the call."""
        ...

    def listen(
        self,
        call: Call,
        reply: Reply,
        heard: Callable[[Kept | str | None, Settled], None],
        moved: Callable[[], None],
    ) -> None:
        """Have `heard` called once: with the whole answer, with why it is none to keep, or None when it broke off.

        At once for a value. For a stream when it is settled, on whichever thread that is, after `moved` was called
        for each event that came. Neither may raise.
        """
        ...

    async def reply(self, call: Call, body: bytes, attempt: Attempt) -> Reply:
        """The answer again, in the form in which the call wants it, with nothing in it that another reply has.

        Raises:
            ValueError, TypeError, KeyError, IndexError, AttributeError: `body` is no answer of this dialect.
        """
        ...
