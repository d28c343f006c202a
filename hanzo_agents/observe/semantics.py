"""What spans say of a request, under the names of OpenTelemetry's conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/. What they have no name for is called `hanzo....`. Spans of the
Agents SDK's tracing and of OpenTelemetry say the same. Never a prompt, an answer or a key; of an error its class,
because what an error says may quote a prompt.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast

from hanzo_agents._kernel.outcome import provider_of
from hanzo_agents.observe import outcomes
from hanzo_agents.observe.names import error_name, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._kernel.journal import Attempt, Cost, Decision, Journal

__all__ = [
    "Attributes",
    "at_end",
    "at_start",
    "call_at_end",
    "call_at_start",
    "data_of",
    "decided",
    "operation_of",
]

Attributes = dict[str, str | int | float | bool]

_OPERATIONS = {"chat": "chat", "responses": "chat", "model": "chat", "embeddings": "embeddings"}


def operation_of(journal: Journal) -> str:
    """`gen_ai.operation.name` of a call: "chat", also for what other dialects call by another name."""
    return _OPERATIONS.get(journal.operation, plain(journal.operation))


def at_start(journal: Journal, attempt: Attempt) -> Attributes:
    """What is known when a request is about to be sent."""
    return _known(
        {
            "gen_ai.operation.name": operation_of(journal),
            "gen_ai.provider.name": _provider(attempt),
            # Until an answer comes, the attempt's model is the one that is asked.
            "gen_ai.request.model": _name(attempt.model) or plain(attempt.target),
            "gen_ai.agent.name": _name(journal.agent),
            "hanzo.target": plain(attempt.target),
            "hanzo.attempt": attempt.number,
            **_server(attempt.server),
        }
    )


def at_end(attempt: Attempt) -> Attributes:
    """What is known in addition when it is settled."""
    answered = attempt.accepted is not None
    return _usage(attempt) | _known(
        {
            "gen_ai.provider.name": _provider(attempt),
            "gen_ai.response.model": _name(attempt.model) if answered else None,
            "gen_ai.response.time_to_first_chunk": attempt.ttft,
            "http.response.status_code": attempt.status_code,
            "error.type": _error(attempt.error),
            "hanzo.request_id": _name(attempt.request_id),
            "hanzo.outcome": outcomes.of_attempt(attempt),
            "hanzo.cache_hit": attempt.cache_hit or None,
            **_cost(attempt.cost),
        }
    )


def call_at_start(journal: Journal) -> Attributes:
    """What is known when a call begins."""
    return _known(
        {
            "hanzo.operation": plain(journal.operation),
            "hanzo.target": _name(journal.target),
            "gen_ai.agent.name": _name(journal.agent),
            "hanzo.run": _name(journal.run),
        }
    )


def call_at_end(journal: Journal) -> Attributes:
    """What is known when it is over."""
    return call_at_start(journal) | _known(
        {
            "hanzo.outcome": outcomes.of_call(journal),
            "hanzo.attempts": len(journal.attempts),
            "error.type": _error(journal.error),
            **_cost(journal.cost),
        }
    )


def data_of(decision: Decision) -> Attributes:
    """The figures and names among the data of a decision; what is neither is left out."""
    found: Attributes = {}
    for name, value in decision.data.items():
        if isinstance(value, bool | int | float):
            found[name] = value
        elif isinstance(value, Decimal):
            found[name] = float(value)
        elif isinstance(value, str):
            found[name] = plain(value)
        elif isinstance(value, list | tuple):
            found[name] = plain(", ".join(map(str, cast("list[object]", value))))
    return found


def decided(decision: Decision) -> Attributes:
    """A decision, with those of its data that are plain figures and names."""
    said: Attributes = {
        "hanzo.policy": plain(decision.policy),
        "hanzo.action": plain(decision.action),
        "hanzo.reason": plain(decision.reason, 500),
    }
    return said | {f"hanzo.data.{name}": value for name, value in data_of(decision).items()}


def _provider(attempt: Attempt) -> str:
    """Who answers: as the router says, or as the address shows; the router itself where neither does."""
    if attempt.provider:
        return plain(provider_of(attempt.provider))
    named = provider_of(attempt.server or "")
    return "hanzo" if not named or named == attempt.server else plain(named)


def _usage(attempt: Attempt) -> Attributes:
    usage = attempt.usage
    if usage is None or attempt.cache_hit:
        # On a hit the router repeats the tokens of the first answer, which nobody produced again.
        return {}
    parts = {
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "hanzo.usage.basis": usage.basis,
        **{name: tokens for name, tokens in parts.items() if tokens},
    }


def _server(server: str | None) -> dict[str, str | int | None]:
    if server is None:
        return {}
    host, colon, port = server.rpartition(":")
    if not (colon and port.isdigit()):
        return {"server.address": plain(server.strip("[]"))}
    return {"server.address": plain(host.strip("[]")), "server.port": int(port)}


def _error(error: BaseException | None) -> str | None:
    return error_name(error) if isinstance(error, Exception) else None


def _cost(cost: Cost) -> dict[str, str | float | None]:
    return {
        "hanzo.cost.usd": None if cost.amount is None else float(cost.amount),
        "hanzo.cost.basis": cost.basis,
    }


def _name(name: object) -> str | None:
    return plain(name) if isinstance(name, str) and name else None


def _known(attributes: Mapping[str, str | int | float | bool | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
