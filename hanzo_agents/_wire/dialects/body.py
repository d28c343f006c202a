"""What the request views of all dialects have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.counts import json_size

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BodyView"]


@dataclass(frozen=True, slots=True)
class BodyView:
    """A request by its body; of what policies ask, all that is so unless a dialect says otherwise."""

    body: Mapping[str, Any]
    content: bytes | None = field(default=None, repr=False)
    operation: str = ""
    dropped: tuple[str, ...] = ()

    @property
    def model(self) -> str | None:
        return self.body.get("model")

    @property
    def choices(self) -> int:
        return 1

    @property
    def given_tokens(self) -> int:
        return 0

    @property
    def size(self) -> int:
        size = json_size(self.body) if self.content is None else len(self.content)
        return size - json_size(self.body["metadata"]) if "metadata" in self.body else size

    @property
    def foretold(self) -> int:
        return 0

    @property
    def stateful(self) -> bool:
        return False
