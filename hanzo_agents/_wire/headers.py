"""The headers of a response, read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["told_by"]

_PLACE = "hanzo_agents.headers"


def told_by(response: Any) -> Mapping[str, str]:
    """What a response says in its headers, by names in small letters. Kept with it.

    httpx2 goes through all headers for each that is asked for, and longest for those that are not there.
    """
    told: Mapping[str, str] | None = response.extensions.get(_PLACE)
    if told is None:
        told = response.extensions[_PLACE] = dict(response.headers.items())
    return told
