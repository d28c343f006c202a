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

_NAME = r"key|token|secret|passw|pwd|credential|auth|header|\bpat\b"
_SECRET = re.compile(_NAME, re.IGNORECASE)
_ASSIGNED = re.compile(rf"(?is)(.*?(?:{_NAME})[\w-]*\s*[=:]\s*).+")
"""`--api-key=...`, `-e API_KEY=...`, `x-api-key: ...`: kept is what stands before the value."""
_VALUE = re.compile(
    r"(?i)\bbearer\s|://[^/\s]*@|://\S*\?"
    r"|\b(?:sk|ghp|gho|ghs|ghu|github_pat|glpat|xox[a-z]|hf)[-_](?=[\w-]*\d)[\w-]{8,}"
)
_LOADS_CODE = frozenset((
    "PATH", "BASH_ENV", "GIT_SSH_COMMAND", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "NODE_OPTIONS", "NODE_PATH",
    "PERL5LIB", "PERL5OPT", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "RUBYLIB", "RUBYOPT",
))  # fmt: skip


def shown(command: Sequence[str]) -> str:
    """The command for people, without values that are called or look like secrets, and URLs with keys."""
    words: list[str] = []
    hide = False
    for word in command:
        assigned = _ASSIGNED.fullmatch(word)
        if hide or _VALUE.search(word):
            words.append(MASK)
        else:
            words.append(word if assigned is None else f"{assigned[1]}{MASK}")
        hide = not hide and word.startswith("-") and assigned is None and _SECRET.search(word) is not None
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
