"""What a reply is made of: a head, and a sequence of actions on the socket.

Everything the fault server sends is an `Http`: plain data that says which bytes go out, in which order, how
the body is framed, and where it stops being well behaved. Answers and faults are ways to make one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hanzo_agents.testing._request import Request

__all__ = [
    "Action",
    "Altered",
    "ByMode",
    "Close",
    "Framing",
    "Http",
    "Mark",
    "Pause",
    "Repeat",
    "Reply",
    "Reset",
    "Send",
    "header_pairs",
    "json_http",
    "problem",
]

_PHRASES = {int(status): status.phrase for status in HTTPStatus}

Mark: TypeAlias = Literal["body", "opening", "content", "finish", "usage", "done", "comment"]
"""What a piece of a body means, so that a fault can say "after the first content" without parsing."""

Framing: TypeAlias = Literal["length", "chunked", "close"]
"""How the client can tell where a body ends: a declared length, chunks, or the end of the connection."""


@dataclass(frozen=True)
class Send:
    """Send these bytes; `mark` says what they mean."""

    data: bytes
    mark: Mark = "body"


@dataclass(frozen=True)
class Repeat:
    """Send these bytes `times` times; with None, until the client hangs up."""

    data: bytes
    times: int | None = None


@dataclass(frozen=True)
class Pause:
    """Send nothing until the server's `release()` is called, or until the client hangs up."""


@dataclass(frozen=True)
class Reset:
    """Reset the connection: the client sees ECONNRESET rather than an orderly end."""


@dataclass(frozen=True)
class Close:
    """End the connection in the orderly way."""


Action: TypeAlias = Send | Repeat | Pause | Reset | Close


class Reply(Protocol):
    """Anything that can be scripted: it is asked for its bytes when the request is known."""

    def render(self, request: Request, /) -> Http:
        """Return what goes out in reply to `request`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Http:
    r"""One reply, spelled out; it is a `Reply` itself, for whatever no ready-made fault does.

    Example:
        >>> Http(status=418, headers=(("X-Pot", "tea"),), body=(Send(b"short and "), Pause(), Send(b"stout")))

    Attributes:
        status: The status code.
        headers: The headers, in order; a name may come twice. They go out as UTF-8; a byte that is not comes
            through as it is when it was decoded with "surrogateescape".
        body: What happens after the head.
        framing: How the body is delimited.
        complete: Whether the body gets its proper end; if not, the connection closes after the last action.
        length: The content-length to declare, when it shall not be the true one.
        head: Whether there is a status line and headers at all.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[Action, ...] = ()
    framing: Framing = "length"
    complete: bool = True
    length: int | None = None
    head: bool = True

    def render(self, request: Request, /) -> Http:
        """Return itself."""
        return self

    def actions(self) -> Iterator[Action]:
        """Yield what happens on the socket; a `Close` at the end means that the connection is not kept."""
        if self.head:
            yield Send(self._head())
        chunked = self.framing == "chunked" and self.head
        for action in self.body:
            yield _chunk(action) if chunked else action
        if chunked and self.complete:
            yield Send(b"0\r\n\r\n")
        if not self.complete or self.framing == "close" or not self.head or self.length is not None:
            yield Close()

    @property
    def size(self) -> int:
        """How many bytes the body has, as far as that is known."""
        return sum(_size(action) for action in self.body)

    def _head(self) -> bytes:
        reason = _PHRASES.get(self.status, "Unknown")
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif self.framing == "length":
            lines.append(f"content-length: {self.size if self.length is None else self.length}")
        else:
            lines.append("connection: close")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _chunk(action: Action) -> Action:
    match action:
        case Send(data, mark) if data:
            return Send(b"%x\r\n%s\r\n" % (len(data), data), mark)
        case Repeat(data, times):
            return Repeat(b"%x\r\n%s\r\n" % (len(data), data), times)
        case _:
            return action


def _size(action: Action) -> int:
    match action:
        case Send(data):
            return len(data)
        case Repeat(data, times):
            return len(data) * (times or 0)
        case _:
            return 0


@dataclass(frozen=True)
class Altered:
    """Another reply, changed once its bytes are known: most faults are an answer that goes wrong."""

    base: Reply
    change: Callable[[Http], Http]

    def render(self, request: Request, /) -> Http:
        """Return the changed reply."""
        return self.change(self.base.render(request))


@dataclass(frozen=True, kw_only=True)
class ByMode:
    """One reply for a request that asked for a stream, another for one that did not."""

    value: Reply
    stream: Reply

    def render(self, request: Request, /) -> Http:
        """Return the reply that fits the request."""
        return (self.stream if request.stream else self.value).render(request)


def header_pairs(
    headers: Mapping[str, str] | Sequence[tuple[str, str]] | None,
) -> tuple[tuple[str, str], ...]:
    """Return headers as pairs, from a mapping or from pairs."""
    if headers is None:
        return ()
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)


def json_http(payload: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Http:
    """Return a JSON reply."""
    return Http(
        status=status,
        headers=(("content-type", "application/json"), *headers),
        body=(Send(json.dumps(payload, ensure_ascii=False).encode(), "content"),),
    )


def problem(
    status: int,
    message: str,
    *,
    code: str | None = None,
    kind: str = "api_error",
    headers: tuple[tuple[str, str], ...] = (),
) -> Http:
    """Return an error in the shape that OpenAI gives it."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json_http({"error": error}, status=status, headers=headers)
