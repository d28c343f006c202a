"""One address of LLMWise and its key: sends a request, once, and reads what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from openai import APIConnectionError

from hanzo_agents._wire.failures import connection_error
from hanzo_agents._wire.once import USER_AGENT, send_once, whole_body
from hanzo_agents._wire.reading import json_or_none
from hanzo_agents._wire.redact import Secrets
from hanzo_agents.errors import ConfigError, InvalidResponse
from hanzo_agents.llmwise.failures import misshapen, refusal
from hanzo_agents.llmwise.request import encoded

if TYPE_CHECKING:
    import httpx2
    from pydantic import SecretStr

    from hanzo_agents.llmwise.request import Request

__all__ = ["DEFAULT_URL", "Endpoint", "api_root"]

DEFAULT_URL = "https://llmwise.ai/api/v1"
MOST_ERROR_BYTES = 1 << 20
_SHAPES: dict[str, type[Any]] = {"object": dict, "list": list}


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """Sends through an HTTP client that it shares with others. Never retries.

    Attributes:
        base_url: of the API.
        key: its key. It is kept where no repr and no traceback shows it.
        http: the client.
        limit: bytes at which an answer is abandoned.
    """

    base_url: str
    key: SecretStr
    http: httpx2.AsyncClient
    limit: int

    @property
    def server(self) -> str:
        """Host and port."""
        return self.base_url.split("/")[2]

    async def open(self, request: Request[Any], *, stream: bool = False) -> httpx2.Response:
        """Send, and return the response with its body unread.

        Raises:
            ConfigError: the body is not plain JSON; nothing was sent.
            openai.APIConnectionError: no response came.
            LLMWiseError: its status is no success.
        """
        built = self._built(request, stream=stream)
        response = await send_once(self.http, built, partial(self._lost, request=request))
        if response.status_code >= 300:
            raise await self._refused(response, request)
        return response

    async def body(self, response: httpx2.Response, limit: int | None = None) -> bytes:
        """The whole body; the response is closed.

        Raises:
            openai.APIConnectionError: it broke off.
            ResponseTooLarge: it exceeds the limit.
        """
        return await whole_body(response, self.limit if limit is None else limit, self._lost)

    async def fetch(self, request: Request[Any]) -> Any:
        """Send a request and read its whole answer.

        Raises:
            LLMWiseError: it is none, or an error.
        """
        response = await self.open(request)
        return self.read(request, response, await self.body(response))

    def read(self, request: Request[Any], response: httpx2.Response, content: bytes) -> Any:
        """A body as the request wants it read."""
        page = response.headers.get("content-type", "").lower().startswith("text/html")
        if request.kind == "text" and not page:
            return response.text
        value = json_or_none(content)
        shape = _SHAPES.get(request.kind)
        if value is not None and (shape is None or isinstance(value, shape)):
            return value
        why = "The response is a page" if page else "The response is not JSON"
        if value is not None:
            why = "Unexpected response shape"
        failure = misshapen(why, response, content, self.secrets(response.request, request))
        value = content = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
        raise failure

    def secrets(self, sent: Any, request: Request[Any] | None = None) -> Secrets:
        """What must not come back in an error: the key, and what of the body is secret."""
        return Secrets(*(() if request is None else request.secrets), request=sent)

    def _lost(self, error: Exception, sent: httpx2.Request, request: Request[Any] | None = None) -> Exception:
        return connection_error(error, sent, self.secrets(sent, request))

    def _built(self, request: Request[Any], *, stream: bool) -> httpx2.Request:
        content = encoded(request)
        try:
            return self.http.build_request(
                request.method,
                self.base_url + request.path,
                params=request.query or None,
                headers=self._headers(stream=stream, json=content is not None),
                content=content,
            )
        except (TypeError, ValueError) as error:
            why = str(error)
        # Raised out here, without the frames that hold the headers, and so the key.
        raise ConfigError(f"request: it cannot be sent ({why})")

    def _headers(self, *, stream: bool, json: bool) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.key.get_secret_value()}",
            "User-Agent": USER_AGENT,
            **({"Accept": "text/event-stream"} if stream else {}),
            **({"Content-Type": "application/json"} if json else {}),
        }

    async def _refused(self, response: httpx2.Response, request: Request[Any]) -> Exception:
        try:
            content = await self.body(response, MOST_ERROR_BYTES)
        except (InvalidResponse, APIConnectionError):
            content = b""
        return refusal(response, content, self.secrets(response.request, request))


def api_root(url: str) -> str:
    """The address of the API for what a user gives: the site, or the API itself."""
    url = url.rstrip("/")
    return url if url.endswith("/api/v1") else url + "/api/v1"
