"""The resources whose calls run through the policies. Everything else about them is the SDK's.

`model` may be left out everywhere when the client has a default. The two `create` that are called most have a fast
lane (see `_wire.fast_lane`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Unpack, cast, overload

from openai import Omit, omit
from openai.resources import AsyncEmbeddings
from openai.resources.chat import AsyncChat
from openai.resources.chat.completions import AsyncCompletions
from openai.resources.responses import AsyncResponses
from typing_extensions import TypeVar, override

from hanzo_agents._wire.delivery import deliver
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.responses import RESPONSES
from hanzo_agents._wire.fast_lane import CHAT_LANE, RESPONSES_LANE, fill_model
from hanzo_agents._wire.replies import loaded
from hanzo_agents._wire.tools import spell_tools
from hanzo_agents._wire.whole import Gathered, wants_whole
from hanzo_agents._wire.wishes import heeding, wished, wishes_in
from hanzo_agents.batch import plan_batch
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from openai import AsyncStream
    from openai.lib.streaming.chat import AsyncChatCompletionStreamManager
    from openai.lib.streaming.responses import AsyncResponseStreamManager
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
    from hanzo_agents._wire.stream import HanzoChatStream
    from hanzo_agents.batch import Batch
    from hanzo_agents.client import AsyncHanzo

__all__ = ["HanzoChat", "HanzoCompletions", "HanzoEmbeddings", "HanzoResponses"]

T = TypeVar("T", default=None)


class HanzoCompletions(AsyncCompletions):
    """Chat Completions through the policies."""

    _client: AsyncHanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @overload
    async def create(
        self, *, stream: Literal[False] | Omit | None = omit, **arguments: Unpack[ChatArguments]
    ) -> HanzoChatCompletion: ...

    @overload
    async def create(self, *, stream: Literal[True], **arguments: Unpack[ChatArguments]) -> HanzoChatStream: ...

    @overload
    async def create(
        self, *, stream: bool, **arguments: Unpack[ChatArguments]
    ) -> HanzoChatCompletion | HanzoChatStream: ...

    @override
    async def create(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        if self._client.whole_by_stream and wants_whole(kwargs):
            return await self._gathered(kwargs)
        fill_model(self._client.default_model, spell_tools(kwargs))
        engine = self._client.engine
        entered = CHAT_LANE.enter(engine, kwargs)
        if entered is None:
            if wishes := wishes_in(kwargs, self._client.stack):
                return await wished(self, wishes).create(**kwargs)
            ordinary: Any = super()
            return await ordinary.create(**kwargs)
        view, extras = entered
        return deliver(await engine.run(CHAT, view, extras, stream=bool(view.body.get("stream"))))

    async def _gathered(self, kwargs: dict[str, Any]) -> HanzoChatCompletion:
        """The whole answer of a stream."""
        gathered, create = Gathered(), cast("Any", self.create)
        async with await create(**{**kwargs, "stream": True}) as stream:
            async for chunk in stream:
                gathered.feed(chunk)
            return gathered.answer(stream.response)

    @override
    async def parse(
        self, *, response_format: type[T] | Omit = omit, **settings: Unpack[ChatSettings]
    ) -> HanzoParsedChatCompletion[T]:
        """As `openai`'s, sent through the policies."""
        ordinary: Any = super()
        arguments = fill_model(self._client.default_model, spell_tools({**settings}))
        with heeding(arguments, self._client.stack):
            parsed: HanzoParsedChatCompletion[T] = await ordinary.parse(
                response_format=response_format, **arguments
            )
        return parsed

    @override
    def stream(
        self,
        *,
        response_format: completion_create_params.ResponseFormat | type[T] | Omit = omit,
        **settings: Unpack[ChatSettings],
    ) -> AsyncChatCompletionStreamManager[T]:
        """As `openai`'s, sent through the policies."""
        arguments = fill_model(self._client.default_model, spell_tools({**settings}))
        ordinary: Any = super(HanzoCompletions, wished(self, wishes_in(arguments, self._client.stack)))
        manager: AsyncChatCompletionStreamManager[T] = ordinary.stream(
            response_format=response_format, **arguments
        )
        return manager

    async def batch_create(
        self,
        requests: Iterable[ChatCompletionMessageParam | Iterable[ChatCompletionMessageParam] | Mapping[str, Any]],
        *,
        model: str | None = None,
        max_concurrent: int = 10,
        file: str | Path | None = None,
        progress: bool | None = None,
        **arguments: Any,
    ) -> Batch[HanzoChatCompletion]:
        """Many requests at a time. Replies come in the order of the requests; each may fail on its own.

        Args:
            requests: messages (each a conversation of its own), conversations (lists of messages), or dicts with
                `messages` and further arguments of `create` for that request alone.
            model: for those that name none; the client's by default.
            max_concurrent: the most requests under way at a time.
            file: a file of JSON lines. Each answer is written to it when it comes, and one that is there is
                not asked for again: run the same batch again to go on where it stopped. It holds the answers in
                the clear, and of the requests only a hash.
            progress: whether to draw a progress bar on stderr; None draws it on a terminal.
            arguments: of `create`, for all requests.

        Raises:
            ConfigError: a request or a setting is none; nothing was sent.
        """
        plan = plan_batch(
            requests, model=model or self._client.default_model, max_concurrent=max_concurrent, file=file,
            progress=progress, arguments=spell_tools(arguments),
        )  # fmt: skip
        return await plan.carry_out(self.create, loaded)


