"""Commands of servers: which may be started, and how they are shown without what is secret in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hanzo_agents._wire.redact import MASK
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["permit", "shown"]

_SECRET = re.compile(r"key|token|secret|passw|credential|auth|header", re.IGNORECASE)
_VALUE = re.compile(r"(?i)\bbearer\s|authorization:|://[^/\s]*@|://\S*\?")
_LOADS_CODE = frozenset(
    {"PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "NODE_OPTIONS", "NODE_PATH", "BASH_ENV"}
)


def shown(command: Sequence[str]) -> str:
    """The command for people, without the values of options that are called like secrets, and URLs with keys."""
    words: list[str] = []
    hide = False
    for word in command:
        flag, equals, _ = word.partition("=")
        secret = _SECRET.search(flag) is not None and flag.startswith("-")
        if hide or _VALUE.search(word):
            words.append(MASK)
        else:
            words.append(f"{flag}={MASK}" if secret and equals else word)
        hide = secret and not equals
    return " ".join(words)


def permit(name: str, command: str, program: str | None, env: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Hold a command against the list of programs that may be started.

    Raises:
        ConfigError: it is not among them, or its environment would have it run other code.
    """
    if command not in allowed and (program is None or program not in allowed):
        raise ConfigError(f"{name}: {Path(command).name!r} is not among the permitted commands")
    for variable in env:
        if variable in _LOADS_CODE or variable.startswith(("LD_", "DYLD_")):
            raise ConfigError(f"{name}: {variable} could have a permitted command run other code")
