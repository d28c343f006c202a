"""What LLMWise answers and what it is asked, as far as it is documented.

Results are plain dicts. Fields that these types do not name are kept: the service adds some from time to time.
Which fields of which event are there is not published; so `.get` is the way to read them.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "Blend",
    "BlendOptions",
    "Chat",
    "ChatOptions",
    "Compare",
    "CompareOptions",
    "ContentBlock",
    "Event",
    "JsonDict",
    "Judge",
    "JudgeOptions",
    "Message",
    "RoutingConfig",
]

JsonDict = dict[str, Any]


class TextBlock(TypedDict):
    """A text among the parts of a message."""

    type: Literal["text"]
    text: str


class ImageUrl(TypedDict):
    """Where an image is: https, or a data URL."""

    url: str


class ImageBlock(TypedDict):
    """An image among the parts of a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


ContentBlock = TextBlock | ImageBlock


class Message(TypedDict):
    """One message. The API has no tools, and so no tool role."""

    role: Literal["system", "user", "assistant"]
    content: str | list[ContentBlock]


class RoutingConfig(TypedDict, total=False):
    """Failover inside LLMWise: models to ask when the first fails, and when."""

    fallback: list[str]
    strategy: str


class CompareOptions(TypedDict, total=False):
    """What every mode takes beside models and messages."""

    temperature: float | None
    max_tokens: int | None
    semantic_memory: bool | None
    semantic_top_k: int | None
    semantic_min_score: float | None
    conversation_id: str | None


class ChatOptions(CompareOptions, total=False):
    """What chat takes; `optimization_goal` is "balanced", "latency", "cost" or "reliability"."""

    cost_saver: bool | None
    optimization_goal: str | None
    routing: RoutingConfig | None


class BlendOptions(CompareOptions, total=False):
    """What blend takes; `strategy` is "consensus", "council", "best_of", "chain", "moa" or "self_moa"."""

    strategy: str | None
    synthesizer: str | None
    layers: int | None
    samples: int | None


class JudgeOptions(CompareOptions, total=False):
    """What judge takes."""

    criteria: list[str] | None


class Charged(TypedDict, total=False):
    """What a mode call took from the account."""

    credits_charged: float
    credits_remaining: float
    conversation_id: str | None


class Chat(Charged):
    """The answer of one model."""

    content: str
    id: NotRequired[str]
    model: NotRequired[str]
    prompt_tokens: NotRequired[int]
    completion_tokens: NotRequired[int]
    latency_ms: NotRequired[float]
    cost: NotRequired[float]
    finish_reason: NotRequired[str | None]
    mode: NotRequired[str]
    resolved_model: NotRequired[str | None]
    auto_strategy: NotRequired[str | None]
    optimization_goal: NotRequired[str | None]


class ModelAnswer(TypedDict, total=False):
    """What one model said, or how it fared."""

    model: str
    content: str
    latency_ms: float
    completion_tokens: int
    cost: float
    status: str
    error: str


class Summary(TypedDict, total=False):
    """Which model was quickest, and which said most."""

    fastest: str
    longest: str


class Remembered(Charged, total=False):
    """What the modes of several models say beside their answers."""

    id: str
    semantic_memory_used: bool
    semantic_memory_hits: Any


class Compare(Remembered):
    """The answers of several models, side by side."""

    responses: list[ModelAnswer]
    summary: NotRequired[Summary]


class Blend(Remembered):
    """One answer made of several."""

    content: str
    strategy: NotRequired[str]
    source_models: NotRequired[list[str]]
    synthesizer: NotRequired[str]
    latency_ms: NotRequired[float]
    candidates: NotRequired[Any]
    layers: NotRequired[Any]


class Judge(Remembered):
    """Whose answer one model finds best, and why."""

    verdict: Any
    winner_response: NotRequired[ModelAnswer]
    contestants: NotRequired[list[ModelAnswer]]


class Event(TypedDict, total=False):
    """One event of a stream. Deltas carry no `event`; seen values of it are done, route, trace and summary."""

    model: str
    delta: str
    done: bool
    error: str
    event: str
    status: str
    status_code: int
    latency_ms: float
    content_length: int
    ttft_ms: float
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float
    cost: float
    finish_reason: str | None
    credits_charged: float
    credits_remaining: float
    byok: bool
    conversation_id: str | None
    resolved_model: str | None
    auto_strategy: str | None
    optimization_goal: str | None
    trace: list[ModelAnswer]
    final_model: str
    saved_ms: float
    fastest: str
    longest: str
    models: dict[str, Any]
