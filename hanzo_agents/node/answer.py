"""From a request to an answer: text, or a tool call that is decoded under a grammar.

A call is never parsed out of free text: its name is one of the tools' and its arguments obey their schema, because
nothing else can be generated. Whether to call when the request leaves it open is `decide`'s question.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import grammar as grammars
from .apierror import ApiError
from .decide import CALL_PREFIX, Decision, arguments_grammar, new_call_id
from .template import fold_results, last_user, with_schema, with_tools

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .conversation import Ask, Call
    from .engine import Engine
    from .generation import Piece
    from .template import ChatML

__all__ = ["Answering", "ArgumentsDelta", "CallStarted", "Event", "Finished", "TextDelta"]


@dataclass(frozen=True)
class TextDelta:
    """More of a text answer, with the engine's logprob items when they were asked for."""

    text: str
    logprobs: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True)
class CallStarted:
    """The answer is a call of this tool; its arguments follow."""

    id: str
    name: str


@dataclass(frozen=True)
class ArgumentsDelta:
    """More of the JSON text of the arguments."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The end: `stop`, `length` or `tool_calls`, and the counts of the pass whose output was returned."""

    reason: str
    usage: Piece


Event = TextDelta | CallStarted | ArgumentsDelta | Finished


class Answering:
    """Answers requests with one engine and one template."""

    def __init__(self, engine: Engine, template: ChatML) -> None:
        self._engine = engine
        self._template = template
        self._decision = Decision(engine, template)

    async def answer(self, ask: Ask) -> AsyncGenerator[Event, None]:
        """Yield the answer's events; closing the generator stops the engine.

        Raises:
            ApiError: The conversation is too long, or a schema cannot be enforced.
        """
        if ask.mode == "required":
            events = self._forced_call(ask)
        elif ask.mode == "auto" and (wanted := await self._wanted_call(ask)) is not None:
            events = _replay(*wanted)
        else:
            events = self._text(ask)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    async def _text(self, ask: Ask) -> AsyncGenerator[Event, None]:
        turns, grammar = fold_results(ask.turns), None
        if ask.schema is not None:
            grammar = grammars.json_grammar(ask.schema, strict=ask.strict, field=ask.schema_field)
            await self._require(grammar, ask.schema_field)
            turns = with_schema(turns, ask.schema)
        pieces = self._engine.generate(self._template.render(turns), ask.sampling, grammar=grammar)
        try:
            async for piece in pieces:
                if piece.text:
                    yield TextDelta(piece.text, piece.logprobs)
                if piece.finish_reason:
                    yield Finished(piece.finish_reason, piece)
        finally:
            await pieces.aclose()

    async def _forced_call(self, ask: Ask) -> AsyncGenerator[Event, None]:
        for tool in ask.tools:
            await self._require(arguments_grammar(tool), tool.field)
        turns, tool = fold_results(ask.turns), ask.tools[0]
        asked = last_user(turns)
        if len(ask.tools) > 1:
            tool, _ = await self._decision.best(ask.tools, turns[asked].text if asked is not None else "")
        prompt = self._template.render(with_tools(turns, [tool]), prefix=CALL_PREFIX + grammars.call_head(tool))
        # a stop text is about prose: inside JSON it would cut the arguments
        pieces = self._engine.generate(prompt, replace(ask.sampling, stop=()), grammar=arguments_grammar(tool))
        started = False
        try:
            async for piece in pieces:
                if not started:
                    started = True
                    yield CallStarted(new_call_id(), tool.name)
                if piece.text:
                    yield ArgumentsDelta(piece.text)
                if piece.finish_reason:
                    yield Finished("length" if piece.finish_reason == "length" else "tool_calls", piece)
        finally:
            await pieces.aclose()

    async def _wanted_call(self, ask: Ask) -> tuple[Call, Piece] | None:
        for tool in ask.tools:
            await self._require(arguments_grammar(tool), tool.field)
        return await self._decision.wanted_call(ask)

    async def _require(self, grammar: str, field: str) -> None:
        if not await self._engine.accepts(grammar):
            raise ApiError(
                f"{field}: this JSON schema cannot be enforced (an unknown $ref, contradictory bounds, "
                "or a keyword that the grammar engine does not have)",
                param=field,
                code="unsupported_schema",
            )


async def _replay(call: Call, usage: Piece) -> AsyncGenerator[Event, None]:
    yield CallStarted(call.id, call.name)
    yield ArgumentsDelta(call.arguments)
    yield Finished("tool_calls", usage)
