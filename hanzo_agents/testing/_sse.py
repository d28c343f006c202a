"""Server-sent events as different servers write them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from hanzo_agents.testing._http import Send

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hanzo_agents.testing._http import Mark

__all__ = ["DIALECTS", "Dialect", "Event"]


@dataclass(frozen=True)
class Event:
    """One event of a stream: JSON, or text sent as it is (`[DONE]`)."""

    data: Any
    mark: Mark = "content"
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the events of a stream are spelled. All of these are legal, and mean the same.

    Attributes:
        newline: The end of a line.
        space: Whether a space follows `data:`.
        bom: Whether the stream begins with a byte order mark.
        names: Whether events that have no name of their own are called `message`.
        ids: Whether every event has an `id`, and the first one a `retry`.
        pings: Whether a comment comes between the events.
        lines: Whether the JSON is spread over several `data:` lines.
        piece: How many bytes are sent at once; None sends each event as one piece.
    """

    newline: str = "\n"
    space: bool = True
    bom: bool = False
    names: bool = False
    ids: bool = False
    pings: bool = False
    lines: bool = False
    piece: int | None = None

    def encode(self, events: Iterable[Event]) -> Iterator[Send]:
        """Yield the bytes of `events`, marked with what they mean."""
        if self.bom:
            yield Send(b"\xef\xbb\xbf", "comment")
        for number, event in zip(count(1), events, strict=False):
            if self.pings:
                yield Send(f":ping{self.newline * 2}".encode(), "comment")
            yield from self._pieces(self._spell(event, number), event.mark)

    def _spell(self, event: Event, number: int) -> bytes:
        name = event.name or ("message" if self.names else None)
        lines = [f"event: {name}"] if name else []
        if self.ids:
            lines += [f"id: {number}"] + (["retry: 3000"] if number == 1 else [])
        lines += [f"data:{' ' * self.space}{line}" for line in self._text(event).split("\n")]
        return self.newline.join([*lines, "", ""]).encode()

    def _text(self, event: Event) -> str:
        if isinstance(event.data, str):
            return event.data
        if self.lines:
            return json.dumps(event.data, ensure_ascii=False, indent=1)
        return json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))

    def _pieces(self, data: bytes, mark: Mark) -> Iterator[Send]:
        step = self.piece or len(data)
        for start in range(0, len(data), step):
            yield Send(data[start : start + step], mark)


DIALECTS: dict[str, Dialect] = {
    "plain": Dialect(),
    "crlf": Dialect(newline="\r\n"),
    "cr": Dialect(newline="\r"),
    "no-space": Dialect(space=False),
    "bom": Dialect(bom=True),
    "named": Dialect(names=True),
    "ids": Dialect(ids=True),
    "pings": Dialect(pings=True),
    "multi-line": Dialect(lines=True),
    "one-byte": Dialect(piece=1),
    "everything": Dialect(newline="\r\n", space=False, bom=True, names=True, ids=True, pings=True, lines=True),
}
"""The dialects of the wild, by name, ready to parametrize a test with."""
