"""The event loop on which synchronous calls run, in a daemon thread.

An anyio blocking portal would do, but one that is left open keeps the interpreter alive. This thread is a
daemon, and so are the threads it uses: the process ends when its own work has ended. At exit the loop gets a
moment to cancel what is in flight, so that accounts are settled and connections closed.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, TypeVarTuple
from weakref import WeakSet

from typing_extensions import override

from hanzo_agents._kernel.daemons import daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

__all__ = ["DAEMON_THREADS", "LoopThread", "loop_thread", "on_loop_thread"]

T = TypeVar("T")
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")

GRACE = 1.0
"""Seconds that exit waits for what is in flight to be cancelled."""


class LoopThread:
    """An event loop that runs in a daemon thread until the process ends.

    Attributes:
        stopping: the process ends; nobody is to be woken any more.
        closing: tasks that do no more than clean up; exit does not cancel them.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.closing: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        # Lookups of host names run in the default executor. The usual one is waited for at exit.
        self._loop.set_default_executor(DAEMON_THREADS)
        self._tasks: set[asyncio.Task[Any]] = set()
        try:
            self._thread = daemon("hanzo-agents-loop", self._main)
        except RuntimeError:
            self._loop.close()
            raise

    @property
    def ours(self) -> bool:
        """Whether the thread runs in this process, and not in the one that forked it."""
        return self._process == os.getpid()

    @property
    def here(self) -> bool:
        """Whether the caller runs on it."""
        return threading.get_ident() == self._thread.ident

    def check(self) -> None:
        """Raise RuntimeError where waiting for this loop would never end."""
        if self.here:
            raise RuntimeError(
                "a synchronous Hanzo call was made on the event loop that serves such calls, and would wait for "
                "itself for ever; use AsyncHanzo there"
            )
        if not self.ours:
            raise RuntimeError("this stream was opened before the process forked; open it again")

    def post(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Have the loop call something, from another thread that is going to wait for it."""
        self.check()
        self._loop.call_soon_threadsafe(callback, *args)

    def drop(self, callback: Callable[[], object]) -> None:
        """Have the loop call something if it still lives in this process. Takes no lock and never waits."""
        if self.ours:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(callback)

    def begin(self, coroutine: Coroutine[Any, Any, T], context: Context) -> asyncio.Task[T]:
        """Start a task. Called on the loop, which by itself would not keep the task alive."""
        task = self._loop.create_task(coroutine, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def stop(self) -> None:
        """Cancel everything, close the loop, and wait a moment for that."""
        self.stopping = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GRACE)

    def _main(self) -> None:
        while not self.stopping:
            # These two leave the loop when a task raises them. The calls of other threads go on.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            self._loop.run_until_complete(self._leave())
        self._loop.close()

    async def _leave(self) -> None:
        # Not `asyncio.Runner`: it would start a thread to end the executor, which no interpreter that exits may.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks - set(self.closing):
            if not task.cancelling():  # or it would be torn out of its cleanup
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Connections are closed by generators that live as long as the loop (see `LoopLocalTransport`).
        await self._loop.shutdown_asyncgens()


class _DaemonThreads(ThreadPoolExecutor):
    """A thread for every job, and no wait for them at exit.

    No pool: a job may itself wait for another job, to any depth.
    """

    @override
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        job = partial(fn, *args, **kwargs)
        daemon("hanzo-agents-job", _fulfil, future, job)
        return future


def _fulfil(future: Future[T], job: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 - handed to the caller
        future.set_exception(error)
    finally:
        del future, job  # or the exception's traceback would hold them, and they the exception


class _Process:
    """The loop thread of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: LoopThread | None = None
        self._lost: list[LoopThread] = []

    def loop_thread(self) -> LoopThread:
        """The one there is, or a new one."""
        current = self._current
        if current is None:
            with self._lock:
                current = self._current = self._current or LoopThread()
        current.check()
        return current

    def on_loop_thread(self) -> bool:
        """Whether the caller runs on the loop."""
        current = self._current
        return current is not None and current.here

    def forked(self) -> None:
        """Start afresh in a child process: only the thread that forked has come along.

        The parent's loop is kept, unclosed: closing it here would tear the wake-up socket out of the parent's
        epoll set, which the two processes share.
        """
        if self._current is not None:
            self._lost.append(self._current)
        self._current = None
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End the loop thread, if there is one."""
        with self._lock:
            current, self._current = self._current, None
        if current is not None:
            current.stop()


DAEMON_THREADS = _DaemonThreads()
"""Threads for what may block, on any loop."""

_process = _Process()
loop_thread = _process.loop_thread
on_loop_thread = _process.on_loop_thread
atexit.register(_process.stop)
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_process.forked)