class HanzoChat(AsyncChat):
    """The `chat` resource."""

    @cached_property
    @override
    def completions(self) -> HanzoCompletions:  # pyright: ignore[reportIncompatibleMethodOverride]
        return HanzoCompletions(self._client)


class HanzoResponses(AsyncResponses):
    """Responses through the policies."""

    _client: AsyncHanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @overload
    async def create(
        self, *, stream: Literal[False] | Omit | None = omit, **arguments: Unpack[ResponsesArguments]
    ) -> HanzoResponse: ...

    @overload
    async def create(
        self, *, stream: Literal[True], **arguments: Unpack[ResponsesArguments]
    ) -> AsyncStream[ResponseStreamEvent]: ...

    @overload
    async def create(
        self, *, stream: bool, **arguments: Unpack[ResponsesArguments]
    ) -> HanzoResponse | AsyncStream[ResponseStreamEvent]: ...

    @override
    async def create(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        if not spell_tools(kwargs, flat=True).get("prompt"):
            fill_model(self._client.default_model, kwargs)
        engine = self._client.engine
        entered = RESPONSES_LANE.enter(engine, kwargs)
        if entered is None:
            if wishes := wishes_in(kwargs, self._client.stack):
                return await wished(self, wishes).create(**kwargs)
            ordinary: Any = super()
            return await ordinary.create(**kwargs)
        view, extras = entered
        return deliver(await engine.run(RESPONSES, view, extras, stream=bool(view.body.get("stream"))))

    @override
    async def parse(
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
            parsed: HanzoParsedResponse[T] = await ordinary.parse(
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
    ) -> AsyncResponseStreamManager[T]: ...

    @overload
    def stream(
        self, *, text_format: type[T] | Omit = omit, **arguments: Unpack[ResponsesStreamArguments]
    ) -> AsyncResponseStreamManager[T]: ...

    @override
    def stream(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        ordinary: Any = super(HanzoResponses, wished(self, wishes_in(kwargs, self._client.stack)))
        if not kwargs.get("response_id") and not kwargs.get("prompt"):
            fill_model(self._client.default_model, kwargs)
        return ordinary.stream(**spell_tools(kwargs, flat=True))

    @override
    def connect(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: a WebSocket would bypass the policies."""
        raise ConfigError("responses.connect: WebSocket sessions bypass the policies and are not supported")


class HanzoEmbeddings(AsyncEmbeddings):
    """Embeddings through the policies."""

    _client: AsyncHanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @override
    async def create(self, **arguments: Unpack[EmbeddingsArguments]) -> HanzoCreateEmbeddingResponse:
        """As `openai`'s, sent through the policies."""
        ordinary: Any = super()
        embedded: HanzoCreateEmbeddingResponse = await ordinary.create(
            **fill_model(self._client.default_model, {**arguments})
        )
        return embedded
