"""Errors as a client reads them: what went wrong in words, never a traceback, a key or a stranger's exception."""

from __future__ import annotations

import logging
import os
import secrets
from typing import TYPE_CHECKING

import openai
from agents.exceptions import (
    AgentsException,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelRefusalError,
    ModelTimeoutError,
    OutputGuardrailTripwireTriggered,
    ToolTimeoutError,
)
from pydantic import ValidationError

from hanzo_agents._wire.redact import Secrets
from hanzo_agents.errors import BudgetExceeded, HanzoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

    from hanzo_agents.policies.budget.runs import Run

__all__ = ["CallFailed", "Problems"]

_logger = logging.getLogger("hanzo_agents")

_PLAIN = (MaxTurnsExceeded, ModelRefusalError, ModelTimeoutError, ToolTimeoutError)
"""Errors of the SDK whose message says nothing but what went wrong."""


class CallFailed(Exception):
    """A call failed for a reason of the server's own, which the client is told.

    Attributes:
        code: the machine-readable reason.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Problems:
    """Words for errors.

    Args:
        key: gives a key that must not be in them, beside those of the environment.
    """

    def __init__(self, key: Callable[[], str | None]) -> None:
        self._key = key

    def explain(self, error: Exception, *, client: Run | None = None) -> tuple[str, str | None]:
        """The message, and the machine-readable reason if there is one."""
        said, code = self._words(error, client)
        environment = [value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN", "_SECRET"))]
        return Secrets(*environment, current=self._key).scrub(said), code

    def _words(self, error: Exception, client: Run | None) -> tuple[str, str | None]:
        if isinstance(error, BudgetExceeded):
            return _over_budget(error, client), error.code
        if isinstance(error, HanzoError | CallFailed):
            return str(error), error.code
        if isinstance(error, ValidationError):
            wrong = error.errors(include_url=False, include_input=False)
            return "; ".join(map(_wrong_argument, wrong)), "arguments"
        if isinstance(error, openai.OpenAIError):
            return _upstream(error)
        return _of_the_run(error)


def _upstream(error: openai.OpenAIError) -> tuple[str, str | None]:
    if isinstance(error, openai.APIStatusError):
        return f"the model's endpoint answered {error.status_code}: {error.message}", error.code
    return f"the model's endpoint did not answer: {error}", None


def _of_the_run(error: Exception) -> tuple[str, str | None]:
    """What the SDK says of a run; whatever else was raised is described in the log alone."""
    if isinstance(error, InputGuardrailTripwireTriggered | OutputGuardrailTripwireTriggered):
        return f"refused by the guardrail {error.guardrail_result.guardrail.get_name()}", "guardrail"
    if isinstance(error, _PLAIN):
        return str(error), None
    reference = secrets.token_hex(4)
    _logger.error("a call of an MCP client failed (%s)", reference, exc_info=error)
    whose = "the agent" if isinstance(error, AgentsException) else "the server"
    return f"{whose} failed in a way that its log describes, under {reference}", "internal_error"


def _over_budget(error: BudgetExceeded, client: Run | None) -> str:
    """Whose money is short, as a client thinks of it; of other accounts, what the account says."""
    if (
        client is not None
        and client.limit is not None
        and error.limit == client.limit
        and error.budget_type == "per_run"
    ):
        return f"your budget on this server is spent: {str(error).removeprefix('per_run ')}"
    return str(error)


def _wrong_argument(error: ErrorDetails) -> str:
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
