"""What each of several models answers, and nothing made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.stack import Place
from hanzo_agents.policies.ensemble.panel import Panel

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.target import Target

__all__ = ["Compare"]


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Ask all models the caller's own request, for an `audience` that hears them all.

    Each answers itself or fails. The reply is the first model's that answered: who wants one answer has no use for
    this.

    Attributes:
        models: to ask.
        patience: seconds that they get; None: until the deadline.

    Raises:
        EnsembleFailed: no model answered.
    """

    place: ClassVar[Place] = Place.ENSEMBLE

    models: tuple[Target, ...]
    patience: float | None = None

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Ask them all, and wait for all."""
        panel = Panel(policy="Compare", call=call, send=send, patience=self.patience, exact=True)
        panel.note("asks", ", ".join(map(str, self.models)))
        answered = await panel.round([panel.leg(target, part="answers") for target in self.models], rounds=1)
        reply, voice = answered[0].reply, call.voice
        assert reply is not None
        assert voice is not None
        return panel.summed(await voice.told(call, reply), answered[0].name)
