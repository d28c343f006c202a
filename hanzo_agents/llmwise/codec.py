"""Chat answers that outlive their call: whole results, and streams made of them.

Answers of the other modes are not kept: their calls are pinned.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.canonical import CANONICAL, joined
from hanzo_agents._kernel.codec import Kept, Question
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.keeping.asked import routing_of
from hanzo_agents._wire.keeping.codec import follow, replayed

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.stack import Stack
    from hanzo_agents.llmwise.view import ModeView

__all__ = ["ChatCodec"]

_OF_EVENTS = frozenset({"delta", "done", "event", "status", "status_code", "error"})
"""What belongs to an event, and is no field of a result."""


class ChatCodec:
    """Keeps answers of one address and key.

    Args:
        address: of the API.
        key: whose answers they are; only a digest of it is held.
    """

    def __init__(self, address: str, key: str, stack: Stack) -> None:
        self._scope = CANONICAL.encode((address, routing_of(stack))).encode()
        self._secret = hashlib.sha256(b"hanzo entries\0" + key.encode()).digest()

    def question(self, call: Call) -> Question:
        """What is sent, and where to; whether it streams makes no other question."""
        view = _view(call)
        if view.body.get("semantic_memory"):
            return Question(obstacle="semantic_memory: the answer depends on what the service remembers")
        asked = {name: value for name, value in view.body.items() if name != "stream"}
        where = (call.target.base_url or "").encode()
        try:
            request = CANONICAL.encode(asked).encode()
        except (TypeError, ValueError, RecursionError) as error:
            return Question(obstacle=f"the request cannot be spelled: {error}")
        return Question(joined((b"llmwise", self._scope, where, request)), self._secret, asked.get("temperature"))

    def listen(
        self,
        call: Call,
        reply: Reply,
        heard: Callable[[Kept | str | None, Settled], None],
        moved: Callable[[], None],
    ) -> None:
        """Have `heard` called once: with the whole answer, why it is none to keep, or None when it broke off."""
        view = _view(call)
        if not view.streams:
            heard(_kept(view, dict(reply.value)), reply.settled or Settled())
            return
        said: list[str] = []
        told: dict[str, Any] = {}

        def feed(event: dict[str, Any]) -> None:
            if isinstance(delta := event.get("delta"), str):
                said.append(delta)
            told.update({name: value for name, value in event.items() if name not in _OF_EVENTS})

        follow(reply, feed, lambda: _kept(view, {**told, "content": "".join(said)}), heard, moved)

    async def reply(self, call: Call, body: bytes, attempt: Attempt) -> Reply:
        """The answer again, as a result or as a stream: one delta, and the end."""
        value = as_dict(json.loads(body))
        content = value["content"]
        if not _view(call).streams:
            return Reply(value, attempt, end=Settlement(Settled(attempt.usage, attempt.cost)))
        rest = {name: part for name, part in value.items() if name != "content"}
        named = {"model": value["model"]} if "model" in value else {}
        return await replayed([{**named, "delta": content}, {**rest, "event": "done"}], call, attempt)


def _view(call: Call) -> ModeView:
    view: ModeView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    return view


def _kept(view: ModeView, value: dict[str, Any]) -> Kept | str:
    if (reason := value.get("finish_reason")) not in (None, "", "stop"):
        return f"it ended with {reason}"
    if not value.get("content"):
        return "it is empty"
    answered = value.get("final_model")
    return Kept(CANONICAL.encode(value).encode(), substitute=answered is not None and answered != view.model)
