"""What a server says, made fit to be read: by a model, which would follow hidden orders, and by a terminal."""

from __future__ import annotations

import re

__all__ = ["clean", "shortened"]

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?"  # the rest
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_HIDDEN = dict.fromkeys(
    (
        *(code for code in range(32) if chr(code) not in "\n\t"),
        *range(0x7F, 0xA0),
        0x00AD, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070),
        0xFEFF, *range(0xFFF9, 0xFFFC), *range(0xD800, 0xE000),
        *range(0xE0000, 0xE1000),  # tags: a whole alphabet that nobody sees, and models read
    )
)  # fmt: skip
"""Control characters but for newline and tab; what turns or hides text; halves of pairs, which no JSON takes.

Joiners (U+200C, U+200D) stay: Persian, Hindi and emoji need them.
"""


def clean(text: str) -> str:
    """The text without escape sequences, control characters and invisible ones."""
    return _ESCAPES.sub("", text.replace("\r\n", "\n")).translate(_HIDDEN)


def shortened(text: str, most: int) -> str:
    """At most `most` characters of the text, with a marker that says how much there was."""
    if len(text) <= most:
        return text
    marker = f"\n[truncated: these are the first {{}} of {len(text):,} characters]"
    # A limit below the marker's own length leaves the marker: that something is missing must be said.
    kept = max(most - len(marker) - 12, 0)
    return text[:kept] + marker.format(f"{kept:,}")
