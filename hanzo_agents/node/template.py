"""How a conversation becomes a prompt: ChatML, with tools and their results said in a way a small model follows.

The template inside the default model adds a system prompt about its name and maker, after which the model gets
short questions wrong; and it has no notion of tools. So the node renders its own:

- No system turn is added to a plain conversation.
- A tool result is told with the question it serves ("The result of multiply(a=15, b=23) is: 345. Using this
  result, answer: ..."). In the usual form, JSON in a turn of its own, a 135M model mostly echoes the markup.
- To decide about a call the tools are listed in the system turn as JSON, in the Hermes form.

Markup is given to the engine as token ids, and control tokens spelled out in what people wrote are broken up, so
that text stays text and nobody can forge a turn.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents.errors import ConfigError

from .conversation import Call, Tool, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .generation import Prompt
    from .gguf import ModelCard

__all__ = ["ChatML", "fold_results", "last_user", "with_schema", "with_tools"]

_START, _END = "<|im_start|>", "<|im_end|>"
_DEFAULT_SYSTEM = "You are a helpful assistant."


class ChatML:
    """Renders turns for a model whose vocabulary has the ChatML markers.

    Raises:
        ConfigError: The model has no such markers, so this template would be noise to it.
    """

    def __init__(self, card: ModelCard) -> None:
        try:
            self._start, self._end = card.control_tokens[_START], card.control_tokens[_END]
        except KeyError:
            raise ConfigError(
                "model: the embedded node speaks ChatML and this model's vocabulary has no "
                f"{_START} and {_END}; expected a ChatML model (SmolLM2, Qwen, Hermes, ...)"
            ) from None
        self._control = re.compile("|".join(re.escape(text) for text in card.control_tokens))

    def render(self, turns: Iterable[Turn], *, prefix: str = "", speaker: str = "assistant") -> Prompt:
        """Return the prompt for the speaker's next turn, which begins with `prefix`."""
        prompt: list[int | str] = []
        for turn in turns:
            prompt += [self._start, f"{turn.role}\n", *self._plain(turn.text), self._end, "\n"]
        return [*prompt, self._start, f"{speaker}\n{prefix}"]

    def _plain(self, text: str) -> Iterator[str]:
        """Cut the text inside every spelled-out control token: no half is a token, together they read the same."""
        begin = 0
        for match in self._control.finditer(text):
            yield text[begin : match.start() + 1]
            begin = match.start() + 1
        if text[begin:]:
            yield text[begin:]


def fold_results(turns: Iterable[Turn]) -> list[Turn]:
    """Return the conversation with each question told together with the tool results that serve it."""
    folded: list[Turn] = []
    question: Turn | None = None
    calls: dict[str, Call] = {}
    facts: list[str] = []
    for turn in turns:
        if turn.role == "tool":
            facts.append(f"The result of {_spoken(calls[turn.call_id])} is: {turn.text}")
            continue
        if turn.calls:
            calls.update((call.id, call) for call in turn.calls)
            if not turn.text:
                continue
        _close(folded, question, facts)
        facts = []
        folded.append(turn)
        if turn.role == "user":
            question = turn
    if facts:
        _close(folded, question, facts)
        if not any(turn.role == "system" for turn in folded):
            folded.insert(0, Turn(role="system", text=_DEFAULT_SYSTEM))
    return folded


def _close(folded: list[Turn], question: Turn | None, facts: list[str]) -> None:
    if not facts:
        return
    told = "\n".join(facts)
    if question is None:
        folded.append(Turn(role="user", text=told))
        return
    asked = Turn(role="user", text=f"{told}\n\nUsing this result, answer: {question.text}")
    if folded and folded[-1] is question:
        folded[-1] = asked
    else:
        folded.append(asked)


def _spoken(call: Call) -> str:
    """A call as a person would write it: `multiply(a=15, b=23)`."""
    try:
        arguments: Any = json.loads(call.arguments or "{}")
    except ValueError:
        return f"{call.name}({call.arguments})"
    if not isinstance(arguments, dict):
        return f"{call.name}({call.arguments})"
    pairs = cast("dict[str, Any]", arguments).items()
    said = ", ".join(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in pairs)
    return f"{call.name}({said})"


def last_user(turns: list[Turn]) -> int | None:
    """Index of the last user turn."""
    return next((index for index in reversed(range(len(turns))) if turns[index].role == "user"), None)


def with_tools(turns: list[Turn], tools: Iterable[Tool]) -> list[Turn]:
    """Return the turns after a system turn that lists the tools and how to call one."""
    listed = "\n".join(
        json.dumps(
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}, ensure_ascii=False
        )
        for tool in tools
    )
    told = (
        "You are an expert in composing functions. You are given a question and a set of possible functions. "
        "Based on the question, make the function call that achieves the purpose.\n\n"
        f"You have access to the following tools:\n<tools>\n{listed}\n</tools>\n\n"
        "The output MUST strictly adhere to the following format, and NO other text MUST be included.\n"
        '<tool_call>\n{"name": <function name>, "arguments": <arguments taken from the question>}\n</tool_call>'
    )
    return _with_system(turns, told)


def with_schema(turns: list[Turn], schema: dict[str, Any]) -> list[Turn]:
    """Return the turns after a system turn that shows the JSON schema of the answer."""
    return _with_system(turns, f"Answer in JSON that obeys this schema:\n{json.dumps(schema, ensure_ascii=False)}")


def _with_system(turns: list[Turn], told: str) -> list[Turn]:
    if turns and turns[0].role == "system":
        return [Turn(role="system", text=f"{told}\n\n{turns[0].text}"), *turns[1:]]
    return [Turn(role="system", text=told), *turns]
