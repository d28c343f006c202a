"""One run of an agent, told of while it lasts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents import Agent, RunConfig, RunResultStreaming

    from hanzo_agents.mcp.serving.progress import Progress

__all__ = ["Terms", "run_to_its_end"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What every run goes by.

    Attributes:
        config: as for the runner.
        max_turns: model calls an agent may make.
        context: makes the context of a run; None for none.
    """

    config: RunConfig
    max_turns: int
    context: Callable[[], Any] | None = None


async def run_to_its_end(agent: Agent[Any], text: str, terms: Terms, progress: Progress) -> RunResultStreaming:
    """Run an agent and tell of it. When cancelled, the run has stopped before this returns."""
    context = None if terms.context is None else terms.context()
    result = Runner.run_streamed(agent, text, context=context, max_turns=terms.max_turns, run_config=terms.config)
    try:
        async for event in result.stream_events():
            await progress.saw(event)
    finally:
        run = result.run_loop_task
        if run is not None and not run.done():
            result.cancel()
            await asyncio.wait([run])
    return result
