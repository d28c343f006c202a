"""An answer of Vectorcache, read strictly from either shape in which it comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeGuard

from hanzo_agents._kernel.shapes import as_dict

__all__ = ["MOST_DOLLARS", "Misread", "VectorcacheResponse", "answer_of"]

NEARLY = 1e-3
"""By how much a cosine may pass 1: it is a sum of rounded products."""

MOST_DOLLARS = 100_000.0
"""More is not believed of one answer."""

MOST_LETTERS = 200
"""Of a name."""

_READ = frozenset({
    "cache_hit", "is_cache_hit", "response", "similarity_score", "cost_saved", "llm_provider", "debug",
})  # fmt: skip


class Misread(ValueError):
    """A body that is no answer; the message says why, and holds nothing of it."""


@dataclass(frozen=True)
class VectorcacheResponse:
    """What the service answered.

    Attributes:
        cache_hit: whether it had the answer; else it has asked the model just now.
        response: the answer.
        similarity_score: of the question that was found to this one, from 0 to 1; None on a miss.
        cost_saved: US dollars that the hit saved, 0 on a miss, and where the reply does not say.
        llm_provider: who made the answer: "cache" for a hit, the model's provider for a miss, "unknown" where the
            reply does not say.
        debug: what `include_debug` brings: times in milliseconds, the entry that matched, how many there are.
        extra: every further field of the reply.
    """

    cache_hit: bool
    response: str
    similarity_score: float | None
    cost_saved: float
    llm_provider: str
    debug: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)


def answer_of(body: object) -> VectorcacheResponse:
    """The answer in a reply's JSON.

    The documented shape has every field. That of the service's JavaScript SDK calls the flag `is_cache_hit`, and
    has neither `cost_saved` nor `llm_provider`.

    Raises:
        Misread: it is none.
    """
    if not isinstance(body, dict):
        raise Misread("the reply is no JSON object")
    fields = as_dict(body)  # pyright: ignore[reportUnknownArgumentType]
    hit = _hit(fields)
    text = fields.get("response")
    if not isinstance(text, str) or not text.strip():
        raise Misread("the reply has no text in `response`")
    if "cache_hit" not in fields:
        fields = {"cost_saved": 0.0, "llm_provider": "cache" if hit else "unknown", **fields}
    provider, debug = fields.get("llm_provider"), fields.get("debug")
    if not isinstance(provider, str) or not 0 < len(provider) <= MOST_LETTERS or not provider.isprintable():
        raise Misread("the reply has no name in `llm_provider`")
    if debug is not None and not isinstance(debug, dict):
        raise Misread("the reply's `debug` is no object")
    return VectorcacheResponse(
        cache_hit=hit,
        response=text,
        similarity_score=_similarity(fields.get("similarity_score")),
        cost_saved=_saved(fields.get("cost_saved")),
        llm_provider=provider,
        debug=None if debug is None else as_dict(debug),  # pyright: ignore[reportUnknownArgumentType]
        extra={name: value for name, value in fields.items() if name not in _READ},
    )


def _hit(fields: dict[str, Any]) -> bool:
    flags = [fields[name] for name in ("cache_hit", "is_cache_hit") if name in fields]
    if not flags or not all(isinstance(flag, bool) for flag in flags):
        raise Misread("the reply does not say in `cache_hit` whether it is a hit")
    if len(set(flags)) > 1:
        raise Misread("the reply says both that it is a hit and that it is none")
    return bool(flags[0])


def _similarity(value: object) -> float | None:
    if value is None:
        return None
    if not _is_number(value) or not -1 - NEARLY <= value <= 1 + NEARLY:
        raise Misread("the reply's `similarity_score` is no similarity")
    return float(value)


def _saved(value: object) -> float:
    if not _is_number(value) or not 0 <= value <= MOST_DOLLARS:
        raise Misread("the reply's `cost_saved` is no amount of US dollars")
    return float(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
