"""What a client sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import httpx2

if TYPE_CHECKING:
    import asyncio

__all__ = ["Request", "receive"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """One request as it arrived.

    Attributes:
        number: 1 for the first request that the server received, 2 for the next, ...
        method: The HTTP method.
        path: The path, without the query.
        query: The query string, without the question mark.
        headers: The headers; names are case-insensitive.
        raw: The bytes of the body.
    """

    number: int = 0
    method: str
    path: str
    query: str = ""
    headers: httpx2.Headers = dataclass_field(default_factory=httpx2.Headers, repr=False)
    raw: bytes = dataclass_field(default=b"", repr=False)

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON, or None when it is not JSON."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None

    @property
    def model(self) -> str | None:
        """The model that was asked for."""
        model = self.field("model")
        return model if isinstance(model, str) else None

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.field("stream") is True

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of a Chat Completions request, the input items of a Responses request."""
        given: Any = self.field("messages") or self.field("input") or []
        return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)

    @property
    def prompt(self) -> str:
        """The text of the last user message, or "" when there is none."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return _text_of(message.get("content"))
        return ""

    def field(self, name: str) -> Any:
        """Return one field of the JSON body; None when it is missing, or when the body is no JSON object."""
        body = self.json
        return cast("dict[str, Any]", body).get(name) if isinstance(body, dict) else None


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())


async def receive(reader: asyncio.StreamReader) -> Request:
    """Read one request off a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    fields = (line.partition(":") for line in lines)
    headers = httpx2.Headers([(name.strip(), value.strip()) for name, _, value in fields])
    if "chunked" in headers.get("transfer-encoding", ""):
        raw = await _chunks(reader)
    else:
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method=method, path=path, query=query, headers=headers, raw=raw)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return bytes(body)
