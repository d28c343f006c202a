"""What legs sent beside the first may spend: a share of what the first ones do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents._kernel.turns import Turns

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents.policies.spend import Spend

__all__ = ["Allowance", "Ticket"]

BURST = 10.0
"""Legs that may be sent on credit that quiet times have saved up: an outage must not find a hoard."""

RECENT = 100
"""Legs that a mean goes back to."""


@dataclass(slots=True)
class Ticket:
    """A leg that has been paid for.

    Attributes:
        call: the leg.
        paid: in advance.
        used: it was begun.
        lost: it was sent, and brought no answer.
    """

    call: Call
    paid: Spend
    used: bool = False
    lost: bool = False


@dataclass(slots=True)
class _Mean:
    """Of the last hundred or so."""

    value: float = 0.0
    count: int = 0

    def add(self, amount: float) -> None:
        self.count = min(self.count + 1, RECENT)
        self.value += (amount - self.value) / self.count


class _Credit:
    """One currency: what first legs earn, and extra legs take."""

    __slots__ = ("_share", "credit", "mean")

    def __init__(self, share: float) -> None:
        self._share = share
        self.credit = 0.0
        self.mean = _Mean()

    def earn(self, amount: float) -> None:
        self.mean.add(amount)
        self.credit += self._share * amount

    def after(self, own: float, extra: float) -> float | None:
        """The credit once an extra leg is paid, None when it cannot be: the call's own earnings count already."""
        left = min(self.credit, BURST * max(self.mean.value, extra)) - extra
        # A hair's breadth: at a share of 1.0 a call pays for its own twin.
        return left if left + self._share * own >= -1e-9 * extra else None


class Allowance:
    """Lets extra legs have a share of the spend: in tokens, and where prices are known in US dollars too.

    First legs earn `share` of what they take. An extra leg pays in advance what it is expected to take, and is
    settled with the truth. Credit for more than ten legs lapses. Thread-safe and loop-free.

    Args:
        share: of the spend, for extra legs.
    """

    __slots__ = ("_output", "_tokens", "_turns", "_usd", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self._tokens = _Credit(share)
        self._usd = _Credit(share)
        self._output = _Mean()
        self._turns = Turns()

    @property
    def mean_output(self) -> float | None:
        """Tokens of a recent answer, None before the first."""
        return self._output.value if self._output.count else None

    def earn(self, spend: Spend) -> None:
        """A first leg took this."""
        self._turns.put(self._earn, spend)

    def affords(self, own: Spend, extra: Spend) -> bool:
        """Whether an extra leg of a call can be paid.

        Args:
            own: what the call's first leg is expected to take.
            extra: what the extra one is.
        """
        with self._turns:
            return self._after(own, extra) is not None

    def withdraw(self, own: Spend, extra: Spend) -> bool:
        """Pay for an extra leg in advance; False when it cannot be paid, and nothing was."""
        with self._turns:
            after = self._after(own, extra)
            if after is None:
                return False
            self._tokens.credit, self._usd.credit = after
            return True

    def settle(self, paid: Spend, took: Spend | None) -> None:
        """An extra leg is over: put right what was paid for it. None means that nothing was sent."""
        paid_usd = paid.usd or 0.0
        tokens, usd = (0.0, 0.0) if took is None else (took.tokens, paid_usd if took.usd is None else took.usd)
        self._turns.put(self._give, paid.tokens - tokens, paid_usd - usd)

    def _earn(self, spend: Spend) -> None:
        self._output.add(spend.output)
        self._tokens.earn(spend.tokens)
        if spend.usd is not None:
            self._usd.earn(spend.usd)

    def _give(self, tokens: float, usd: float) -> None:
        self._tokens.credit += tokens
        self._usd.credit += usd

    def _after(self, own: Spend, extra: Spend) -> tuple[float, float] | None:
        """The credits once it is paid."""
        tokens = self._tokens.after(own.tokens, extra.tokens)
        if tokens is None:
            return None
        if extra.usd is None or (own.usd is None and not self._usd.mean.count):
            # Dollars mean something only where both sides are known.
            return tokens, self._usd.credit - (extra.usd or 0.0)
        usd = self._usd.after(own.usd or 0.0, extra.usd)
        return None if usd is None else (tokens, usd)

    def __repr__(self) -> str:
        return f"Allowance(share={self.share:g}, scope=this object)"
