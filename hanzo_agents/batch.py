"""Many chat requests at a time: in order, each with its own reply or error, and resumable from a file."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast, overload

from pydantic import BaseModel
from typing_extensions import override

from hanzo_agents._kernel.fields import check_count
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Batch", "BatchPlan", "plan_batch"]

_logger = logging.getLogger("hanzo_agents")

T = TypeVar("T")

VERSION = 1
WIDTH = 24
"""Columns of the progress bar."""


class Batch(Sequence[T]):
    """The replies of a batch, in the order of its requests.

    Looking at the reply of a request that failed raises its error, so that no failure passes for an answer. Look
    at `errors` first, or go through `results`.

    Attributes:
        results: a reply or an error for each request.
    """

    def __init__(self, results: Iterable[T | Exception]) -> None:
        self.results: tuple[T | Exception, ...] = tuple(results)

    @property
    def errors(self) -> dict[int, Exception]:
        """The errors, by the number of the request, from 0."""
        return {number: one for number, one in enumerate(self.results) if isinstance(one, Exception)}

    @property
    def replies(self) -> list[T]:
        """The replies of the requests that succeeded."""
        return [one for one in self.results if not isinstance(one, Exception)]

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Batch[T]: ...

    @override
    def __getitem__(self, index: int | slice) -> T | Batch[T]:
        if isinstance(index, slice):
            return Batch(self.results[index])
        found = self.results[index]
        if isinstance(found, Exception):
            raise found
        return found

    @override
    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        return f"Batch({len(self)} requests, {len(self.errors)} failed)"


@dataclass(kw_only=True)
class BatchPlan:
    """Requests that have been checked, and what is known of their answers already."""

    requests: list[dict[str, Any]]
    max_concurrent: int
    progress: bool
    file: Path | None
    keys: list[str] = field(default_factory=list[str])
    known: dict[int, Any] = field(default_factory=dict[int, Any])

    async def carry_out(self, create: Callable[..., Awaitable[T]], load: Callable[[Any], T]) -> Batch[T]:
        """Send what is not known yet, never more than `max_concurrent` at a time.

        Args:
            create: makes one call.
            load: makes a reply of its JSON.
        """
        results: list[T | Exception | None] = [None] * len(self.requests)
        for number, body in self.known.items():
            results[number] = load(body)
        waiting = iter([number for number in range(len(self.requests)) if number not in self.known])
        bar = _Bar(len(self.requests), done=len(self.known), shown=self.progress)

        async def work() -> None:
            for number in waiting:
                try:
                    reply = await create(**self.requests[number])
                except Exception as error:  # noqa: BLE001 - kept for its request
                    error.add_note(f"request {number} of the batch")
                    results[number] = error
                    bar.step(failed=True)
                else:
                    self._write(number, reply)
                    results[number] = reply
                    bar.step(failed=False)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self.max_concurrent, len(self.requests) - len(self.known))):
                    tasks.create_task(work())
        finally:
            bar.end()
        return Batch(cast("list[T | Exception]", results))

    def _write(self, number: int, reply: Any) -> None:
        if self.file is None:
            return
        body = reply.to_dict(mode="json", warnings=False)
        line = {"version": VERSION, "number": number, "request": self.keys[number], "reply": body}
        try:
            _append(self.file, (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))
        except OSError as error:
            # What has been paid for is not thrown away because a disk is full.
            _logger.warning("the answers of a batch are no longer written to %s: %s", self.file, error)
            self.file = None


def _append(file: Path, line: bytes) -> None:
    # One write a line: two processes with the same file do not mix theirs.
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "only a part was written")
    finally:
        os.close(descriptor)


def plan_batch(
    requests: Iterable[Any],
    *,
    model: str | None,
    max_concurrent: int,
    file: str | Path | None,
    progress: bool | None,
    arguments: Mapping[str, Any],
) -> BatchPlan:
    """Check a batch before anything of it is sent.

    Raises:
        ConfigError: a request or a setting is none, or the file belongs to other requests.
    """
    check_count("max_concurrent", max_concurrent)
    if not isinstance(progress, bool | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"progress: expected True, False or None, got {progress!r}")
    if file is not None and not isinstance(file, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"file: expected a path, got {type(file).__name__}")
    if not _listlike(requests):
        raise ConfigError(f"requests: expected a list of messages or conversations, got {_kind(requests)}")
    shared = {**arguments} if model is None else {"model": model, **arguments}
    plan = BatchPlan(
        requests=[{**shared, **_arguments(number, one)} for number, one in enumerate(requests)],
        max_concurrent=max_concurrent,
        progress=sys.stderr.isatty() if progress is None else progress,
        file=None if file is None else Path(file),
    )
    if any(one.get("stream") for one in plan.requests):
        raise ConfigError("stream: the requests of a batch are answered whole; leave it out")
    if plan.file is not None:
        plan.keys = [_key(number, one) for number, one in enumerate(plan.requests)]
        plan.known = _known(plan.file, plan.keys)
    return plan


def _arguments(number: int, given: Any) -> dict[str, Any]:
    """What one request means: a message, a conversation, or arguments of `create` that hold one."""
    given = _plain(given)
    if isinstance(given, Mapping):
        request = dict(cast("Mapping[str, Any]", given))
        if "messages" not in request:
            request = {"messages": [request]}
    else:
        request = {"messages": given}
    messages: Any = request["messages"]
    if not _listlike(messages):
        raise ConfigError(f"requests[{number}]: expected a message or a list of them, got {_kind(messages)}")
    listed: list[Any] = [_plain(one) for one in messages]
    odd: list[Any] = [one for one in listed if not (isinstance(one, Mapping) and "role" in one)]
    if odd or not listed:
        found = f"{_kind(odd[0])} without" if odd else "none"
        raise ConfigError(f"requests[{number}]: expected messages with a role, got {found}")
    return {**request, "messages": listed}


def _plain(given: Any) -> Any:
    """A message that was taken from a reply as the SDK would send it; anything else as it is."""
    return given.model_dump(mode="json", exclude_unset=True) if isinstance(given, BaseModel) else given


def _listlike(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _kind(value: object) -> str:
    return type(value).__name__


def _key(number: int, request: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(request, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"requests[{number}]: a batch with a file holds plain JSON only: {error}") from None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _known(file: Path, keys: list[str]) -> dict[int, Any]:
    """The answers that a file holds already. A last line that was cut short is taken back."""
    if not file.parent.is_dir():
        raise ConfigError(f"file: expected a path in an existing directory, got {str(file)!r}")
    if not file.exists():
        return {}
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"file: expected a file of answers, cannot read it ({_kind(error)})") from None
    *lines, torn = content.split(b"\n")
    known: dict[int, Any] = {}
    for place, line in enumerate(lines, 1):
        number, key, reply = _entry(file, place, line)
        if not 0 <= number < len(keys) or keys[number] != key:
            raise ConfigError(f"file: line {place} of {file} answers another request; each batch has its own file")
        known[number] = reply
    if torn:
        os.truncate(file, len(content) - len(torn))
    return known


def _entry(file: Path, place: int, line: bytes) -> tuple[int, str, Any]:
    try:
        entry: Any = json.loads(line)
        if entry["version"] == VERSION:
            return int(entry["number"]), str(entry["request"]), dict(entry["reply"])
    except (ValueError, TypeError, KeyError):
        pass
    raise ConfigError(f"file: line {place} of {file} is no answer of a batch (version {VERSION})")


class _Bar:
    """How far the batch is, on one line of the terminal."""

    def __init__(self, total: int, *, done: int, shown: bool, to: TextIO | None = None) -> None:
        self._total = total
        self._done = self._before = done
        self._failed = 0
        self._to = to or sys.stderr
        self._shown = shown and total > done
        self._began = time.monotonic()
        self._draw()

    def step(self, *, failed: bool) -> None:
        """One more request has ended."""
        self._done += 1
        self._failed += failed
        self._draw()

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            self._to.write("\n")
            self._to.flush()

    def _draw(self) -> None:
        if not self._shown:
            return
        full = WIDTH * self._done // self._total
        failed = f", {self._failed} failed" if self._failed else ""
        self._to.write(
            f"\r{'█' * full}{'░' * (WIDTH - full)} {self._done}/{self._total}{failed}, {self._left()}   "
        )
        self._to.flush()

    def _left(self) -> str:
        made = self._done - self._before
        if not made:
            return "..."
        seconds = (time.monotonic() - self._began) / made * (self._total - self._done)
        return f"{seconds:.0f} s left"
