"""What goes wrong with a whole reply: statuses, connections, bodies that are not an answer."""

from __future__ import annotations

import json
import socket
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from hanzo_agents.testing._answers import text
from hanzo_agents.testing._http import (
    Altered,
    Http,
    Pause,
    Repeat,
    Reset,
    Send,
    header_pairs,
    json_http,
    problem,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from hanzo_agents.testing._http import Action, Reply
    from hanzo_agents.testing._request import Request

__all__ = [
    "bad_utf8",
    "body",
    "closed_port",
    "detail",
    "echo_authorization",
    "gzip_bomb",
    "hang",
    "hang_mid_body",
    "html",
    "huge",
    "redirect",
    "reset",
    "slow_loris",
    "status",
    "wrong_length",
]

RetryAfter: TypeAlias = "float | str | datetime | Sequence[str]"
"""Seconds, any text however odd, a moment (sent as an HTTP date), or several headers."""

_JSON = (("content-type", "application/json"),)


def status(
    code: int,
    /,
    *,
    retry_after: RetryAfter | None = None,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    message: str | None = None,
    error_code: str | None = None,
    kind: str = "api_error",
) -> Http:
    """Answer with an error status.

    Args:
        code: The status.
        retry_after: What to say in Retry-After, in any of its forms.
        headers: More headers, such as `{"x-should-retry": "false"}` or `{"retry-after-ms": "20"}`.
        body: JSON, text or bytes to send in place of the usual `{"error": {...}}`.
        message: The message in the usual body.
        error_code: The code in the usual body, such as `context_length_exceeded`.
        kind: The type in the usual body, such as `invalid_request_error`.
    """
    pairs = (*(("retry-after", value) for value in _retry_after(retry_after)), *header_pairs(headers))
    if body is None:
        return problem(code, message or f"scripted status {code}", code=error_code, kind=kind, headers=pairs)
    if isinstance(body, str | bytes):
        plain = (("content-type", "text/plain"), *pairs)
        return Http(status=code, headers=plain, body=(Send(body.encode() if isinstance(body, str) else body),))
    return json_http(body, status=code, headers=pairs)


def _retry_after(value: RetryAfter | None) -> Iterator[str]:
    if isinstance(value, datetime):
        yield format_datetime(value, usegmt=True)
    elif isinstance(value, int | float | str):
        yield str(value)
    else:
        yield from value or ()


def detail(code: int, message: str = "scripted detail", /) -> Http:
    """Answer with an error in FastAPI's shape, `{"detail": ...}`."""
    return json_http({"detail": message}, status=code)


@dataclass(frozen=True)
class _EchoAuthorization:
    code: int

    def render(self, request: Request, /) -> Http:
        message = f"Incorrect API key provided: {request.headers.get('authorization', '')}"
        return problem(self.code, message, code="invalid_api_key", kind="invalid_request_error")


def echo_authorization(code: int = 401, /) -> Reply:
    """Answer with an error that quotes the key it was given, as careless routers do."""
    return _EchoAuthorization(code)


def reset() -> Http:
    """Reset the connection in place of a reply."""
    return Http(head=False, body=(Reset(),))


def hang() -> Http:
    """Send nothing at all, until the client hangs up or `release()` is called; then close."""
    return Http(head=False, body=(Pause(),))


def hang_mid_body(answer: Reply | None = None, /) -> Reply:
    """Send half of an answer, and the rest when `release()` is called; nothing while it is not."""
    return Altered(answer or text(), lambda http: replace(http, length=_true_length(http), body=_paused(http)))


def _paused(http: Http) -> tuple[Action, ...]:
    pieces = http.body
    if len(pieces) > 1:
        half = len(pieces) // 2
        return (*pieces[:half], Pause(), *pieces[half:])
    before, after = _halves(http)
    return (Send(before, "content"), Pause(), Send(after, "content"))


def slow_loris(answer: Reply | None = None, /) -> Reply:
    """Send an answer byte by byte, each when `release()` is called: always alive, never done."""

    def crawl(http: Http) -> Http:
        steps = (step for byte in _bytes(http) for step in (Send(bytes([byte]), "content"), Pause()))
        return replace(http, body=tuple(steps), length=_true_length(http))

    return Altered(answer or text(), crawl)


def html(code: int = 200, /, *, content_type: str = "text/html; charset=utf-8", title: str = "Sign in") -> Http:
    """Answer with a web page, as login walls and captive portals do, to values and streams alike."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Http(status=code, headers=(("content-type", content_type),), body=(Send(page.encode(), "content"),))


def body(data: bytes | str, /, *, code: int = 200, content_type: str = "application/json") -> Http:
    """Answer with exactly this body: `[]`, `null`, `""`, nothing."""
    raw = data.encode() if isinstance(data, str) else data
    return Http(status=code, headers=(("content-type", content_type),), body=(Send(raw, "content"),))


def wrong_length(answer: Reply | None = None, /, *, by: int = 10) -> Reply:
    """Declare a content-length that is off by `by`: bytes are missing at the end, or too many."""
    return Altered(
        answer or text(),
        lambda http: replace(http, framing="length", length=max(0, http.size + by), complete=False),
    )


def bad_utf8(answer: Reply | None = None, /) -> Reply:
    """Put bytes into the text of an answer that are not UTF-8; `answer` must contain "Hello"."""

    def spoil(http: Http) -> Http:
        pieces = (
            Send(piece.data.replace(b"Hel", b"H\xff\xfe"), piece.mark) if isinstance(piece, Send) else piece
            for piece in http.body
        )
        return replace(http, body=tuple(pieces))

    return Altered(answer or text(), spoil)


def huge(size: int | None = None, /, *, content_type: str = "application/json") -> Http:
    """Send a body of about `size` bytes; with None it never ends."""
    block = b"x" * 65_536
    times = None if size is None else max(1, size // len(block))
    if content_type.startswith("text/event-stream"):
        block = b'data: {"choices":[],"padding":"' + block + b'"}\n\n'
        return Http(headers=(("content-type", content_type),), body=(Repeat(block, times),), framing="chunked")
    start = Send(b'{"padding":"')
    return Http(
        headers=(("content-type", content_type),),
        body=(start, Repeat(block, times), Send(b'"}')),
        framing="chunked",
    )


def gzip_bomb(size: int = 50_000_000, /) -> Http:
    """Send a valid answer of `size` bytes that is a thousand times smaller on the wire."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    message = {"role": "assistant", "content": "BOMB"}
    answer = {
        "id": "chatcmpl-bomb",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "bomb",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    before, after = json.dumps(answer).encode().split(b"BOMB")
    block = b"a" * 65_536
    packed = [packer.compress(before), *(packer.compress(block) for _ in range(max(1, size // len(block))))]
    packed += [packer.compress(after), packer.flush()]
    return Http(headers=(*_JSON, ("content-encoding", "gzip")), body=(Send(b"".join(packed), "content"),))


def redirect(to: str, /, *, code: int = 307) -> Reply:
    """Send the client elsewhere: to this URL, or to the same path under it when it ends with `/v1`."""
    return _Redirect(to, code)


@dataclass(frozen=True)
class _Redirect:
    to: str
    code: int

    def render(self, request: Request, /) -> Http:
        location = self.to + request.path.removeprefix("/v1") if self.to.endswith("/v1") else self.to
        return Http(status=self.code, headers=(("location", location),))


@contextmanager
def closed_port() -> Generator[str]:
    """Yield a base URL at which every connection is refused, and stays refused inside the `with`."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else can get the port
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def _bytes(http: Http) -> bytes:
    return b"".join(piece.data for piece in http.body if isinstance(piece, Send))


def _halves(http: Http) -> tuple[bytes, bytes]:
    whole = _bytes(http)
    half = len(whole) // 2
    return whole[:half], whole[half:]


def _true_length(http: Http) -> int | None:
    return http.length if http.framing == "length" else None
