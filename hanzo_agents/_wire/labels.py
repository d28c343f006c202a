"""Who calls and what for, in the fields that the router really reads.

Measured on hanzo-llm 1.82.2: it logs the end user from `user` and `x-litellm-end-user-id`, tags from
`x-litellm-tags`, metadata from `x-litellm-spend-logs-metadata` and, on chat, from the body. Metadata in the body
of a Responses request goes to the provider and makes the router report a cost of zero.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._wire.dialects.dialect import Dialect

__all__ = ["Labels"]


@dataclass(frozen=True, slots=True)
class Labels:
    """The caller's user id and metadata (`tags` among it)."""

    user: str | None = None
    metadata: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what the router could not read; ConfigError names the field."""
        if self.user is not None and not (isinstance(self.user, str) and self.user.strip()):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"user_id: expected a non-empty string, got {self.user!r}")
        if self.metadata is None:
            return
        if not isinstance(self.metadata, dict):
            raise ConfigError(f"metadata: expected a dict, got {type(self.metadata).__name__}")
        try:
            json.dumps(self.metadata, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"metadata: expected plain JSON: {error}") from None
        for tag in self._tags():
            if not isinstance(tag, str) or "," in tag or not tag.isascii() or not tag.isprintable():
                raise ConfigError(f"metadata.tags: expected ASCII strings without commas, got {tag!r}")

    def _tags(self) -> list[Any]:
        tags: Any = (self.metadata or {}).get("tags") or []
        if not isinstance(tags, list):
            raise ConfigError(f"metadata.tags: expected a list, got {type(tags).__name__}")
        return tags  # pyright: ignore[reportUnknownVariableType]

    def on(self, body: Mapping[str, Any], dialect: Dialect) -> Mapping[str, Any]:
        """The body with these labels; what it says itself wins."""
        if self.user is None and self.metadata is None:
            return body
        labelled = dict(body)
        if self.user is not None:
            labelled.setdefault("user", self.user)
        if self.metadata is not None and dialect.takes_metadata:
            labelled["metadata"] = {**self.metadata, **as_dict(body.get("metadata"))}
        return labelled

    def headers(self) -> dict[str, str]:
        """The same as headers, for what the body does not carry."""
        headers: dict[str, str] = {}
        if self.user is not None:
            # Letters beyond ASCII would not survive a header as they are.
            name = self.user if self.user.isascii() and self.user.isprintable() else json.dumps(self.user)
            headers |= {"X-User-ID": name, "x-litellm-end-user-id": name}
        if self.metadata is not None:
            headers["x-litellm-spend-logs-metadata"] = json.dumps(self.metadata)
            if tags := self._tags():
                headers["x-litellm-tags"] = ",".join(tags)
        return headers
