"""What one call took, read from its journal when somebody asks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from hanzo_agents._kernel.journal import Cost, Journal
from hanzo_agents.errors import HanzoError, picklable

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.journal import Attempt

__all__ = ["UNKNOWN", "Outcome", "provider_of"]

ROUTERS = frozenset(
    {"Blend", "Breaker", "Cache", "Compare", "Fallback", "Hedge", "Judge", "Mode", "Route", "SemanticCache"}
)
"""Policies that decide who answers; what others decide changes when or whether."""

_NAMES = {
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.openai.com": "openai",
    "api.together.xyz": "together",
    "api.x.ai": "xai",
    "generativelanguage.googleapis.com": "google",
    "openrouter.ai": "openrouter",
}


class Outcome:
    """The journal of a call, and the attempt that brought its answer.

    Reads anew at each question: of a stream, or of a call whose hedges are still ending, the answers change.

    Args:
        attempt: None when no attempt brought the answer, which is so when a cache did.
        tool_calls: gives the tool calls of a stream, whole.
    """

    __slots__ = ("_attempt", "_journal", "_tool_calls")

    def __init__(
        self, journal: Journal | None, attempt: Attempt | None, tool_calls: Callable[[], list[Any]] | None = None
    ) -> None:
        self._journal = journal
        self._attempt = attempt
        self._tool_calls = tool_calls

    @property
    def provider(self) -> str | None:
        """Who answered, None when nobody did or it is not known."""
        attempt = self._attempt
        if attempt is None:
            return None
        return attempt.provider or (attempt.server and provider_of(attempt.server))

    @property
    def routing_reason(self) -> str:
        """What was decided on the way to the one who answered."""
        if self._journal is None:
            return ""
        decided = [
            f"{decision.policy} {decision.action}: {decision.reason}"
            for decision in self._journal.decisions
            if decision.policy in ROUTERS
        ]
        if not decided and self._attempt is not None:
            return f"{self._attempt.target} was asked for"
        return "; ".join(decided)

    @property
    def cost(self) -> Cost:
        """All attempts together; an answer for which nothing was sent cost nothing."""
        if self._journal is None:
            return Cost()
        if not self._journal.attempts:
            return Cost(Decimal(0), "reported")
        return self._journal.cost

    @property
    def from_cache(self) -> bool:
        """Whether a cache answered, ours or the router's."""
        return self._journal is not None and (self._attempt is None or self._attempt.cache_hit)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt, in order."""
        return () if self._journal is None else tuple(self._journal.attempts)

    @property
    def latency(self) -> float | None:
        """Seconds the call took, None while it is under way."""
        journal = self._journal
        return None if journal is None or journal.ended is None else journal.ended - journal.started

    @property
    def tool_calls(self) -> list[Any]:
        """The tool calls of a stream."""
        return [] if self._tool_calls is None else self._tool_calls()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Replies pickle: without who watches the call, and errors that cannot as ones that say the same."""
        if self._journal is None:
            return (Outcome, (None, None))
        attempts = [replace(attempt, error=_portable(attempt.error)) for attempt in self._journal.attempts]
        journal = replace(self._journal, observers=(), attempts=attempts, error=_portable(self._journal.error))
        number = next((n for n, one in enumerate(self._journal.attempts) if one is self._attempt), None)
        answered = self._attempt if number is None else attempts[number]
        return (_rebuilt, (journal, answered, self.tool_calls))


def provider_of(address: str) -> str:
    """The name of a provider by its address; an address nobody knows is its host."""
    host = (urlsplit(address).netloc if "://" in address else address).rpartition("@")[2]
    return _NAMES.get(host.removesuffix(":443"), host)


def _rebuilt(journal: Journal, attempt: Attempt | None, tool_calls: list[Any]) -> Outcome:
    return Outcome(journal, attempt, lambda: tool_calls)


def _portable(error: BaseException | None) -> BaseException | None:
    if error is None or isinstance(error, Exception):
        return error and picklable(error)
    return HanzoError(type(error).__name__)


UNKNOWN = Outcome(None, None)
"""Of an object that no call of ours brought."""
