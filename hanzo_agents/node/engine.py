"""The engine: generation and embeddings, awaitable, cancellable, on daemon threads.

llama.cpp's calls block the thread that makes them, so each runs on one of `slots` daemon threads and its chunks
are handed to the caller's event loop. Every generation is streamed inside, also when the client wants one value: a
chunk is the only moment at which a generation can be stopped, and `return_progress` makes the reading of a long
prompt stoppable as well.
"""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from .apierror import ApiError
from .generation import Completion, Piece, Prompt, Sampling
from .llama import LlamaServer, leak, load_embedder, load_generator, release

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

__all__ = ["Engine"]

_STOP_SECONDS = 30.0


class _Job:
    """One blocking call of the engine, and the road of its chunks back to the event loop that wants them."""

    def __init__(self, run: Callable[[_Job], None]) -> None:
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()
        self.cancelled = threading.Event()

    def run(self) -> None:
        """Do the work, on an engine thread; every failure travels to the caller."""
        end: BaseException | None = None
        try:
            if not self.cancelled.is_set():
                self._run(self)
        except Exception as error:  # noqa: BLE001 - it is raised again where the caller waits
            end = error
        self.emit(end)

    def emit(self, chunk: dict[str, Any] | BaseException | None) -> bool:
        """Hand a chunk to the caller's loop; True tells the engine to stop."""
        try:
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
        except RuntimeError:  # the caller's loop is closed: nobody waits any more
            self.cancelled.set()
        return self.cancelled.is_set()

    async def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks as they come; leaving the loop early cancels the work."""
        try:
            while (chunk := await self._chunks.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise chunk
                yield chunk
            if self.cancelled.is_set():
                raise ApiError("the node was stopped", status=503, code="node_stopped")
        finally:
            self.cancelled.set()


class Engine:
    """A loaded model with `slots` places for concurrent generations; more requests wait in a queue.

    Args:
        path: The GGUF file.
        context_length: Tokens of context that each slot has.
        slots: Generations that run at the same time.
        threads: CPU threads of the engine; `None` lets it choose.
    """

    def __init__(self, path: Path, *, context_length: int, slots: int, threads: int | None) -> None:
        self.context_length = context_length
        self._path = path
        self._slots = slots
        self._thread_count = threads
        self._server: LlamaServer | None = None
        self._embedder: LlamaServer | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._running: set[_Job] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._grammars: dict[str, bool] = {}

    def start(self) -> None:
        """Load the model and start the threads.

        Raises:
            ConfigError: The engine is not installed, or it cannot load the file.
        """
        self._server = load_generator(
            self._path, context_length=self.context_length, slots=self._slots, threads=self._thread_count
        )
        self._threads = [
            threading.Thread(target=self._work, name=f"hanzo-node-{index}", daemon=True)
            for index in range(self._slots)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Cancel what runs, end the threads, free the model. Safe to call twice."""
        with self._lock:
            for job in self._running:
                job.cancelled.set()
            server, self._server = self._server, None
        if server is None:
            return
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        if any(thread.is_alive() for thread in self._threads):
            leak(server)  # freeing a model under a running generation would crash the process
        for each in (server, self._embedder):
            if each is not None:
                release(each)
        self._embedder = None

    def abandon(self) -> None:
        """In a forked child: forget the engine without freeing it; its threads exist only in the parent."""
        for server in (self._server, self._embedder):
            if server is not None:
                leak(server)
        self._server = self._embedder = None

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, grammar: str | None = None
    ) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of a continuation of `prompt`; closing the generator stops the engine.

        Args:
            prompt: What to continue.
            sampling: How.
            grammar: Lark grammar that the continuation obeys; it must have been found good by `accepts`.

        Raises:
            ApiError: The prompt is longer than the context, or the engine refused the request.
        """
        body = sampling.body() | {"prompt": list(prompt), "stream": True, "return_progress": True}
        if grammar is not None:
            body["grammar"] = grammar

        def run(job: _Job) -> None:
            self._require(self._server).handle_completions(body, job.emit)

        chunks = self._submit(run).chunks()
        try:
            async for chunk in chunks:
                piece = _piece(chunk)
                if piece is not None:
                    yield piece
        finally:
            await chunks.aclose()

    async def complete(self, prompt: Prompt, sampling: Sampling, *, grammar: str | None = None) -> Completion:
        """Generate to the end and return the whole."""
        text, logprob, last = "", 0.0, Piece(text="")
        async for piece in self.generate(prompt, sampling, grammar=grammar):
            text += piece.text
            logprob += sum(float(item["logprob"]) for item in piece.logprobs)
            last = piece
        return Completion(text=text, logprob=logprob, last=last)

    async def accepts(self, grammar: str) -> bool:
        """Whether the engine can enforce a grammar.

        The engine drops a grammar it cannot compile without a word and generates freely. So the grammar is
        tried behind a mark that no model would write of its own accord: the mark comes only when it is enforced.
        """
        known = self._grammars.get(grammar)
        if known is None:
            mark = "\u00a7\u00b6"
            header, _, rules = grammar.partition("start:")
            probe = f'{header}start: "{mark}" probed\nprobed:{rules}'
            tried = await self.complete(["The sky is"], Sampling(max_tokens=4), grammar=probe)
            known = tried.text.startswith(mark[0])
            if len(self._grammars) >= 1024:
                self._grammars.clear()
            self._grammars[grammar] = known
        return known

    async def embed(self, inputs: list[str] | list[list[int]]) -> dict[str, Any]:
        """Embed texts (mean of the last hidden states, normalized) and return the engine's `data` and `usage`."""

        def run(job: _Job) -> None:
            job.emit(self._embedding_server().handle_embeddings({"input": inputs}))

        async for chunk in self._submit(run).chunks():
            _raise_error(chunk)
            return chunk
        raise ApiError("the engine returned nothing", status=500)

    def _submit(self, run: Callable[[_Job], None]) -> _Job:
        self._require(self._server)
        job = _Job(run)
        self._jobs.put(job)
        return job

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._running.add(job)
                if self._server is None:
                    job.cancelled.set()
            try:
                job.run()
            finally:
                with self._lock:
                    self._running.discard(job)
                del job

    def _require(self, server: LlamaServer | None) -> LlamaServer:
        if server is None:
            raise ApiError("the node was stopped", status=503, code="node_stopped")
        return server

    def _embedding_server(self) -> LlamaServer:
        # Pooling is a property of a loaded model, so embeddings have their own; most nodes never need it.
        with self._lock:
            if self._embedder is None:
                self._embedder = load_embedder(self._path, threads=self._thread_count)
            return self._embedder


