"""The events of one call, as its caller holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanzo_agents._kernel.primed import Primed
    from hanzo_agents.llmwise.shapes import Event

__all__ = ["AsyncEvents"]


class AsyncEvents:
    """The events of one call. The request is sent when the first is asked for, and never before.

    Read it to its end, use it in `async with`, or `aclose()` it: what is left is settled, and its connection
    closed.
    """

    def __init__(self, begin: Callable[[], Awaitable[Any]]) -> None:
        self._begin: Callable[[], Awaitable[Any]] | None = begin
        self._stream: Primed | None = None
        self._opening = self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._stream is None:
            await self._open()
        if self._stream is None:
            raise StopAsyncIteration
        return cast("Event", await anext(self._stream))

    async def aclose(self) -> None:
        """Leave the stream: it is settled at once, and the connection closed. Safe to repeat.

        While the first event is being waited for, that happens when it comes.
        """
        self._begin, self._closed = None, True
        if self._stream is not None:
            await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _open(self) -> None:
        if self._opening:
            raise RuntimeError("the first event of this stream is being waited for already")
        begin, self._begin = self._begin, None
        if begin is None:
            return
        self._opening = True
        try:
            stream: Primed = await begin()
        finally:
            self._opening = False
        self._stream = stream
        if self._closed:
            await stream.aclose()
