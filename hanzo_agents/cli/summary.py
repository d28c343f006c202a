"""What happened in a run, as a small table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hanzo_agents._kernel.money import added

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from rich.table import Table

    from hanzo_agents._kernel.journal import Cost, Journal

__all__ = ["Summary"]

Basis = Literal["reported", "estimated", "unknown"]
_DOUBT: tuple[Basis, ...] = ("reported", "estimated", "unknown")


@dataclass(frozen=True)
class Summary:
    """The journals of a run, taken together.

    Attributes:
        models: who answered, in order, each once.
        calls: how many model calls the run made.
        attempts: how many requests they took.
        input_tokens, output_tokens: of all calls.
        tokens_basis: how well the tokens are known: as well as the least known of them.
        amount: US dollars; None when the cost of a call is unknown.
        cost_basis: how well the cost is known.
        first_tokens: seconds to the first token of each call that was answered.
    """

    models: tuple[str, ...]
    calls: int
    attempts: int
    input_tokens: int
    output_tokens: int
    tokens_basis: Basis
    amount: Decimal | None
    cost_basis: Basis
    first_tokens: tuple[float, ...]

    @classmethod
    def of(cls, journals: Sequence[Journal]) -> Summary:
        """Take the journals together that `track()` collected."""
        answers = [attempt for journal in journals if (attempt := journal.answered) is not None]
        usages = [attempt.usage for attempt in answers]
        known = [usage for usage in usages if usage is not None]
        amount, basis = _total([journal.cost for journal in journals])
        return cls(
            models=tuple(dict.fromkeys(attempt.model or attempt.target for attempt in answers)),
            calls=len(journals),
            attempts=sum(len(journal.attempts) for journal in journals),
            input_tokens=sum(usage.input_tokens for usage in known),
            output_tokens=sum(usage.output_tokens for usage in known),
            tokens_basis=_least_known([usage.basis if usage is not None else "unknown" for usage in usages]),
            amount=amount,
            cost_basis=basis,
            first_tokens=tuple(attempt.ttft for attempt in answers if attempt.ttft is not None),
        )

    def rows(self) -> list[tuple[str, str]]:
        """The lines of the table."""
        calls = "1 model call" if self.calls == 1 else f"{self.calls} model calls"
        return [
            ("Model that answered", ", ".join(self.models) or "none"),
            ("Attempts", f"{self.attempts} for {calls}"),
            ("Tokens", self._tokens()),
            ("Cost", "unknown" if self.amount is None else f"${_plain(self.amount)} ({self.cost_basis})"),
            ("Time to first token", ", then ".join(f"{seconds:.2f} s" for seconds in self.first_tokens) or "none"),
        ]

    def _tokens(self) -> str:
        if self.tokens_basis == "unknown":
            return "unknown"
        return f"{self.input_tokens} in, {self.output_tokens} out ({self.tokens_basis})"

    def table(self) -> Table:
        """The table, for rich to print."""
        from rich.table import Table
        from rich.text import Text

        from hanzo_agents.cli.problem import printable

        table = Table(title="What happened", title_justify="left", show_header=False)
        for name, value in self.rows():
            table.add_row(name, Text(printable(value)))
        return table


def _total(costs: Sequence[Cost]) -> tuple[Decimal | None, Basis]:
    amounts = [cost.amount for cost in costs if cost.amount is not None]
    if not costs or len(amounts) < len(costs):
        return None, "unknown"
    return added(amounts), _least_known([cost.basis for cost in costs])


def _least_known(bases: Sequence[Basis]) -> Basis:
    return _DOUBT[max(map(_DOUBT.index, bases), default=-1)]


def _plain(amount: Decimal) -> str:
    """Decimal notation without an exponent or trailing zeros, at least cents."""
    text = f"{amount:f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
