"""llama.cpp's server, loaded into this process: the only module that knows `xllamacpp`."""

from __future__ import annotations

import ctypes
import os
import secrets
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["LlamaServer", "leak", "load_embedder", "load_generator", "release"]

_BATCH = 256
"""Prompt tokens read between two chances to stop: about a second on one slow core."""
_EMBEDDING_TOKENS = 2048


class LlamaServer(Protocol):
    """The part of `xllamacpp.Server` that is used here."""

    def handle_completions(self, prompt: dict[str, Any], callback: Callable[[dict[str, Any]], bool]) -> None:
        """Generate; the callback gets each chunk and stops the generation by returning True."""
        ...

    def handle_embeddings(self, prompt: dict[str, Any]) -> dict[str, Any]:
        """Embed `prompt["input"]`."""
        ...


def load_generator(path: Path, *, context_length: int, slots: int, threads: int | None) -> LlamaServer:
    """Load a model that generates, in `slots` sequences of `context_length` tokens each.

    Raises:
        ConfigError: The engine is not installed, or it cannot load the file.
    """
    library = _library()
    params = _params(library, path, threads, batch=_BATCH)
    params.n_parallel = slots
    params.n_ctx = context_length * slots
    return _load(library, params, path)


def load_embedder(path: Path, *, threads: int | None) -> LlamaServer:
    """Load a model that embeds; an input is read in one batch, so the batch is the limit of its length.

    Raises:
        ConfigError: The engine is not installed, or it cannot load the file.
    """
    library = _library()
    params = _params(library, path, threads, batch=_EMBEDDING_TOKENS)
    params.n_parallel = 1
    params.n_ctx = _EMBEDDING_TOKENS
    params.embedding = True
    params.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return _load(library, params, path)


def release(server: LlamaServer) -> None:
    """Let go of a server that does nothing any more; dropping the last reference to it frees the model."""
    if _forked:
        leak(server)


def leak(server: LlamaServer) -> None:
    """Keep a server past the interpreter's own clean-up, where freeing it would crash or hang."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))


def _library() -> Any:
    try:
        return import_module("xllamacpp")
    except ImportError as error:
        raise ConfigError(
            "the embedded node needs llama.cpp. Type: pip install 'hanzo-agents-provider[local]'"
        ) from error


def _params(library: Any, path: Path, threads: int | None, *, batch: int) -> Any:
    params = library.CommonParams()
    params.model.path = str(path)
    params.n_batch = params.n_ubatch = batch
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or _default_threads()
    # waiting threads sleep: spinning ones take the CPU that the others wait for when the machine is busy
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.warmup = False
    params.verbosity = -1
    params.cache_ram_mib = 64
    # llama.cpp opens a port of its own that cannot be turned off: a key nobody has keeps it shut
    params.api_keys = [secrets.token_urlsafe(32)]
    return params


def _default_threads() -> int:
    """Half of the CPUs that this process may use, at least one: an agent has other work to do."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // 2)


def _load(library: Any, params: Any, path: Path) -> LlamaServer:
    global _loaded  # noqa: PLW0603 - it is a fact about the process
    try:
        server = cast("LlamaServer", library.Server(params))
    except RuntimeError as error:
        raise ConfigError(f"model: llama.cpp cannot load {path.name}: {error}") from error
    _loaded = True
    return server


def _after_fork() -> None:
    """Make a forked child of a process that had loaded llama.cpp able to use it, and to exit.

    The library's static objects own threads that stayed in the parent. It can load another model in the child, but
    freeing one, and the clean-up of the static objects at exit, would wait for those threads for ever. So nothing
    is freed here, and the exit handler that runs first ends the process with the status that it is given.
    """
    global _forked  # noqa: PLW0603 - it is a fact about the process
    if not _loaded or _forked:
        return
    _forked = True
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):
        libc.on_exit(ctypes.cast(libc["_exit"], ctypes.c_void_p), None)


_loaded = False
_forked = False
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
