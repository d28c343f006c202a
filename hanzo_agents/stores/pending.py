"""The outcome of a store operation: under way from the moment it was asked for, whether or not it is awaited.

Accounts are settled from hooks that are synchronous and may run on any thread, without an event loop, even at
exit. So an operation begins when it is called, and awaiting only waits: who is cancelled meanwhile has not undone
it, and who needs no answer does not await.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from hanzo_agents._kernel.turns import Turns
    from hanzo_agents.stores.workers import Workers

__all__ = ["Done", "Pending", "Submitted", "Telling", "in_turn", "joined", "on_thread"]

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)

_logger = logging.getLogger("hanzo_agents")


class Pending(Protocol[T_co]):
    """What an operation returns: await it for its result, or leave it."""

    def __await__(self) -> Generator[Any, Any, T_co]:
        """Wait for the result; raises what the operation raised."""
        ...


class Telling(Pending[T_co], Protocol[T_co]):
    """One that can also tell somebody who does not wait."""

    def tell(self, done: Callable[[T_co], None], failed: Callable[[BaseException], None]) -> None:
        """Call one of the two once, on any thread, perhaps before this returns. They must not raise."""
        ...


class Done(Generic[T]):
    """An operation that was over when it returned. Awaiting it never suspends."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, T]:
        return self.value
        yield

    def tell(self, done: Callable[[T], None], failed: Callable[[BaseException], None]) -> None:
        """Call `done`, at once."""
        done(self.value)


class Submitted(Generic[T]):
    """An operation on another thread.

    Args:
        future: completed by that thread.
        what: names the operation in the log, should it fail and nobody ever wait for it.
    """

    __slots__ = ("_awaited", "future", "what")

    def __init__(self, future: Future[T], what: str) -> None:
        self.future = future
        self.what = what
        self._awaited = False

    def __del__(self) -> None:
        if not self._awaited:
            self.future.add_done_callback(partial(_forgotten, self.what))

    def __await__(self) -> Generator[Any, Any, T]:
        self._awaited = True
        # Shielded: the operation goes on when its waiter is cancelled, as it would have a moment later.
        return (yield from asyncio.shield(asyncio.wrap_future(self.future)).__await__())

    def read(self, convert: Callable[[T], U]) -> Submitted[U]:
        """The same operation, its result as `convert` reads it; in place of this one."""
        self._awaited = True
        read: Future[U] = Future()
        self.future.add_done_callback(lambda _: _fulfil(read, lambda: convert(self.future.result())))
        return Submitted(read, self.what)

    def tell(self, done: Callable[[T], None], failed: Callable[[BaseException], None]) -> None:
        """Call one of the two once it is over, on the thread that did it."""
        self._awaited = True

        def over(future: Future[T]) -> None:
            error = future.exception()
            if error is None:
                done(future.result())
            else:
                failed(error)

        self.future.add_done_callback(over)


def _forgotten(what: str, future: Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _logger.warning("%s failed: %s: %s", what, type(error).__name__, error)


def joined(parts: Sequence[Submitted[list[T]]], what: str) -> Submitted[list[T]]:
    """Several operations as one: their results one after the other, or what the first of them raised."""
    whole: Future[list[T]] = Future()
    left = iter(range(len(parts) - 1))  # taken from by any thread

    def over(_: object) -> None:
        if next(left, None) is None:
            _fulfil(whole, lambda: [each for part in parts for each in part.future.result()])

    for part in parts:
        part.tell(over, over)
    if not parts:
        whole.set_result([])
    return Submitted(whole, what)


def in_turn(turns: Turns, job: Callable[[], T], what: str) -> Done[T] | Submitted[T]:
    """Do `job` at once if nobody has the turn; else whoever has it does, soon. Never waits."""
    if turns.enter():
        try:
            return Done(job())
        finally:
            turns.leave()
    future: Future[T] = Future()
    turns.put(_fulfil, future, job)
    return Submitted(future, what)


def on_thread(workers: Workers, job: Callable[[], T], what: str) -> Submitted[T]:
    """Have a thread do `job`. Never waits."""
    future: Future[T] = Future()
    workers.put(partial(_fulfil, future, job))
    return Submitted(future, what)


def _fulfil(future: Future[T], result: Callable[[], T]) -> None:
    try:
        future.set_result(result())
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits
        future.set_exception(error)
