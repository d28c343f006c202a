"""What the resources take, for type checkers: the SDK's keywords, `model` optional.

The SDK's own TypedDicts require `model`, and a subclass cannot take that back. mypy and pyright hold these to the
SDK: as an override, a method must accept whatever the SDK's does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import httpx2
    from openai import NotGiven, Omit
    from openai._types import SequenceNotStr
    from openai.types import ChatModel, EmbeddingModel, ReasoningEffort
    from openai.types.chat import (
        ChatCompletionAudioParam,
        ChatCompletionMessageParam,
        ChatCompletionPredictionContentParam,
        ChatCompletionStreamOptionsParam,
        ChatCompletionToolChoiceOptionParam,
        ChatCompletionToolUnionParam,
        completion_create_params,
    )
    from openai.types.responses import (
        ResponseIncludable,
        ResponseInputParam,
        ResponsePromptParam,
        ResponseTextConfigParam,
        response_create_params,
    )
    from openai.types.responses.service_tier import ServiceTier
    from openai.types.responses.tool_param import ParseableToolParam, ToolParam
    from openai.types.shared_params import Metadata, Reasoning, ResponsesModel

__all__ = [
    "Attached",
    "ChatArguments",
    "ChatSettings",
    "EmbeddingsArguments",
    "ResponsesArguments",
    "ResponsesSettings",
    "ResponsesStreamArguments",
    "Wishes",
]


class Attached(TypedDict, total=False):
    """What every method of the SDK's resources takes for the request itself."""

    extra_headers: Mapping[str, str | Omit] | None
    extra_query: Mapping[str, object] | None
    extra_body: object | None
    timeout: float | httpx2.Timeout | NotGiven | None


class Wishes(TypedDict, total=False):
    """What a call asks of its routing. Never sent.

    Attributes:
        options: handed to the methods of the client's `RoutingStrategy`.
        quality_threshold: the least that will do: "acceptable", "good", "excellent", or a share from 0 to 1.
    """

    options: Mapping[str, Any] | None
    quality_threshold: float | str | None


class ChatSettings(Attached, Wishes, total=False):
    """What `chat.completions.create`, `parse` and `stream` take beside the format of the answer."""

    messages: Required[Iterable[ChatCompletionMessageParam]]
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


class ChatArguments(ChatSettings, total=False):
    """What `chat.completions.create` takes beside `stream`."""

    response_format: completion_create_params.ResponseFormat | Omit


class ResponsesSettings(Attached, Wishes, total=False):
    """What `responses.create`, `parse` and `stream` take beside `tools` and the format of the answer."""

    input: str | ResponseInputParam | Omit
    model: ResponsesModel | Omit
    access_programs: response_create_params.AccessPrograms | Omit
    background: bool | Omit | None
    background_options: response_create_params.BackgroundOptions | Omit
    context_management: Iterable[response_create_params.ContextManagement] | Omit | None
    conversation: response_create_params.Conversation | Omit | None
    image: response_create_params.Image | Omit
    include: list[ResponseIncludable] | Omit | None
    instructions: str | Omit | None
    max_output_tokens: int | Omit | None
    max_tool_calls: int | Omit | None
    metadata: Metadata | Omit | None
    moderation: response_create_params.Moderation | Omit | None
    parallel_tool_calls: bool | Omit | None
    previous_response_id: str | Omit | None
    prompt: ResponsePromptParam | Omit | None
    prompt_cache_key: str | Omit | None
    prompt_cache_options: response_create_params.PromptCacheOptions | Omit
    prompt_cache_retention: Literal["in_memory", "24h"] | Omit | None
    reasoning: Reasoning | Omit | None
    safety_identifier: str | Omit | None
    service_tier: ServiceTier | Omit | None
    store: bool | Omit | None
    stream_options: response_create_params.StreamOptions | Omit | None
    temperature: float | Omit | None
    text: ResponseTextConfigParam | Omit
    tool_choice: response_create_params.ToolChoice | Omit
    top_logprobs: int | Omit | None
    top_p: float | Omit | None
    truncation: Literal["auto", "disabled"] | Omit | None
    user: str | Omit


class ResponsesArguments(ResponsesSettings, total=False):
    """What `responses.create` takes beside `stream`."""

    tools: Iterable[ToolParam] | Omit


class ResponsesStreamArguments(ResponsesSettings, total=False):
    """What `responses.stream` and `parse` take beside the format of the answer."""

    tools: Iterable[ParseableToolParam] | Omit


class EmbeddingsArguments(Attached, total=False):
    """What `embeddings.create` takes."""

    input: Required[str | SequenceNotStr[str] | Iterable[int] | Iterable[Iterable[int]]]
    model: str | EmbeddingModel | Omit
    dimensions: int | Omit
    encoding_format: Literal["float", "base64"] | Omit
    user: str | Omit
