"""`use_cassette`: the recorder itself, on top of vcrpy.

vcrpy does the intercepting (it replaces `handle_request` and `handle_async_request` on the transports of
httpx2 and httpx, so a custom transport that ends in one of those is covered) and the bookkeeping. What is
stored, how it is compared, and what happens on a miss is decided here.
"""

from __future__ import annotations

import importlib
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hanzo_agents.testing.cassettes import layout
from hanzo_agents.testing.cassettes.bodies import parsed, path_of
from hanzo_agents.testing.cassettes.matching import CassetteMiss, explain
from hanzo_agents.testing.cassettes.scrubbing import REQUEST_HEADERS, RESPONSE_HEADERS, Scrubber
from hanzo_agents.testing.cassettes.storing import CassetteNotFoundError, Files, Rules, target_of

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable

__all__ = ["Cassette", "Interaction", "Mode", "UnusedRecordings", "use_cassette"]

Mode = Literal["none", "once", "all"]
"""`none`: replay only. `once`: record when there is no file, else replay. `all`: record, replace the file."""


class UnusedRecordings(AssertionError):
    """Something was recorded that the run did not ask for."""


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """One recorded request and its reply, as stored: scrubbed, bodies parsed where they are JSON."""

    method: str
    target: str
    """Path and query."""
    request_headers: dict[str, str]
    body: Any
    status: int
    headers: dict[str, str]
    reply: Any
    played: bool

    def __str__(self) -> str:
        return f"{self.method} {self.target} -> {self.status}"


class Cassette:
    """A cassette in use. Made by `use_cassette`."""

    def __init__(self, path: Path, mode: Mode, tape: Any) -> None:
        self.path = path
        self.mode = mode
        self.misses: list[CassetteMiss] = []
        self._tape = tape

    @property
    def interactions(self) -> list[Interaction]:
        """What is recorded, in order; while recording, what was recorded so far."""
        return [
            Interaction(
                method=request.method,
                target=target_of(request.uri),
                request_headers=_flat(request.headers),
                body=parsed(request.body),
                status=response["status"]["code"],
                headers=_flat(response["headers"]),
                reply=parsed(response["body"]["string"]),
                played=self._tape.play_counts[index] > 0,
            )
            for index, (request, response) in enumerate(self._tape.data)
        ]

    @property
    def unused(self) -> list[Interaction]:
        """The recordings that were not played. Empty while recording."""
        if not self._tape.rewound:
            return []
        return [interaction for interaction in self.interactions if not interaction.played]

    def assert_all_used(self) -> None:
        """Raise `UnusedRecordings` when the run asked for less than was recorded."""
        if unused := self.unused:
            listed = "".join(f"\n  {interaction}" for interaction in unused)
            raise UnusedRecordings(f"{self.path} has {len(unused)} recording(s) that were not used:{listed}")

    def __repr__(self) -> str:
        return f"Cassette({str(self.path)!r}, mode={self.mode!r}, recorded={len(self._tape.data)})"


@contextmanager
def use_cassette(
    name: str | os.PathLike[str],
    *,
    mode: Mode = "none",
    directory: str | os.PathLike[str] = "cassettes",
    ignore: Iterable[str] = (),
    secrets: Iterable[str] = (),
    keep_request_headers: Iterable[str] = (),
    keep_response_headers: Iterable[str] = (),
    all_used: bool = False,
) -> Generator[Cassette]:
    """Replay HTTP from a cassette, or record it.

    Requests match on method, path with query, and parsed body; each recording is played once, in order. A
    request without a match is never sent: it raises `CassetteMiss`, which shows the nearest recording's diff,
    and raises it again at the end of the block, where no retry or fallback can hide it.

    Args:
        name: a name in `directory`, or the path of a `.yaml` file.
        mode: `"none"` replays and never goes live; `"once"` records when there is no file; `"all"` records
            anew. A block that ends in an error writes nothing.
        directory: where names are looked up, relative to the working directory.
        ignore: parts of JSON bodies left out of matching: `"user"`, `"messages[*].tool_call_id"`, `"**.id"`.
        secrets: texts to take out of what is stored, besides what looks like a key and the keys in headers.
        keep_request_headers: headers to store on top of `REQUEST_HEADERS`.
        keep_response_headers: headers to store on top of `RESPONSE_HEADERS`.
        all_used: also fail when something recorded was not asked for.

    Raises:
        CassetteMiss: a request that is not recorded.
        CassetteNotFoundError: no such cassette.
        SecretFoundError: what would be written still looks like it holds a secret.
        UnusedRecordings: with `all_used`.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")
    path = _path(name, Path(directory))
    if mode == "none" and not path.is_file():
        raise CassetteNotFoundError(f"there is no cassette {path}; record it (mode='all'; pytest --hanzo-record)")
    rules = Rules(
        ignore=tuple(path_of(part) for part in ignore),
        scrubber=Scrubber(secrets),
        request_headers=REQUEST_HEADERS | {header.lower() for header in keep_request_headers},
        response_headers=RESPONSE_HEADERS | {header.lower() for header in keep_response_headers},
    )
    with _quiet_vcr(), _tape(path, mode, rules) as tape:
        cassette = Cassette(path, mode, tape)
        _raise_misses(cassette, tape, rules)
        try:
            yield cassette
        except Exception as error:
            if cassette.misses and error is not cassette.misses[0]:
                raise cassette.misses[0] from error
            raise
        if cassette.misses:
            raise cassette.misses[0]
        if all_used:
            cassette.assert_all_used()


@contextmanager
def _tape(path: Path, mode: Mode, rules: Rules) -> Generator[Any]:
    """vcrpy's cassette: loaded, its patches in place. Written when they are gone, unless an error left the block."""
    vcr: Any = importlib.import_module("vcr.cassette")
    files = Files(rules.scrubber, afresh=mode == "all")
    with vcr.Cassette.use(
        path=path,
        serializer=layout,
        persister=files,
        record_mode=importlib.import_module("vcr.record_mode").RecordMode(mode),
        match_on=(rules.same,),
        before_record_request=rules.request,
        before_record_response=rules.response,
        record_on_exception=False,
    ) as tape:
        yield tape
    files.write()


def _raise_misses(cassette: Cassette, tape: Any, rules: Rules) -> None:
    """Make vcrpy raise our error, with the diff, where it would say that it cannot overwrite the cassette."""
    can_play = tape.can_play_response_for

    def can_play_or_miss(request: Any) -> bool:
        if can_play(request):
            return True
        if tape.write_protected:
            recorded = [
                (rules.asked(stored), tape.play_counts[index] > 0) for index, (stored, _) in enumerate(tape.data)
            ]
            miss = CassetteMiss(explain(rules.asked(rules.request(request)), recorded, cassette.path))
            cassette.misses.append(miss)
            raise miss
        return False

    tape.can_play_response_for = can_play_or_miss


@contextmanager
def _quiet_vcr() -> Generator[None]:
    """Keep vcrpy's log at warnings: at INFO it prints what it is about to record, before it is scrubbed."""
    logger = logging.getLogger("vcr")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)


def _flat(headers: Any) -> dict[str, str]:
    return {name: values if isinstance(values, str) else ", ".join(values) for name, values in headers.items()}


def _path(name: str | os.PathLike[str], directory: Path) -> Path:
    path = Path(name)
    return path if path.suffix in {".yaml", ".yml"} else directory / f"{path}.yaml"
