"""Letting somebody watch: every attempt and every decision of a call, as it happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Observer
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Trace", "bridge"]

_bridges: list[Observer] = []


def bridge(observer: Observer) -> None:
    """Add an observer that every `Trace()` without `to` reports to."""
    _bridges.append(observer)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Report the call to observers.

    Attributes:
        to: who watches. None means the Agents SDK's tracing, once the provider has been imported: a child span
            for every attempt and decision under the current span, without prompts, answers or keys.
    """

    place: ClassVar[Place] = Place.TRACE

    to: Sequence[Observer] | None = None

    def __post_init__(self) -> None:
        """Check the observers; ConfigError says what is missing from one."""
        if self.to is not None and not isinstance(self.to, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Trace.to: expected a list of observers, got {type(self.to).__name__}")
        for observer in self.to or ():
            for name in ("attempt_started", "attempt_ended", "decided", "call_ended"):
                if not callable(getattr(observer, name, None)):
                    raise ConfigError(f"Trace.to: expected observers, {type(observer).__name__} has no {name}")

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send while the observers watch."""
        # A leg of a call that is traced above us is told there; who watches explicitly hears of it all the same.
        bridges = () if call.journal.leg else _bridges
        for observer in bridges if self.to is None else self.to:
            call.journal.watched_by(observer)
        return await send(call)
