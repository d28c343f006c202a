"""How a budget says no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.errors import BudgetExceeded
from hanzo_agents.policies.budget.quote import dollars

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.call import Call
    from hanzo_agents.policies.budget.local_accounts import LocalAccount
    from hanzo_agents.policies.budget.window_accounts import Period
    from hanzo_agents.policies.budget.windows import Calendar
    from hanzo_agents.stores.ledger import Balance, Shortage

__all__ = ["of_local", "of_window"]


def of_local(account: LocalAccount, call: Call, amount: Decimal) -> BudgetExceeded:
    """The budget of a call or a run cannot pay."""
    assert account.limit is not None
    return _refusal(account.kind, call, amount, account.limit, account)


def of_window(short: Shortage, call: Call, amount: Decimal, period: Period, calendar: Calendar) -> BudgetExceeded:
    """The budget of a day or a month cannot pay."""
    account = next(account for account in period.accounts if account.name == short.account.name)
    assert account.limit is not None
    error = _refusal(period.kinds[account.name], call, amount, account.limit, short.held)
    error.resets_at = account.ends
    if account.ends is not None:
        error.args = (f"{error.args[0]}; it starts afresh on {calendar.show(account.ends)}",)
    return error


def _refusal(
    kind: str, call: Call, amount: Decimal, limit: Decimal, held: Balance | LocalAccount
) -> BudgetExceeded:
    under_way = f", {dollars(held.reserved)} reserved for calls under way" if held.reserved else ""
    return BudgetExceeded(
        f"{kind} budget of {dollars(limit)}: {dollars(held.spent)} spent{under_way}; "
        f"this call to {call.target} may cost {dollars(amount)}",
        budget_type=kind, limit=limit, spent=held.spent, reserved=held.reserved,
    )  # fmt: skip
