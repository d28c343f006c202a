"""One limit for everything a provider is asked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from agents import ModelProvider
from typing_extensions import override

from hanzo_agents._agents.wrap import PolicyModel
from hanzo_agents._kernel.stack import Stack
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.rate_limit import RateLimit
from hanzo_agents.policies.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from agents import Model

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.stores.store import Store

__all__ = ["RateLimitedProvider"]


class RateLimitedProvider(ModelProvider):
    """A provider whose model calls keep within limits, whoever made it.

        RateLimitedProvider(any_provider, requests_per_minute=60, max_concurrent=10)

    All its models share one limit, and a call waits inside the model call, so no run notices more than time. It
    limits and does nothing else: retries, deadlines and fallbacks of the provider stay its own. Retries below it
    pass uncounted; with a `HanzoModelProvider`, `policies=[RateLimit(...)]` counts those too.

    Args:
        provider: any `agents.ModelProvider`.
        requests_per_minute, tokens_per_minute, max_concurrent, store: as for `RateLimit`.
        key: as for `RateLimit`; by default one name for this kind of provider.
        more: further fields of `RateLimit`.

    Attributes:
        limit: the policy, which tells its `state()`.

    Raises:
        ConfigError: `provider` is none, or a field of the limit is wrong.
    """

    def __init__(
        self,
        provider: ModelProvider,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        max_concurrent: int | None = None,
        store: Store | None = None,
        key: str | Callable[[Call], str] | None = None,
        **more: Any,
    ) -> None:
        if not isinstance(provider, ModelProvider):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(
                f"RateLimitedProvider: expected an agents.ModelProvider, got {type(provider).__name__}; write "
                "RateLimitedProvider(HanzoModelProvider(base_url, api_key), requests_per_minute=60)"
            )
        if key is None:
            key = f"provider {type(provider).__name__}"
        try:
            self.limit = RateLimit(
                requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute,
                max_concurrent=max_concurrent, store=store, key=key, **more,
            )  # fmt: skip
        except TypeError as error:
            raise ConfigError(f"RateLimitedProvider: {error}") from None
        self._provider = provider
        self._models: dict[str | None, PolicyModel] = {}
        self._lock = threading.Lock()

    @override
    def get_model(self, model_name: str | None) -> Model:
        inner = self._provider.get_model(model_name)
        with self._lock:
            model = self._models.get(model_name)
            if model is None or model.home.model is not inner:
                stack = Stack(Trace(), self.limit)
                model = self._models[model_name] = PolicyModel(inner, stack, resolve=_nowhere)
            return model

    @override
    async def aclose(self) -> None:
        """Close the provider."""
        await self._provider.aclose()

    def __repr__(self) -> str:
        return f"RateLimitedProvider({type(self._provider).__name__}, {self.limit!r})"


def _nowhere(target: Target) -> Model:
    raise AssertionError(f"no chain, and yet a call to {target}")
