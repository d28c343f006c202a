"""What one leg of a call takes, or is expected to take. For shares only: no account is kept in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Cost, Usage
from hanzo_agents._kernel.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.reply import Settled

__all__ = ["Spend", "book_lost", "expected", "likewise", "spent"]

UNSEEN_OUTPUT = 256
"""Tokens of an answer before any has been seen, where nothing bounds it."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Tokens and US dollars of a leg, in floats.

    Attributes:
        input, output: tokens.
        usd: US dollars, None when nobody knows.
    """

    input: float
    output: float
    usd: float | None = None

    @property
    def tokens(self) -> float:
        """Input and output together."""
        return self.input + self.output


def expected(call: Call, output: float | None) -> Spend:
    """What a leg will take, as far as can be told: its input, and an answer like the latest ones.

    Args:
        call: the leg.
        output: tokens of a usual answer, None when none has been seen.
    """
    view = call.view
    most = None if view.max_output is None else view.max_output * view.choices
    if output is None:
        output = UNSEEN_OUTPUT * view.choices if most is None else most
    elif most is not None:
        output = min(output, most)
    tokens = estimate_tokens(view.text) + view.given_tokens
    pricing = call.prices.known(call.priced_target)
    usd = None if pricing is None else float(pricing.cost(Usage(tokens, round(output), "estimated")))
    return Spend(tokens, output, usd)


def spent(call: Call, settled: Settled) -> Spend | None:
    """What a leg took, None when nobody knows."""
    usage, amount = settled.usage, settled.cost.amount
    if usage is None:
        return None
    if amount is None:
        return likewise(call, usage)
    return Spend(usage.input_tokens, usage.output_tokens, float(amount))


def likewise(call: Call, usage: Usage) -> Spend:
    """What a leg took that did as much as another one."""
    pricing = call.prices.known(call.priced_target)
    usd = None if pricing is None else float(pricing.cost(usage))
    return Spend(usage.input_tokens, usage.output_tokens, usd)


def book_lost(call: Call, record: Sequence[Attempt], spend: Spend) -> None:
    """Write the estimate into the attempts of a leg that was cancelled after it was sent.

    The upstream may have worked for nothing, and bill it: unknown is not zero.
    """
    for attempt in record:
        if not attempt.sent or not isinstance(attempt.error, asyncio.CancelledError):
            continue
        if attempt.usage is None:
            attempt.usage = Usage(round(spend.input), round(spend.output), "estimated")
        pricing = call.prices.known(call.priced_target)
        if attempt.cost.amount is None and pricing is not None:
            attempt.cost = Cost(pricing.cost(attempt.usage), "estimated")
