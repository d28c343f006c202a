"""What a budget would do with a call, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Decision
from hanzo_agents.policies.budget.quote import Quote, affordable, dollars, tokens_foretold
from hanzo_agents.policies.budget.runs import current_runs
from hanzo_agents.prices import over

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.call import Call
    from hanzo_agents.policies.budget.enforcer import Enforcer

__all__ = ["bounded", "planned"]


def planned(enforcer: Enforcer, call: Call) -> Decision:
    """What would be reserved, and whether the accounts of this process could pay it."""
    limits = _limits(enforcer, call)
    price = over(enforcer.terms.prices, call.prices).known(call.priced_target)
    if price is None:
        return _unpriced(enforcer, call, limited=bool(limits))
    most = enforcer.most(call, price)
    if not limits:
        return Decision("Budget", "writes down", "what the call costs; there is no limit", _data(most))
    if not most.amount:
        return Decision("Budget", "allows", f"{call.target} is free", _data(most))
    tightest = min((left for left in limits.values() if left is not None), default=most.amount)
    if most.amount > tightest and not call.extra and call.view.max_output is None:
        # A call that names no limit of its own is sent with a smaller one.
        view = call.view
        most = affordable(price, most, tightest, view.choices, tokens_foretold(view)) or most
    data = _data(most)
    for name, available in limits.items():
        if available is not None and most.amount > available:
            reason = f"{name}: {dollars(available)} left, and the call may cost {dollars(most.amount)}"
            ladder = [str(rung) for rung in enforcer.terms.ladder]
            return Decision("Budget", "makes do" if ladder else "refuses", reason, {**data, "ladder": ladder})
    reason = f"at most {dollars(most.amount)} for {call.target}, in {', '.join(limits)}"
    return Decision("Budget", "reserves", reason, data)


def bounded(enforcer: Enforcer, call: Call) -> Call:
    """The call with the answer that would be reserved for."""
    decision = planned(enforcer, call)
    tokens = decision.data["tokens_out"] if decision.action == "reserves" else None
    if not tokens or tokens == call.view.max_output:
        return call
    return call.but(view=call.view.with_max_output(tokens))


def _data(most: Quote) -> dict[str, object]:
    return {"most": f"{most.amount:f}", "tokens_in": most.tokens_in, "tokens_out": most.tokens_out}


def _unpriced(enforcer: Enforcer, call: Call, *, limited: bool) -> Decision:
    if not limited or enforcer.terms.allow_unpriced:
        return Decision("Budget", "allows", f"nobody knows yet what {call.target} costs")
    return Decision("Budget", "asks for the price", f"nobody knows yet what {call.target} costs; else refuses")


def _limits(enforcer: Enforcer, call: Call) -> dict[str, Decimal | None]:
    """What the limits that hold leave, None where only the store knows."""
    found: dict[str, Decimal | None] = {}
    if enforcer.terms.per_call is not None:
        found["per_call"] = enforcer.accounts.left(call, "per_call")
    for run in current_runs():
        if run.remaining is not None:
            tightest = found.get("run_budget")
            found["run_budget"] = run.remaining if tightest is None else min(run.remaining, tightest)
    if enforcer.terms.per_run is not None:
        found["per_run"] = enforcer.accounts.left(call, "per_run")
    if enforcer.windows is not None:
        period = enforcer.windows.at(call.clock.wall())
        found |= {period.kinds[account.name]: None for account in period.accounts if account.limit is not None}
    return found
