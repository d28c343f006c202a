"""What a budget would do with a call, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.money import EXACT
from hanzo_agents.policies.budget.quote import Quote, affordable, dollars, tokens_foretold
from hanzo_agents.policies.budget.runs import current_runs
from hanzo_agents.prices import over

if TYPE_CHECKING:
    from decimal import Decimal

    from hanzo_agents._kernel.call import Call
    from hanzo_agents.policies.budget.enforcer import Enforcer

__all__ = ["planned"]


def planned(enforcer: Enforcer, call: Call) -> tuple[Decision, Call]:
    """What would be reserved, as far as this process knows the accounts, and the call that would be passed on."""
    decision = _reserving(enforcer, call, shrink=False)
    if decision.action != "refuses" or call.extra:
        return decision, _bounded(call, decision)
    for aimed, shrink in enforcer.rungs(call):
        rung = _reserving(enforcer, aimed, shrink=shrink)
        if rung.action in {"allows", "reserves"}:
            how = "a smaller answer" if aimed is call else f"{aimed.target}"
            return Decision("Budget", "makes do", f"{how}: {decision.reason}", rung.data), _bounded(aimed, rung)
    return decision, call


def _reserving(enforcer: Enforcer, call: Call, *, shrink: bool) -> Decision:
    limits = _limits(enforcer, call)
    price = over(enforcer.terms.prices, call.prices).known(call.priced_target)
    if price is None:
        return _unpriced(enforcer, call, limited=bool(limits))
    most = enforcer.most(call, price)
    if not limits:
        return Decision("Budget", "writes down", "what the call costs; there is no limit", _data(most))
    if not most.amount:
        return Decision("Budget", "allows", f"{call.target} is free", _data(most))
    view, tightest = call.view, min(limits.values())
    if most.amount > tightest and not call.extra and (shrink or view.max_output is None):
        # A call that names no limit of its own is sent with a smaller one.
        most = affordable(price, most, tightest, view.choices, tokens_foretold(view)) or most
    data = _data(most)
    # A second leg leaves as much for the first ones as it takes.
    needed = EXACT.multiply(most.amount, 2 if call.extra else 1)
    for name, available in limits.items():
        if needed > available:
            twice = " and has to leave as much" if call.extra else ""
            reason = f"{name}: {dollars(available)} left, and the call may cost {dollars(most.amount)}{twice}"
            return Decision("Budget", "refuses", reason, data)
    reason = f"at most {dollars(most.amount)} for {call.target}, in {', '.join(limits)}"
    return Decision("Budget", "reserves", reason, data)


def _bounded(call: Call, decision: Decision) -> Call:
    """The call with the answer that would be reserved for."""
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


def _limits(enforcer: Enforcer, call: Call) -> dict[str, Decimal]:
    """What the limits that hold leave, those in a store by what it last told this process."""
    found: dict[str, Decimal] = {}
    if (left := enforcer.accounts.left(call, "per_call")) is not None:
        found["per_call"] = left
    for run in current_runs():
        if run.remaining is not None:
            tightest = found.get("run_budget")
            found["run_budget"] = run.remaining if tightest is None else min(run.remaining, tightest)
    if (left := enforcer.accounts.left(call, "per_run")) is not None:
        found["per_run"] = left
    return found if enforcer.windows is None else found | enforcer.windows.left(call.clock.wall())
