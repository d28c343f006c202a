"""The models that the provider hands out: the SDK's own, over our client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents.exceptions import UserError
from agents.models._openai_retry import get_openai_retry_advice
from agents.models.default_models import get_default_model_settings, gpt_5_reasoning_settings_required
from agents.models.interface import Model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest, ModelRetryNormalizedError
from typing_extensions import override

from hanzo_agents._agents.withheld import withhold_trace
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.verdict import is_final
from hanzo_agents._wire.engine import caller_deadline
from hanzo_agents.errors import AllProvidersFailed, ConfigError, Refused

if TYPE_CHECKING:
    from agents.model_settings import ModelSettings

    from hanzo_agents._kernel.price import Prices
    from hanzo_agents.client import AsyncHanzo

__all__ = ["ChatModel", "HanzoModel", "ResponsesModel", "retry_advice"]


class HanzoModel(Model):
    """A model of the Agents SDK whose calls run through the stack of its client.

    It is the SDK's own model (`OpenAIChatCompletionsModel` or `OpenAIResponsesModel`) over `AsyncHanzo`, so
    conversion, events and spans are the SDK's.
    """

    model: Any
    stays_here = False
    """Whether the model runs on this machine by itself, and traces of its calls must not leave it."""
    _client: AsyncHanzo

    @property
    def prices(self) -> Prices:
        """What the models of its endpoint cost, as far as is known."""
        return self._client.prices

    def rehearsal(self) -> Model:
        """The same model, sending nothing: a call raises what would happen to it."""
        make: Any = type(self)
        model: Model = make(self.model, self._client.rehearsal())
        return model

    @override
    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """The absolute veto once our policies have acted or refused; otherwise the SDK's own advice.

        Without it the runner's retries would multiply ours.
        """
        return retry_advice(request) or get_openai_retry_advice(request)

    async def _fetch_response(self, *args: Any, **kwargs: Any) -> Any:
        if self.stays_here:
            withhold_trace()
        # The one place where both of the SDK's models hold the settings of a call just before they send it.
        settings: ModelSettings = kwargs["model_settings"] if "model_settings" in kwargs else args[2]
        mended = _without_implied(str(self.model), settings)
        if mended is not settings:
            if "model_settings" in kwargs:
                kwargs["model_settings"] = mended
            else:
                args = (*args[:2], mended, *args[3:])
        timeout = settings.timeout
        if timeout is None:
            return await super()._fetch_response(*args, **kwargs)  # type: ignore[misc] # pyright: ignore[reportUnknownVariableType, reportAttributeAccessIssue, reportUnknownMemberType]
        token = caller_deadline.set(current_clock().now() + timeout)
        try:
            return await super()._fetch_response(*args, **kwargs)  # type: ignore[misc] # pyright: ignore[reportUnknownVariableType, reportAttributeAccessIssue, reportUnknownMemberType]
        finally:
            caller_deadline.reset(token)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self._client!r})"


class ChatModel(HanzoModel, OpenAIChatCompletionsModel):  # type: ignore[misc]
    """Over Chat Completions. What that API cannot do is an error, not silently dropped."""

    @override
    def _handle_unsupported_prompt(self, prompt: Any) -> None:
        if prompt is not None:
            raise UserError('Chat Completions has no stored prompts; use HanzoModelProvider(api="responses")')

    @override
    def _handle_unsupported_server_managed_conversation_state(
        self, *, previous_response_id: str | None, conversation_id: str | None
    ) -> None:
        for name, value in (
            ("previous_response_id", previous_response_id), ("conversation_id", conversation_id)
        ):  # fmt: skip
            if value is not None:
                raise UserError(
                    f"{name}: Chat Completions keeps no conversation, and dropping it would lose the history; "
                    'use HanzoModelProvider(api="responses"), or pass the whole history'
                )


class ResponsesModel(HanzoModel, OpenAIResponsesModel):  # type: ignore[misc]
    """Over the Responses API."""


def _without_implied(model: str, settings: ModelSettings) -> ModelSettings:
    """Settings without the GPT-5 defaults that the SDK gives to an agent that names no model.

    They are the SDK's guess for its own default model; others refuse them. What a caller set explicitly stays,
    unless it equals the guess to the letter.
    """
    if settings.verbosity is None and settings.reasoning is None:
        return settings
    if gpt_5_reasoning_settings_required(model.rpartition("/")[2]):
        return settings
    implied = get_default_model_settings()
    if settings.verbosity != implied.verbosity or settings.reasoning != implied.reasoning:
        return settings
    return replace(settings, verbosity=None, reasoning=None)


def retry_advice(request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
    """The veto, when our policies have had the last word on the error; None when they have not."""
    error = request.error
    if not (is_final(error) or isinstance(error, Refused | AllProvidersFailed | ConfigError)):
        return None
    return ModelRetryAdvice(
        suggested=False,
        reason="hanzo_agents has already retried or refused this call",
        normalized=ModelRetryNormalizedError(is_abort=True),
    )
