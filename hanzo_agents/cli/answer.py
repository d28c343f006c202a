"""One agent run, its events shown while they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from agents import RunConfig, Runner, ToolCallItem, ToolCallOutputItem
from openai.types.responses import ResponseRefusalDeltaEvent, ResponseTextDeltaEvent

if TYPE_CHECKING:
    from agents import Agent, RunResultStreaming, TResponseInputItem

    from hanzo_agents.provider import HanzoModelProvider

__all__ = ["Screen", "run_shown"]


class Screen(Protocol):
    """Where a run is shown."""

    def text(self, delta: str) -> None:
        """More of the answer."""
        ...

    def tool_called(self, name: str, arguments: str) -> None:
        """A tool runs; `arguments` is JSON."""
        ...

    def tool_returned(self, output: object) -> None:
        """A tool gave this back."""
        ...


async def run_shown(
    agent: Agent[Any],
    messages: str | list[TResponseInputItem],
    *,
    provider: HanzoModelProvider,
    model: str,
    screen: Screen,
) -> RunResultStreaming:
    """Run an agent and show its events. When cancelled, the run has stopped before this returns."""
    config = RunConfig(model_provider=provider, model=model, tracing_disabled=True)
    result = Runner.run_streamed(agent, messages, run_config=config)
    try:
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                if isinstance(event.data, ResponseTextDeltaEvent | ResponseRefusalDeltaEvent):
                    screen.text(event.data.delta)
            elif event.type == "run_item_stream_event":
                _show_item(event.item, screen)
    finally:
        run = result.run_loop_task
        if run is not None and not run.done():
            result.cancel()
            await asyncio.wait([run])
    return result


def _show_item(item: object, screen: Screen) -> None:
    if isinstance(item, ToolCallItem):
        call: Any = item.raw_item
        screen.tool_called(str(getattr(call, "name", "tool")), str(getattr(call, "arguments", "")))
    elif isinstance(item, ToolCallOutputItem):
        screen.tool_returned(item.output)
