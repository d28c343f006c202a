"""Whether to call a tool under `tool_choice: "auto"`, and which, for a model that cannot be asked.

A 135M model hardly ever begins a call of its own accord, so the node weighs the evidence instead. Two questions,
both about how much likelier one text makes another (pointwise mutual information, in nats):

- How much likelier is the user's message in a conversation that is about the tool than in one of small talk? The
  tool for which it is likeliest is the one that may be called. This way round, from label to text, is the more
  dependable in small models (Min et al., "Noisy Channel Language Model Prompting", 2022).
- When that tool has arguments, its likeliest call is drafted under the grammar: how much likelier is that call
  after the user's message than after one that says nothing? Arguments taken from the message make it large,
  invented ones leave it near zero or below.

The thresholds and what they were measured on are in docs/node.md.
"""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING

from . import grammar as grammars
from .conversation import Call, Turn
from .generation import Completion, Piece, Sampling
from .template import fold_results, last_user, with_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .conversation import Ask, Tool
    from .engine import Engine
    from .generation import Prompt
    from .template import ChatML

__all__ = ["CALL_PREFIX", "Decision", "arguments_grammar", "new_call_id"]

CALL_PREFIX = "<tool_call>\n"
_CALL_EVIDENCE = 3.5
_HANDOFF_EVIDENCE = 1.0
"""Nats that must speak for a tool with arguments (both questions together), and for one without (the second)."""
_DRAFT_TOKENS = 512
_NEUTRAL = "Hello."
_NO_TOOL = "Small talk and general knowledge."
_WEIGHED_CHARACTERS = 240
"""The end of a message is weighed, not all of it: every token costs a step of the engine for every tool."""


class Decision:
    """Weighs the tools of a request against the user's last message."""

    def __init__(self, engine: Engine, template: ChatML) -> None:
        self._engine = engine
        self._template = template

    async def wanted_call(self, ask: Ask) -> tuple[Call, Piece] | None:
        """The call that the last message speaks for, with the counts of the pass that wrote it; or `None`."""
        turns = list(ask.turns)
        asked = last_user(turns)
        if asked is None or not ask.tools or _has_results(ask, asked):
            return None
        # calls made for this message under other tools are a handoff's: they say nothing about these
        history = fold_results(turns[:asked])
        question = turns[asked]
        tool, about = await self.best(ask.tools, question.text)
        small_talk = await self._told([Turn(role="system", text=_NO_TOOL)], question.text)
        evidence = about.logprob - small_talk.logprob
        if not tool.has_arguments:
            call = Call(new_call_id(), tool.name, "{}")
            return (call, about.last) if evidence >= _HANDOFF_EVIDENCE else None
        drafted = await self._draft(ask, tool, history, question)
        if drafted is None:
            return None
        more, call, counts = drafted
        return (call, counts) if evidence + more >= _CALL_EVIDENCE else None

    async def best(self, tools: Sequence[Tool], text: str) -> tuple[Tool, Completion]:
        """The tool in whose company a message is likeliest, with the pass that says so."""
        told = [await self._told([Turn(role="system", text=_about(tool))], text) for tool in tools]
        return max(zip(tools, told, strict=True), key=lambda pair: pair[1].logprob)

    async def _draft(
        self, ask: Ask, tool: Tool, history: list[Turn], question: Turn
    ) -> tuple[float, Call, Piece] | None:
        """Write the likeliest call of a tool, and weigh it against a message that says nothing."""
        limit = min(_DRAFT_TOKENS, ask.sampling.max_tokens or _DRAFT_TOKENS)
        sampling = Sampling(max_tokens=limit, top_logprobs=1)
        draft = await self._engine.complete(
            self._call_prompt([*history, question], tool), sampling, grammar=grammars.call_grammar(tool)
        )
        head = grammars.call_head(tool)
        if draft.last.finish_reason != "stop" or not draft.text.startswith(head):
            return None
        neutral = await self._engine.complete(
            self._call_prompt([*history, Turn(role="user", text=_NEUTRAL)], tool),
            replace(sampling, max_tokens=None),
            grammar=grammars.literal_grammar(draft.text),
        )
        call = Call(new_call_id(), tool.name, draft.text[len(head) : -1])
        return draft.logprob - neutral.logprob, call, draft.last

    def _call_prompt(self, turns: list[Turn], tool: Tool) -> Prompt:
        return self._template.render(with_tools(turns, [tool]), prefix=CALL_PREFIX)

    async def _told(self, before: list[Turn], text: str) -> Completion:
        """The end of a user's message as if generated after these turns: its log-probability is what is wanted."""
        weighed = text.strip()[-_WEIGHED_CHARACTERS:] or _NEUTRAL
        prompt = self._template.render(before, speaker="user")
        sampling = Sampling(top_logprobs=1)
        return await self._engine.complete(prompt, sampling, grammar=grammars.literal_grammar(weighed))


def new_call_id() -> str:
    """A tool-call id that no other call has."""
    return f"call_{token_hex(12)}"


def arguments_grammar(tool: Tool) -> str:
    """Grammar of a tool's arguments alone."""
    return grammars.json_grammar(grammars.parameters_schema(tool), strict=False, field=tool.field)


def _has_results(ask: Ask, asked: int) -> bool:
    """Whether one of these tools has answered the last question already: then it is time to speak.

    A small model would call again for ever. Results of tools that are not among these are a handoff's:
    another agent has taken over and decides afresh.
    """
    names = {tool.name for tool in ask.tools}
    return any(call.name in names for turn in ask.turns[asked:] for call in turn.calls)


def _about(tool: Tool) -> str:
    return f"Tool: {tool.name.replace('_', ' ')}. {tool.description}"
