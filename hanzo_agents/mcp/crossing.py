"""From any event loop to the package's own, on which all connections to MCP servers live.

A connection belongs to the loop that opened it. Agents run on whatever loop their caller has, a new one each time
with `asyncio.run`; so no connection may be opened there.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from hanzo_agents._kernel.loop_thread import loop_thread, on_loop_thread

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["across"]

T = TypeVar("T")


async def across(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the package's loop, in a copy of the caller's context, and cancel it with the caller."""
    if on_loop_thread():
        return await coroutine
    thread, context = loop_thread(), copy_context()
    answer: Future[T] = Future()
    tasks: list[asyncio.Task[T]] = []

    def start() -> None:
        if not answer.set_running_or_notify_cancel():
            coroutine.close()
            return
        tasks.append(thread.begin(coroutine, context))
        tasks[0].add_done_callback(finish)

    def finish(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            answer.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result(task.result())

    thread.post(start)
    try:
        return await asyncio.wrap_future(answer)
    except asyncio.CancelledError:
        thread.drop(lambda: [task.cancel() for task in tasks])
        raise
