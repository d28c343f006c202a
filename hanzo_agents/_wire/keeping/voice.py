"""Answers in words, at the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hanzo_agents._wire.keeping.codec import dumped, value_of
from hanzo_agents._wire.keeping.kinds import KIND_OF
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.voice import Part
    from hanzo_agents._wire.attempt import Exchange
    from hanzo_agents._wire.keeping.codec import WireCodec

__all__ = ["WireVoice"]

_FORM = frozenset({"stream", "stream_options"})


class WireVoice:
    """Reads and tells answers of Chat Completions and Responses."""

    def __init__(self, codec: WireCodec) -> None:
        self._codec = codec

    def offered(self, call: Call) -> Sequence[str]:
        """The tools that the answer may call."""
        view: Any = call.view
        tools: Sequence[str] = view.offered
        return tools

    def in_tool_loop(self, call: Call) -> bool:
        """Whether the conversation ends with results of tools."""
        view: Any = call.view
        return bool(view.in_tool_loop)

    def advised(self, call: Call, *, instructions: str = "", message: str = "", part: Part = "answers") -> Call:
        """The same conversation, with more in it."""
        view: Any = call.view
        return call.but(view=view.advised(instructions=instructions, message=message, part=part))

    def whole(self, call: Call) -> Call:
        """The call, asking for its answer as one value."""
        exchange: Exchange = call.payload
        if not exchange.stream:
            return call
        view: Any = call.view
        body = {name: value for name, value in view.body.items() if name not in _FORM}
        return call.but(view=exchange.dialect.view(body), payload=replace(exchange, stream=False))

    def text(self, value: Any) -> str:
        """What an answer says, in its first choice."""
        choices = getattr(value, "choices", None)
        said = choices[0].message.content if choices else getattr(value, "output_text", None)
        return said or ""

    def acts(self, value: Any) -> bool:
        """Whether an answer calls a tool."""
        if choices := getattr(value, "choices", None):
            return bool(choices[0].message.tool_calls or choices[0].message.function_call)
        return any(item.type.endswith("_call") for item in getattr(value, "output", None) or ())

    async def gathered(self, call: Call, reply: Reply, hear: Callable[[str], None]) -> Any:
        """Read a stream to its end."""
        exchange: Exchange = call.payload
        assembly = KIND_OF[exchange.dialect.path].assembly()
        stream: Any = reply.value
        async with stream:
            async for event in stream:
                assembly.feed(event)
                if piece := _piece(event):
                    hear(piece)
        body = assembly.whole()
        if body is None:
            raise InvalidResponse("the chunks of the stream make no whole answer", code="invalid_response")
        return value_of(exchange.dialect, body)

    async def told(self, call: Call, reply: Reply) -> Reply:
        """An answer that was had as one value, in the form in which the call wants it."""
        exchange: Exchange = call.payload
        if not exchange.stream:
            return reply
        assert reply.attempt is not None
        told = await self._codec.reply(call, dumped(reply.value), reply.attempt)
        told.raw.headers.pop("x-hanzo-cache", None)
        return told


def _piece(event: Any) -> str:
    """The text that an event brings to the first choice."""
    if getattr(event, "type", None) == "response.output_text.delta":
        return str(event.delta)
    choices = getattr(event, "choices", None)
    if not choices or choices[0].index or choices[0].delta is None:
        return ""
    return choices[0].delta.content or ""
