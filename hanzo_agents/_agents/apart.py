"""Questions that are alike, at the Model seam."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.canonical import CANONICAL
from hanzo_agents._kernel.codec import Question
from hanzo_agents._kernel.likeness import Apart
from hanzo_agents._wire.keeping.apart import response_of, text_in, without_last_text

if TYPE_CHECKING:
    from hanzo_agents._agents.codec import ModelCodec
    from hanzo_agents._agents.view import ModelView
    from hanzo_agents._kernel.call import Call

__all__ = ["ModelLikeness"]


class ModelLikeness:
    """Takes the calls of models apart. Models have no embeddings."""

    def __init__(self, codec: ModelCodec) -> None:
        self._codec = codec

    def apart(self, call: Call) -> Apart:
        """What a call asks, what the user says last taken out of it."""
        view: Any = call.view
        asked: ModelView = view
        found = without_last_text(asked.messages)
        if isinstance(found, str):
            return Apart(Question(obstacle=found))
        text, items = found
        rest = self._codec.question(call.but(view=replace(asked, input=items)))
        tools = bool(asked.tools or asked.handoffs)
        alone = len(items) == 1 and not (asked.system_instructions or tools or asked.output_schema)
        return Apart(rest, text, alone, tools)

    def embedding(self, call: Call, model: str, text: str) -> None:
        """There is no endpoint to ask."""

    def vector(self, value: object) -> list[float]:
        """Nothing to read it from."""
        raise TypeError(f"a model has no embeddings, got {type(value).__name__}")

    def spoken(self, call: Call, text: str) -> bytes:
        """A response of one message that says this."""
        answer = response_of(text, call.target.name)
        kept: dict[str, Any] = dict.fromkeys(("id", "usage", "raw_usage"))
        kept |= {"status": "completed", "output": answer["output"], "response": {}}
        return CANONICAL.encode(kept).encode()

    def text_of(self, body: bytes) -> str:
        """What a response says."""
        return text_in(json.loads(body))
