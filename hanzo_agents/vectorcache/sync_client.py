"""The Vectorcache client for programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self, Unpack

from hanzo_agents._wire.sync.calls import run
from hanzo_agents.errors import ConfigError
from hanzo_agents.settings import ServiceSettings
from hanzo_agents.vectorcache.client import CONCURRENT, AsyncVectorcacheClient
from hanzo_agents.vectorcache.question import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanzo_agents._kernel.clock import Duration
    from hanzo_agents.vectorcache.endpoint import Auth, Dialect
    from hanzo_agents.vectorcache.response import VectorcacheResponse
    from hanzo_agents.vectorcache.stats import VectorcacheBatch, VectorcacheStats

__all__ = ["VectorcacheClient", "VectorcacheSettings"]


class VectorcacheSettings(ServiceSettings, total=False):
    """What `VectorcacheClient` takes beside `api_key` and `base_url`: see `AsyncVectorcacheClient`."""

    dialect: Dialect
    auth: Auth | None
    timeout: Duration


class VectorcacheClient:
    """A client of Vectorcache, which answers from what was answered to a similar prompt, or asks the model itself.

    The calls of all threads run on one event loop in a daemon thread. A Ctrl-C cancels the call it interrupts; a
    child that was forked starts afresh.

    Args:
        api_key: VECTORCACHE_API_KEY by default, and that one only for the environment's own address.
        base_url: VECTORCACHE_BASE_URL, or https://api.vectorcache.com.
        settings: as for `AsyncVectorcacheClient`.

    Raises:
        ConfigError: a setting is missing or wrong; nothing was sent.
    """

    def __init__(
        self, api_key: str | None = None, base_url: str | None = None, **settings: Unpack[VectorcacheSettings]
    ) -> None:
        try:
            self._inner = AsyncVectorcacheClient(api_key, base_url, **settings)
        except (ConfigError, TypeError) as error:
            # The frames below hold the key, and so does this one.
            api_key = base_url = None
            raise error.with_traceback(None) from None

    @property
    def asynchronous(self) -> AsyncVectorcacheClient:
        """The client beneath, whose calls run on the loop thread."""
        return self._inner

    def query(
        self,
        prompt: str,
        model: str,
        similarity_threshold: float = DEFAULT_THRESHOLD,
        context: str | None = None,
        include_debug: bool = False,
    ) -> VectorcacheResponse:
        """The answer to a prompt, from the cache or from the model: see `AsyncVectorcacheClient.query`."""
        return run(self._inner.query(prompt, model, similarity_threshold, context, include_debug))

    def batch(
        self,
        prompts: Iterable[str],
        model: str,
        similarity_threshold: float = DEFAULT_THRESHOLD,
        context: str | None = None,
        include_debug: bool = False,
        *,
        max_concurrent: int = CONCURRENT,
    ) -> VectorcacheBatch:
        """The answers to many prompts, in their order: see `AsyncVectorcacheClient.batch`."""
        if not isinstance(prompts, str | bytes) and hasattr(prompts, "__iter__"):
            prompts = list(prompts)  # a caller's generator runs in its own thread
        return run(
            self._inner.batch(
                prompts, model, similarity_threshold, context, include_debug, max_concurrent=max_concurrent
            )
        )

    @property
    def base_url(self) -> str:
        """The service's address."""
        return self._inner.base_url

    @property
    def stats(self) -> VectorcacheStats:
        """What this client's questions came to so far."""
        return self._inner.stats

    def close(self) -> None:
        """Close the connections. Safe to repeat; a question asked later opens new ones."""
        run(self._inner.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        inner: AsyncVectorcacheClient | None = getattr(self, "_inner", None)  # none yet: a setting is wrong
        return f"{type(self).__name__}({repr(inner).partition('(')[2]}" if inner else f"{type(self).__name__}()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds connections and does not pickle; make one in each process")
