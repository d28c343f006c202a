"""What a cassette keeps of requests and replies, and the file it keeps them in."""

from __future__ import annotations

import copy
import importlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hanzo_agents.testing.cassettes.bodies import parsed, pruned, readable
from hanzo_agents.testing.cassettes.matching import Asked
from hanzo_agents.testing.cassettes.scanning import scan_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanzo_agents.testing.cassettes.scrubbing import Scrubber

__all__ = ["CassetteError", "CassetteNotFoundError", "Files", "Rules", "SecretFoundError", "target_of"]

_SITE = "http://recorded"
"""Stands in the file for scheme, host and port, which are never compared."""


class CassetteError(Exception):
    """A cassette cannot be used."""


class CassetteNotFoundError(CassetteError, FileNotFoundError):
    """There is no such cassette, and the mode does not allow to record one."""


class SecretFoundError(CassetteError):
    """What was recorded still holds a secret; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is stored of an interaction, and how requests compare."""

    ignore: tuple[tuple[str | int, ...], ...]
    scrubber: Scrubber
    request_headers: frozenset[str]
    response_headers: frozenset[str]

    def request(self, request: Any) -> Any:
        """The request as stored. Also asked for requests to be matched: both sides are scrubbed alike."""
        request = copy.copy(request)
        self.scrubber.learn(dict(request.headers))
        request.uri = _SITE + self.scrubber.scrub_target(target_of(request.uri))
        request.headers = self._headers(request.headers, self.request_headers)
        request.body = self._body(request.body)
        return request

    def response(self, response: Any) -> Any:
        """The response as stored: uncompressed, readable, without secrets."""
        response = importlib.import_module("vcr.filters").decode_response(response)
        body = response["body"]["string"]
        response["body"] = {"string": self._body(body)}
        kept = self.response_headers | {"content-encoding"}
        response["headers"] = {
            name: [values] if isinstance(values, str) else list(values)
            for name, values in self._headers(response["headers"], kept).items()
        }
        return response

    def asked(self, request: Any) -> Asked:
        """What a request that went through `request` is matched on."""
        return Asked(
            method=request.method,
            target=target_of(request.uri),
            body=pruned(parsed(request.body), self.ignore),
        )

    def same(self, one: Any, other: Any) -> bool:
        """Whether two such requests match."""
        return self.asked(one) == self.asked(other)

    def _headers(self, headers: Any, kept: Iterable[str]) -> dict[str, Any]:
        return {
            name.lower(): self.scrubber.scrub(values)
            if isinstance(values, str)
            else [self.scrubber.scrub(value) for value in values]
            for name, values in sorted(headers.items())
            if name.lower() in kept
        }

    def _body(self, body: Any) -> Any:
        if not isinstance(body, bytes) or not body:
            return body
        text = readable(body)
        return body if text is None else self.scrubber.scrub(text).encode("utf-8")


class Files:
    """Reads and writes cassettes for vcrpy: strictly, at once, and never with a secret in them."""

    def __init__(self, scrubber: Scrubber, *, afresh: bool) -> None:
        self._scrubber = scrubber
        self._afresh = afresh
        self._unwritten: tuple[Path, Any, Any] | None = None

    def load_cassette(self, path: Path, serializer: Any) -> Any:
        """Requests and responses; an unreadable file is an error, and not an empty cassette."""
        if self._afresh or not path.is_file():
            raise importlib.import_module("vcr.persisters.filesystem").CassetteNotFoundError
        try:
            return importlib.import_module("vcr.serialize").deserialize(path.read_text("utf-8"), serializer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CassetteError(f"{path} is not a cassette: {type(error).__name__}: {error}") from error

    def save_cassette(self, path: Path, interactions: Any, serializer: Any) -> None:
        """Keep it for `write`: vcrpy asks while its patches are in place, and an error here would leave them there."""
        self._unwritten = path, interactions, serializer

    def write(self) -> None:
        """Write what vcrpy asked to save: the whole file or nothing."""
        if self._unwritten is None:
            return
        path, interactions, serializer = self._unwritten
        text: str = importlib.import_module("vcr.serialize").serialize(interactions, serializer)
        if findings := scan_text(text, path, self._scrubber.known):
            listed = "".join(f"\n  {finding}" for finding in findings)
            raise SecretFoundError(f"{path} was not written, it would hold secrets:{listed}")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(draft).unlink()
            raise


def target_of(uri: str) -> str:
    """Path and query of a URI."""
    parts = urlsplit(uri)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
