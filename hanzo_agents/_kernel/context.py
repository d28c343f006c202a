"""A stream in a context of its own, whichever task reads it.

What runs inside a generator sees the context variables of whoever asks for the next event. A stream that was begun
in one task and is read in another, as the winner of two legs is, would lose what it has set, and could not put it
back.
"""

from __future__ import annotations

import types
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Generator
    from contextvars import Context

__all__ = ["Secluded", "run_in"]

T = TypeVar("T")


@types.coroutine
def run_in(context: Context, awaitable: Awaitable[T]) -> Generator[Any, Any, T]:
    """Await something step by step in `context`, on the task that awaits this.

    Unlike a task, it is cancelled where it stands, and timeouts around it hold.
    """
    steps = context.run(awaitable.__await__)
    step = partial(steps.send, None)
    while True:
        try:
            waiting = context.run(step)
        except StopIteration as done:
            result: T = done.value
            return result
        try:
            sent = yield waiting
        except BaseException as error:  # noqa: BLE001 - thrown on, whatever it is
            step = partial(steps.throw, error)
        else:
            step = partial(steps.send, sent)


class Secluded(Generic[T]):
    """An async iterator that runs in a copy of the context in which its first event was asked for."""

    __slots__ = ("_context", "_events")

    def __init__(self, events: AsyncIterator[T]) -> None:
        self._events = events
        self._context: Context | None = None

    def __aiter__(self) -> Secluded[T]:
        return self

    async def __anext__(self) -> T:
        return await run_in(self._own(), anext(self._events))

    async def aclose(self) -> None:
        """Close the iterator, if it can be closed."""
        close = getattr(self._events, "aclose", None)
        if close is not None:
            await run_in(self._own(), close())

    def _own(self) -> Context:
        if self._context is None:
            self._context = copy_context()
        return self._context
