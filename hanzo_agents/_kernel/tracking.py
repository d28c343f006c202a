"""`track()`: the journals of every call made inside a block."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Generator

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply

__all__ = ["identify_by", "open_journal", "track", "track_only", "tracked", "untracked"]

Identify = Callable[[], tuple[str | None, str | None]]
"""The agent that calls, by name, and the id of the run it does so in; None where nobody knows."""

_leg: ContextVar[bool] = ContextVar("hanzo_agents_leg", default=False)
_tracked: ContextVar[tuple[list[Journal], ...]] = ContextVar("hanzo_agents_tracked", default=())


_identify: Identify | None = None


def identify_by(identify: Identify) -> None:
    """Have journals say whose call they are of. Called by whoever knows the framework that runs agents."""
    global _identify  # noqa: PLW0603 - a process has one such framework
    _identify = identify


@contextmanager
def track() -> Generator[list[Journal]]:
    """Collect the journal of every model call made in the block, also in tasks started inside it.

    Blocks nest: an outer one sees the calls of an inner one. Journals hold facts (model, attempts, tokens,
    cost, times), never prompts or answers.
    """
    journals: list[Journal] = []
    token = _tracked.set((*_tracked.get(), journals))
    try:
        yield journals
    finally:
        _tracked.reset(token)


@contextmanager
def track_only(journals: list[Journal]) -> Generator[None]:
    """Send journals opened in the block to `journals` alone: the calls are legs of one that is tracked already."""
    token, leg = _tracked.set((journals,)), _leg.set(True)
    try:
        yield
    finally:
        _leg.reset(leg)
        _tracked.reset(token)


@contextmanager
def untracked() -> Generator[None]:
    """Have nobody who tracks hear of the calls in the block: they are rehearsed, not made."""
    token = _tracked.set(())
    try:
        yield
    finally:
        _tracked.reset(token)


def open_journal(started: float, operation: str) -> Journal:
    """A journal for a call that begins now, handed to whoever tracks."""
    journal = Journal(started, operation, leg=_leg.get())
    if _identify is not None:
        journal.agent, journal.run = _identify()
    for journals in _tracked.get():
        journals.append(journal)
    return journal


async def tracked(service: Send, call: Call) -> Reply:
    """Send a call, and close its journal when it fails or its reply is settled."""
    try:
        reply = await service(call)
    except BaseException as error:
        call.journal.close(call.clock.now(), error)
        raise
    if len(call.journal.attempts) > 1:
        _let_frames_go(call.journal)
    # Last: what a policy still writes into an attempt (a cost that only it knows) belongs to the record.
    reply.on_settled(
        lambda settled: call.journal.close(call.clock.now(), settled.error, complete=settled.complete), last=True
    )
    return reply


def _let_frames_go(journal: Journal) -> None:
    """Keep the errors of failed attempts without the frames they came through.

    Those hold the reply of the attempt that answered: a journal that is kept would keep the stream open that its
    reader has dropped.
    """
    left = [attempt.error for attempt in journal.attempts]
    seen: set[int] = set()
    while left:
        error = left.pop()
        # An error may be its own cause.
        if error is not None and id(error) not in seen:
            seen.add(id(error))
            error.__traceback__ = None
            left += (error.__cause__, error.__context__)
