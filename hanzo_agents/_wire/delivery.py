"""From the SDK's funnel to a call and back: what is asked for, and a reply in the shape the caller asked for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from openai import APIResponse, AsyncAPIResponse, AsyncOpenAI, AsyncStream, BaseModel, Stream
from openai._constants import RAW_RESPONSE_HEADER
from openai._legacy_response import LegacyAPIResponse
from openai._models import FinalRequestOptions, add_request_id

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.compose import Extras, checked_timeout
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.embeddings import EMBEDDINGS
from hanzo_agents._wire.dialects.responses import RESPONSES
from hanzo_agents._wire.failures import request_id_of
from hanzo_agents._wire.replies import note_parsed
from hanzo_agents._wire.stream import HanzoStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._wire.dialects.dialect import Dialect, RequestView

__all__ = ["deliver", "deliver_raw", "entered_of", "parsed_by", "raw_mode"]

_DIALECTS: dict[str, Any] = {dialect.path: dialect for dialect in (CHAT, RESPONSES, EMBEDDINGS)}


def entered_of(options: FinalRequestOptions, model: str | None) -> tuple[Dialect, RequestView, Extras] | None:
    """The call that a request of the SDK's resources means, None when it is of a kind that policies do not know.

    Args:
        options: what the SDK's resource made of its arguments.
        model: used when the request names none.

    Raises:
        ConfigError: an argument is wrong; nothing was sent.
    """
    dialect = _DIALECTS.get(options.url) if options.method.lower() == "post" else None
    if dialect is None or not isinstance(options.json_data, dict) or options.files:
        return None
    checked_timeout("timeout", options.timeout)
    body = as_dict(options.json_data)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    sent = _without_raw_header(options)
    if options.extra_json:
        body = {**body, **as_dict(options.extra_json)}
        sent.extra_json = None
    if model is not None and not body.get("model") and not body.get("prompt"):
        body = {**body, "model": model}
    return dialect, dialect.view(body), Extras(sent, raw=raw_mode(options) is not None)


def _without_raw_header(options: FinalRequestOptions) -> FinalRequestOptions:
    headers = options.headers
    if isinstance(headers, Mapping) and RAW_RESPONSE_HEADER in headers:
        headers = {name: value for name, value in headers.items() if name != RAW_RESPONSE_HEADER}
    return options.model_copy(update={"headers": headers, "max_retries": 0, "follow_redirects": False})


def parsed_by(parser: Callable[[Any], Any], value: Any) -> Any:
    """What the SDK's `.parse()` makes of a reply, which still knows what its call took."""
    parsed = parser(value)
    if parsed is not value:
        note_parsed(value, parsed)
        if isinstance(value, BaseModel) and isinstance(parsed, BaseModel):
            add_request_id(parsed, getattr(value, "_request_id", None))
    return parsed


def raw_mode(options: FinalRequestOptions) -> str | None:
    """How the caller wants the HTTP response: None (parsed), "true", "raw" or "stream"."""
    mode: str | None = as_dict(options.headers).get(RAW_RESPONSE_HEADER)
    return mode


def deliver(reply: Reply) -> Any:
    """A parsed value with its request id, or the stream."""
    value: Any = reply.value
    if not isinstance(value, HanzoStream) and reply.raw is not None:
        add_request_id(value, request_id_of(reply.raw))
    return cast("Any", value)


def deliver_raw(
    raw: Any, value: Any, client: Any, *, cast_to: Any, options: FinalRequestOptions, stream_cls: Any
) -> Any:
    """A raw response whose `.parse()` gives `value`, what the stack accepted: no second reading of the bytes."""
    kind, inner = _in_two(cast_to, AsyncAPIResponse if isinstance(client, AsyncOpenAI) else APIResponse)
    made: Any = LegacyAPIResponse if raw_mode(options) == "true" else kind
    streams = isinstance(value, AsyncStream | Stream)
    response = made(raw=raw, client=client, cast_to=inner, stream=streams, stream_cls=stream_cls, options=options)
    response._parsed_by_type[inner] = value  # noqa: SLF001
    return response


def _in_two(cast_to: Any, ordinary: type[Any]) -> tuple[type[Any], Any]:
    """The class of a response and the type inside: `APIResponse` and `ChatCompletion`."""
    origin: Any = get_origin(cast_to) or cast_to
    if not (inspect.isclass(origin) and issubclass(origin, APIResponse | AsyncAPIResponse)):
        return ordinary, cast_to
    kind = cast("type[Any]", origin) if issubclass(origin, ordinary) else ordinary
    return kind, next(iter(get_args(cast_to)), cast_to)
