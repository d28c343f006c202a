"""The Agents SDK's side: a ModelProvider whose every model call runs through the stack."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, cast

import httpx2
import openai
from agents import ModelProvider, RunConfig
from typing_extensions import override

from hanzo_agents._agents.explain import explain_run
from hanzo_agents._agents.identity import who_calls
from hanzo_agents._agents.limited import RateLimitedProvider
from hanzo_agents._agents.models import ChatModel, HanzoModel, ResponsesModel
from hanzo_agents._agents.tracer import AgentsTracer
from hanzo_agents._agents.wrap import FallbackProvider, PolicyModel, wrap
from hanzo_agents._kernel.shapes import as_list
from hanzo_agents._kernel.stack import Policy, Stack
from hanzo_agents._kernel.tracking import identify_by
from hanzo_agents.client import AsyncHanzo
from hanzo_agents.errors import ConfigError, InvalidResponse
from hanzo_agents.policies.default import stack_of
from hanzo_agents.policies.trace import bridge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from agents import Agent, Model, TResponseInputItem

    from hanzo_agents._kernel.plan import Plan
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.node import LocalNode

__all__ = [
    "FallbackProvider",
    "HanzoModel",
    "HanzoModelProvider",
    "PolicyModel",
    "RateLimitedProvider",
    "get_hanzo_provider",
    "get_provider",
    "wrap",
]

bridge(AgentsTracer())
identify_by(who_calls)


class HanzoModelProvider(ModelProvider):
    """Sends every model call of a run through the Hanzo router.

        provider = HanzoModelProvider()
        await Runner.run(agent, "Hello!", run_config=RunConfig(model_provider=provider))

    One provider serves any number of event loops and threads.

    Args:
        base_url: the router's address with `/v1`; HANZO_ROUTER_URL by default.
        api_key: its key; HANZO_API_KEY by default, and only together with that URL.
        model: used when an agent names none; HANZO_MODEL by default.
        fallbacks: model names or `Target`s to try, in order, when the agent's model fails.
        policies: None for the default stack (Trace, Deadline, Retry); a list adds to it, a policy of the same
            class replacing its default; `[]` turns all off; a `Stack` is exact.
        api: "chat" (Chat Completions) or "responses".
        headers: sent with every request to the router, and to no other endpoint.
        user_id: whom the run is for, in the router's log and the provider's.
        metadata: plain JSON for the router's log; `tags`, a list of strings, is what it groups spend by.
        timeout: seconds a single read may take, or an `httpx2.Timeout`; `Deadline` bounds the whole call.
        http_client: an `httpx2` (or `httpx`) AsyncClient of your own. It serves one event loop only.
        env_file: a .env file to read settings from; never read unasked.
        allow_insecure: permit plain http to other machines.
        client: further settings of `AsyncHanzo`: `proxy`, `verify`, `cert`, `max_response_bytes`.

    Raises:
        ConfigError: a setting is missing or wrong; nothing was sent.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | Callable[[], Awaitable[str]] | None = None,
        *,
        model: str | None = None,
        fallbacks: Sequence[str | Target] = (),
        policies: Iterable[Policy] | Stack | None = None,
        api: Literal["chat", "responses"] = "chat",
        headers: Mapping[str, str] | None = None,
        user_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout: float | httpx2.Timeout | None = None,
        http_client: Any = None,
        env_file: str | Path | None = None,
        allow_insecure: bool = False,
        **client: Any,
    ) -> None:
        try:
            if api not in ("chat", "responses"):
                raise ConfigError(f'api: expected "chat" or "responses", got {api!r}')  # noqa: TRY301 - leaves by the same door
            stack = stack_of(policies, fallbacks=fallbacks)
            self._lifted = stack if any(target.foreign for target in stack.targets) else None
            if timeout is not None:
                client["timeout"] = timeout
            self._client = AsyncHanzo(
                base_url, api_key, model=model, policies=Stack() if self._lifted else stack, headers=headers,
                user_id=user_id, metadata=metadata, http_client=http_client, env_file=env_file,
                allow_insecure=allow_insecure, **client,
            )  # fmt: skip
        except ConfigError as error:
            # This frame holds the key, and so do those below.
            api_key = base_url = headers = None
            fallbacks, stack = (), Stack()
            client.clear()
            raise error.with_traceback(None) from None
        self._api = api
        self._models: dict[str, HanzoModel | PolicyModel] = {}
        self._lock = threading.Lock()
        self._node: LocalNode | None = None

    @classmethod
    def local(cls, *, model: str | None = None, **settings: Any) -> Self:
        """The embedded node: a small real model on this machine, with no key and no network.

        The first call starts the node (about a second); providers in one process share it. Traces of runs that
        ask it are withheld from the SDK's exporter to OpenAI, whether or not OPENAI_API_KEY is set.

        Args:
            model: a model of the node; its only one by default.
            settings: as for the constructor, without `base_url` and `api_key`.

        Raises:
            ConfigError: the extra `local` or the weights are not installed; the message says what to type.
        """
        for name in ("base_url", "api_key", "env_file"):
            if name in settings:
                raise ConfigError(f"{name}: the embedded node needs none; leave it out of .local()")
        from hanzo_agents.node import LocalNode

        node = LocalNode.shared()
        provider = cls(node.base_url, "local", model=model or node.models[0], _provider="local", **settings)
        provider._node = node
        return provider

    @property
    def client(self) -> AsyncHanzo:
        """The OpenAI client under the models; it runs the same stack."""
        return self._client

    @override
    def get_model(self, model_name: str | None) -> HanzoModel | PolicyModel:
        """The model of that name, the same object each time. No I/O.

        Raises:
            ConfigError: no name was given and the provider has no default, or what was given is no name.
        """
        if model_name is not None and not isinstance(model_name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"model: expected a model's name, got {type(model_name).__name__}")
        name = model_name or self._client.default_model
        if name is None:
            raise ConfigError(
                "model: expected a model's name; "
                "set Agent(model=...), HanzoModelProvider(model=...) or HANZO_MODEL"
            )
        with self._lock:
            model = self._models.get(name)
            if model is None:
                model = self._models[name] = self._make(name)
            return model

    def _make(self, name: str) -> HanzoModel | PolicyModel:
        if self._lifted is None:
            return self._bare(name)
        return PolicyModel(self._bare(name), self._lifted, resolve=partial(self._resolve, name))

    def _bare(self, name: str, client: AsyncHanzo | None = None) -> HanzoModel:
        kind = ResponsesModel if self._api == "responses" else ChatModel
        model = kind(name, client or self._client)
        model.stays_here = client is None and self._node is not None
        return model

    def _resolve(self, name: str, target: Target) -> Model:
        """The model behind a target that names one, of a chain that also holds model objects."""
        if target.base_url is None:
            return self._bare(target.name or name)
        return self._bare(target.name or name, self._client.sibling(target))

    async def explain(
        self,
        agent: Agent[Any],
        input: str | list[TResponseInputItem],
        *,
        context: Any = None,
        run_config: RunConfig | None = None,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
    ) -> Plan:
        """What would happen to the first model call of `Runner.run(agent, input)`, and why; no model is called.

            print(await provider.explain(agent, "Hello!"))

        Nothing is sent to a model or reserved, and no tool, hook or guardrail runs. What the runner asks before
        it calls a model is asked: instructions that are a function, MCP servers for their tools, a filter.

        Args:
            agent: as for the runner.
            input: a question, or the items of a conversation so far; a session is not read.
            context: as for the runner.
            run_config: as for the runner; its `model_provider` is this one.
            previous_response_id: as for the runner.
            conversation_id: as for the runner.

        Raises:
            ConfigError: the agent's model does not run through our policies, or the agent lives in a sandbox.
        """
        config = replace(run_config or RunConfig(), model_provider=self)
        return await explain_run(
            agent, input, config, context=context,
            previous_response_id=previous_response_id, conversation_id=conversation_id,
        )  # fmt: skip

    async def health(self) -> bool:
        """Whether the router answers, asked once, without a retry.

        Asks `/health/liveliness` (the embedded node: `/health`), never the router's `/health`, which calls every
        deployment. A gateway without that page is healthy when it lists its models.

        Raises:
            openai.APIConnectionError: nothing is listening.
        """
        path = "/health" if self._node is not None else "/health/liveliness"
        once = self._client.with_options(max_retries=0)
        url = once.base_url.copy_with(raw_path=path.encode())
        try:
            try:
                page = await once.get(str(url), cast_to=httpx2.Response)
                # A login page or a proxy's answers 200 as well; the router's page is JSON.
                return "json" in page.headers.get("content-type", "")
            except openai.NotFoundError:
                await once.models.list()
        except (openai.APIStatusError, InvalidResponse):
            return False
        return True

    async def list_models(self) -> list[str]:
        """The names of the models that the router offers."""
        page: Any = await self._client.models.list()
        listed = getattr(page, "data", None)
        names = [getattr(model, "id", None) for model in as_list(listed)]
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in names):
            raise InvalidResponse("the router's list of models is none", code="invalid_response")
        return cast("list[str]", names)

    @override
    async def aclose(self) -> None:
        """Close this event loop's connections. Safe to repeat; the shared node stays for other providers."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a provider holds connections and does not pickle; make one in each process")

    def __repr__(self) -> str:
        stack = self._lifted or self._client.stack
        return (
            f"{type(self).__name__}({str(self._client.base_url)!r}, model={self._client.default_model!r}, "
            f"api={self._api!r}, {stack!r})"
        )


_shared: HanzoModelProvider | None = None
_shared_lock = threading.Lock()


def get_hanzo_provider() -> HanzoModelProvider:
    """The process's shared provider, made from the environment at the first call.

    Raises:
        ConfigError: HANZO_ROUTER_URL or HANZO_API_KEY is not set.
    """
    global _shared  # noqa: PLW0603 - one pool of connections a process is the point
    with _shared_lock:
        if _shared is None:
            _shared = HanzoModelProvider()
        return _shared


get_provider = get_hanzo_provider
"""The same, by its shorter name."""
