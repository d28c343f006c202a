"""When a request is the recorded one, and what to say when it is not."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hanzo_agents.testing.cassettes.bodies import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Asked", "CassetteMiss", "explain"]

_MOST_LINES = 40
_MOST_PATHS = 8


class CassetteMiss(AssertionError):
    """A request that is not in the cassette. It was not sent.

    Clients wrap errors of their transport (`openai.APIConnectionError`), and retries and fallbacks act on
    those, so the miss is raised again where `use_cassette` ends: a test cannot pass over it.
    """


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request is matched on."""

    method: str
    target: str
    """Path and query; never scheme, host or port, so that a recording replays anywhere."""
    body: Any
    """The parsed body, without the paths to ignore."""

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


def explain(asked: Asked, recorded: Sequence[tuple[Asked, bool]], path: Path) -> str:
    """Say which recorded request is nearest to one that has no match, and how the two differ."""
    played = sum(was_played for _, was_played in recorded)
    lines = [f"{path} has no recording for {asked}  ({len(recorded)} recorded, {played} of them played)"]
    if not recorded:
        lines.append("The cassette is empty.")
    elif any(candidate == asked for candidate, _ in recorded):
        lines.append("This request was recorded, and each recording of it is played once: it was sent too often.")
    else:
        number, (nearest, was_played) = max(
            enumerate(recorded, 1), key=lambda item: (_likeness(asked, item[1][0]), not item[1][1])
        )
        lines.append(f"Nearest is number {number}, {nearest}{' (played already)' if was_played else ''}:")
        lines += _diff(nearest, asked)
    lines.append("Changed on purpose? Record it again (mode='all'; pytest --hanzo-record).")
    return "\n".join(lines)


def _likeness(asked: Asked, candidate: Asked) -> float:
    score = 2.0 * (asked.target == candidate.target) + 1.0 * (asked.method == candidate.method)
    return score + difflib.SequenceMatcher(None, _lines(asked.body), _lines(candidate.body)).ratio()


def _diff(recorded: Asked, asked: Asked) -> list[str]:
    if recorded.method != asked.method or recorded.target != asked.target:
        lines = [f"  - {recorded}", f"  + {asked}"]
    else:
        lines = []
    diff = list(
        difflib.unified_diff(
            _lines(recorded.body), _lines(asked.body), "recorded", "this request", n=2, lineterm=""
        )
    )
    lines += [f"  {line}" for line in diff[:_MOST_LINES]]
    if len(diff) > _MOST_LINES:
        lines.append(f"  ... and {len(diff) - _MOST_LINES} lines more")
    if paths := _differing(recorded.body, asked.body):
        more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
        lines.append(f"They differ at {', '.join(paths[:_MOST_PATHS])}{more}.")
        lines.append(f"Does a part change in every run? Leave it out: ignore=[{paths[0]!r}].")
    return lines


def _lines(body: Any) -> list[str]:
    if isinstance(body, bytes):
        return [f"{len(body)} bytes"]
    if isinstance(body, str):
        return body.splitlines()
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=False).splitlines()


def _differing(one: Any, other: Any) -> list[str]:
    if not isinstance(one, dict | list) or not isinstance(other, dict | list):
        return []
    missing = object()
    left, right = dict(leaves(one)), dict(leaves(other))
    return [
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
        for path in {**left, **right}
        if left.get(path, missing) != right.get(path, missing)
    ]
