"""Looking for secrets in cassettes that exist: the gate before they are committed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hanzo_agents.testing.cassettes.bodies import events, leaves
from hanzo_agents.testing.cassettes.layout import deserialize
from hanzo_agents.testing.cassettes.scrubbing import REDACTED, Scrubber, secret_header, secret_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Finding", "scan", "scan_text"]

_SHOWN = 4
_STREAMED = frozenset({"content", "delta", "arguments", "text", "refusal", "reasoning", "reasoning_content"})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something in a cassette that looks like a secret. Never shows it."""

    path: Path
    line: int
    """Where it is; 0 when it is spread over several lines, as a key in the deltas of a stream."""
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def scan(path: str | Path, *, secrets: Iterable[str] = ()) -> list[Finding]:
    """Find what looks like a secret in a cassette, or in every `.yaml`, `.yml` and `.json` under a directory.

    Args:
        path: a file or a directory.
        secrets: keys that must not be there, whatever they look like.
    """
    path = Path(path)
    known = Scrubber(secrets).known
    files = (
        sorted(file for file in path.rglob("*") if file.suffix in {".yaml", ".yml", ".json"})
        if path.is_dir()
        else [path]
    )
    return [finding for file in files for finding in scan_text(file.read_text("utf-8"), file, known)]


def scan_text(text: str, path: Path, known: Iterable[str] = ()) -> list[Finding]:
    """The same for the text of one cassette."""
    search = _Search(text, path, tuple(known))
    for number, line in enumerate(search.lines, 1):
        search.look(line, "looks like a secret", number)
    try:
        stored = deserialize(text)
    except ValueError as error:
        search.found.setdefault("", Finding(path=path, line=0, what=f"cannot be read: {error}"))
        return list(search.found.values())
    for name, value in _headers(stored):
        if secret_header(name) and value != REDACTED:
            search.add(value, f"header {name}")
    for _, value in leaves(stored):
        leaf = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if isinstance(leaf, str):
            search.look(leaf, "looks like a secret")
            for joined in _streamed(leaf):
                search.look(joined, "spread over the deltas of a stream")
    return list(search.found.values())


class _Search:
    """What was found in one text, each secret once."""

    def __init__(self, text: str, path: Path, known: tuple[str, ...]) -> None:
        self.lines = text.splitlines()
        self.found: dict[str, Finding] = {}
        self._path = path
        self._known = known

    def look(self, piece: str, kind: str, line: int | None = None) -> None:
        for secret in (*(secret for secret in self._known if secret in piece), *secret_texts(piece)):
            self.add(secret, kind, line)

    def add(self, secret: str, kind: str, line: int | None = None) -> None:
        if secret not in self.found:
            where = line or next((n for n, other in enumerate(self.lines, 1) if secret in other), 0)
            what = f"{kind}: {secret[:_SHOWN]}… ({len(secret)} characters)"
            self.found[secret] = Finding(path=self._path, line=where, what=what)


def _headers(stored: Any) -> Iterator[tuple[str, str]]:
    for path, value in leaves(stored):
        if "headers" in path[:-1] and isinstance(value, str):
            yield str(path[path.index("headers") + 1]), value


def _streamed(text: str) -> Iterator[str]:
    """The texts that a stream's deltas spell together."""
    if "data:" not in text:
        return
    spelled: dict[tuple[str | int, ...], list[str]] = {}
    for event in events(text):
        for path, value in leaves(event):
            if isinstance(value, str) and path and path[-1] in _STREAMED:
                spelled.setdefault(path, []).append(value)
    yield from ("".join(parts) for parts in spelled.values())
