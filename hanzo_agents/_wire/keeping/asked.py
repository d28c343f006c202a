"""What a request asks, to be compared: everything that is sent, but for what cannot change the answer."""

from __future__ import annotations

import hmac
import math
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.canonical import CANONICAL, joined, without_call_ids
from hanzo_agents._kernel.codec import Question
from hanzo_agents._kernel.shapes import as_dict, as_list
from hanzo_agents._wire.redact import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hanzo_agents._kernel.stack import Stack

__all__ = ["LEFT_OUT", "LEFT_OUT_HEADERS", "asked_of", "body_of", "headers_of", "routing_of", "temperature_of"]

LEFT_OUT: dict[str, str] = {
    "stream": "the form in which the answer comes, not the answer",
    "stream_options": "the form in which the answer comes, not the answer",
    "user": "says whom it is for; `Cache(tenant=...)` keeps people apart",
    "safety_identifier": "says whom it is for; `Cache(tenant=...)` keeps people apart",
    "metadata": "a label for logs; only its `tags`, by which a router may choose, count",
    "prompt_cache_key": "where the provider looks for what it has read before; the SDK injects one a run",
    "prompt_cache_options": "how the provider keeps what it has read",
    "prompt_cache_retention": "how long the provider keeps what it has read",
}
"""Fields of a body that are no part of the key, each with its reason. The ids of tool calls count only as the tie
between a call and its output: they are numbered."""

LEFT_OUT_HEADERS: dict[str, str] = {
    "user-agent": "which program asks",
    "traceparent": "names the trace",
    "tracestate": "names the trace",
    "baggage": "travels with the trace",
    "x-b3-traceid": "names the trace",
    "x-b3-spanid": "names the trace",
    "x-b3-parentspanid": "names the trace",
    "x-b3-sampled": "names the trace",
    "b3": "names the trace",
    "sentry-trace": "names the trace",
    "x-trace-id": "names the trace",
    "x-request-id": "names the request",
    "x-client-request-id": "names the request",
    "x-correlation-id": "names the request",
    "idempotency-key": "names the request",
    "x-litellm-trace-id": "names the trace",
    "x-litellm-session-id": "names the session",
    "x-litellm-agent-id": "says who asks, in the log",
    "x-litellm-spend-logs-metadata": "a label for the log",
    "x-litellm-end-user-id": "says whom it is for; `Cache(tenant=...)` keeps people apart",
    "x-user-id": "says whom it is for; `Cache(tenant=...)` keeps people apart",
    "x-app-name": "says which program asks, in the log",
}
"""Headers that are no part of the key, each with its reason; nor are those that begin with `x-stainless-`, by
which the SDK describes itself. Every other header counts: also one with credentials, of which a digest is taken.
The endpoint's own key is in none of these headers; it is part of the key by other means."""


def asked_of(scope: bytes, path: str, body: Mapping[str, Any], headers: Any, query: Any) -> Question:
    """The question of a request.

    Args:
        scope: what the requests of its endpoint have in common.
        path: of the API.
        body: as the caller gave it.
        headers: pairs of name and value that the caller attached to this request.
        query: parameters that the caller attached to it.
    """
    if body.get("store"):
        return Question(obstacle="store: the caller wants it kept at the provider")
    if "audio" in (body.get("modalities") or ()):
        return Question(obstacle="an answer in audio")
    try:
        request = CANONICAL.encode((path, body_of(body), headers_of(headers), query or None))
    except (TypeError, ValueError, RecursionError):
        return Question(obstacle="the request is not plain JSON")
    return Question(joined((scope, request.encode())), temperature=temperature_of(body))


def body_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a body."""
    kept = {name: value for name, value in body.items() if name not in LEFT_OUT}
    if "metadata" in body and (tags := as_dict(body["metadata"]).get("tags")):
        kept["metadata"] = {"tags": tags}
    for name in ("messages", "input"):
        if items := as_list(kept.get(name)):
            kept[name] = without_call_ids(items)
    return kept


def headers_of(headers: Iterable[tuple[str, Any]]) -> list[tuple[str, str | None]]:
    """What counts of headers, their names as the wire reads them. None stands for one that is taken out."""
    counting = [
        (name, _told(name, value) if isinstance(value, str) else None)
        for given, value in headers
        if (name := given.lower()) not in LEFT_OUT_HEADERS and not name.startswith("x-stainless-")
    ]
    return sorted(counting, key=lambda header: (header[0], header[1] or ""))


def _told(name: str, value: str) -> str:
    """The value of a header; of credentials a keyed hash, so that they are nowhere kept in clear."""
    if name in CREDENTIALS:
        return hmac.digest(b"hanzo entries", value.encode("utf-8", "surrogatepass"), "sha256").hex()
    return value


def temperature_of(body: Mapping[str, Any]) -> float | None:
    """The sampling temperature that is asked for, None when none is; infinite when nobody knows how high it is."""
    asked = body.get("temperature")
    if not isinstance(asked, int | float | str):
        return None
    try:
        named = float(asked)  # some upstreams take text for a number
    except (ValueError, OverflowError):
        return math.inf
    return math.inf if math.isnan(named) else named


def routing_of(stack: Stack) -> list[Any]:
    """Where the policies of a stack may send a call: who answers is part of the question.

    A policy says so by its `to`, or by an attribute `routing` of plain JSON.
    """
    found: list[Any] = []
    for policy in stack.policies:
        routing = getattr(policy, "routing", None)
        if routing is None and (to := getattr(policy, "to", None)) and hasattr(policy, "place"):
            routing = [(t.name, t.base_url) if hasattr(t, "base_url") else str(t) for t in to]
        if routing is not None:
            found.append((type(policy).__name__, routing))
    return found
