"""The two resources whose `create` has a fast lane. Everything else about them is the SDK's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypedDict, TypeVar, Unpack, cast, overload

from openai import Omit, omit
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
    from collections.abc import Iterable, Mapping

    import httpx2
    from openai import AsyncStream, NotGiven
    from openai._types import SequenceNotStr
    from openai.types import ChatModel, Metadata, ReasoningEffort
    from openai.types.chat import (
        ChatCompletion,
        ChatCompletionAudioParam,
        ChatCompletionChunk,
        ChatCompletionMessageParam,
        ChatCompletionPredictionContentParam,
        ChatCompletionStreamOptionsParam,
        ChatCompletionToolChoiceOptionParam,
        ChatCompletionToolUnionParam,
        completion_create_params,
    )

    from hanzo_agents.client import AsyncHanzo

__all__ = ["ChatArguments", "HanzoChat", "HanzoCompletions", "HanzoResponses"]

F = TypeVar("F", bound=Callable[..., Any])

_chat_lane = Lane(CHAT, AsyncCompletions, required=frozenset({"messages"}))
_responses_lane = Lane(RESPONSES, AsyncResponses)


def _typed_as(_sdk: F) -> Callable[[Callable[..., Any]], F]:
    """Give an override the type of what it overrides, all its overloads included."""

    def typed(override: Callable[..., Any]) -> F:
        return cast("F", override)

    return typed


class ChatArguments(TypedDict, total=False):
    """What `chat.completions.create` takes beside `messages` and `stream`: the SDK's keywords, `model` optional.

    The SDK's own `CompletionCreateParamsBase` requires `model`, and a subclass cannot take that back. mypy and
    pyright hold this one to the SDK: as an override, `create` must accept whatever the SDK's does.
    """

    model: str | ChatModel | Omit
    audio: ChatCompletionAudioParam | Omit | None
    frequency_penalty: float | Omit | None
    function_call: completion_create_params.FunctionCall | Omit
    functions: Iterable[completion_create_params.Function] | Omit
    logit_bias: dict[str, int] | Omit | None
    logprobs: bool | Omit | None
    max_completion_tokens: int | Omit | None
    max_tokens: int | Omit | None
    metadata: Metadata | Omit | None
    modalities: list[Literal["text", "audio"]] | Omit | None
    moderation: completion_create_params.Moderation | Omit | None
    n: int | Omit | None
    parallel_tool_calls: bool | Omit
    prediction: ChatCompletionPredictionContentParam | Omit | None
    presence_penalty: float | Omit | None
    prompt_cache_key: str | Omit | None
    prompt_cache_options: completion_create_params.PromptCacheOptions | Omit
    prompt_cache_retention: Literal["in_memory", "24h"] | Omit | None
    reasoning_effort: ReasoningEffort | Omit | None
    response_format: completion_create_params.ResponseFormat | Omit
    safety_identifier: str | Omit | None
    seed: int | Omit | None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | Omit | None
    stop: str | SequenceNotStr[str] | Omit | None
    store: bool | Omit | None
    stream_options: ChatCompletionStreamOptionsParam | Omit | None
    temperature: float | Omit | None
    tool_choice: ChatCompletionToolChoiceOptionParam | Omit
    tools: Iterable[ChatCompletionToolUnionParam] | Omit
    top_logprobs: int | Omit | None
    top_p: float | Omit | None
    user: str | Omit
    verbosity: Literal["low", "medium", "high"] | Omit | None
    web_search_options: completion_create_params.WebSearchOptions | Omit
    extra_headers: Mapping[str, str | Omit] | None
    extra_query: Mapping[str, object] | None
    extra_body: object | None
    timeout: float | httpx2.Timeout | NotGiven | None


class HanzoCompletions(AsyncCompletions):
    """Chat Completions; `model` may be left out when the client has a default."""

    _client: AsyncHanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        stream: Literal[False] | Omit | None = omit,
        **arguments: Unpack[ChatArguments],
    ) -> ChatCompletion: ...

    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        stream: Literal[True],
        **arguments: Unpack[ChatArguments],
    ) -> AsyncStream[ChatCompletionChunk]: ...

    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        stream: bool,
        **arguments: Unpack[ChatArguments],
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]: ...

    @override
    async def create(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        _fill_model(self._client, kwargs)
        engine = self._client._engine  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        entered = await _chat_lane.enter(engine, kwargs)
        if entered is None:
            ordinary: Any = super()
            return await ordinary.create(**kwargs)
        view, extras = entered
        return deliver(await engine.run(CHAT, view, extras, stream=bool(view.body.get("stream"))))


class HanzoChat(AsyncChat):
    """The `chat` resource."""

    @cached_property
    @override
    def completions(self) -> HanzoCompletions:  # pyright: ignore[reportIncompatibleMethodOverride]
        return HanzoCompletions(self._client)


class HanzoResponses(AsyncResponses):
    """The `responses` resource; `model` may be left out when the client has a default."""

    _client: AsyncHanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @override
    @_typed_as(AsyncResponses.create)
    async def create(self, **kwargs: Any) -> Any:
        """As `openai`'s, sent through the policies."""
        if not kwargs.get("prompt"):
            _fill_model(self._client, kwargs)
        engine = self._client._engine  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        entered = await _responses_lane.enter(engine, kwargs)
        if entered is None:
            ordinary: Any = super()
            return await ordinary.create(**kwargs)
        view, extras = entered
        return deliver(await engine.run(RESPONSES, view, extras, stream=bool(view.body.get("stream"))))

    @override
    def connect(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: a WebSocket would bypass the policies."""
        raise ConfigError("responses.connect: WebSocket sessions bypass the policies and are not supported")


def _fill_model(client: AsyncHanzo, kwargs: dict[str, Any]) -> None:
    if not isinstance(kwargs.get("model"), str):
        model = client.default_model
        if model is None:
            raise ConfigError("model: expected a model's name; pass model=, or set HANZO_MODEL")
        kwargs["model"] = model
