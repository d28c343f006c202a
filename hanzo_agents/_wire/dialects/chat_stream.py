"""A Chat Completions stream: which chunk commits it, and whether it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai.types import CompletionUsage
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from hanzo_agents._wire.dialects.tool_calls import StreamedCalls
from hanzo_agents._wire.facts import usage_of
from hanzo_agents._wire.failures import truncated
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai.types.chat import ChatCompletionChunk

    from hanzo_agents._kernel.journal import Usage

__all__ = ["ChatEvents", "chat_usage"]

_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "audio")


class ChatEvents:
    """Follows the chunks of one stream.

    Args:
        choices: how many choices the request asked for; each needs a finish_reason.
        taken: tool-call ids that the conversation already holds.
        estimate: usage for the text that came out of a stream that reported none.
        merge_usage: put the usage on the last chunk instead of handing on one without choices: a caller who
            did not ask for usage does not expect a chunk whose `choices` is empty.
    """

    __slots__ = (
        "_calls", "_choices", "_done", "_estimate", "_last", "_merge", "_seen", "_taken", "_text",
        "accounted", "raw_usage", "usage",
    )  # fmt: skip

    def __init__(
        self,
        *,
        choices: int,
        taken: Callable[[], set[str]],
        estimate: Callable[[str], Usage],
        merge_usage: bool,
    ) -> None:
        self.usage: Usage | None = None
        self.raw_usage: Any = None
        self.accounted = False
        self._choices = choices
        self._taken = taken
        self._estimate = estimate
        self._merge = merge_usage
        self._calls: dict[int, StreamedCalls] = {}
        self._done: set[int] = set()
        self._text: list[str] = []
        self._last: ChatCompletionChunk | None = None
        self._seen: ChatCompletionChunk | None = None

    def feed(self, event: ChatCompletionChunk) -> tuple[bool, list[ChatCompletionChunk]]:
        """Take a chunk: whether it commits the stream, and what to hand on."""
        self._seen = event
        useful = False
        # Leniently built chunks may lack what the schema requires: ask, never assume.
        choices = getattr(event, "choices", None)
        for choice in choices or ():
            useful = self._choice(choice) or useful
        if event.usage is not None:
            self.raw_usage = event.usage
            # Some count on every chunk: only what they say once all is said is the sum.
            self.accounted = self.complete
            if self._merge and not useful and (self._last is not None or not choices):
                return False, self._with_usage(event)
        if self._last is not None:
            flushed, self._last = self._last, None
            return useful, [flushed, event]
        if useful and self._merge and self.complete:
            self._last = event
            return True, []
        return useful, [event]

    def _choice(self, choice: Any) -> bool:
        delta = getattr(choice, "delta", None)
        if not isinstance(getattr(choice, "index", None), int):
            choice.index = 0
        if delta is None and getattr(choice, "message", None):
            raise InvalidResponse("a chunk of the stream holds a message and no delta", code="invalid_response")
        useful = False
        if delta is not None:
            if content := delta.content:
                self._text.append(_text(content))
                useful = True
            if delta.tool_calls:
                calls = self._calls.get(getattr(choice, "index", 0))
                if calls is None:
                    calls = self._calls[choice.index] = StreamedCalls(self._taken)
                delta.tool_calls = calls.feed(delta.tool_calls)
                useful = True
            elif not useful:
                unsaid = _unsaid(delta)
                self._text += [part for part in unsaid if isinstance(part, str)]
                useful = bool(unsaid)
        if choice.finish_reason:
            self._finish(choice)
            useful = True
        return useful

    def _finish(self, choice: Any) -> None:
        self._done.add(choice.index)
        calls = self._calls.get(choice.index)
        if calls is None:
            return
        if choice.finish_reason == "length" and calls.cut:
            raise InvalidResponse(
                "the stream was cut inside a tool call's arguments (finish_reason: length); "
                "a larger max_tokens would let it end",
                code="tool_arguments_truncated",
            )
        if late := calls.finish():
            if choice.delta is None:
                choice.delta = ChoiceDelta()
            choice.delta.tool_calls = [*(choice.delta.tool_calls or ()), *late]

    def _with_usage(self, event: ChatCompletionChunk) -> list[ChatCompletionChunk]:
        if self._last is None:
            return []
        last, self._last = self._last, None
        last.usage = event.usage
        return [last]

    def end(self) -> list[ChatCompletionChunk]:
        """The stream is over: its last chunk, with usage. StreamTruncated when it is not whole."""
        if self._seen is None:
            raise truncated("the stream ended before it began")
        if not self.complete:
            raise truncated("the stream ended without a finish_reason")
        held = [] if self._last is None else [self._last]
        self._last = None
        self.usage = usage_of(self.raw_usage)
        if self.usage is None:
            self.usage = self._estimate(self.output_text)
            held = _estimated(held, self._seen, self.usage)
        return held

    @property
    def complete(self) -> bool:
        """Whether every choice has its finish_reason."""
        return len(self._done) >= self._choices

    @property
    def tool_calls(self) -> list[Any]:
        """The tool calls of the first choice so far."""
        calls = self._calls.get(0)
        return [] if calls is None else calls.whole()

    @property
    def output_text(self) -> str:
        """Content, reasoning and arguments so far."""
        return "".join(self._text) + "".join(calls.text for calls in self._calls.values())


def _estimated(
    held: list[ChatCompletionChunk], seen: ChatCompletionChunk, usage: Usage
) -> list[ChatCompletionChunk]:
    chunk = held[0] if held else seen.model_copy(update={"choices": []})
    chunk.usage = chat_usage(usage)
    return [chunk]


def chat_usage(usage: Usage) -> CompletionUsage:
    """A usage object that says of itself that it is estimated."""
    return CompletionUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        estimated=True,  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    )


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise TypeError("content of a chunk is no text")
    return content


def _unsaid(delta: Any) -> list[Any]:
    """What a delta holds that is no content and no tool call: a refusal, reasoning, in whatever shape."""
    extra: dict[str, Any] = delta.model_extra or {}
    return list(filter(None, (delta.refusal, delta.function_call, *map(extra.get, _REASONING))))
