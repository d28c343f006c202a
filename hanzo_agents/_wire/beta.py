"""`client.beta`: the SDK's, without the ways past the policies.

Its chat is the client's own; its realtime and WebSocket sessions are refused, as those of the client are.
"""

from __future__ import annotations

from typing import Any, NoReturn

from openai.resources.beta import AsyncBeta, Beta
from openai.resources.beta.responses import AsyncResponses, Responses

from hanzo_agents.errors import ConfigError

__all__ = ["HanzoBeta", "SyncBeta"]


class _Refusing:
    """Responses without sessions."""

    def connect(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: a WebSocket would bypass the policies."""
        raise ConfigError("beta.responses.connect: WebSocket sessions bypass the policies and are not supported")


class _AsyncResponses(_Refusing, AsyncResponses):
    """The SDK's, without sessions."""


class _Responses(_Refusing, Responses):
    """The SDK's, without sessions."""


class _Here:
    """What both kinds of client have under `beta`."""

    _client: Any

    @property
    def chat(self) -> Any:
        """The client's own."""
        return self._client.chat

    @property
    def realtime(self) -> Any:
        """Refused, by the client."""
        return self._client.realtime


class HanzoBeta(_Here, AsyncBeta):
    """`AsyncHanzo.beta`."""

    @property
    def responses(self) -> _AsyncResponses:
        """The beta of Responses: not behind the policies but for deadline and retries."""
        return _AsyncResponses(self._client)


class SyncBeta(_Here, Beta):
    """`Hanzo.beta`."""

    @property
    def responses(self) -> _Responses:
        """The beta of Responses: not behind the policies but for deadline and retries."""
        return _Responses(self._client)
