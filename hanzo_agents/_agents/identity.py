"""Whose call is it? The agent and the run, as the SDK's tracing has them, whether or not it is switched off."""

from __future__ import annotations

from contextvars import Token
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from agents.models._run_context import get_model_run_owner
from agents.tracing import AgentSpanData, TurnSpanData, get_current_span, get_current_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["who_calls"]

_names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Ids for what has none: the traces of runs that are not traced, all of which the SDK calls "no-op"."""


def who_calls() -> tuple[str | None, str | None]:
    """The name of the agent that calls a model here, and the id of the run it belongs to.

    A run within a run, an agent that is the tool of another, belongs to the outer one. It is what the SDK has in
    one trace: several runs in a `with trace(...)` block are one.
    """
    return _agent(), _run()


def _agent() -> str | None:
    for span in _outwards(get_current_span(), "_prev_span_token"):
        data = span.span_data
        if isinstance(data, AgentSpanData):
            return data.name
        if isinstance(data, TurnSpanData):
            return data.agent_name
    return None


def _run() -> str | None:
    traces = list(_outwards(get_current_trace(), "_prev_context_token"))
    outermost = traces[-1] if traces else None
    if outermost is None:
        # Without a trace the SDK still tells its models apart by the run they serve.
        outermost = get_model_run_owner()
        return None if outermost is None else _name(outermost)
    known: str = outermost.trace_id
    return _name(outermost) if known == "no-op" else known


def _outwards(scope: Any, token: str) -> Iterator[Any]:
    """A current span or trace, and those it was opened in."""
    while scope is not None:
        yield scope
        entered: Token[Any] | None = getattr(scope, token, None)
        scope = None if entered is None or entered.old_value is Token.MISSING else entered.old_value


def _name(owner: Any) -> str:
    name = _names.get(owner)
    if name is None:
        name = _names.setdefault(owner, f"run_{uuid4().hex}")
    return name
