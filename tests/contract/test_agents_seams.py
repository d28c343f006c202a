"""What we use of the Agents SDK beyond its promises, each with its reason."""

import inspect

import httpx2
import openai
import pytest
from agents import Model, ModelProvider, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.models._openai_retry import get_openai_retry_advice
from agents.models._retry_runtime import provider_managed_retries_disabled, should_disable_provider_managed_retries
from agents.models.chatcmpl_helpers import ChatCmplHelpers
from agents.models.default_models import get_default_model_settings, gpt_5_reasoning_settings_required
from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest, ModelRetryNormalizedError
from agents.tracing import custom_span, get_current_span, get_current_trace
from upstream import KEY, URL

from hanzo_agents._agents.models import ChatModel, ResponsesModel


@pytest.mark.parametrize("model", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
def test_settings_are_the_third_argument_of_the_place_where_a_request_is_made(model):
    """HanzoModel._fetch_response takes `model_settings` from position 2, or by name."""
    names = [name for name in inspect.signature(model._fetch_response).parameters if name != "self"]
    assert names[:3] == ["system_instructions", "input", "model_settings"]


@pytest.mark.parametrize("model", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
def test_both_ways_of_asking_go_through_it(model):
    for method in (model.get_response, model.stream_response):
        assert "self._fetch_response(" in inspect.getsource(method)


def test_what_chat_does_not_support_passes_two_hooks_before_anything_is_sent():
    """ChatModel raises there what the SDK merely logs."""
    chat = OpenAIChatCompletionsModel
    assert list(inspect.signature(chat._handle_unsupported_prompt).parameters) == ["self", "prompt"]
    state = inspect.signature(chat._handle_unsupported_server_managed_conversation_state).parameters
    assert list(state) == ["self", "previous_response_id", "conversation_id"]
    for method in (chat.get_response, chat.stream_response):
        source = inspect.getsource(method)
        for hook in ("_handle_unsupported_prompt(", "_handle_unsupported_server_managed_conversation_state("):
            assert source.index(hook) < source.index("_fetch_response(")


def test_the_runners_guardrail_check_knows_our_chat_model():
    """run_internal asks `isinstance(model, OpenAIChatCompletionsModel)`."""
    from agents.run_internal import agent_runner_helpers

    assert "OpenAIChatCompletionsModel" in inspect.getsource(agent_runner_helpers)
    assert issubclass(ChatModel, OpenAIChatCompletionsModel)
    assert issubclass(ResponsesModel, OpenAIResponsesModel)


def test_usage_of_streams_is_not_asked_for_on_a_router():
    """Host trap 3, and why our wire adds `include_usage` itself: for other hosts the SDK does not."""
    router = openai.AsyncOpenAI(base_url=URL, api_key=KEY)
    assert ChatCmplHelpers.get_stream_options_param(router, ModelSettings(), stream=True) is None
    asked = ChatCmplHelpers.get_stream_options_param(router, ModelSettings(include_usage=True), stream=True)
    assert asked == {"include_usage": True}
    own = openai.AsyncOpenAI(base_url="https://api.openai.com/v1", api_key=KEY)
    assert ChatCmplHelpers.get_stream_options_param(own, ModelSettings(), stream=True) == {"include_usage": True}


def test_the_runner_says_in_a_context_variable_that_it_owns_the_retries():
    assert should_disable_provider_managed_retries() is False
    with provider_managed_retries_disabled(True):
        assert should_disable_provider_managed_retries() is True


def test_the_models_ask_their_client_for_no_retries_when_it_does():
    """They call `with_options(max_retries=0)`, which means one single request to AsyncHanzo."""
    import agents.models.openai_chatcompletions as chat
    import agents.models.openai_responses as responses

    for module in (chat, responses):
        source = inspect.getsource(module)
        assert "should_disable_provider_managed_retries()" in source
        assert "with_options(max_retries=0)" in source


def advice_for(error):
    return get_openai_retry_advice(
        ModelRetryAdviceRequest(
            error=error, attempt=1, stream=False, previous_response_id=None, conversation_id=None
        )
    )


def test_the_sdks_own_advice_is_there_to_delegate_to():
    response = httpx2.Response(503, headers={"x-should-retry": "true"}, request=httpx2.Request("POST", URL))
    error = openai.InternalServerError("down", response=response, body=None)
    assert advice_for(error).suggested is True
    assert advice_for(ValueError()) is None


def test_an_abort_is_the_advice_that_no_policy_overrules():
    """Host contract R3: `suggested=False` alone is ignored by `http_status(...)`."""
    advice = ModelRetryAdvice(suggested=False, reason="x", normalized=ModelRetryNormalizedError(is_abort=True))
    assert advice.normalized.is_abort is True


def test_an_agent_without_a_model_gets_the_sdks_guess_of_reasoning_settings():
    """Which we take out again for models that are not GPT-5."""
    implied = get_default_model_settings()
    assert implied.verbosity == "low"
    assert implied.reasoning is not None
    assert gpt_5_reasoning_settings_required("gpt-5.2")
    assert not gpt_5_reasoning_settings_required("gpt-4o")
    assert not gpt_5_reasoning_settings_required("llama-3")
    assert get_default_model_settings("gpt-4o") == ModelSettings()


def test_the_interface_that_wrap_implements_is_whole():
    """A new method on Model would pass our wrapper by."""
    public = {name for name, value in vars(Model).items() if callable(value) and not name.startswith("__")}
    assert public == {"close", "get_response", "stream_response", "get_retry_advice", "_cleanup_on_run_end"}
    assert {
        name for name, value in vars(ModelProvider).items() if callable(value) and not name.startswith("__")
    } == {
        "get_model",
        "aclose",
    }


@pytest.mark.parametrize("method", ["get_response", "stream_response"])
def test_the_arguments_of_a_model_call_are_those_that_wrap_passes_on(method):
    names = [name for name in inspect.signature(getattr(Model, method)).parameters if name != "self"]
    assert names == [
        "system_instructions", "input", "model_settings", "tools", "output_schema", "handoffs", "tracing",
        "previous_response_id", "conversation_id", "prompt",
    ]  # fmt: skip


def test_spans_can_be_given_a_parent():
    assert "parent" in inspect.signature(custom_span).parameters
    assert get_current_trace() is None
    assert get_current_span() is None


def test_model_settings_keep_the_fields_that_we_change():
    fields = set(ModelSettings.__dataclass_fields__)
    assert {"verbosity", "reasoning", "timeout", "max_tokens", "retry", "include_usage"} <= fields