def _piece(chunk: dict[str, Any]) -> Piece | None:
    """Translate a chunk; `None` for a report of progress in reading the prompt."""
    _raise_error(chunk)
    choices = cast("list[dict[str, Any]]", chunk.get("choices") or [])
    if not choices:
        return None
    choice = choices[0]
    usage = cast("dict[str, Any]", chunk.get("usage") or {})
    logprobs = cast("dict[str, Any]", choice.get("logprobs") or {})
    piece = Piece(
        text=str(choice.get("text") or ""),
        logprobs=tuple(logprobs.get("content") or ()),
        finish_reason=choice.get("finish_reason"),
        prompt_tokens=int(usage.get("prompt_tokens", 0)),
        completion_tokens=int(usage.get("completion_tokens", 0)),
        cached_tokens=int(
            cast("dict[str, Any]", usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        ),
    )
    return piece if piece.text or piece.finish_reason else None


def _raise_error(chunk: dict[str, Any]) -> None:
    error = chunk.get("error")
    if error is None:
        return
    message, kind = str(error.get("message", error)), error.get("type")
    if kind == "exceed_context_size_error" or "too large to process" in message:
        needed, room = error.get("n_prompt_tokens"), error.get("n_ctx")
        detail = f" This one has {needed}; the context is {room}." if needed and room else f" ({message})"
        raise ApiError(
            f"The prompt is longer than the model's context.{detail}",
            param="messages",
            code="context_length_exceeded",
        )
    raise ApiError(message, status=400 if kind == "invalid_request_error" else 500)
