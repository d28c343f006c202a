"""Synchronous calls of the asynchronous engine, run on the process's loop thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, wait
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from hanzo_agents._kernel.loop_thread import DAEMON_THREADS, LoopThread, loop_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

__all__ = ["Iteration", "call_off_loop", "iterate", "run"]

T = TypeVar("T")
P = ParamSpec("P")

GLANCE = 0.5
"""Seconds between two looks for a signal while waiting."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop thread, in a copy of the caller's context, and wait for its result.

    Whatever interrupts the wait, a Ctrl-C above all, cancels the coroutine and is raised when that has cleaned
    up; a second interrupt does not wait.

    Raises:
        RuntimeError: called on the loop thread itself, which would wait for ever.
        TypeError: it is no coroutine.
    """
    try:
        call = _Call(loop_thread(), coroutine)
    except BaseException:
        coroutine.close()
        raise
    try:
        return call.wait()
    finally:
        del call  # as in `_Call.wait`


def iterate(source: AsyncIterator[T]) -> Iteration[T]:
    """Read an async iterator synchronously, never ahead of the caller, in a copy of the caller's context.

    The source is closed when it ends or fails, and when the iteration is closed, dropped or interrupted.

    Raises:
        RuntimeError: called on the loop thread itself.
    """
    return Iteration(source)


async def call_off_loop(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call something that may block, such as a user's callback, in a thread, with the context of the caller.

    A cancelled call is left to itself. Its thread is a daemon and never delays the end of the process.
    """

    def call() -> T:
        try:
            return function(*args, **kwargs)
        except StopIteration as stop:
            # A future cannot carry one: whoever awaits it would never wake up.
            raise RuntimeError(f"{function!r} raised StopIteration") from stop

    return await asyncio.get_running_loop().run_in_executor(DAEMON_THREADS, partial(copy_context().run, call))


class Iteration(Generic[T]):
    """A synchronous iterator over an async one, which is read and closed by one task of the loop thread.

    Close it, use it in `with`, or drop it. Threads may share it: each item goes to one of them.
    """

    def __init__(self, source: AsyncIterator[T]) -> None:
        self._thread = loop_thread()
        self._reader = _Reader(self._thread, source)
        self._over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._over:
            raise StopIteration
        self._thread.check()
        answer: Future[tuple[T] | None] = Future()
        try:
            self._thread.post(self._reader.ask, answer)
            item = _waited(answer)
        except BaseException:
            self._over = True
            if not self._reader.done.done():  # not the source's failure: the wait was interrupted
                self._thread.post(self._reader.leave)
                _wait(self._reader.done)
            raise
        finally:
            del answer
        if item is None:
            self._over = True
            raise StopIteration
        return item[0]

    def close(self) -> None:
        """Close the source, and wait until it is closed. Safe to repeat, and while another thread reads.

        In a forked child it does nothing: the source is the parent's.
        """
        self._over = True
        if not self._reader.done.done() and self._thread.ours:
            self._thread.post(self._reader.leave)
            _waited(self._reader.done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The garbage collector runs on any thread, also on the loop's: ask for the closing, do not wait.
        reader: _Reader[T] | None = getattr(self, "_reader", None)
        if reader is not None and not reader.done.done():
            self._thread.drop(reader.leave)


class _Call(Generic[T]):
    """One coroutine on the loop, and the thread that waits for it."""

    def __init__(self, thread: LoopThread, coroutine: Coroutine[Any, Any, T]) -> None:
        self._thread = thread
        self._coroutine = coroutine
        self._context = copy_context()
        self._task: asyncio.Task[T] | None = None
        self._done: Future[T] = Future()

    def wait(self) -> T:
        try:
            self._thread.post(self._start)
            return _waited(self._done)
        except BaseException:
            if not self._done.done():  # not the coroutine's failure: the wait was interrupted
                self._thread.post(self._cancel)
                _wait(self._done)
            raise
        finally:
            del self  # it holds the exception, whose traceback holds this frame

    def _start(self) -> None:
        try:
            self._task = self._thread.begin(self._coroutine, self._context)
        except TypeError as error:  # no coroutine; raised here, it would only reach the loop's log
            self._done.set_exception(error)
        else:
            self._task.add_done_callback(self._finish)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:  # interrupted before it was even sent here
            self._coroutine.close()
            self._done.set_exception(asyncio.CancelledError())

    def _finish(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            # At exit only daemon threads still wait. They are left asleep, not sent off with a traceback.
            if not self._thread.stopping:
                self._done.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._done.set_exception(error)
        else:
            self._done.set_result(task.result())


class _Reader(Generic[T]):
    """Reads and closes an async iterator in a single task, as timeouts and cancel scopes inside it require.

    `ask` and `leave` are called on the loop. `done` is set when the source has been closed.
    """

    def __init__(self, thread: LoopThread, source: AsyncIterator[T]) -> None:
        self.done: Future[None] = Future()
        self._thread = thread
        self._source = source
        self._context = copy_context()
        self._asked: asyncio.Queue[Future[tuple[T] | None] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._left = False
        self._reading = False

    def ask(self, answer: Future[tuple[T] | None]) -> None:
        """Put the next item into `answer`, or None at the end."""
        if not self.done.done():
            self._wake(answer)
        elif self._left or (failure := self.done.exception()) is None:
            answer.set_result(None)
        else:  # somebody cancelled the task between two reads: that is no end of the items
            answer.set_exception(failure)

    def leave(self) -> None:
        """Close the source now, in the middle of a read if need be."""
        if not self._left:
            self._left = True
            if self._reading and self._task is not None:
                self._task.cancel()
            else:
                self._wake(None)

    def _wake(self, answer: Future[tuple[T] | None] | None) -> None:
        self._asked.put_nowait(answer)
        if self._task is None:
            self._task = self._thread.begin(self._live(), self._context)

    async def _live(self) -> None:
        answer: Future[tuple[T] | None] | None = None
        failure: BaseException | None = None
        try:
            while (answer := await self._asked.get()) is not None and not self._left:
                answer.set_result((await self._next(),))
                answer = None
        except StopAsyncIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            failure = error
        task = asyncio.current_task()
        assert task is not None
        self._thread.closing.add(task)
        if self._left and isinstance(failure, asyncio.CancelledError):
            failure = None
        try:
            await _closed(self._source)
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            failure = failure or error
        self._finish(answer, failure)
        del answer, failure  # as in `_Call.wait`

    async def _next(self) -> T:
        self._reading = True
        try:
            return await anext(self._source)
        finally:
            self._reading = False

    def _finish(self, answer: Future[tuple[T] | None] | None, failure: BaseException | None) -> None:
        if self._thread.stopping:  # as in `_Call._finish`
            self.done.set_result(None)
            return
        if failure is None or (answer is not None and not self._left):
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)
        if answer is not None:
            if failure is None or self._left:
                answer.set_result(None)
            else:
                answer.set_exception(failure)
        while not self._asked.empty():
            if (waiting := self._asked.get_nowait()) is not None:
                waiting.set_result(None)


async def _closed(source: AsyncIterator[Any]) -> None:
    """Close a generator (`aclose`) or one of the SDK's streams (`close`)."""
    close = getattr(source, "aclose", None) or getattr(source, "close", None)
    if close is not None:
        await close()


def _wait(future: Future[Any]) -> None:
    """Wait until the future is done.

    One long wait would miss a signal that arrives just before it begins, and on Windows every signal.
    """
    while not future.done():
        wait((future,), GLANCE)


def _waited(future: Future[T]) -> T:
    try:
        _wait(future)
        return future.result()
    finally:
        del future  # as in `_Call.wait`
