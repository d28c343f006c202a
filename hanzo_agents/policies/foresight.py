"""What a budget would do with a call, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Decision
from hanzo_agents.policies.desk import as_priced
from hanzo_agents.policies.reckoning import Quote, affordable, dollars, tokens_foretold
from hanzo_agents.policies.runs import current_runs
from hanzo_agents.prices import over

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.call import Call
    from hanzo_agents.policies.desk import Desk

__all__ = ["foresee"]


def foresee(desk: Desk, call: Call) -> Decision:
    """What would be reserved, and whether the accounts of this process could pay it."""
    limits = _limits(desk, call)
    price = over(desk.terms.prices, call.prices).known(as_priced(call))
    if price is None:
        return _unpriced(desk, call, limited=bool(limits))
    most = desk.most(call, price)
    if not limits:
        return Decision("Budget", "writes down", "what the call costs; there is no limit", _data(most))
    if not most.amount:
        return Decision("Budget", "lets pass", f"{call.target} is free", _data(most))
    tightest = min((left for left in limits.values() if left is not None), default=most.amount)
    if most.amount > tightest and not call.extra and call.view.max_output is None:
        # A call that names no limit of its own is sent with a smaller one.
        view = call.view
        most = affordable(price, most, tightest, view.choices, tokens_foretold(view)) or most
    data = _data(most)
    for name, available in limits.items():
        if available is not None and most.amount > available:
            reason = f"{name}: {dollars(available)} left, and the call may cost {dollars(most.amount)}"
            ladder = [str(rung) for rung in desk.terms.ladder]
            return Decision("Budget", "makes do" if ladder else "refuses", reason, {**data, "ladder": ladder})
    reason = f"at most {dollars(most.amount)} for {call.target}, in {', '.join(limits)}"
    return Decision("Budget", "reserves", reason, data)


def _data(most: Quote) -> dict[str, object]:
    return {"most": f"{most.amount:f}", "tokens_in": most.tokens_in, "tokens_out": most.tokens_out}


def _unpriced(desk: Desk, call: Call, *, limited: bool) -> Decision:
    if not limited or desk.terms.allow_unpriced:
        return Decision("Budget", "lets pass", f"nobody knows yet what {call.target} costs")
    return Decision("Budget", "asks for the price", f"nobody knows yet what {call.target} costs; else refuses")


def _limits(desk: Desk, call: Call) -> dict[str, Decimal | None]:
    """What the limits that hold leave, None where only the store knows."""
    found: dict[str, Decimal | None] = {}
    if desk.terms.per_call is not None:
        found["per_call"] = desk.purses.left(call, "per_call")
    for run in current_runs():
        if run.remaining is not None:
            tightest = found.get("run_budget")
            found["run_budget"] = run.remaining if tightest is None else min(run.remaining, tightest)
    if desk.terms.per_run is not None:
        found["per_run"] = desk.purses.left(call, "per_run")
    if desk.book is not None:
        page = desk.book.page(call.clock.wall())
        found |= {page.kinds[account.name]: None for account in page.accounts if account.limit is not None}
    return found
