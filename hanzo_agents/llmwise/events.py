"""The event streams of LLMWise: read leniently, as the service speaks, but never past an error or a cut."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from openai import APIConnectionError, APITimeoutError
from openai._httpx2 import request_exceptions

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.failures import connection_error
from hanzo_agents._wire.reading import byte_chunks
from hanzo_agents.errors import InvalidResponse
from hanzo_agents.llmwise.failures import LLMWiseError, reported, truncated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    import httpx2

    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._wire.redact import Secrets
    from hanzo_agents.llmwise.tally import Tally
    from hanzo_agents.llmwise.view import ModeView

__all__ = ["Check", "Reader"]

GRACE = 2.0
"""Seconds to wait for what may follow `done` (the end of the body) on an open connection."""

BILLING = 10.0
"""Seconds to wait for `done`, which tells the credits, when the model has finished."""

MOST_LINES = 100
"""Of one event. More are no event."""

_ENDS = re.compile(rb"\r\n|\n|\r")
_DONE: Any = object()


class Check:
    """Follows one stream: which events are useful, what it took, and whether it ended well.

    An error of one model among several is that model's, and an event like others; the rest go on.
    """

    tool_calls: list[Any] = []  # noqa: RUF012 - the API has none

    def __init__(self, view: ModeView, tally: Tally) -> None:
        self._several = view.operation != "chat"
        self._tally = tally
        self._said: list[str] = []
        self._useful = False
        self.complete = False
        self.accounted = False
        self.usage: Usage | None = None
        self.raw_usage: Any = None

    @property
    def output_text(self) -> str:
        """All that was said so far."""
        return "".join(self._said)

    def fails(self, event: dict[str, Any]) -> bool:
        """Whether the event says that the answer failed."""
        if not event.get("error") and event.get("event") != "error":
            return False
        return not event.get("model") if self._several else event.get("event") not in {"route", "trace"}

    def feed(self, event: dict[str, Any]) -> tuple[bool, list[Any]]:
        """Take the next event. Returns whether it commits the stream, and the events to hand on."""
        kind = event.get("event")
        delta = event.get("delta")
        if isinstance(delta, str):
            self._said.append(delta)
        ends = kind == "done" or (not self._several and bool(event.get("done") or event.get("finish_reason")))
        self.complete = self.complete or ends
        self.accounted = self.accounted or kind == "done"
        self._useful = self._useful or bool(delta) or ends or kind == "summary" or bool(event.get("done"))
        if self._tally.take(event) or ends:
            self.raw_usage = self._tally.told
            if self._useful:
                self.usage = self._tally.usage(self.output_text)
        return self._useful, [event]

    def end(self) -> list[Any]:
        """The stream has ended of itself: nothing is held back."""
        return []

    def closed(self) -> str | None:
        """The stream says that it is over. Why it is no answer all the same, None when it is one."""
        self.complete = self.complete or self._useful
        return None if self._useful else "the stream ended without an answer"


class Reader:
    """Bytes to checked events. Ends with an error unless the stream is whole.

    Lines that do not begin with `data:` are skipped, and so is data that is no JSON object: a line by itself, or
    all lines up to an empty one. Lines may end in any way, and need no empty line between events.
    """

    def __init__(
        self,
        response: httpx2.Response,
        check: Check,
        secrets: Secrets,
        *,
        limit: int,
        accounted: Callable[[list[Any]], None],
        show: Callable[[list[Any]], None],
    ) -> None:
        self._response = response
        self._check = check
        self._secrets = secrets
        self._accounted = accounted
        self._show = show
        self._chunks = byte_chunks(response, limit)
        self._idle = BILLING

    def hurry(self, idle: float | None) -> None:
        """Wait for what may follow a whole answer no longer than for the answer itself."""
        if idle is not None:
            self._idle = min(BILLING, idle)

    async def batches(self) -> AsyncGenerator[tuple[bool, list[Any]]]:
        """Whether an event commits the stream, and the events to hand on."""
        check = self._check
        async with aclosing(self._whole()) as found:
            async for batch in found:
                self._show(batch[1])
                if check.accounted:
                    self._accounted(batch[1])
                yield batch
                # What came may hold the key, and the frames of an error are shown.
                batch = None  # type: ignore[assignment] # noqa: PLW2901
        self._accounted([])

    async def _whole(self) -> AsyncGenerator[tuple[bool, list[Any]]]:
        """Checked events; what breaks after the answer is whole breaks nothing."""
        failure: Exception | None = None
        try:
            async with aclosing(self._events()) as events:
                while (event := await self._next(events)) is not None:
                    if event is _DONE:
                        why = self._check.closed()
                        failure = None if why is None else truncated(why, self._response)
                        await self._drain(events)
                        break
                    if self._check.fails(event):
                        failure = reported(event, self._response, self._secrets)
                        break
                    batch = self._check.feed(event)
                    yield batch
                else:
                    if not self._check.complete:
                        failure = truncated("the stream ended before it was finished", self._response)
        except (InvalidResponse, APIConnectionError, LLMWiseError) as error:
            failure = None if self._check.complete else error
        # As above.
        event = batch = None  # type: ignore[assignment]
        if failure is not None:
            raise failure

    async def _next(self, events: AsyncIterator[Any]) -> Any:
        """The next event; None at the end, or when the answer is whole and nothing more comes."""
        if not self._check.complete:
            return await anext(events, None)
        patience = min(GRACE, self._idle) if self._check.accounted else self._idle
        try:
            async with asyncio.timeout(patience):
                return await anext(events, None)
        except TimeoutError:
            return None

    async def _drain(self, events: AsyncIterator[Any]) -> None:
        """Read what is left, or the connection cannot be used again; but nobody waits for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(GRACE, self._idle)):
                async for _ in events:
                    pass

    async def _events(self) -> AsyncGenerator[Any]:
        """JSON objects, and `_DONE`."""
        lines: list[str] = []
        async with aclosing(self._lines()) as found:
            async for line in found:
                text = line.strip()
                if not text or len(lines) >= MOST_LINES:
                    lines.clear()
                if not text.startswith("data:"):
                    continue
                lines.append(text[5:].strip())
                if lines[-1].startswith("[DONE]"):
                    yield _DONE
                elif (event := _object(lines[-1]) or _object("\n".join(lines))) is not None:
                    lines.clear()
                    yield event

    async def _lines(self) -> AsyncGenerator[str]:
        held: list[bytes] = []
        cut = False
        failure: Exception | None = None
        try:
            async with aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    # A CRLF may be cut in two.
                    pieces = _ENDS.split(chunk[1:] if cut and chunk.startswith(b"\n") else chunk)
                    cut = chunk.endswith(b"\r")
                    for piece in pieces[:-1]:
                        yield b"".join((*held, piece)).decode("utf-8", "replace")
                        held.clear()
                    held.append(pieces[-1])
        except request_exceptions() as error:
            failure = self._cut(error)
        if failure is not None:
            raise failure
        yield b"".join(held).decode("utf-8", "replace")

    def _cut(self, error: Exception) -> Exception:
        """A body that ends too early is a truncated stream, whether the peer closed or reset the connection."""
        lost = connection_error(error, self._response.request, self._secrets)
        if isinstance(lost, APITimeoutError):
            return lost
        made = truncated(f"the stream was cut: {lost.__cause__}", self._response)
        made.__cause__ = lost.__cause__
        return made


def _object(text: str) -> dict[str, Any] | None:
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        return as_dict(json.loads(text)) or None
    except (ValueError, RecursionError):
        return None
