"""What a client is told while an agent works."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from agents import AgentUpdatedStreamEvent, RawResponsesStreamEvent, RunItemStreamEvent, ToolCallItem
from openai.types.responses import ResponseCreatedEvent, ResponseRefusalDeltaEvent, ResponseTextDeltaEvent

from hanzo_agents._kernel.clock import current_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents import StreamEvent

    Report = Callable[[float, float | None, str | None], Awaitable[None]]
    """Sends a count that only grows, the count at which all is done if known, and a line to read."""

__all__ = ["Progress"]

EVERY = 0.5
"""Seconds between two lines about an answer that grows: a line a token would be more traffic than the answer."""


class Progress:
    """Tells of one call, in the order of what happens. What tools are given and return is not told."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._told = 0
        self._turns = 0
        self._tokens = 0
        self._quiet_until = -math.inf

    async def tell(self, line: str) -> None:
        """Send one line."""
        self._told += 1
        await self._report(self._told, None, line)

    async def saw(self, event: StreamEvent) -> None:
        """Tell of an event of a run, if it is one to tell."""
        if isinstance(event, RawResponsesStreamEvent):
            await self._saw_answer(event.data)
        elif isinstance(event, AgentUpdatedStreamEvent):
            await self.tell(
                f"{event.new_agent.name} takes over" if self._turns else f"{event.new_agent.name} begins"
            )
        else:
            await self._saw_item(event)

    async def _saw_answer(self, data: object) -> None:
        if isinstance(data, ResponseCreatedEvent):
            self._turns += 1
            await self.tell(f"turn {self._turns}")
        elif isinstance(data, ResponseTextDeltaEvent | ResponseRefusalDeltaEvent):
            self._tokens += 1
            now = current_clock().now()
            if now >= self._quiet_until:
                self._quiet_until = now + EVERY
                await self.tell(f"{self._tokens} tokens" if self._tokens > 1 else "answers")

    async def _saw_item(self, event: RunItemStreamEvent) -> None:
        if isinstance(event.item, ToolCallItem):
            name = getattr(event.item.raw_item, "name", None)
            await self.tell(f"calls {name or 'a tool'}")
        elif event.name == "tool_output":
            await self.tell("has the tool's answer")
