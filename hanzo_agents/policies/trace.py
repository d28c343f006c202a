"""Letting somebody watch: every attempt and every decision of a call, as it happens."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Observer
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Trace", "Watching", "bridge", "watch"]

_bridges: list[Observer] = []
_watching: tuple[Watching, ...] = ()
_lock = threading.Lock()


def bridge(observer: Observer) -> None:
    """Add an observer that every `Trace()` without `to` reports to."""
    _bridges.append(observer)


class Watching:
    """An observer that watches the process, until it is told to `stop`. Made by `watch`."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer

    def stop(self) -> None:
        """Let calls that begin from now on go unwatched. Safe to repeat."""
        global _watching  # noqa: PLW0603 - the process has one list of those who watch it
        with _lock:
            _watching = tuple(other for other in _watching if other is not self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Watching({type(self.observer).__name__})"


def watch(observer: Observer) -> Watching:
    """Let an observer hear of every call in this process whose stack has a `Trace`, as the default stack does.

    It hears of calls that begin after this, in every provider and client, whatever else they report to; of a call
    that runs through two layers (a model of ours inside `wrap`), once.

        watch(Metrics())

    Returns:
        What ends it: `.stop()`, or a `with` block.

    Raises:
        ConfigError: the object cannot observe.
    """
    global _watching  # noqa: PLW0603 - the process has one list of those who watch it
    _check("watch", observer)
    watching = Watching(observer)
    with _lock:
        _watching = (*_watching, watching)
    return watching


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Report the call to observers.

    Attributes:
        to: who watches. None means the Agents SDK's tracing, once the provider has been imported: a child span
            for every attempt and decision under the current span, without prompts, answers or keys. Who watches
            the whole process (`watch`) hears of the call in either case.
        also: who watches besides those of `to`.
    """

    place: ClassVar[Place] = Place.TRACE

    to: Sequence[Observer] | None = None
    also: Sequence[Observer] = ()

    def __post_init__(self) -> None:
        """Check the observers; ConfigError says what is missing from one."""
        if self.to is not None and not isinstance(self.to, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Trace.to: expected a list of observers, got {type(self.to).__name__}")
        if not isinstance(self.also, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Trace.also: expected a list of observers, got {type(self.also).__name__}")
        for observer in self.to or ():
            _check("Trace.to", observer)
        for observer in self.also:
            _check("Trace.also", observer)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send while the observers watch."""
        journal = call.journal
        journal.target = str(call.target)
        for observer in self._observers(leg=journal.leg):
            journal.watched_by(observer)
        return await send(call)

    def plan(self, call: Call) -> Decision:
        """Who would hear of this call."""
        told = [type(observer).__name__ for observer in self._observers(leg=call.journal.leg)]
        return Decision("Trace", "reports", f"to {', '.join(told)}" if told else "to nobody")

    def _observers(self, *, leg: bool) -> Sequence[Observer]:
        # A leg of a call that is traced above us is told there; who watches explicitly hears of it all the same.
        own = (() if leg else _bridges) if self.to is None else self.to
        if self.also:
            own = [*own, *self.also]
        if not _watching:
            return own
        told: list[Observer] = [] if leg else list({id(w.observer): w.observer for w in _watching}.values())
        return [*(observer for observer in own if not any(observer is w.observer for w in _watching)), *told]


def _check(field: str, observer: object) -> None:
    for name in ("attempt_started", "attempt_ended", "decided", "call_ended"):
        if not callable(getattr(observer, name, None)):
            raise ConfigError(f"{field}: expected observers, {type(observer).__name__} has no {name}")
    if isinstance(observer, type):
        raise ConfigError(f"{field}: expected observers, got the class {observer.__name__}: call it first")
