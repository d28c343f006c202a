"""The runs that a call belongs to."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Cost
from hanzo_agents._kernel.money import EXACT
from hanzo_agents.policies.budget.local_accounts import LocalAccount
from hanzo_agents.policies.budget.quote import dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from hanzo_agents._kernel.journal import Attempt, Journal

__all__ = ["Run", "current_runs", "entered"]

_runs: ContextVar[tuple[Run, ...]] = ContextVar("hanzo_agents_runs", default=())


def current_runs() -> tuple[Run, ...]:
    """The blocks of `run_budget` around here, outermost first."""
    return _runs.get()


@contextmanager
def entered(run: Run) -> Generator[None]:
    """Have calls in the block belong to `run` too."""
    token = _runs.set((*_runs.get(), run))
    try:
        yield
    finally:
        _runs.reset(token)


class Run:
    """What the calls of one `run_budget` block have cost so far. Made by `run_budget`.

    Reads anew at each question, also after the block: a stream that is read later is counted then.
    """

    __slots__ = ("__weakref__", "account", "journals")

    def __init__(self, limit: Decimal | None) -> None:
        self.account = LocalAccount("per_run", limit)
        self.journals: list[Journal] = []

    @property
    def limit(self) -> Decimal | None:
        """US dollars the block may spend, None when it only watches."""
        return self.account.limit

    @property
    def spent(self) -> Decimal:
        """US dollars of calls that have ended, counted against the limit.

        The truth where it is known, else estimates; what nobody can estimate counts as nothing here, see `cost`.
        """
        return self.account.spent

    @property
    def reserved(self) -> Decimal:
        """US dollars set aside for calls under way."""
        return self.account.reserved

    @property
    def remaining(self) -> Decimal | None:
        """US dollars that may still be reserved, None without a limit; never negative."""
        return self.account.available

    @property
    def attempts(self) -> list[Attempt]:
        """Every request, in the order in which their calls began."""
        return [attempt for journal in self.journals for attempt in journal.attempts]

    @property
    def cost(self) -> Cost:
        """All requests together; unknown as soon as one that was sent is unknown."""
        return _total(self.attempts)

    @property
    def by_agent(self) -> dict[str, Cost]:
        """The cost of each agent's calls; "" for calls that no agent made."""
        return self._by(lambda journal, _: journal.agent or "")

    @property
    def by_model(self) -> dict[str, Cost]:
        """The cost by model that answered, or was asked where none did."""
        return self._by(lambda _, attempt: attempt.model or attempt.target)

    def _by(self, key: Callable[[Journal, Attempt], str]) -> dict[str, Cost]:
        found: dict[str, list[Attempt]] = {}
        for journal in self.journals:
            for attempt in journal.attempts:
                found.setdefault(key(journal, attempt), []).append(attempt)
        return {name: _total(attempts) for name, attempts in found.items()}

    def __repr__(self) -> str:
        limit = "no limit" if self.limit is None else f"limit {dollars(self.limit)}"
        return f"Run({limit}, spent {dollars(self.spent)}, reserved {dollars(self.reserved)})"


def _total(attempts: Iterable[Attempt]) -> Cost:
    total, estimated = Decimal(0), False
    for attempt in attempts:
        if not attempt.sent:
            continue
        if attempt.cost.amount is None:
            return Cost()
        total = EXACT.add(total, attempt.cost.amount)
        estimated = estimated or attempt.cost.basis == "estimated"
    return Cost(total, "estimated" if estimated else "reported")
