"""Answers in words, at the Model seam."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from hanzo_agents._agents.codec import body_of_value, value_of_response
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._agents.codec import ModelCodec
    from hanzo_agents._agents.view import ModelView
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.voice import Part

__all__ = ["ModelVoice"]


class ModelVoice:
    """Reads and tells answers of models."""

    def __init__(self, codec: ModelCodec) -> None:
        self._codec = codec

    def offered(self, call: Call) -> Sequence[str]:
        """The tools and handoffs that the answer may call."""
        return _view(call).offered

    def in_tool_loop(self, call: Call) -> bool:
        """Whether the conversation ends with results of tools."""
        return _view(call).in_tool_loop

    def advised(self, call: Call, *, instructions: str = "", message: str = "", part: Part = "answers") -> Call:
        """The same conversation, with more in it."""
        return call.but(view=_view(call).advised(instructions=instructions, message=message, part=part))

    def whole(self, call: Call) -> Call:
        """The call, asking for a response instead of events."""
        return call.but(payload=False) if call.payload else call

    def text(self, value: Any) -> str:
        """What a response says."""
        messages = (item for item in value.output if item.type == "message")
        return "".join(part.text for item in messages for part in item.content if part.type == "output_text")

    def acts(self, value: Any) -> bool:
        """Whether a response calls a tool."""
        return any(item.type.endswith("_call") for item in value.output)

    async def gathered(self, call: Call, reply: Reply, hear: Callable[[str], None]) -> Any:
        """Read a stream to its end."""
        final: Any = None
        async with aclosing(reply.value) as events:
            async for event in events:
                if event.type == "response.output_text.delta":
                    hear(event.delta)
                elif event.type in {"response.completed", "response.incomplete"}:
                    final = event.response
        if final is None:
            raise InvalidResponse("the events of the stream make no whole answer", code="invalid_response")
        return value_of_response(final)

    async def told(self, call: Call, reply: Reply) -> Reply:
        """A response, as events where the call wants those."""
        if not call.payload:
            return reply
        assert reply.attempt is not None
        return await self._codec.reply(call, body_of_value(reply.value), reply.attempt)


def _view(call: Call) -> ModelView:
    view: Any = call.view
    seen: ModelView = view
    return seen
