"""What tools are called before models: their own name where that is free, with their server's before it where not.

A name that was given away keeps its meaning for as long as the client lives, whatever servers do meanwhile.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Names"]

LONGEST = 64
"""What the OpenAI API takes, and of which characters: letters, digits, `_` and `-`."""
_OTHERS = re.compile(r"[^a-zA-Z0-9_-]+")

Key = tuple[str, str]
"""A server's name, and a tool's there."""


class Names:
    """The names of a client's tools. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[Key, str] = {}
        self._meaning: dict[str, Key] = {}

    def of(self, keys: Iterable[Key]) -> dict[Key, str]:
        """A name for each; those that want the same get their servers' names as well."""
        with self._lock:
            new = [key for key in keys if key not in self._of]
            wanted = Counter(_plain(tool) for _, tool in new)
            for key in new:
                own = _plain(key[1])
                free = wanted[own] == 1 and own not in self._meaning
                name = own if free else self._unused(key)
                self._of[key], self._meaning[name] = name, key
            return dict(self._of)

    def meaning(self, name: str) -> Key | None:
        """The tool with this name, None when none was ever given it."""
        with self._lock:
            return self._meaning.get(name)

    def _unused(self, key: Key) -> str:
        server, tool = key
        name = _plain(f"{server}__{tool}")
        while name in self._meaning:
            name = _plain(f"{server}__{tool}", salt=name)
        return name


def _plain(text: str, salt: str = "") -> str:
    """The text as a name that the API takes; one that had to be cut or salted ends in a digest."""
    name = _OTHERS.sub("_", text).strip("_-") or "tool"
    if len(name) <= LONGEST and not salt:
        return name
    digest = hashlib.sha256(f"{salt}\0{text}".encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9]}_{digest}"
