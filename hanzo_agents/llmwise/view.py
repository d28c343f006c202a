"""A mode call as policies see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.counts import bounded, count_of, json_size
from hanzo_agents._kernel.shapes import as_dict, as_list, dicts, media_in, texts_in
from hanzo_agents.llmwise.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hanzo_agents.llmwise.request import Request

__all__ = ["ModeView"]


@dataclass(frozen=True, slots=True)
class ModeView:
    """The body of a chat, compare, blend or judge request."""

    request: Request[Any]

    @property
    def body(self) -> Mapping[str, Any]:
        """What is sent."""
        return self.request.body or {}

    @property
    def operation(self) -> str:
        """The mode."""
        return MODES[self.request.path]

    @property
    def model(self) -> str:
        """The model that is asked; of the modes that ask several, the name of the mode."""
        named = self.body.get("model")
        return named if isinstance(named, str) and named.strip() else self.operation

    @property
    def models(self) -> list[str]:
        """Every model that is asked and answers."""
        body = self.body
        return [str(name) for name in as_list(body.get("models") or body.get("contestants") or [self.model])]

    @property
    def spare_models(self) -> list[str]:
        """The models to which the service may move a chat by itself."""
        return [
            name for name in as_list(as_dict(self.body.get("routing")).get("fallback")) if isinstance(name, str)
        ]

    @property
    def streams(self) -> bool:
        """Whether events are asked for."""
        return bool(self.body.get("stream"))

    @property
    def text(self) -> str:
        """All text that goes in."""
        return "\n".join(text for message in self.messages for text in texts_in(message))

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation."""
        return dicts(list(self.body.get("messages") or ()))

    @property
    def needs(self) -> frozenset[str]:
        """What the models must be able to read: "vision" for images."""
        return frozenset(media_in(self.messages))

    @property
    def max_output(self) -> int | None:
        """The most tokens that each model may answer with."""
        return count_of(self.body.get("max_tokens"))

    @property
    def choices(self) -> int:
        """How many models answer."""
        return max(len(self.models), 1)

    @property
    def given_tokens(self) -> int:
        """None: nothing is given as numbers."""
        return 0

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return json_size(self.body)

    @property
    def foretold(self) -> int:
        """None: the API takes no predictions."""
        return 0

    @property
    def stateful(self) -> bool:
        """Whether a conversation is kept at the service."""
        return bool(self.body.get("conversation_id"))

    @property
    def dropped(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def with_model(self, model: str | None) -> ModeView:
        """The same chat with another model; the other modes name theirs in their own way."""
        if model is None or self.operation != "chat":
            return self
        return self._but(model=model)

    def with_max_output(self, tokens: int) -> ModeView:
        """The same with no larger answers."""
        return self._but(max_tokens=bounded(self.body.get("max_tokens"), tokens, "max_tokens"))

    def _but(self, **changes: Any) -> ModeView:
        return ModeView(replace(self.request, body={**self.body, **changes}))
