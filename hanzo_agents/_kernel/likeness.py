"""Questions that are alike: what a policy that looks for them asks of a seam."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.codec import Question

__all__ = ["Apart", "Likeness"]


@dataclass(frozen=True, slots=True)
class Apart:
    """A question in two: what the user says last, and all the rest.

    Attributes:
        rest: the question without that text; its obstacle says why it cannot be taken apart.
        text: what the user says last, when nothing but a text is said last.
        alone: nothing else is told to the model: no instructions, no conversation, no tools, no form.
        tools: whether the answer may call some.
    """

    rest: Question
    text: str = field(default="", repr=False)
    alone: bool = False
    tools: bool = False


class Likeness(Protocol):
    """Takes the questions of a seam apart, and gives answers again that are only text. One a seam."""

    def apart(self, call: Call) -> Apart:
        """What the call asks, what the user says last taken out of it. Pure."""
        ...

    def embedding(self, call: Call, model: str, text: str) -> Call | None:
        """A call of the same endpoint for the embedding of a text, once; None where no endpoint has any."""
        ...

    def vector(self, value: object) -> list[float]:
        """The numbers in the answer to such a call. Raises as `Codec.reply` does."""
        ...

    def spoken(self, call: Call, text: str) -> bytes:
        """An answer that says this, as it is kept."""
        ...

    def text_of(self, body: bytes) -> str:
        """What an answer says that was kept. Raises as `Codec.reply` does."""
        ...
