"""Who is measured. A subject makes one call and returns its text, or streams the text it gets.

Every builder takes a base URL and a model's name. Client retries are off, tracing is off, and nothing else is
tuned: each library runs as its documentation sets it up.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agents import Model, ModelSettings, ModelTracing, OpenAIChatCompletionsModel, OpenAIResponsesModel
from openai import AsyncOpenAI

Messages = list[dict[str, str]]

BARE = "agents OpenAIChatCompletionsModel (bare)"
BARE_RESPONSES = "agents OpenAIResponsesModel (bare)"
OURS = "HanzoModel, default policies"
WHOLE = "HanzoModel, the whole stack"
OURS_RESPONSES = "HanzoModel, Responses, default policies"
OUR_CLIENT = "AsyncHanzo"
LITELLM_MODEL = "agents LitellmModel"
LITELLM_ROUTER = "litellm.Router"


@dataclass(frozen=True)
class Subject:
    """One library's way of making a model call."""

    call: Callable[[Messages], Awaitable[str]]
    stream: Callable[[Messages], AsyncIterator[str]]


Build = Callable[[str, str], Subject]


def over_model(model: Model) -> Subject:
    """Any `agents.Model`, called as the runner calls it."""
    rest: dict[str, Any] = {
        "model_settings": ModelSettings(),
        "tools": [],
        "output_schema": None,
        "handoffs": [],
        "tracing": ModelTracing.DISABLED,
        "previous_response_id": None,
        "conversation_id": None,
        "prompt": None,
    }

    async def call(messages: Messages) -> str:
        reply = await model.get_response(None, messages, **rest)  # type: ignore[arg-type]
        message: Any = reply.output[0]
        return str(message.content[0].text)

    async def stream(messages: Messages) -> AsyncIterator[str]:
        async for event in model.stream_response(None, messages, **rest):  # type: ignore[arg-type]
            yield event.delta if event.type == "response.output_text.delta" else ""

    return Subject(call, stream)


def over_chat(create: Callable[..., Awaitable[Any]], model: str) -> Subject:
    """Anything shaped like `chat.completions.create`."""

    async def call(messages: Messages) -> str:
        reply = await create(model=model, messages=messages)
        return str(reply.choices[0].message.content)

    async def stream(messages: Messages) -> AsyncIterator[str]:
        async for chunk in await create(model=model, messages=messages, stream=True):
            yield (chunk.choices[0].delta.content or "") if chunk.choices else ""

    return Subject(call, stream)


def bare_client(base_url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=base_url, api_key="k", max_retries=0)


def bare(base_url: str, model: str) -> Subject:
    return over_model(OpenAIChatCompletionsModel(model, bare_client(base_url)))


def bare_responses(base_url: str, model: str) -> Subject:
    return over_model(OpenAIResponsesModel(model, bare_client(base_url)))


def openai_client(base_url: str, model: str) -> Subject:
    return over_chat(bare_client(base_url).chat.completions.create, model)


def hanzo_model(base_url: str, model: str) -> Subject:
    from hanzo_agents import HanzoModelProvider

    return over_model(HanzoModelProvider(base_url=base_url, api_key="k", model=model).get_model(None))


def whole_stack(base_url: str, model: str) -> Subject:
    """Every policy there is, its state in memory; the cache misses, as each call asks something new."""
    from hanzo_agents import Breaker, Budget, Cache, HanzoModelProvider, Hedge, MemoryStore, Price, RateLimit

    store = MemoryStore()
    policies = [
        Cache(ttl=3600, store=store, max_entries=100),
        Hedge(after="p95", to=["other"]),
        Budget(per_call=1, daily=1_000_000, store=store, prices={"m": Price(input=0.5, output=1.5)}),
        Breaker(store=store),
        RateLimit(
            requests_per_minute=10_000_000, tokens_per_minute=1_000_000_000, max_concurrent=10_000, store=store
        ),
    ]
    provider = HanzoModelProvider(
        base_url=base_url, api_key="k", model=model, fallbacks=["other"], policies=policies
    )
    return over_model(provider.get_model(None))


def hanzo_responses(base_url: str, model: str) -> Subject:
    from hanzo_agents import HanzoModelProvider

    provider = HanzoModelProvider(base_url=base_url, api_key="k", model=model, api="responses")
    return over_model(provider.get_model(None))


def hanzo_client(base_url: str, model: str) -> Subject:
    from hanzo_agents import AsyncHanzo

    return over_chat(AsyncHanzo(base_url=base_url, api_key="k").chat.completions.create, model)


def litellm_model(base_url: str, model: str) -> Subject:
    from agents.extensions.models.litellm_model import LitellmModel

    return over_model(LitellmModel(f"openai/{model}", base_url=base_url, api_key="k"))


def litellm_deployment(base_url: str, model: str) -> dict[str, Any]:
    """One entry of a `litellm.Router`'s model list."""
    return {
        "model_name": model,
        "litellm_params": {"model": f"openai/{model}", "api_base": base_url, "api_key": "k"},
    }


def litellm_router(base_url: str, model: str) -> Subject:
    import litellm

    router = litellm.Router([litellm_deployment(base_url, model)], num_retries=0)
    return over_chat(router.acompletion, model)


CHAT: dict[str, Build] = {
    BARE: bare,
    OURS: hanzo_model,
    WHOLE: whole_stack,
    "AsyncOpenAI": openai_client,
    OUR_CLIENT: hanzo_client,
    LITELLM_MODEL: litellm_model,
    LITELLM_ROUTER: litellm_router,
}
RESPONSES: dict[str, Build] = {BARE_RESPONSES: bare_responses, OURS_RESPONSES: hanzo_responses}


def build(builds: dict[str, Build], base_url: str) -> tuple[dict[str, Subject], dict[str, str]]:
    """The subjects that can be built here, and the reason for each that cannot."""
    present: dict[str, Subject] = {}
    absent: dict[str, str] = {}
    for name, make in builds.items():
        try:
            present[name] = make(base_url, "m")
        except ImportError as error:
            absent[name] = str(error)
    return present, absent


def absent_in(builds: dict[str, Build]) -> dict[str, str]:
    """Subjects that cannot be built here, with the reason."""
    return build(builds, "http://127.0.0.1:1/10/v1")[1]


def importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
