"""LLMWise as a model for agents, as far as its API goes: text and images in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.exceptions import UserError
from agents.models._openai_retry import get_openai_retry_advice
from agents.models.chatcmpl_helpers import HEADERS
from agents.models.default_models import get_default_model_settings
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from openai import NotGiven, Omit
from typing_extensions import override

from hanzo_agents._agents.models import retry_advice
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.engine import caller_deadline
from hanzo_agents.errors import ConfigError, Unsupported
from hanzo_agents.llmwise.client import AsyncLLMWise, LLMWise
from hanzo_agents.llmwise.completions import Chunks, completion, messages_of
from hanzo_agents.llmwise.modes import chat, chat_stream
from hanzo_agents.llmwise.shapes import ChatOptions

if TYPE_CHECKING:
    from agents.model_settings import ModelSettings
    from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest

    from hanzo_agents.llmwise.engine import Engine

__all__ = ["LLMWiseModel"]

_OPTIONS = frozenset(ChatOptions.__annotations__)
_SILENT = frozenset({"model", "messages", "stream", "stream_options", "extra_body"})
"""What is sent otherwise, or means nothing here."""

_NEEDED = {
    "tools": "tools and handoffs",
    "response_format": "an output type",
    "tool_choice": "tool_choice",
    "prediction": "predicted output",
    "modalities": "other modalities than text",
}
"""What an answer would be wrong without, by the argument that asks for it."""


class LLMWiseModel(OpenAIChatCompletionsModel):
    """A model that LLMWise serves, for an agent, `wrap`, or a chain: `Target(model=LLMWiseModel(...))`.

    Conversion, events and spans are the SDK's own. Options of LLMWise (`routing`, `optimization_goal`, ...) go
    into `ModelSettings.extra_args`. The API has no tools, handoffs or output schemas: an agent with any gets an
    `Unsupported` before anything is sent, and a chain moves on to a model that has them. Sampling settings that
    LLMWise does not take are left out, and the trace says so.

    Args:
        model: its name; "auto" lets LLMWise choose.
        client: whose policies its calls go through; one of the environment by default.

    Raises:
        ConfigError: the model or the client is none.
    """

    def __init__(self, model: str = "auto", client: AsyncLLMWise | LLMWise | None = None) -> None:
        if not isinstance(model, str) or not model.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"LLMWiseModel.model: expected a model's name, got {model!r}")
        if isinstance(client, LLMWise):
            client = client.asynchronous
        if client is None:
            client = AsyncLLMWise()
        if not isinstance(client, AsyncLLMWise):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"LLMWiseModel.client: expected an LLMWise client, got {type(client).__name__}")
        spoken: Any = _ChatCompletions(client.base_url, client.engine)
        super().__init__(model, spoken)

    @override
    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """The absolute veto once our policies have acted or refused; otherwise the SDK's own advice."""
        return retry_advice(request) or get_openai_retry_advice(request)

    @override
    def _handle_unsupported_prompt(self, prompt: Any) -> None:
        if prompt is not None:
            raise UserError("prompt: LLMWise has no stored prompts")

    @override
    def _handle_unsupported_server_managed_conversation_state(
        self, *, previous_response_id: str | None, conversation_id: str | None
    ) -> None:
        given = {"previous_response_id": previous_response_id, "conversation_id": conversation_id}
        for name, value in given.items():
            if value is not None:
                raise UserError(
                    f"{name}: LLMWise knows no conversations of OpenAI; pass the whole history, or one of its own "
                    'as ModelSettings(extra_args={"conversation_id": ...})'
                )

    async def _fetch_response(self, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        settings: ModelSettings = kwargs["model_settings"] if "model_settings" in kwargs else args[2]
        fetch: Any = super()._fetch_response
        if settings.timeout is None:
            return await fetch(*args, **kwargs)
        token = caller_deadline.set(current_clock().now() + settings.timeout)
        try:
            return await fetch(*args, **kwargs)
        finally:
            caller_deadline.reset(token)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.model)!r}, {self._client.base_url!r})"


class _ChatCompletions:
    """Chat Completions as the SDK's model speaks it, said to LLMWise."""

    def __init__(self, base_url: str, engine: Engine, *, single: bool = False) -> None:
        self.base_url = base_url
        self._engine = engine
        self._single = single

    @property
    def chat(self) -> _ChatCompletions:
        return self

    @property
    def completions(self) -> _ChatCompletions:
        return self

    def with_options(self, *, max_retries: int) -> _ChatCompletions:
        """The runner retries by itself when it asks for none of ours: then each call is one request."""
        return _ChatCompletions(self.base_url, self._engine, single=max_retries == 0)

    async def create(self, *, model: str, messages: list[dict[str, Any]], **asked: Any) -> Any:
        """Ask; a completion, or the chunks of one."""
        all_asked = {**asked, **as_dict(asked.get("extra_body"))}
        given = {
            name: value
            for name, value in all_asked.items()
            if value is not None and not isinstance(value, NotGiven | Omit)
        }
        needed = [what for name, what in _NEEDED.items() if given.get(name)]
        if needed:
            raise Unsupported(f"LLMWise has no {' and no '.join(needed)}", code="unsupported")
        sent = messages_of(messages)
        options: Any = {name: value for name, value in given.items() if name in _OPTIONS}
        streams = bool(given.get("stream"))
        request = (chat_stream if streams else chat)(model=model, messages=sent, **options)
        reply = await self._engine.run(request, single=self._single, dropped=_dropped(given))
        if streams:
            return Chunks(reply.value, reply.raw, model)
        return completion(reply.value, model)


def _dropped(given: dict[str, Any]) -> list[str]:
    """What the API does not take, without what nobody asked for: the SDK implies some settings by itself."""
    implied = get_default_model_settings()
    unasked = {
        "reasoning_effort": implied.reasoning and implied.reasoning.effort,
        "verbosity": implied.verbosity,
        "extra_headers": HEADERS,
    }
    return sorted(
        name
        for name, value in given.items()
        if name not in _OPTIONS | _SILENT and (name not in unasked or value != unasked[name])
    )
