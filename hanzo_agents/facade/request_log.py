"""`log_requests`: a line for each call as it was asked, without what it says."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.shapes import as_dict, as_list
from hanzo_agents._kernel.stack import Place
from hanzo_agents.observe.names import plain

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply

__all__ = ["SHOWN", "RequestLog"]

SHOWN = (
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "seed", "stream",
    "reasoning_effort", "service_tier", "frequency_penalty", "presence_penalty", "parallel_tool_calls",
    "dimensions",
)  # fmt: skip
"""Parameters whose values are logged: numbers, switches and choices, and nothing that a person wrote."""


@dataclass(frozen=True)
class RequestLog:
    """Write each call into the log as it was asked: the model, how much text, and its settings.

    No prompt is written, so the Agents SDK's switches against that have nothing to withhold.

    Args:
        logger: lines go to `requests` below it, at INFO, each with the fields as `hanzo_...` attributes.
    """

    place: ClassVar[Place] = Place.TRACE

    logger: logging.Logger

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Write the line, and send."""
        log = self.logger.getChild("requests")
        if log.isEnabledFor(logging.INFO):
            facts = _facts(call)
            said = ", ".join(f"{name}={value}" for name, value in facts.items())
            fields = {"event": "request", "call": f"{id(call.journal):x}", "target": str(call.target), **facts}
            operation, target = call.view.operation, plain(str(call.target))
            log.info(
                "%s", f"{operation} {target}: {said}",
                extra={f"hanzo_{name}": value for name, value in fields.items()},
            )  # fmt: skip
        return await send(call)

    def plan(self, call: Call) -> Decision:
        """That the call is written down."""
        return Decision("RequestLog", "writes", f"to {self.logger.name}.requests, without what the call says")


def _facts(call: Call) -> dict[str, Any]:
    body = as_dict(getattr(call.view, "body", None))
    facts: dict[str, Any] = {"messages": len(call.view.messages), "characters": len(call.view.text)}
    if tools := as_list(body.get("tools")):
        facts["tools"] = len(tools)
    for name in SHOWN:
        value = body.get(name)
        if isinstance(value, bool | int | float):
            facts[name] = value
        elif isinstance(value, str):
            facts[name] = plain(value, 40)
    return facts
