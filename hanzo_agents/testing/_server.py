"""A real HTTP/1.1 server on its own socket, in its own thread: the ground that the test servers stand on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from hanzo_agents.testing._http import Close, Pause, Repeat, Reset, Send, problem
from hanzo_agents.testing._request import receive
from hanzo_agents.testing._sockets import HungUp, or_hung_up, reset, stop_accepting

if TYPE_CHECKING:
    import ssl as tls
    from collections.abc import Callable
    from types import TracebackType

    from hanzo_agents.testing._http import Action, Reply
    from hanzo_agents.testing._request import Request

__all__ = ["WireServer"]

_LIMIT = 1 << 20


class WireServer:
    """A server that records what it receives and sends what `_reply_to` returns.

    Use it as a context manager, `with` or `async with`. It listens on a free port of 127.0.0.1 and runs in a
    daemon thread, so that the code under test may block, or bring its own event loop.

    Attributes:
        requests: What has been received, oldest first.
        errors: What the scripted functions raised; leaving the context raises the first of them.
    """

    def __init__(self, *, ssl: tls.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.errors: list[Exception] = []
        self._ssl = ssl
        self._port = 0
        self._changed = threading.Condition()
        self._connections = 0
        self._open = 0
        self._paused = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    # What a test asks

    @property
    def url(self) -> str:
        """The root of the server, without a path: `http://127.0.0.1:49152`."""
        if not self._port:
            raise RuntimeError(
                f"{type(self).__name__} is not running: use it as a context manager, or call start()"
            )
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url`: `http://127.0.0.1:49152/v1`."""
        return f"{self.url}/v1"

    @property
    def hits(self) -> int:
        """How many requests have been received."""
        return len(self.requests)

    @property
    def connections(self) -> int:
        """How many connections have been accepted, ever."""
        return self._connections

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return self._open

    @property
    def paused(self) -> int:
        """How many replies wait for `release()` now."""
        return self._paused

    def release(self) -> None:
        """Let every paused reply go on, up to its next pause."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._open_gate)

    def wait_for(self, condition: Callable[[], bool], timeout: float = 5.0) -> None:
        """Block until `condition()` holds; it is asked whenever something happens on the server.

        Raises:
            TimeoutError: It did not hold in time. The message shows where the server stands.
        """
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError(f"not so after {timeout} s: {self!r}")

    async def until(self, condition: Callable[[], bool], timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Wait until `condition()` holds, without blocking the event loop.

        Raises:
            TimeoutError: It did not hold in time. The message shows where the server stands.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so after {timeout} s: {self!r}")
            await asyncio.sleep(0.002)

    # Lifetime

    def start(self) -> Self:
        """Begin to listen; the port is known on return."""
        if self._thread is not None:
            raise RuntimeError(f"{type(self).__name__} is running already")
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._main(ready)), name=type(self).__name__, daemon=True
        )
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def stop(self) -> None:
        """Close every connection and stop listening. A second call does nothing."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._loop = None
        loop.call_soon_threadsafe(self._finished.set)
        thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self.errors:
            raise self.errors[0]

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        where = self.url if self._thread is not None and self._port else "stopped"
        return (
            f"<{type(self).__name__} {where} hits={self.hits} open_connections={self._open} paused={self._paused}>"
        )

    # What a subclass decides

    def _reply_to(self, request: Request) -> Reply:
        raise NotImplementedError

    # The thread of the server

    async def _main(self, ready: threading.Event) -> None:
        self._finished = asyncio.Event()
        self._gate = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._ssl, limit=_LIMIT)
        except OSError as error:
            self._failure = error
            ready.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        self._loop = asyncio.get_running_loop()
        ready.set()
        await self._finished.wait()
        await stop_accepting(server)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        server.close()
        await asyncio.sleep(0)  # the sockets are closed by the loop

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Here too: who is cancelled before it began has no `finally`.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count(opened=1)
        try:
            with contextlib.suppress(OSError, HungUp, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            self._count(opened=-1)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        received = await receive(reader)
        with self._changed:
            request = replace(received, number=self.hits + 1)
            self.requests.append(request)
            self._changed.notify_all()
        for action in self._actions(request):
            if not await self._act(action, reader, writer):
                return False
        return True

    def _actions(self, request: Request) -> list[Action]:
        try:
            return list(self._reply_to(request).render(request).actions())
        except Exception as error:  # noqa: BLE001  the test hears of it when the server stops
            self.errors.append(error)
            failed = problem(500, f"the test server failed: {error!r}", code="test_server_failed")
            return list(failed.actions())

    async def _act(self, action: Action, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        match action:
            case Send(data):
                writer.write(data)
                await writer.drain()
            case Repeat(data, times):
                sent = 0
                while times is None or sent < times:
                    writer.write(data)
                    await or_hung_up(writer.drain(), reader)
                    sent += 1
            case Pause():
                await self._pause(reader)
            case Reset():
                reset(writer)
                return False
            case Close():
                return False
        return True

    async def _pause(self, reader: asyncio.StreamReader) -> None:
        self._count(paused=1)
        try:
            await or_hung_up(self._gate.wait(), reader)
        finally:
            self._count(paused=-1)

    def _open_gate(self) -> None:
        self._gate.set()
        self._gate = asyncio.Event()

    def _count(self, *, opened: int = 0, paused: int = 0) -> None:
        with self._changed:
            self._open += opened
            self._connections += max(opened, 0)
            self._paused += paused
            self._changed.notify_all()
