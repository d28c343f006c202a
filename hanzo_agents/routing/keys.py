"""Keys and passwords: by the shapes their makers publish, or by the name they are given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["key_spans"]

# Each prefix is the one its maker documents, as secret scanners know it.
_SHAPES = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
        sk-(?:proj-|svcacct-|ant-(?:api|admin)\d\d-|or-v1-)?[A-Za-z0-9_-]{20,200}   # OpenAI, Anthropic, OpenRouter
      | (?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{30,251})           # GitHub
      | glpat-[A-Za-z0-9_-]{20,64}                                                  # GitLab
      | (?:AKIA|ASIA)[A-Z2-7]{16}                                                   # AWS
      | xox[abeoprs]-[A-Za-z0-9-]{20,250}                                           # Slack
      | [rs]k_(?:live|test)_[A-Za-z0-9]{16,247}                                     # Stripe
      | AIza[A-Za-z0-9_-]{35}                                                       # Google
      | (?:hf_|gsk_|npm_|r8_|pplx-|xai-)[A-Za-z0-9]{30,120}                         # Hugging Face, Groq, npm, ...
      | SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}                              # SendGrid
      | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}               # JSON web tokens
      | -----BEGIN\ (?:[A-Z]+\ )?PRIVATE\ KEY-----
    )""",
    re.VERBOSE,
)
_NAMED = re.compile(
    r"""(?i:(?:api[_-]?key|access[_-]?key|secret[_-]?key|client[_-]?secret|private[_-]?key
        |auth[_-]?token|access[_-]?token|passw(?:or)?d|passphrase|secret|authorization|bearer))
        ["']?\s{0,3}(?:[:=]|\s(?:is|lautet|est|es)\s|(?<=[Bb]earer)\s)\s{0,3}(?:[Bb]earer\s|[Bb]asic\s)?
        ["']?(?P<value>[A-Za-z0-9_+/=!@\#$%^&*.~-]{8,250})""",
    re.VERBOSE,
)
_PREFIXES = (
    "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "AKIA", "ASIA", "xox", "k_live_",
    "k_test_", "AIza", "hf_", "gsk_", "npm_", "r8_", "pplx-", "xai-", "SG.", "eyJ", "-----BEGIN",
)  # fmt: skip
"""One of which every shape has: most texts have none, and are not searched for the rest."""

_IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:(?P<value>[^\s/@]{4,128})@", re.IGNORECASE)
_FILLERS = re.compile(
    r"(?i)your|example|placeholder|changeme|redacted|dummy|getenv|environ|xxxx|\*\*\*\*|\.\.\.|<|\$\{|(.)\1{7}"
)


def key_spans(text: str) -> Iterable[tuple[int, int]]:
    """Where keys and passwords stand."""
    if any(prefix in text for prefix in _PREFIXES):
        for match in _SHAPES.finditer(text):
            if not _FILLERS.search(match[0]):
                yield match.span()
    for pattern in (_NAMED, _IN_ADDRESS):
        for match in pattern.finditer(text):
            value = match["value"]
            if not _FILLERS.search(value) and (pattern is _IN_ADDRESS or _random(value)):
                yield match.span("value")


def _random(value: str) -> bool:
    """Whether it is made up by a machine or for a login: letters and digits mixed, and nothing that is code."""
    letters, digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    return letters and digits and not re.fullmatch(r"[A-Za-z_]+\d{0,2}|[a-z_.]+\d?", value)
