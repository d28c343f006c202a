"""Answers in words: what a policy that makes one answer of several asks of a seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Part", "Voice"]

Part = Literal["answers", "advises", "judges"]
"""What is asked of a model in an ensemble: the caller's answer, advice on it, or a judgement of answers."""


class Voice(Protocol):
    """Reads the answers of a seam, and gives them again in the form a caller wants. One a seam."""

    def offered(self, call: Call) -> Sequence[str]:
        """The tools that the answer may call, each by its name and what it is for."""
        ...

    def in_tool_loop(self, call: Call) -> bool:
        """Whether the conversation ends with results of tools, for which the answerer has asked."""
        ...

    def advised(self, call: Call, *, instructions: str = "", message: str = "", part: Part = "answers") -> Call:
        """The same conversation, with more in it.

        Args:
            call: asks it.
            instructions: added to those of the system.
            message: added to the user's last message.
            part: who is asked. One that "advises" is offered no tools and bound to no form, and reads in words of
                the calls there were; one that "judges" is not bound by limits and sampling either.
        """
        ...

    def whole(self, call: Call) -> Call:
        """The call, asking for its answer as one value however its caller wants it."""
        ...

    def text(self, value: Any) -> str:
        """What an answer says; empty when it says nothing."""
        ...

    def acts(self, value: Any) -> bool:
        """Whether an answer calls a tool, also beside what it says."""
        ...

    async def gathered(self, call: Call, reply: Reply, hear: Callable[[str], None]) -> Any:
        """Read a reply to its end, each piece of its text shown to `hear`, and close it.

        Returns:
            The answer, as one value.

        Raises:
            InvalidResponse: it makes none.
        """
        ...

    async def told(self, call: Call, reply: Reply) -> Reply:
        """An answer that was had as one value: the very same, in the form in which `call` wants it."""
        ...
