"""One more member in a JSON object that is encoded already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["with_member"]


def with_member(content: bytes | None, body: Mapping[str, Any], name: str, value: int) -> bytes | None:
    """The bytes of `body` with a member it has not; None when they must be encoded anew.

    A long conversation is then not encoded a second time for the sake of one number.
    """
    if content is None or not body or name in body:
        return None
    return b'%b,"%b":%d}' % (content[:-1], name.encode(), value)
