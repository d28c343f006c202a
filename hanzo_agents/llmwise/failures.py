"""What LLMWise says when it does not answer, as an error that holds no key.

Functions here return errors; the frames that saw a secret are gone before one is raised.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.shapes import as_dict, dicts
from hanzo_agents._wire.failures import request_id_of
from hanzo_agents._wire.reading import json_or_none
from hanzo_agents._wire.redact import legible
from hanzo_agents.errors import HanzoError
from hanzo_agents.policies.classify import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from hanzo_agents._wire.redact import Secrets

__all__ = ["LLMWiseError", "misshapen", "refusal", "reported", "truncated"]

BAD_GATEWAY = 502
"""The status of a failure that came without one: the service's own client uses it for what is no answer."""

NO_REASON = "Request failed"
MOST_TEXT = 500


class LLMWiseError(HanzoError):
    """LLMWise refused, failed, or said something that is no answer.

    A connection that fails is an `openai.APIConnectionError`, as everywhere in this package.

    Attributes:
        status_code: of HTTP, or the one that an error inside a stream names; 502 for what is no answer.
        message: what the service says.
        payload: the JSON (or the start of the text) that it came in, without keys.
        code: "refused", "redirect", "stream_error", "stream_truncated" or "invalid_response".
    """

    status_code: int

    def __init__(
        self,
        status_code: int,
        message: str,
        payload: Any = None,
        *,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            f"{message} (status {status_code})",
            status_code=status_code,
            code=code,
            request_id=request_id,
            retry_after=retry_after,
        )
        self.message = message
        self.payload = payload


class _Told(Exception):
    """Carries a response to who reads its headers."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__()
        self.response = response


def refusal(response: httpx2.Response, content: bytes, secrets: Secrets) -> LLMWiseError:
    """The error for a status that is no success."""
    status = response.status_code
    if status < 400:
        host = response.request.url.host
        return LLMWiseError(
            status,
            f"{host} answered with a redirect; redirects are not followed, give the final base_url",
            code="redirect",
        )
    payload = _payload(content, secrets)
    return LLMWiseError(
        status,
        _message(payload) or NO_REASON,
        payload,
        code="refused",
        request_id=request_id_of(response),
        retry_after=retry_after(_Told(response), now=current_clock().wall()),
    )


def reported(fields: Mapping[str, Any], response: httpx2.Response, secrets: Secrets) -> LLMWiseError:
    """The error that came with a success status, or inside a stream."""
    payload = secrets.scrub_json(dict(fields))
    status = fields.get("status_code")
    if type(status) is not int or not 400 <= status < 600:
        status = BAD_GATEWAY
    return LLMWiseError(
        status, _message(payload) or NO_REASON, payload, code="stream_error", request_id=request_id_of(response)
    )


def misshapen(why: str, response: httpx2.Response, content: bytes, secrets: Secrets) -> LLMWiseError:
    """A success status around something that is no answer."""
    payload = _payload(content, secrets)
    return LLMWiseError(BAD_GATEWAY, why, payload, code="invalid_response", request_id=request_id_of(response))


def truncated(why: str, response: httpx2.Response) -> LLMWiseError:
    """A stream that ended before it was finished."""
    return LLMWiseError(BAD_GATEWAY, why, code="stream_truncated", request_id=request_id_of(response))


def _payload(content: bytes, secrets: Secrets) -> Any:
    payload = json_or_none(content)
    return secrets.excerpt(content) if payload is None else secrets.scrub_json(payload)


def _message(payload: Any) -> str | None:
    """What went wrong, in words: `error`, as the service says it, or what FastAPI and gateways say for it."""
    if isinstance(payload, str):
        return None
    told = as_dict(payload)
    for name in ("error", "detail", "message"):
        said = told.get(name)
        if isinstance(said, dict):
            said = as_dict(said).get("message")  # pyright: ignore[reportUnknownArgumentType]
        if complaints := [str(one["msg"]) for one in dicts(said) if "msg" in one]:
            said = "; ".join(complaints)
        if said:
            return legible(str(said)[:MOST_TEXT])
    status = told.get("status_code")
    return HTTPStatus(status).phrase if isinstance(status, int) and status in set(HTTPStatus) else None
