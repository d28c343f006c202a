"""Making errors that hold no key: not in the text, the request, the headers, or a traceback's locals.

Functions here *return* errors. The frame that saw the secret is gone before the error is raised.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import httpx2
import openai
from openai._httpx2 import timeout_exceptions

from hanzo_agents._wire.headers import told_by
from hanzo_agents.errors import InvalidResponse, StreamTruncated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._wire.redact import Secrets

__all__ = [
    "connection_error",
    "not_an_answer",
    "redirected",
    "reported_error",
    "request_id_of",
    "scrubbed_copy",
    "status_error",
    "truncated",
]

_DROPPED = frozenset({b"set-cookie", b"content-encoding", b"content-length", b"transfer-encoding"})


def status_error(
    client: openai.AsyncOpenAI, response: httpx2.Response, content: bytes, secrets: Secrets
) -> openai.APIStatusError:
    """The SDK's own error for a bad status, around a copy of the response without secrets."""
    copy = scrubbed_copy(response, content, secrets)
    error = client._make_status_error_from_response(copy)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    error.__traceback__ = None
    return error


def scrubbed_copy(response: httpx2.Response, content: bytes, secrets: Secrets) -> httpx2.Response:
    """A response without secrets, of a request without headers and body."""
    text = _scrubbed(content, secrets)
    # As bytes: a header may hold anything, also what no encoding explains.
    headers = [
        (name, secrets.scrub(value.decode("latin-1")).encode("latin-1"))
        for name, value in response.headers.raw
        if name.lower() not in _DROPPED
    ]
    return httpx2.Response(
        response.status_code, headers=headers, content=text.encode(), request=bare_request(response.request)
    )


def _scrubbed(content: bytes, secrets: Secrets) -> str:
    try:
        return json.dumps(secrets.scrub_json(json.loads(content)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return secrets.scrub(content.decode("utf-8", "replace"))


def connection_error(error: Exception, request: Any, secrets: Secrets) -> openai.APIConnectionError:
    """The SDK's error for a request that got no reply. Its cause keeps its type and text, not its frames."""
    safe = bare_request(request)
    cause = type(error)(secrets.scrub(str(error)))
    timed_out = isinstance(error, timeout_exceptions())
    made = openai.APITimeoutError(request=safe) if timed_out else openai.APIConnectionError(request=safe)
    made.__cause__ = cause
    return made


def bare_request(request: Any) -> httpx2.Request:
    """Method and address of a request, without headers, body, user or query."""
    url = httpx2.URL(str(request.url)).copy_with(userinfo=b"", query=None, fragment=None)
    return httpx2.Request(request.method, url)


def redirected(response: httpx2.Response) -> InvalidResponse:
    """A redirect, which is never followed: it would carry the prompt, and headers, to another host."""
    location = response.headers.get("location", "")
    host = httpx2.URL(location).host if location.startswith(("http://", "https://", "//")) else ""
    return InvalidResponse(
        f"{response.request.url.host} answered with a redirect ({response.status_code})"
        f"{f' to {host}' if host else ''}; redirects are not followed, give the final base_url",
        status_code=response.status_code,
        code="redirect",
    )


_A_PAGE = "; is base_url the router's address, with its /v1?"


def not_an_answer(why: str, response: Any, content: bytes, secrets: Secrets) -> InvalidResponse:
    """A success status around something that is no answer."""
    kind = secrets.scrub(response.headers.get("content-type", "none"))
    page = kind.lower().startswith("text/html")
    return InvalidResponse(
        f"{why} (content-type: {kind}){_A_PAGE if page else ''}",
        code="invalid_response",
        request_id=request_id_of(response),
        body=secrets.excerpt(content),
    )


def request_id_of(response: Any) -> str | None:
    """The upstream's id of the request that a response answers."""
    return told_by(response).get("x-request-id")


def truncated(why: str, request_id: str | None = None) -> StreamTruncated:
    """A stream that ended before it was finished."""
    return StreamTruncated(why, code="stream_truncated", request_id=request_id)


def reported_error(error: object, secrets: Secrets, request_id: str | None = None) -> InvalidResponse:
    """An error object that came with a success status, or inside a stream."""
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", error) if isinstance(error, dict) else {}
    message = fields.get("message") or fields.get("detail") or (error if isinstance(error, str) else None)
    if not isinstance(message, str):
        message = json.dumps(secrets.scrub_json(error), default=str)[:200]
    code = fields.get("code")
    status = next((s for s in map(_status, (code, fields.get("status"), fields.get("type"))) if s), None)
    text_code = code if isinstance(code, str) else fields.get("type")
    return InvalidResponse(
        f"the upstream reported an error inside a success: {secrets.scrub(message)[:500]}",
        status_code=status,
        code=secrets.scrub(text_code) if isinstance(text_code, str) else None,
        request_id=request_id,
        body=json.dumps(secrets.scrub_json(error), default=str)[:200],
    )


_STATUS_OF_TYPE = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "throttling_error": 429,
    "overloaded_error": 529,
    "server_error": 500,
    "api_error": 500,
    "internal_server_error": 500,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
}


def _status(value: object) -> int | None:
    if isinstance(value, str):
        if value in _STATUS_OF_TYPE:
            return _STATUS_OF_TYPE[value]
        value = int(value) if value.isascii() and value.isdigit() and len(value) == 3 else None
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
        return value
    return None
