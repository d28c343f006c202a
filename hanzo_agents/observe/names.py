"""Names as labels: of this package's own making where they can be, few enough and plain where they cannot.

What a model is called comes from an upstream, and an upstream may say anything: a name a request would fill the
memory of whoever collects it, and half a character breaks the page it is printed on.
"""

from __future__ import annotations

__all__ = ["OTHER", "Names", "error_name", "plain"]

OTHER = "other"
LONGEST = 120
"""Characters of a name; the longest model names in public use have about 80."""

_CONTROL = dict.fromkeys((*range(32), *range(127, 160), 0x2028, 0x2029), " ")


def plain(text: str, longest: int = LONGEST) -> str:
    """A text on one line: no control characters, nothing that cannot be encoded, no more than `longest`."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    elif text.isascii() and text.isprintable():
        return text
    return text.translate(_CONTROL).encode("utf-8", "replace").decode("utf-8")


class Names:
    """The first `most` names; all that come later are "other". Not for use from two threads at once."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[tuple[str, str]] = set()

    def of(self, name: str, group: str = "") -> str:
        """The label of a name, of those of a group if one is given; `most` are kept in all groups together."""
        if (group, name) in self._known or not name:
            return name
        label = plain(name)
        key = (group, label)
        if key not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(key)
        return label


def error_name(error: BaseException) -> str:
    """The class of an error, by the name a caller can catch: private classes go by their parent's."""
    return next(kind.__name__ for kind in type(error).__mro__ if not kind.__name__.startswith("_"))
