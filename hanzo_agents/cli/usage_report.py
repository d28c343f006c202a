"""What was spent, summed up by day, by model and by agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hanzo_agents.stores.ledger import Entry

__all__ = ["Line", "Report", "dollars"]

YEAR = 366
"""Days that are listed each, also those without a call."""

NOBODY = "(no agent)"
"""How calls are listed that no agent made, or none that is known."""


@dataclass(slots=True)
class Line:
    """Calls that have something in common, summed up.

    Attributes:
        name: what they have in common: a day, a model, an agent.
        cost: US dollars, of those calls whose cost is known.
        estimated: how much of it we reckoned; the rest was reported.
        unpriced: calls whose cost nobody knows. They are in `calls`, and nothing of them is in `cost`.
    """

    name: str
    calls: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = field(default_factory=Decimal)
    estimated: Decimal = field(default_factory=Decimal)
    unpriced: int = 0

    def add(self, entry: Entry) -> None:
        """Count an entry in."""
        self.calls += entry.calls
        self.attempts += entry.attempts
        self.input_tokens += entry.input_tokens
        self.output_tokens += entry.output_tokens
        self.cost = EXACT.add(self.cost, entry.cost)
        if entry.basis == "estimated":
            self.estimated = EXACT.add(self.estimated, entry.cost)
        elif entry.basis == "unknown":
            self.unpriced += entry.calls

    def json(self) -> dict[str, Any]:
        """For a program; amounts are text, so that none is rounded."""
        return {
            "name": self.name,
            "calls": self.calls,
            "attempts": self.attempts,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": f"{self.cost:f}",
            "estimated": f"{self.estimated:f}",
            "unpriced_calls": self.unpriced,
        }


@dataclass(frozen=True)
class Report:
    """The usage of some days.

    Attributes:
        since, until: the first and the last day.
        scope: which ledger it is from, for people.
        total: all of it.
        days: each day from the first to the last, also those without a call unless there are more than a year's.
        models, agents: the most expensive first.
        spend: US dollars by day and model, where there are any.
    """

    since: date
    until: date
    scope: str
    total: Line
    days: Sequence[Line]
    models: Sequence[Line]
    agents: Sequence[Line]
    spend: dict[tuple[str, str], Decimal]

    @classmethod
    def of(cls, entries: Sequence[Entry], since: date, until: date, scope: str) -> Report:
        """Sum entries up."""
        few = (until - since).days <= YEAR
        days = {day: Line(day) for day in (_days(since, until) if few else ())}
        spend: dict[tuple[str, str], Decimal] = {}
        total = Line("total")
        for entry in entries:
            total.add(entry)
            days.setdefault(entry.day, Line(entry.day)).add(entry)
            if entry.cost:
                key = (entry.day, entry.model)
                spend[key] = EXACT.add(spend.get(key, Decimal(0)), entry.cost)
        return cls(
            since, until, scope, total,
            days=[days[day] for day in sorted(days)],
            models=_by(entries, lambda entry: entry.model),
            agents=_by(entries, lambda entry: entry.agent or NOBODY),
            spend=spend,
        )  # fmt: skip

    def json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "ledger": self.scope,
            "total": self.total.json(),
            "by_day": [line.json() for line in self.days],
            "by_model": [line.json() for line in self.models],
            "by_agent": [line.json() for line in self.agents],
        }


def dollars(amount: Decimal) -> str:
    """An amount for people: cents, and of less than ten cents as much as is needed to see it."""
    if amount >= Decimal("0.1") or not amount:
        return f"${amount:,.2f}"
    if amount < Decimal("0.000001"):
        return "<$0.000001"
    whole, _, fraction = f"{amount:.6f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _by(entries: Iterable[Entry], key: Callable[[Entry], str]) -> list[Line]:
    lines: dict[str, Line] = {}
    for entry in entries:
        name = key(entry)
        lines.setdefault(name, Line(name)).add(entry)
    return sorted(lines.values(), key=lambda line: (-line.cost, -line.calls, line.name))


def _days(since: date, until: date) -> Iterable[str]:
    for number in range((until - since).days + 1):
        yield (since + timedelta(days=number)).isoformat()
