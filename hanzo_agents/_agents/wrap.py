"""Policies around any model of the Agents SDK, whoever made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from agents import Model, ModelProvider
from agents.models._retry_runtime import should_disable_provider_managed_retries
from typing_extensions import override

from hanzo_agents._agents.apart import ModelLikeness
from hanzo_agents._agents.codec import ModelCodec
from hanzo_agents._agents.models import retry_advice
from hanzo_agents._agents.prices import ModelPrices
from hanzo_agents._agents.send import raised_by, send_to_model
from hanzo_agents._agents.view import ModelView
from hanzo_agents._agents.voice import ModelVoice
from hanzo_agents._kernel.call import Call
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.stack import Policy, Stack
from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.tracking import open_journal, tracked
from hanzo_agents._wire.engine import spare_stands_by
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.default import stack_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents import ModelResponse
    from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest

    from hanzo_agents._kernel.price import Prices
    from hanzo_agents._kernel.reply import Reply

__all__ = ["FallbackProvider", "PolicyModel", "wrap"]

Resolve = Callable[[Target], Model]


def wrap(model: Model, *policies: Policy | Stack) -> PolicyModel:
    """Put policies around a model: LiteLLM's, Bedrock's, a `ScriptedModel`, any `agents.Model`.

    Args:
        model: asked first; more models come with `Fallback(to=[Target(other_model)])`.
        policies: added to the default stack as in `HanzoModelProvider(policies=[...])`; one `Stack(...)` is exact.

    Raises:
        ConfigError: `model` is none, or a chain names a model without saying where it is.
    """
    if not isinstance(model, Model):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"wrap: expected an agents.Model, got {type(model).__name__}")
    return PolicyModel(model, _stack(policies), resolve=_nowhere)


def _stack(policies: Sequence[Policy | Stack], fallbacks: Sequence[Target] = ()) -> Stack:
    exact = [policy for policy in policies if isinstance(policy, Stack)]
    if exact and len(policies) > 1:
        raise ConfigError("policies: a Stack is exact; give it alone, or policies without it")
    listed = cast("Sequence[Policy]", policies) or None
    return stack_of(exact[0] if exact else listed, fallbacks=fallbacks)


def _nowhere(target: Target) -> Model:
    raise ConfigError(
        f"fallback {target}: wrap() knows models, not names; give Target(some_model), or use HanzoModelProvider"
    )


class PolicyModel(Model):
    """A model behind a stack of policies. Made by `wrap` and by chains that hold model objects."""

    def __init__(self, model: Model, stack: Stack, *, resolve: Resolve) -> None:
        self.model = getattr(model, "model", type(model).__name__)
        self.stack = stack
        self.home = Target(model)
        self._resolve = resolve
        self._resolved: dict[Any, Model] = {}
        self.prices = ModelPrices(self._model_of)
        self._service = stack.bind(self._send)
        self._codec = ModelCodec(stack)
        self._likeness = ModelLikeness(self._codec)
        self._voice = ModelVoice(self._codec)
        for target in stack.targets:
            self._model_of(target)

    def _model_of(self, target: Target) -> Model:
        if target.foreign:
            foreign: Model = target.model
            return foreign
        key = (target.model, target.base_url, target.api_key)
        model = self._resolved.get(key)
        if model is None:
            model = self._resolved[key] = self._resolve(target)
        return model

    @property
    def priced(self) -> tuple[Prices, Target]:
        """Who knows what this model costs, and as what."""
        return self.prices, self.home

    async def _send(self, call: Call) -> Reply:
        return await send_to_model(self._model_of(call.target), call)

    async def _call(self, view: ModelView, *, stream: bool) -> Reply:
        clock = current_clock()
        timeout = view.model_settings.timeout
        call = Call(
            target=self.home,
            prices=self.prices,
            view=view,
            journal=open_journal(clock.now(), view.operation),
            deadline=None if timeout is None else clock.now() + timeout,
            pinned=view.stateful,
            spare=spare_stands_by.get(),
            single=should_disable_provider_managed_retries(),
            payload=stream,
            codec=self._codec,
            likeness=self._likeness,
            voice=self._voice,
            clock=clock,
        )
        return await tracked(self._service, call)

    @override
    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        response: ModelResponse = (await self._call(ModelView(*args, **kwargs), stream=False)).value
        return response

    @override
    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        reply = await self._call(ModelView(*args, **kwargs), stream=True)
        async with aclosing(reply.value) as events:
            async for event in events:
                yield event

    @override
    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """The veto once our policies had the last word; else the advice of the model that failed."""
        advice = retry_advice(request)
        if advice is not None:
            return advice
        failed: Model = raised_by(request.error) or self.home.model
        return failed.get_retry_advice(request)

    def rehearsal(self, stack: Stack) -> PolicyModel:
        """The same model behind another stack, one that only says what this one would do."""
        return PolicyModel(self.home.model, stack, resolve=self._resolve)

    def _models(self) -> list[Model]:
        return [self.home.model, *(self._model_of(target) for target in self.stack.targets)]

    @override
    async def close(self) -> None:
        """Close every model of the chain; the first failure is raised after all were asked."""
        await _each([model.close for model in self._models()])

    @override
    async def _cleanup_on_run_end(self, owner: object) -> None:
        await _each([partial(model._cleanup_on_run_end, owner) for model in self._models()])  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def __repr__(self) -> str:
        return f"PolicyModel({self.home}, {self.stack!r})"


async def _each(actions: Sequence[Callable[[], Any]]) -> None:
    failures: list[Exception] = []
    for action in actions:
        try:
            await action()
        except Exception as error:  # noqa: BLE001 - all are asked before the first failure is raised
            failures.append(error)
    if failures:
        raise failures[0]


class FallbackProvider(ModelProvider):
    """Providers in a chain: when one's model fails, the next one's is asked, inside the same model call.

        FallbackProvider([("gpt-4", primary), ("claude-3-sonnet", second), ("gpt-3.5-turbo", third)])

    Unlike running the agent again, no tool runs twice.

    Args:
        chain: pairs of a model's name and the provider that has it. The name of the first is used when an
            agent names no model; an agent's own name is asked of the first provider.
        policies: as for `wrap`.

    Raises:
        ConfigError: the chain is empty or holds something else.
    """

    def __init__(self, chain: Sequence[tuple[str | None, ModelProvider]], *policies: Policy | Stack) -> None:
        if isinstance(chain, str) or not isinstance(chain, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(
                f"FallbackProvider: expected a list of (model name, provider) pairs, got {type(chain).__name__}"
            )
        for entry in chain:
            if not (isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], ModelProvider)):  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
                raise ConfigError(
                    f"FallbackProvider: expected (model name, provider) pairs, got {type(entry).__name__}; "
                    "write FallbackProvider([(name, provider), ...])"
                )
        if not chain:
            raise ConfigError("FallbackProvider: expected at least one (model name, provider) pair, got none")
        _stack(policies, [Target("checked")])
        self._chain = tuple(chain)
        self._policies = policies
        self._models: dict[str | None, PolicyModel] = {}

    @override
    def get_model(self, model_name: str | None) -> Model:
        model = self._models.get(model_name)
        if model is None:
            (name, provider), *rest = self._chain
            first = provider.get_model(model_name or name)
            to = [Target(other.get_model(named), label=named) for named, other in rest]
            stack = _stack(self._policies, to)
            model = self._models[model_name] = PolicyModel(first, stack, resolve=_nowhere)
        return model

    @override
    async def aclose(self) -> None:
        """Close every provider of the chain."""
        await _each([provider.aclose for provider in dict.fromkeys(p for _, p in self._chain)])
