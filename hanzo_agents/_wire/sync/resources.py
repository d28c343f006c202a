"""The resources of the synchronous client: what `_wire.resources` is to the asynchronous one.

Only the types and the waiting are here. A call enters the same lane and runs through the same engine.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Unpack, cast, overload

from openai import Omit, omit
from openai.resources import Embeddings
from openai.resources.chat import Chat
from openai.resources.chat.completions import Completions
from openai.resources.responses import Responses
from typing_extensions import TypeVar, override

from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.responses import RESPONSES
from hanzo_agents._wire.fast_lane import CHAT_LANE, RESPONSES_LANE, fill_model
from hanzo_agents._wire.replies import loaded
from hanzo_agents._wire.sync.calls import run
from hanzo_agents._wire.sync.delivery import deliver_in_sync
from hanzo_agents._wire.tools import spell_tools
from hanzo_agents._wire.whole import Gathered, wants_whole
from hanzo_agents._wire.wishes import heeding, wished, wishes_in
from hanzo_agents.batch import plan_batch
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from openai import Stream
    from openai.lib.streaming.chat import ChatCompletionStreamManager
    from openai.lib.streaming.responses import ResponseStreamManager
    from openai.types.chat import ChatCompletionMessageParam, completion_create_params
    from openai.types.responses import ResponseStreamEvent
    from openai.types.responses.tool_param import ParseableToolParam

    from hanzo_agents._wire.arguments import (
        Attached,
        ChatArguments,
        ChatSettings,
        EmbeddingsArguments,
        ResponsesArguments,
        ResponsesStreamArguments,
    )
    from hanzo_agents._wire.replies import (
        HanzoChatCompletion,
        HanzoCreateEmbeddingResponse,
        HanzoParsedChatCompletion,
        HanzoParsedResponse,
        HanzoResponse,
    )
    from hanzo_agents._wire.sync.delivery import HanzoSyncChatStream
    from hanzo_agents.batch import Batch
    from hanzo_agents.sync_client import Hanzo

__all__ = ["SyncChat", "SyncCompletions", "SyncEmbeddings", "SyncResponses"]

T = TypeVar("T", default=None)


class SyncCompletions(Completions):
    """Chat Completions through the policies."""

    _client: Hanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @overload
    def create(
        self, *, stream: Literal[False] | Omit | None = omit, **arguments: Unpack[ChatArguments]
    ) -> HanzoChatCompletion: ...

    @overload
    def create(self, *, stream: Literal[True], **arguments: Unpack[ChatArguments]) -> HanzoSyncChatStream: ...

    @overload
    def create(
        self, *, stream: bool, **arguments: Unpack[ChatArguments]
    ) -> HanzoChatCompletion | HanzoSyncChatStream: ...

    @override
    def create(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        if self._client.whole_by_stream and wants_whole(kwargs):
            return self._gathered(kwargs)
        fill_model(self._client.default_model, spell_tools(kwargs))
        engine = self._client.engine
        entered = CHAT_LANE.enter(engine, kwargs)
        if entered is None:
            if wishes := wishes_in(kwargs, self._client.stack):
                return wished(self, wishes).create(**kwargs)
            ordinary: Any = super()
            return ordinary.create(**kwargs)
        view, extras = entered
        calling = engine.run(CHAT, view, extras, stream=bool(view.body.get("stream")))
        return deliver_in_sync(run(calling), self._client)

    def _gathered(self, kwargs: dict[str, Any]) -> HanzoChatCompletion:
        """The whole answer of a stream."""
        gathered, create = Gathered(), cast("Any", self.create)
        with create(**{**kwargs, "stream": True}) as stream:
            for chunk in stream:
                gathered.feed(chunk)
            return gathered.answer(stream.response)

    @override
    def parse(
        self, *, response_format: type[T] | Omit = omit, **settings: Unpack[ChatSettings]
    ) -> HanzoParsedChatCompletion[T]:
        """As `openai`'s, sent through the policies."""
        ordinary: Any = super()
        arguments = fill_model(self._client.default_model, spell_tools({**settings}))
        with heeding(arguments, self._client.stack):
            parsed: HanzoParsedChatCompletion[T] = ordinary.parse(response_format=response_format, **arguments)
        return parsed

    @override
    def stream(
        self,
        *,
        response_format: completion_create_params.ResponseFormat | type[T] | Omit = omit,
        **settings: Unpack[ChatSettings],
    ) -> ChatCompletionStreamManager[T]:
        """As `openai`'s, sent through the policies."""
        arguments = fill_model(self._client.default_model, spell_tools({**settings}))
        ordinary: Any = super(SyncCompletions, wished(self, wishes_in(arguments, self._client.stack)))
        manager: ChatCompletionStreamManager[T] = ordinary.stream(response_format=response_format, **arguments)
        return manager

    def batch_create(
        self,
        requests: Iterable[ChatCompletionMessageParam | Iterable[ChatCompletionMessageParam] | Mapping[str, Any]],
        *,
        model: str | None = None,
        max_concurrent: int = 10,
        file: str | Path | None = None,
        progress: bool | None = None,
        **arguments: Any,
    ) -> Batch[HanzoChatCompletion]:
        """As `HanzoCompletions.batch_create`: many requests at a time, in order, each with its own error.

        Raises:
            ConfigError: a request or a setting is none; nothing was sent.
        """
        plan = plan_batch(
            requests, model=model or self._client.default_model, max_concurrent=max_concurrent, file=file,
            progress=progress, arguments=spell_tools(arguments),
        )  # fmt: skip
        return run(plan.carry_out(self._client.asynchronous.chat.completions.create, loaded))


