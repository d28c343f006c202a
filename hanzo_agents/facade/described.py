"""The part of both clients that makes no call: how they are made, asked about, and changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from hanzo_agents._wire.described import Described
from hanzo_agents.errors import ConfigError
from hanzo_agents.opening import local_settings

if TYPE_CHECKING:
    from hanzo_agents._wire.inherited import Inherited
    from hanzo_agents.facade.analytics import Analytics
    from hanzo_agents.facade.composing import Facade
    from hanzo_agents.facade.keywords import CacheKeywords
    from hanzo_agents.modes.local import Local
    from hanzo_agents.observe.exposition import MetricsServer
    from hanzo_agents.observe.metrics import Metrics

__all__ = ["Configured"]


class Configured(Described):
    """How a client is made without an address, what it says of its keywords, and what may be changed of them."""

    @classmethod
    def local(cls, *, model: str | None = None, **settings: Any) -> Self:
        """A client of the embedded node: a small real model on this machine, with no key and no network.

        The first call starts the node (about a second); clients in one process share it.

        Args:
            model: a model of the node; its only one by default.
            settings: as for the constructor, without `base_url`, `api_key` and `env_file`.

        Raises:
            ConfigError: the extra `local` or the weights are not installed; the message says what to type.
        """
        client: Any = cls
        return cast("Self", client(**local_settings(model, settings)))

    @property
    def analytics(self) -> Analytics:
        """What the calls of this client and its copies took: `analytics.get_summary()`.

        Raises:
            ConfigError: it was made without `enable_analytics=True`.
        """
        analytics = None if self._facade is None else self._facade.watchers.analytics
        if analytics is None:
            raise ConfigError("analytics: nothing is counted; make the client with enable_analytics=True")
        return analytics

    @property
    def metrics(self) -> Metrics:
        """The figures for Prometheus: `metrics.serve(port)` starts a page, `metrics.close()` stops all.

        Raises:
            ConfigError: it was made without `enable_metrics=True`.
        """
        metrics = None if self._facade is None else self._facade.watchers.metrics
        if metrics is None:
            raise ConfigError("metrics: nothing is counted; make the client with enable_metrics=True")
        return metrics

    @property
    def metrics_server(self) -> MetricsServer | None:
        """The page that `metrics_port` had served: it has a `url`, and a `close()`."""
        return None if self._facade is None else self._facade.watchers.metrics_server

    @property
    def local_models(self) -> Local | None:
        """The models of this machine, as far as they take part in what this client asks."""
        return None if self._facade is None else self._facade.local

    def set_default_model(self, model: str) -> None:
        """Use this model from now on where a call names none. Copies made before keep theirs.

        Raises:
            ConfigError: it is no name.
        """
        if not isinstance(model, str) or not model.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"model: expected a model's name, got {model!r}")
        self._inherited = replace(self._inherited, model=model)

    def configure_cache(self, **settings: Unpack[CacheKeywords]) -> None:
        """Change the cache: what is given replaces what the client was made with. It is on unless switched off.

        Calls under way keep the cache they began with, and so do copies made before. Answers in another place
        than before (`cache_backend`) are not taken along.

            client.configure_cache(cache_ttl=86_400)

        Args:
            settings: `enable_cache`, `cache_backend`, `cache_ttl`, `redis_url`, as of the constructor.

        Raises:
            ConfigError: one is wrong, or `policies` was an exact Stack or held a Cache.
        """
        from hanzo_agents.facade.composing import recached

        self._serve(recached(self._inherited, settings))

    def _serve(self, inherited: Inherited) -> None:
        """Send the calls from now on through this stack."""
        raise NotImplementedError

    @property
    def _facade(self) -> Facade | None:
        return cast("Facade | None", self._inherited.beside)
