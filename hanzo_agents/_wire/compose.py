"""Requests from a template: what a client sends differs from call to call only in the body.

Building a request the SDK's way takes 130 us, of which only the body is new. The first request of a kind is
built by the SDK itself, so that headers, their order and the URL are its own; the next ones copy it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
from openai import NotGiven, not_given
from openai._httpx2 import is_httpx2_async_client
from openai._models import FinalRequestOptions

from hanzo_agents._kernel.clock import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import AsyncOpenAI

    from hanzo_agents._wire.dialects.dialect import Dialect, RequestView
    from hanzo_agents._wire.labels import Labels

__all__ = ["ENCODER", "Composer", "Extras", "checked_timeout"]

MOST_TEMPLATES = 64

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""As the SDK encodes bodies; it raises TypeError on anything that is not plain JSON."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What a caller attached to one request.

    Attributes:
        options: the SDK's own options, when the request came by its ordinary road; None in the fast lane.
        headers: extra headers of a fast-lane request.
        raw: the caller wants the HTTP response itself.
        timeout: seconds, an httpx2.Timeout, None for no limit, or not given for the client's own.
    """

    options: FinalRequestOptions | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout: Any = not_given
    raw: bool = False

    def away(self) -> Extras:
        """What of this may go to another endpoint than the caller's: the time limit."""
        timeout = self.timeout if self.options is None else self.options.timeout
        return Extras(timeout=timeout, raw=self.raw)


class Composer:
    """Makes the HTTP requests of one endpoint."""

    __slots__ = ("_client", "_held", "_labels", "_made_for", "_templatable", "_templates")

    def __init__(self, client: AsyncOpenAI, labels: Labels) -> None:
        self._client = client
        self._labels = labels
        self._made_for: tuple[Any, ...] = ()
        self._held: tuple[Any, ...] = ()
        self._templates: dict[Any, httpx2.Request] = {}
        http: Any = client._client  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._templatable = is_httpx2_async_client(http) and client._api_key_provider is None  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    async def compose(self, view: RequestView, dialect: Dialect, extras: Extras) -> Any:
        """The request for a view's body."""
        if extras.options is not None or not self._templatable:
            return await self._ordinary(view, dialect, extras)
        content = view.content
        if content is None:
            content = self.encode(dialect, view.body)
        return self._from_template(dialect.path, content, extras)

    def encode(self, dialect: Dialect, body: Mapping[str, Any]) -> bytes:
        """A body as this endpoint gets it.

        Raises:
            TypeError, ValueError: it holds something that is not plain JSON.
        """
        return ENCODER.encode(self._labels.on(dialect.outgoing(body), dialect)).encode()

    def _from_template(self, path: str, content: bytes, extras: Extras) -> httpx2.Request:
        self._forget_if_changed()
        template = self._templates.get(self._kind(path, extras))
        if template is None:
            template = self._build(_options(path, {}, extras))
            if len(self._templates) >= MOST_TEMPLATES:
                self._templates.clear()
            self._templates[self._kind(path, extras)] = template
        headers = template.headers.copy()
        headers["Content-Length"] = str(len(content))
        # A stream, as httpx2 copies requests: it takes the headers as they are, in a quarter of the time.
        body = httpx2.ByteStream(content)
        request = httpx2.Request(
            "POST", template.url, headers=headers, stream=body, extensions=template.extensions
        )
        request.read()
        return request

    def _kind(self, path: str, extras: Extras) -> tuple[Any, ...]:
        # Never kept in a variable: headers may hold a key, and variables show in tracebacks.
        return (path, extras.headers, _plain(extras.timeout), _plain(self._client.timeout))

    def _forget_if_changed(self) -> None:
        """Templates hold the client's key, address and headers: they go when those change."""
        client: Any = self._client
        parts = (client._base_url, client.organization, client.project)  # noqa: SLF001
        if parts != self._made_for or self._held != (client.api_key, client._custom_headers):  # noqa: SLF001
            self._templates.clear()
            self._made_for = parts
            self._held = (client.api_key, dict(client._custom_headers))  # noqa: SLF001

    async def _ordinary(self, view: RequestView, dialect: Dialect, extras: Extras) -> Any:
        """The SDK's own way: callable keys, extra query and body, other HTTP clients."""
        options = extras.options
        body = dict(self._labels.on(dialect.outgoing(view.body), dialect))
        if options is None:
            options = _options(dialect.path, body, extras)
        else:
            options = options.model_copy(update={"json_data": body})
        prepared = await self._client._prepare_options(options)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return self._build(prepared)

    def _build(self, options: FinalRequestOptions) -> Any:
        try:
            return self._client._build_request(options)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        except (TypeError, ValueError, AttributeError) as error:
            # What the caller attached cannot be sent; the SDK's frames hold the headers, and so the key.
            failure = error.with_traceback(None)
        failure.__context__ = failure.__cause__ = None
        raise failure


def checked_timeout(name: str, value: Any) -> None:
    """A time limit that the HTTP client understands.

    Raises:
        ConfigError: it is no number of seconds > 0, httpx2.Timeout, or None.
    """
    if value is None or isinstance(value, NotGiven | httpx2.Timeout) or type(value).__name__ == "Timeout":
        return
    seconds(name, value, zero=False)


def _plain(timeout: Any) -> Any:
    """A timeout as something that can be a dictionary's key."""
    return tuple(timeout.as_dict().values()) if hasattr(timeout, "as_dict") else timeout


def _options(path: str, body: Mapping[str, Any], extras: Extras) -> FinalRequestOptions:
    given: dict[str, Any] = {"method": "post", "url": path, "json_data": dict(body)}
    given["security"] = {"bearer_auth": True}
    if extras.headers:
        given["headers"] = dict(extras.headers)
    if not isinstance(extras.timeout, NotGiven):
        given["timeout"] = extras.timeout
    return FinalRequestOptions.construct(**given)