class SyncChat(Chat):
    """The `chat` resource."""

    @cached_property
    @override
    def completions(self) -> SyncCompletions:  # pyright: ignore[reportIncompatibleMethodOverride]
        return SyncCompletions(self._client)


class SyncResponses(Responses):
    """Responses through the policies."""

    _client: Hanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @overload
    def create(
        self, *, stream: Literal[False] | Omit | None = omit, **arguments: Unpack[ResponsesArguments]
    ) -> HanzoResponse: ...

    @overload
    def create(
        self, *, stream: Literal[True], **arguments: Unpack[ResponsesArguments]
    ) -> Stream[ResponseStreamEvent]: ...

    @overload
    def create(
        self, *, stream: bool, **arguments: Unpack[ResponsesArguments]
    ) -> HanzoResponse | Stream[ResponseStreamEvent]: ...

    @override
    def create(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        if not spell_tools(kwargs, flat=True).get("prompt"):
            fill_model(self._client.default_model, kwargs)
        engine = self._client.engine
        entered = RESPONSES_LANE.enter(engine, kwargs)
        if entered is None:
            if wishes := wishes_in(kwargs, self._client.stack):
                return wished(self, wishes).create(**kwargs)
            ordinary: Any = super()
            return ordinary.create(**kwargs)
        view, extras = entered
        calling = engine.run(RESPONSES, view, extras, stream=bool(view.body.get("stream")))
        return deliver_in_sync(run(calling), self._client)

    @override
    def parse(
        self,
        *,
        text_format: type[T] | Omit = omit,
        parse_as: type[T] | Omit | None = omit,
        stream: bool | Omit | None = omit,
        verbosity: Literal["low", "medium", "high"] | Omit | None = omit,
        **arguments: Unpack[ResponsesStreamArguments],
    ) -> HanzoParsedResponse[T]:
        """As `openai`'s, sent through the policies."""
        ordinary: Any = super()
        asked = spell_tools({**arguments}, flat=True)
        with heeding(asked, self._client.stack):
            parsed: HanzoParsedResponse[T] = ordinary.parse(
                text_format=text_format, parse_as=parse_as, stream=stream, verbosity=verbosity, **asked
            )
        return parsed

    @overload
    def stream(
        self,
        *,
        response_id: str,
        text_format: type[T] | Omit = omit,
        starting_after: int | Omit = omit,
        tools: Iterable[ParseableToolParam] | Omit = omit,
        **attached: Unpack[Attached],
    ) -> ResponseStreamManager[T]: ...

    @overload
    def stream(
        self, *, text_format: type[T] | Omit = omit, **arguments: Unpack[ResponsesStreamArguments]
    ) -> ResponseStreamManager[T]: ...

    @override
    def stream(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        ordinary: Any = super(SyncResponses, wished(self, wishes_in(kwargs, self._client.stack)))
        if not kwargs.get("response_id") and not kwargs.get("prompt"):
            fill_model(self._client.default_model, kwargs)
        return ordinary.stream(**spell_tools(kwargs, flat=True))

    @override
    def connect(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: a WebSocket would bypass the policies."""
        raise ConfigError("responses.connect: WebSocket sessions bypass the policies and are not supported")


class SyncEmbeddings(Embeddings):
    """Embeddings through the policies."""

    _client: Hanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @override
    def create(self, **arguments: Unpack[EmbeddingsArguments]) -> HanzoCreateEmbeddingResponse:
        """As `openai`'s, sent through the policies."""
        ordinary: Any = super()
        embedded: HanzoCreateEmbeddingResponse = ordinary.create(
            **fill_model(self._client.default_model, {**arguments})
        )
        return embedded
