"""The two resources whose `create` has a fast lane. Everything else about them is the SDK's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from openai.resources.chat import AsyncChat
from openai.resources.chat.completions import AsyncCompletions
from openai.resources.responses import AsyncResponses
from typing_extensions import override

from hanzo_agents._wire.chat import CHAT
from hanzo_agents._wire.delivery import deliver
from hanzo_agents._wire.lane import Lane
from hanzo_agents._wire.responses import RESPONSES
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents.client import AsyncHanzo

__all__ = ["HanzoChat", "HanzoCompletions", "HanzoResponses"]

_chat_lane = Lane(CHAT, AsyncCompletions)
_responses_lane = Lane(RESPONSES, AsyncResponses)


class HanzoCompletions(AsyncCompletions):
    """Chat Completions; `model` may be left out when the client has a default."""

    _client: AsyncHanzo  # type: ignore[assignment]

    @override
    async def create(self, **kwargs: Any) -> Any:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """As `openai`'s, sent through the policies."""
        _fill_model(self._client, kwargs)
        engine = self._client._engine  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        entered = await _chat_lane.enter(engine, kwargs)
        if entered is None:
            return await super().create(**kwargs)
        view, extras = entered
        return deliver(await engine.run(CHAT, view, extras, stream=bool(view.body.get("stream"))))


class HanzoChat(AsyncChat):
    """The `chat` resource."""

    @property
    @override
    def completions(self) -> HanzoCompletions:  # type: ignore[override] # pyright: ignore[reportIncompatibleVariableOverride]
        resource = self.__dict__.get("_completions")
        if resource is None:
            resource = self.__dict__["_completions"] = HanzoCompletions(self._client)
        return resource


class HanzoResponses(AsyncResponses):
    """The `responses` resource; `model` may be left out when the client has a default."""

    _client: AsyncHanzo  # type: ignore[assignment]

    @override
    async def create(self, **kwargs: Any) -> Any:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """As `openai`'s, sent through the policies."""
        if not kwargs.get("prompt"):
            _fill_model(self._client, kwargs)
        engine = self._client._engine  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        entered = await _responses_lane.enter(engine, kwargs)
        if entered is None:
            return await super().create(**kwargs)
        view, extras = entered
        return deliver(await engine.run(RESPONSES, view, extras, stream=bool(view.body.get("stream"))))

    @override
    def connect(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """Refused: a WebSocket would bypass the policies."""
        raise ConfigError("responses.connect: WebSocket sessions bypass the policies and are not supported")


def _fill_model(client: AsyncHanzo, kwargs: dict[str, Any]) -> None:
    if not isinstance(kwargs.get("model"), str):
        model = client.default_model
        if model is None:
            raise ConfigError("model: expected a model's name; pass model=, or set HANZO_MODEL")
        kwargs["model"] = model
