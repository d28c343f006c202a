"""Lines in the standard log: what was decided, and what came of each call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.fields import check_flag
from hanzo_agents.errors import ConfigError
from hanzo_agents.observe import outcomes
from hanzo_agents.observe.names import error_name, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents._kernel.journal import Attempt, Cost, Decision, Journal, Usage

__all__ = ["Log"]

_package = logging.getLogger("hanzo_agents")

_GRAVE = frozenset({"error", "broken", "refused"})
_GRAVE_ACTIONS = frozenset({"gives up", "makes do", "moves on", "overdrawn", "refuses"})
"""By which a call gets less than was asked for, or from somebody else. A breaker that opens says so itself."""


class Log:
    """Writes to `logging`: one line for each decision and each settled call, and at DEBUG for each request.

    The loggers are `calls`, `attempts` and `decisions` below the one that is given. A call that failed or was
    refused, and a decision by which it gets less than was asked for, are warnings; calls that went well, and other
    decisions, are INFO. The fields of a line are attributes of its record too, all named `hanzo_...`.

    Lines hold names, figures and the classes of errors, never what errors say: that may quote a prompt. Prompts,
    answers and keys are not known here, so the Agents SDK's `OPENAI_AGENTS_DONT_LOG_MODEL_DATA` and
    `OPENAI_AGENTS_DONT_LOG_TOOL_DATA` have nothing to withhold.

    Args:
        logger: a logger or its name; `hanzo_agents` by default.
        calls, attempts, decisions: which lines are written; all by default.

    Raises:
        ConfigError: an argument is wrong.
    """

    def __init__(
        self,
        logger: logging.Logger | str | None = None,
        *,
        calls: bool = True,
        attempts: bool = True,
        decisions: bool = True,
    ) -> None:
        for name, value in (("calls", calls), ("attempts", attempts), ("decisions", decisions)):
            check_flag(f"Log.{name}", value)
        root = logging.getLogger(logger) if isinstance(logger, str) else logger or _package
        if not isinstance(root, logging.Logger):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Log.logger: expected a logging.Logger or its name, got {type(root).__name__}")
        self._calls = root.getChild("calls") if calls else None
        self._attempts = root.getChild("attempts") if attempts else None
        self._decisions = root.getChild("decisions") if decisions else None

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        """Nothing to say yet."""

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        """Say what came of a request."""
        outcome = outcomes.of_attempt(attempt)
        level = logging.INFO if outcome in {"error", "broken"} else logging.DEBUG
        if self._attempts is None or not self._attempts.isEnabledFor(level):
            return
        took = _seconds(attempt.started, attempt.ended)
        text = (
            f"{plain(attempt.target)}, attempt {attempt.number}: {outcome}{_because(attempt.error, attempt)}"
            f"{_after(took)}{_took(attempt.usage, attempt.cost)}"
        )
        fields = {"outcome": outcome, "attempt": attempt.number, "seconds": took, **_facts(attempt)}
        _write(self._attempts, level, text, _of(journal, "attempt") | fields)

    def decided(self, journal: Journal, decision: Decision) -> None:
        """Say what a policy decided, and why."""
        level = logging.WARNING if decision.action in _GRAVE_ACTIONS else logging.INFO
        if self._decisions is None or not self._decisions.isEnabledFor(level):
            return
        said = {
            "policy": plain(decision.policy),
            "action": plain(decision.action),
            "reason": plain(decision.reason, 500),
        }
        text = f"{said['policy']} {said['action']}: {said['reason']}"
        _write(self._decisions, level, text, {**_of(journal, "decision"), **said, "data": dict(decision.data)})

    def call_ended(self, journal: Journal) -> None:
        """Say what came of a call."""
        outcome = outcomes.of_call(journal)
        level = logging.WARNING if outcome in _GRAVE else logging.INFO
        if self._calls is None or not self._calls.isEnabledFor(level):
            return
        took, answered = _seconds(journal.started, journal.ended), journal.answered
        attempts = len(journal.attempts)
        text = (
            f"{plain(journal.operation)} {plain(journal.target or '')}: {outcome}"
            f"{_because(journal.error)}{_after(took)}"
            f"{'' if answered is None else f', by {_model(answered)}'}"
            f"{f', {attempts} attempts' if attempts > 1 else ''}"
            f"{_took(None if answered is None else answered.usage, journal.cost)}"
        )
        fields: dict[str, Any] = {} if answered is None else _facts(answered)
        fields |= {
            "target": journal.target,
            "outcome": outcome,
            "seconds": took,
            "attempts": attempts,
            "error": None if journal.error is None else error_name(journal.error),
            **_cost(journal.cost),
        }
        _write(self._calls, level, text, _of(journal, "call") | fields)


def _write(logger: logging.Logger, level: int, text: str, fields: Mapping[str, Any]) -> None:
    extra = {f"hanzo_{name}": value for name, value in fields.items() if value is not None}
    # Given whole, so that a percent sign in a name is a percent sign.
    logger.log(level, "%s", text, extra=extra)


def _of(journal: Journal, event: str) -> dict[str, Any]:
    return {
        "event": event,
        "call": f"{id(journal):x}",
        "operation": journal.operation,
        "agent": journal.agent,
        "run": journal.run,
    }


def _facts(attempt: Attempt) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "target": attempt.target,
        "model": _model(attempt),
        "server": attempt.server,
        "status": attempt.status_code,
        "request_id": attempt.request_id,
        "first_token_seconds": attempt.ttft,
        "cache_hit": attempt.cache_hit or None,
        "error": None if attempt.error is None else error_name(attempt.error),
        **_cost(attempt.cost),
    }
    if (usage := attempt.usage) is not None:
        facts |= {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "tokens_basis": usage.basis,
        }
    return facts


def _cost(cost: Cost) -> dict[str, Any]:
    return {"cost": None if cost.amount is None else str(cost.amount), "cost_basis": cost.basis}


def _model(attempt: Attempt) -> str:
    name: object = attempt.model
    return plain(name if isinstance(name, str) and name else attempt.target)


def _seconds(started: float, ended: float | None) -> float | None:
    return None if ended is None else round(ended - started, 6)


def _after(seconds: float | None) -> str:
    return "" if seconds is None else f" after {seconds:.3f} s"


def _because(error: BaseException | None, attempt: Attempt | None = None) -> str:
    if error is None:
        return ""
    status = attempt.status_code if attempt is not None else getattr(error, "status_code", None)
    return f" ({error_name(error)}{f', {status}' if isinstance(status, int) else ''})"


def _took(usage: Usage | None, cost: Cost) -> str:
    tokens = "" if usage is None else f", {usage.input_tokens} + {usage.output_tokens} tokens"
    return f"{tokens}, ${cost.amount:f} {cost.basis}" if cost.amount else tokens
