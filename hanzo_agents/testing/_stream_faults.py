"""What goes wrong inside an answer: streams that are cut, and answers that say nothing or too little.

What is meant for streams does the nearest thing to a value: a cut stream is a cut body, `[DONE]` alone an
empty body.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from hanzo_agents.testing import _answers as answers
from hanzo_agents.testing._http import Altered, ByMode, Http, Reset, Send, json_http
from hanzo_agents.testing._sse import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hanzo_agents.testing._http import Action, Framing, Reply

__all__ = [
    "cut_between_events",
    "cut_in_json",
    "cut_in_utf8",
    "done_only",
    "empty_choices",
    "error_after_content",
    "error_in_200",
    "keepalive_only",
    "no_done",
    "no_finish_reason",
    "nothing",
    "null_message",
    "reset_after_content",
    "tool_call_cut",
    "tool_call_too_long",
    "truncated_json",
]

Pieces: TypeAlias = "tuple[Send, ...]"

_SSE = (("content-type", "text/event-stream; charset=utf-8"),)
_LEAD = 0xC0  # the first byte of a character of several bytes in UTF-8
_WIDE = "Grüße aus Zürich ✓"


def cut_between_events(
    answer: Reply | None = None,
    /,
    *,
    content: int = 1,
    framing: Framing = "close",
    ended: bool = False,
) -> Reply:
    """Stop a stream after `content` pieces of content; 0 stops before the first.

    Args:
        answer: The answer to cut.
        content: How many pieces with content are sent.
        framing: How the stream is delimited; only `close` leaves the client no way to notice.
        ended: Whether the framing is closed properly, as a proxy does whose own upstream broke off.
    """
    return _cut(answer, lambda pieces: _until(pieces, content), framing, ended=ended)


def cut_in_json(
    answer: Reply | None = None,
    /,
    *,
    content: int = 1,
    framing: Framing = "close",
    ended: bool = False,
) -> Reply:
    """Stop a stream in the middle of the event that follows `content` pieces of content."""

    def keep(pieces: Pieces) -> Iterator[Action]:
        sent = tuple(_until(pieces, content))
        yield from sent
        if len(sent) < len(pieces):
            torn = pieces[len(sent)]
            yield Send(torn.data[: len(torn.data) // 2], torn.mark)

    return _cut(answer, keep, framing, ended=ended)


def cut_in_utf8(
    answer: Reply | None = None, /, *, content: int = 1, framing: Framing = "close", ended: bool = False
) -> Reply:
    """Stop a stream inside a character of more than one byte, after `content` pieces of content."""

    def keep(pieces: Pieces) -> Iterator[Action]:
        sent = tuple(_until(pieces, content))
        yield from sent
        for piece in pieces[len(sent) :]:
            torn = _inside_character(piece.data)
            yield Send(torn, piece.mark)
            if torn != piece.data:
                return

    return _cut(answer or answers.text(_WIDE), keep, framing, ended=ended, tear=_inside_character)


def truncated_json(answer: Reply | None = None, /) -> Reply:
    """Stop inside the JSON, under a content-length that agrees: the transport sees nothing wrong."""
    return cut_in_json(answer, content=0, framing="length", ended=True)


def reset_after_content(answer: Reply | None = None, /, *, content: int = 1) -> Reply:
    """Reset the connection after `content` pieces of content."""
    return _cut(answer, lambda pieces: (*_until(pieces, content), Reset()), "chunked", ended=False)


def no_finish_reason(*, content: str = "Hello!", done: bool = True) -> Reply:
    """Answer without ever saying why the answer ended."""
    return answers.text(content, finish_reason=None, done=done)


def no_done(*, content: str = "Hello!") -> Reply:
    """Answer with a finish_reason but without `[DONE]`: complete all the same."""
    return answers.text(content, done=False)


def done_only() -> Reply:
    """Stream `[DONE]` and nothing before it."""
    return ByMode(value=nothing(), stream=answers.events(["[DONE]"]))


def nothing() -> Reply:
    """Answer 200 with no body at all."""
    plain = Http(headers=(("content-type", "application/json"),))
    return ByMode(value=plain, stream=Http(headers=_SSE, framing="close"))


def keepalive_only(times: int = 3, /) -> Reply:
    """Stream comments that keep the connection alive, then end."""
    pings = tuple(Send(b": keep-alive\n\n", "comment") for _ in range(times))
    return ByMode(value=nothing(), stream=Http(headers=_SSE, body=pings, framing="chunked"))


def error_in_200(
    message: str = "The model is overloaded.",
    /,
    *,
    code: str | int | None = "overloaded",
    kind: str = "server_error",
) -> Reply:
    """Answer 200 with an error object: as the body, or as the first event of a stream."""
    payload = _error(message, code, kind)
    return ByMode(value=json_http(payload), stream=answers.events([payload, "[DONE]"]))


def error_after_content(
    answer: Reply | None = None,
    /,
    *,
    content: int = 1,
    message: str = "The model is overloaded.",
    code: str | int | None = "overloaded",
) -> Reply:
    """Stream `content` pieces of content, then an error object, then `[DONE]`."""
    ending = answers.events([_error(message, code, "server_error"), "[DONE]"]).body

    def fail(http: Http) -> Http:
        return replace(http, body=(*_until(_sends(http), content), *ending))

    return ByMode(value=error_in_200(message, code=code), stream=Altered(answer or answers.text(), fail))


def empty_choices() -> Reply:
    """Answer with no choice at all, in a value and in each chunk of a stream."""
    return ByMode(value=json_http(_completion([])), stream=_chunks([], []))


def null_message() -> Reply:
    """Answer with a choice whose message, or delta, is null."""
    value = _completion([{"index": 0, "message": None, "finish_reason": "stop"}])
    return ByMode(value=json_http(value), stream=_chunks([{"index": 0, "delta": None, "finish_reason": None}]))


def tool_call_cut(
    name: str = "add",
    arguments: Mapping[str, Any] | None = None,
    /,
    *,
    framing: Framing = "close",
    ended: bool = False,
) -> Reply:
    """Break off inside the arguments of a tool call."""
    call = answers.tool_call(name, arguments or {"a": 15, "b": 23})
    return _cut(call, lambda pieces: _until(pieces, 2), framing, ended=ended)


def tool_call_too_long(name: str = "add", arguments: str = '{"a": 15, "b":', /) -> Reply:
    """End inside the arguments of a tool call with finish_reason `length`: the tokens ran out."""
    return answers.tool_call(name, arguments, finish_reason="length")


def _cut(
    answer: Reply | None,
    keep: Callable[[Pieces], Iterable[Action]],
    framing: Framing,
    *,
    ended: bool,
    tear: Callable[[bytes], bytes] | None = None,
) -> Reply:
    def cut(http: Http) -> Http:
        pieces = _sends(http)
        # A value is one piece, and is torn itself.
        kept = (
            keep(pieces)
            if len(pieces) > 1
            else (Send((tear or _half)(b"".join(piece.data for piece in pieces)), "content"),)
        )
        length = http.size if framing == "length" and not ended else None
        return replace(http, body=tuple(kept), framing=framing, complete=ended, length=length)

    return Altered(answer or answers.text(), cut)


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _inside_character(data: bytes) -> bytes:
    """Return what comes before the second byte of the first character that has several."""
    wide = next((at for at, byte in enumerate(data) if byte >= _LEAD), None)
    return data if wide is None else data[: wide + 1]


def _sends(http: Http) -> Pieces:
    return tuple(piece for piece in http.body if isinstance(piece, Send))


def _until(pieces: Pieces, content: int) -> Iterator[Send]:
    """Yield the pieces up to the last that may be sent when only `content` of them carry content."""
    seen = 0
    for piece in pieces:
        seen += piece.mark == "content"
        if piece.mark in ("finish", "usage", "done") or seen > content:
            return
        yield piece


def _error(message: str, code: str | int | None, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _completion(choices: list[Any]) -> dict[str, Any]:
    outline = {"id": "chatcmpl-hollow", "created": 1_700_000_000, "model": "test-model"}
    return {**outline, "object": "chat.completion", "choices": choices}


def _chunks(*choices: list[Any]) -> Http:
    chunks = [{**_completion(listed), "object": "chat.completion.chunk"} for listed in choices]
    return answers.events([*(Event(chunk) for chunk in chunks), "[DONE]"])
