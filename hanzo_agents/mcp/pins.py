"""Whether a server still says of its tools what it said when they were first seen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hanzo_agents.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanzo_agents.mcp.definitions import ToolDefinition

__all__ = ["Pins"]


class Pins:
    """The definition of each tool as it was first seen. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pinned: dict[tuple[str, str], str] = {}
        self._changed: dict[tuple[str, str], str] = {}

    def see(self, tool: ToolDefinition) -> None:
        """Pin a tool that is new; of any other, note whether it is as it was."""
        key = tool.server, tool.name
        with self._lock:
            if self._pinned.setdefault(key, tool.digest) == tool.digest:
                self._changed.pop(key, None)
            else:
                self._changed[key] = tool.digest

    def accept(self, names: frozenset[str]) -> list[str]:
        """Take tools as they are now, all of them without names; the names of those that differed."""
        with self._lock:
            accepted = {key: digest for key, digest in self._changed.items() if not names or key[1] in names}
            self._pinned.update(accepted)
            for key in accepted:
                del self._changed[key]
            return sorted(name for _, name in accepted)

    def require(self, tools: Iterable[ToolDefinition]) -> None:
        """Refuse tools that have changed.

        Raises:
            ToolError: names them.
        """
        with self._lock:
            pinned = self._pinned.copy()
        changed = [t for t in tools if pinned.get((t.server, t.name), t.digest) != t.digest]
        if changed:
            names = ", ".join(f"{tool.name} of {tool.server}" for tool in changed)
            raise ToolError(
                f"{names}: the definition has changed since it was first seen; look at it, then accept_changes()",
                code="changed",
            )
