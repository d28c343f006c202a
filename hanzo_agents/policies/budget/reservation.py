"""A reservation: what one send may cost, set aside before it, and what it came to."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Attempt, Basis, Cost
from hanzo_agents._kernel.money import EXACT
from hanzo_agents.errors import InvalidResponse
from hanzo_agents.policies.budget.local_accounts import settle_in
from hanzo_agents.policies.budget.quote import dollars
from hanzo_agents.stores.ledger import MOST, Facts
from hanzo_agents.stores.operations import new_op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.price import Pricing
    from hanzo_agents._kernel.reply import Settled
    from hanzo_agents.policies.budget.local_accounts import LocalAccount
    from hanzo_agents.policies.budget.quote import Quote
    from hanzo_agents.policies.budget.window_accounts import Period, WindowAccounts

__all__ = ["Reservation"]

_logger = logging.getLogger("hanzo_agents")

_ZERO = Decimal(0)
_DOUBT: dict[Basis, int] = {"reported": 0, "estimated": 1, "unknown": 2}


class Reservation(list[Attempt]):
    """What is reserved for one send, and the attempts it became. Ends once: settled, failed, or given back.

    It must not hold the call it is recorded in (`below`): in such a circle the whole call, with its answer, would
    wait for the garbage collector.

    Args:
        call: as it came to the budget.
        windows: the accounts in the ledger; None where no ledger is kept.
        accounts: of the call and its runs.

    Attributes:
        prices: what the budget says models cost.
        price: of the target; None when nobody knows.
        max_output: tokens that the answer is bounded to; None leaves the call's own bound.
        most: what the send may cost at most, reckoned when it is asked for; None where there is no price.
        amount: US dollars that are reserved.
        asked: whether the ledger was asked for them.
    """

    __slots__ = (
        "accounts",
        "amount",
        "asked",
        "call",
        "max_output",
        "most",
        "op",
        "over",
        "period",
        "price",
        "prices",
        "windows",
    )  # fmt: skip

    def __init__(self, call: Call, *, windows: WindowAccounts | None, accounts: Sequence[LocalAccount]) -> None:
        super().__init__()
        self.call = call
        self.windows = windows
        self.period: Period | None = None if windows is None else windows.at(call.clock.wall())
        self.accounts = accounts
        self.prices = call.prices
        self.price: Pricing | None = None
        self.max_output: int | None = None
        self.most: Callable[[], Quote | None] = _nothing
        self.op = "" if windows is None else new_op()
        self.amount = _ZERO
        self.asked = False
        self.over = False

    def below(self) -> Call:
        """The call to pass on: bounded, priced, and recorded here."""
        call = self.call
        view = call.view if self.max_output is None else call.view.with_max_output(self.max_output)
        return call.but(view=view, records=(*call.records, self), prices=self.prices)

    def failed(self) -> None:
        """Nothing was accepted: give back what was not sent, and count what may have been worked on."""
        if any(attempt.sent and not _refused(attempt) for attempt in self):
            self._end()
        else:
            for attempt in self:
                self._cost(attempt)
            self.give_back()

    def settled(self, settled: Settled) -> None:
        """The reply has ended."""
        self._end(settled)

    def unreserve(self) -> None:
        """The ledger could not pay: the accounts of call and run are to hold nothing for it."""
        settle_in(self.accounts, self.amount, _ZERO)
        self.amount = _ZERO

    def give_back(self) -> None:
        """Nothing was sent."""
        if self.over:
            return
        self.over = True
        settle_in(self.accounts, self.amount, _ZERO)
        if self.asked and self.windows is not None:
            self.windows.release(self.op, self.call.clock)

    def facts(self, *, basis: Basis = "estimated", attempts: int = 1, tokens: tuple[int, int] = (0, 0)) -> Facts:
        """What the reservation is for, as the ledger keeps it."""
        assert self.period is not None
        journal = self.call.journal
        model = (self[-1].model if self else None) or self.call.target.name or str(self.call.target)
        return Facts(self.period.day, model, journal.agent or "", journal.run or "", basis, attempts, *tokens)

    def _end(self, settled: Settled | None = None) -> None:
        if self.over:
            return
        self.over = True
        if not self and settled is not None:  # whoever answered wrote no attempt down
            target, now = self.call.target, self.call.clock.now()
            self.append(Attempt(1, str(target), now, target.name, usage=settled.usage, cost=settled.cost))
        spent, sent, tokens_in, tokens_out = _ZERO, 0, 0, 0
        basis: Basis = "reported"
        for attempt in self:
            cost, usage = self._cost(attempt), attempt.usage
            if cost.amount is not None:
                spent = EXACT.add(spent, cost.amount)
            if _DOUBT[cost.basis] > _DOUBT[basis]:
                basis = cost.basis
            sent += attempt.sent
            if usage is not None:
                tokens_in += usage.input_tokens
                tokens_out += usage.output_tokens
        settle_in(self.accounts, self.amount, spent)
        if self.windows is not None and self.period is not None:
            facts = self.facts(basis=basis, attempts=sent, tokens=(tokens_in, tokens_out))
            self.windows.settle(self.op, min(spent, MOST), self.period, facts, self.call.clock)
        if self.amount and spent > self.amount:
            self.call.note(
                "Budget",
                "overdrawn",
                f"{self.call.target} cost {dollars(spent)}, reserved were {dollars(self.amount)}",
            )

    def _cost(self, attempt: Attempt) -> Cost:
        """What an attempt cost, written into it where nobody else knew.

        Never raises: the rest is still to be booked.
        """
        amount = attempt.cost.amount
        if amount is not None:
            if amount.is_finite() and 0 <= amount <= MOST:
                return attempt.cost
            _logger.warning("%s is no cost of a request; it is estimated", amount)
        try:
            attempt.cost = self._estimate(attempt)
        except Exception:
            _logger.exception("a cost could not be estimated")
            attempt.cost = Cost(self.amount, "estimated") if self.amount else Cost()
        return attempt.cost

    def _estimate(self, attempt: Attempt) -> Cost:
        if not attempt.sent:
            return Cost(_ZERO, "reported")
        if _refused(attempt):
            return Cost(_ZERO, "estimated")
        if attempt.usage is not None and self.price is not None:
            return Cost(self.price.cost(attempt.usage), "estimated")
        if self.amount:
            return Cost(self.amount, "estimated")
        most = self.most()
        return Cost() if most is None else Cost(most.amount, "estimated")


def _nothing() -> None:
    return None


def _refused(attempt: Attempt) -> bool:
    """Whether the upstream turned the request down: providers do not bill what they refuse."""
    status = attempt.status_code
    return status is not None and status >= 400 and not isinstance(attempt.error, InvalidResponse)
