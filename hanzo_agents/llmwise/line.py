"""One address of LLMWise and its key: sends a request, once, and reads what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai import APIConnectionError
from openai._httpx2 import request_exceptions

from hanzo_agents._kernel.primed import finish_closing
from hanzo_agents._version import __version__
from hanzo_agents._wire.failures import connection_error
from hanzo_agents._wire.reading import json_or_none, read_body
from hanzo_agents._wire.redact import Secrets
from hanzo_agents.errors import ConfigError, InvalidResponse
from hanzo_agents.llmwise.failures import misshapen, refusal
from hanzo_agents.llmwise.request import encoded

if TYPE_CHECKING:
    import httpx2
    from pydantic import SecretStr

    from hanzo_agents.llmwise.request import Request

__all__ = ["Line"]

MOST_ERROR_BYTES = 1 << 20
_SHAPES: dict[str, type[Any]] = {"object": dict, "list": list}


class Line:
    """Sends through an HTTP client that it shares with others. Never retries.

    Args:
        base_url: of the API.
        key: its key. It is kept where no repr and no traceback shows it.
        http: the client.
        limit: bytes at which an answer is abandoned.
    """

    __slots__ = ("_http", "_key", "base_url", "limit")

    def __init__(self, base_url: str, key: SecretStr, http: httpx2.AsyncClient, limit: int) -> None:
        self.base_url = base_url
        self._key = key
        self._http = http
        self.limit = limit

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
        failure: Exception | None = None
        response: httpx2.Response | None = None
        try:
            response = await self._http.send(built, stream=True, follow_redirects=False)
        except request_exceptions() as error:
            failure = connection_error(error, built, self.secrets(built, request))
        # Raised out here, so that the transport's error and its frames, which hold the key, are not its context.
        if response is not None and response.status_code >= 300:
            failure = await self._refused(response, request)
        if response is None or failure is not None:
            raise failure or RuntimeError("no response and no reason")
        return response

    async def body(self, response: httpx2.Response, limit: int | None = None) -> bytes:
        """The whole body; the response is closed.

        Raises:
            openai.APIConnectionError: it broke off.
            ResponseTooLarge: it exceeds the limit.
        """
        failure: Exception | None = None
        content = b""
        try:
            content = await read_body(response, self.limit if limit is None else limit)
        except request_exceptions() as error:
            failure = connection_error(error, response.request, self.secrets(response.request))
        finally:
            if not response.is_closed:
                await finish_closing(response.aclose())
        if failure is not None:
            raise failure
        return content

    async def fetch(self, request: Request[Any]) -> Any:
        """Send a request and read its whole answer.

        Raises:
            LLMWiseError: it is none, or an error.
        """
        response = await self.open(request)
        return self.read(request, response, await self.body(response))

    def read(self, request: Request[Any], response: httpx2.Response, content: bytes) -> Any:
        """A body as the request wants it read."""
        page = response.headers.get("content-type", "").startswith("text/html")
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

    def _built(self, request: Request[Any], *, stream: bool) -> httpx2.Request:
        content = None if request.body is None else encoded(request.body)
        try:
            return self._http.build_request(
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
            "Authorization": f"Bearer {self._key.get_secret_value()}",
            "User-Agent": f"hanzo-agents/{__version__}",
            **({"Accept": "text/event-stream"} if stream else {}),
            **({"Content-Type": "application/json"} if json else {}),
        }

    async def _refused(self, response: httpx2.Response, request: Request[Any]) -> Exception:
        try:
            content = await self.body(response, MOST_ERROR_BYTES)
        except (InvalidResponse, APIConnectionError):
            content = b""
        return refusal(response, content, self.secrets(response.request, request))
