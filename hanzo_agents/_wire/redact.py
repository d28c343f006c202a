"""Taking keys out of what the upstream says, before anybody can store or print it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents.errors import InvalidResponse

__all__ = ["Secrets", "legible"]

CREDENTIALS = (
    "authorization",
    "proxy-authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "x-auth-token",
    "x-functions-key",
    "cookie",
)
MASK = "***"
SHORTEST = 6
"""Shorter keys are placeholders of test servers; removing them would mangle ordinary words."""


class Secrets:
    """The keys of one endpoint. Prints as nothing.

    Args:
        current: gives the key in use; it is asked whenever something is scrubbed, as a key may change.
        keys: further ones.
        request: a request whose own credentials are secret too.
    """

    __slots__ = ("_current", "_given", "_request")

    def __init__(
        self, *keys: str | None, current: Callable[[], str | None] | None = None, request: Any = None
    ) -> None:
        self._given = keys
        self._current = current
        self._request = request

    def sent_with(self, request: Any) -> Secrets:
        """These, and the credentials that a request carried: a key may have changed since, or be the caller's."""
        return Secrets(*self._given, current=self._current, request=request)

    @property
    def _keys(self) -> tuple[str, ...]:
        keys = [*self._given]
        if self._current is not None:
            keys.append(self._current())
        if self._request is not None:
            values = [self._request.headers.get(name) for name in CREDENTIALS]
            for value in filter(None, values):
                # "Bearer KEY", "KEY", or the values of cookies.
                keys += [part.rpartition("=")[2].strip() for part in value.split(";")] if "=" in value else []
                keys.append(value.rpartition(" ")[2])
        return tuple(key for key in keys if key is not None and len(key) >= SHORTEST)

    def scrub(self, text: str) -> str:
        """The text without the keys, and without their SHA-256 (the router prints that of a wrong key)."""
        for key in self._keys:
            if key in text:
                text = text.replace(key, MASK)
            digest = hashlib.sha256(key.encode()).hexdigest()
            if digest in text:
                text = text.replace(digest, MASK)
        return text

    def scrub_json(self, value: Any) -> Any:
        """Parsed JSON without the keys: in the text they may be escaped beyond recognition."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, dict):
            return {self.scrub(str(name)): self.scrub_json(part) for name, part in as_dict(value).items()}  # pyright: ignore[reportUnknownArgumentType]
        return [self.scrub_json(part) for part in as_list(value)] if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType]

    def excerpt(self, content: bytes, limit: int = 200) -> str:
        """The start of a body, readable and scrubbed."""
        # Scrubbed with a margin before it is cut: half a key at the cut would be no match.
        most = limit * 8
        margin = max(map(len, self._keys), default=0)
        text = self.scrub(content[: most + margin].decode("utf-8", "replace"))[:most]
        text = legible(text)
        return text if len(text) <= limit else text[: limit - 1] + "…"

    def scrub_error(self, error: InvalidResponse) -> None:
        """Take the keys out of an error that was made from what the upstream said."""
        error.args = (self.scrub(str(error)),)
        error.body = None if error.body is None else self.scrub(error.body)
        error.code = None if error.code is None else self.scrub(error.code)

    def __repr__(self) -> str:
        return "Secrets(...)"


def legible(text: str) -> str:
    """What somebody else wrote as one line without control characters, which a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
