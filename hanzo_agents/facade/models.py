"""The `models` resource, which also knows the models of this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from openai.resources import AsyncModels, Models
from typing_extensions import override

from hanzo_agents._wire.sync.calls import call_off_loop
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from openai._base_client import AsyncPaginator
    from openai.pagination import AsyncPage, SyncPage
    from openai.types import Model

    from hanzo_agents._wire.arguments import Attached
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.facade.described import Configured
    from hanzo_agents.node.discovery import LocalModel
    from hanzo_agents.sync_client import Hanzo

__all__ = ["HanzoModels", "SyncModels"]


class HanzoModels(AsyncModels):
    """The models there are, and those that can be fetched."""

    _client: AsyncHanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @overload
    def list(self, *, provider: Literal["local"]) -> Coroutine[Any, Any, list[LocalModel]]: ...

    @overload
    def list(
        self, *, provider: None = None, **attached: Unpack[Attached]
    ) -> AsyncPaginator[Model, AsyncPage[Model]]: ...

    @override
    def list(self, *, provider: str | None = None, **attached: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The models that the router lists; with `provider="local"`, those of this machine.

        A local model also has `context_length`, in tokens, and `parameters`, in billions; None is not known.

        Raises:
            ConfigError: the client asks no local models, or the provider is another.
        """
        if provider is None:
            return super().list(**attached)
        return call_off_loop(_local(self._client, provider).models)

    async def download(
        self,
        name: str,
        *,
        sha256: str | None = None,
        progress: Callable[[int, int | None], None] | bool | None = None,
    ) -> Path:
        """Fetch a model to this machine, unless it is there; the node serves it from then on.

        Cancelled, it stops, and what came is kept for the next time.

        Args:
            name: of the catalogue ("qwen-2-7b"), "owner/repo", "owner/repo:Q4_K_M" or "owner/repo/file.gguf" at
                the Hugging Face hub, or the https address of a GGUF file.
            sha256: the checksum, for an address.
            progress: called with the bytes so far and in all; True draws a bar, None does on a terminal.

        Raises:
            ConfigError: the name or the checksum is none, or the extra `hub` is not installed.
            DownloadFailed: see its `code`.
        """
        from hanzo_agents.node.download import download

        stop = threading.Event()
        try:
            return await call_off_loop(download, name, sha256=sha256, progress=progress, cancelled=stop)
        finally:
            stop.set()  # cancelled: its thread ends at the next piece, and what came is kept


class SyncModels(Models):
    """The models there are, and those that can be fetched."""

    _client: Hanzo  # pyright: ignore[reportIncompatibleVariableOverride]

    @overload
    def list(self, *, provider: Literal["local"]) -> list[LocalModel]: ...

    @overload
    def list(self, *, provider: None = None, **attached: Unpack[Attached]) -> SyncPage[Model]: ...

    @override
    def list(self, *, provider: str | None = None, **attached: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As `HanzoModels.list`.

        Raises:
            ConfigError: the client asks no local models, or the provider is another.
        """
        if provider is None:
            return super().list(**attached)
        return _local(self._client, provider).models()

    def download(
        self,
        name: str,
        *,
        sha256: str | None = None,
        progress: Callable[[int, int | None], None] | bool | None = None,
    ) -> Path:
        """As `HanzoModels.download`: fetch a model to this machine, unless it is there. A Ctrl-C keeps what came.

        Raises:
            ConfigError: the name or the checksum is none, or the extra `hub` is not installed.
            DownloadFailed: see its `code`.
        """
        from hanzo_agents.node.download import download

        return download(name, sha256=sha256, progress=progress)


def _local(client: Configured, provider: object) -> Any:
    if provider != "local":
        raise ConfigError(f'provider: expected "local", or none for what the router lists, got {provider!r}')
    local = client.local_models
    if local is None:
        raise ConfigError(
            'provider: this client asks no local models; make it with inference_mode="local" or "hybrid"'
        )
    return local
