"""From bytes to answers: values and events, parsed strictly first and leniently where a router strays.

Strict parsing straight from JSON text costs a tenth of the SDK's lenient construction. A router that sends
fields outside the schema fails it; that is remembered, so that the cost of failing is paid once.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pydantic

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.failures import not_an_answer, reported_error, request_id_of, truncated
from hanzo_agents._wire.headers import told_by
from hanzo_agents.errors import InvalidResponse, ResponseTooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import openai

    from hanzo_agents._wire.dialects.dialect import Dialect, RequestView
    from hanzo_agents._wire.redact import Secrets

__all__ = ["MISSHAPEN", "SHAPE_ERRORS", "Parser", "byte_chunks", "json_or_none", "read_body"]

SHAPE_ERRORS = (AttributeError, TypeError, KeyError, IndexError, ValueError)
"""What reading raises on a body that is JSON but not of the API's shape."""

MISSHAPEN = "the reply does not have the shape of an answer"

_BOM = b"\xef\xbb\xbf"


async def read_body(response: Any, limit: int) -> bytes:
    """The whole body, decoded.

    Raises:
        ResponseTooLarge: it has more than `limit` bytes, also when compressed to fewer.
    """
    told = told_by(response)
    length = told.get("content-length", "")
    if "content-encoding" not in told and length.isdigit() and int(length) <= limit:
        whole: bytes = await response.aread()
        return whole
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > limit:
            await response.aclose()
            raise ResponseTooLarge(f"the reply exceeds {limit} bytes", code="response_too_large")
        parts.append(part)
    whole = b"".join(parts)
    # As `aread` leaves it, so that a raw response can be read again.
    response._content = whole  # noqa: SLF001
    return whole


async def byte_chunks(response: Any, limit: int) -> AsyncGenerator[bytes]:
    """The body of a stream as it comes, without a byte order mark, and never more than `limit` bytes."""
    size = 0
    head, started = b"", False
    async with aclosing(response.aiter_bytes()) as parts:
        async for part in parts:
            size += len(part)
            if size > limit:
                raise ResponseTooLarge(f"the stream exceeds {limit} bytes", code="response_too_large")
            if started:
                yield part
            elif _BOM.startswith(head := head + part) and len(head) < len(_BOM):
                continue
            else:
                yield head.removeprefix(_BOM)
                started = True
    if head and not started:
        yield head


class Parser:
    """Parses what one endpoint sends, and remembers what it cannot send by the schema."""

    __slots__ = ("_client", "_lenient", "_secrets")

    def __init__(self, client: openai.AsyncOpenAI, secrets: Secrets) -> None:
        self._client = client
        self._secrets = secrets
        self._lenient: set[type[Any]] = set()

    def value(self, dialect: Dialect, view: RequestView, response: Any, content: bytes) -> Any:
        """Parse and check a whole reply.

        Raises:
            InvalidResponse: it is no answer.
        """
        kind = dialect.value_type
        value: Any = None
        if kind not in self._lenient:
            try:
                value = kind.model_validate_json(content, strict=True)
            except pydantic.ValidationError:
                value = None
        if value is None:
            value = self._lenient_value(kind, response, content)
        elif value.model_extra and value.model_extra.get("error"):
            raise reported_error(value.model_extra["error"], self._sent_with(response), request_id_of(response))
        try:
            dialect.check(value, view)
        except InvalidResponse as error:
            self._identify(error, response, content)
            raise
        return value

    def _lenient_value(self, kind: type[Any], response: Any, content: bytes) -> Any:
        data = _loads(content)
        if data is _NOT_JSON:
            raise not_an_answer(
                "the reply is not JSON" if content.strip() else "the reply is empty",
                response, content, self._sent_with(response),
            )  # fmt: skip
        if not isinstance(data, dict):
            raise not_an_answer("the reply is not a JSON object", response, content, self._sent_with(response))
        if error := as_dict(data).get("error"):  # pyright: ignore[reportUnknownArgumentType]
            raise reported_error(error, self._sent_with(response), request_id_of(response))
        value = self._construct(kind, data, response)
        self._lenient.add(kind)
        return value

    def _sent_with(self, response: Any) -> Secrets:
        return self._secrets.sent_with(response.request)

    def _construct(self, kind: type[Any], data: Any, response: Any) -> Any:
        return self._client._process_response_data(data=data, cast_to=kind, response=response)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def _identify(self, error: InvalidResponse, response: Any, content: bytes) -> None:
        secrets = self._sent_with(response)
        secrets.scrub_error(error)
        error.request_id = error.request_id or request_id_of(response)
        error.body = error.body or secrets.excerpt(content)

    def event(self, dialect: Dialect, data: str, response: Any) -> Any:
        """Parse one event of a stream.

        Raises:
            InvalidResponse: it reports an error, or is no object.
            StreamTruncated: it is cut inside its JSON.
        """
        kind = dialect.event_type(data)
        if kind is not None and kind not in self._lenient and '"error"' not in data:
            try:
                return kind.model_validate_json(data, strict=True)
            except pydantic.ValidationError:
                pass
        parsed = _loads(data)
        if parsed is _NOT_JSON:
            raise truncated("an event of the stream is not whole JSON", request_id_of(response))
        if not isinstance(parsed, dict):
            raise not_an_answer(
                "an event of the stream is no object", response, data.encode(), self._sent_with(response)
            )
        fields = as_dict(parsed)  # pyright: ignore[reportUnknownArgumentType]
        if fields.get("error") and fields.get("type") != "response.failed":
            raise reported_error(fields["error"], self._sent_with(response), request_id_of(response))
        if fields.get("type") == "error" and "choices" not in fields and dialect.path != "/responses":
            raise reported_error(fields, self._sent_with(response), request_id_of(response))
        if kind is None:
            kind = dialect.event_type(fields)
        elif '"error"' not in data:
            self._lenient.add(kind)
        return _Unknown(fields) if kind is None else self._construct(kind, fields, response)


_NOT_JSON: Any = object()


def _loads(text: str | bytes) -> Any:
    """Parse JSON; returns rather than raises, as the parser's error holds the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NOT_JSON


def json_or_none(text: bytes) -> Any:
    """Parsed JSON, None for anything else."""
    data = _loads(text)
    return None if data is _NOT_JSON else data


class _Unknown(dict[str, Any]):
    """An event that this SDK has no class for: handed on as it came."""

    @property
    def type(self) -> Any:
        return self.get("type")
