"""Handing a reply over in the shape the caller asked for: parsed, raw, or streaming raw."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from openai import AsyncAPIResponse
from openai._constants import RAW_RESPONSE_HEADER
from openai._legacy_response import LegacyAPIResponse
from openai._models import FinalRequestOptions, add_request_id

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.stream import HanzoStream

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from hanzo_agents._kernel.reply import Reply

__all__ = ["deliver", "deliver_raw", "raw_mode"]


def raw_mode(options: FinalRequestOptions) -> str | None:
    """How the caller wants the HTTP response: None (parsed), "true", "raw" or "stream"."""
    mode: str | None = as_dict(options.headers).get(RAW_RESPONSE_HEADER)
    return mode


def deliver(reply: Reply) -> Any:
    """A parsed value with its request id, or the stream."""
    value: Any = reply.value
    if not isinstance(value, HanzoStream) and reply.raw is not None:
        add_request_id(value, reply.raw.headers.get("x-request-id"))
    return cast("Any", value)


def deliver_raw(
    reply: Reply,
    mode: str,
    client: AsyncOpenAI,
    *,
    cast_to: Any,
    options: FinalRequestOptions,
    stream_cls: Any,
    value: Any,
) -> Any:
    """A raw response whose `.parse()` gives what the stack accepted, not a second reading of the bytes."""
    streams = isinstance(value, HanzoStream)
    kind: Any = LegacyAPIResponse if mode == "true" else _response_class(cast_to)
    inner = _inner_type(cast_to)
    response: Any = kind(
        raw=reply.raw, client=client, cast_to=inner, stream=streams, stream_cls=stream_cls, options=options
    )
    response._parsed_by_type[inner] = value  # noqa: SLF001
    return response


def _response_class(cast_to: Any) -> Any:
    origin = get_origin(cast_to) or cast_to
    if inspect.isclass(origin) and issubclass(origin, AsyncAPIResponse):
        return cast("Any", origin)
    return cast("Any", AsyncAPIResponse)


def _inner_type(cast_to: Any) -> Any:
    origin = get_origin(cast_to) or cast_to
    if inspect.isclass(origin) and issubclass(origin, AsyncAPIResponse) and get_args(cast_to):
        return get_args(cast_to)[0]
    return cast_to
