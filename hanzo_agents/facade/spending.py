"""`daily_budget` and its companions: the `Budget` they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.checked import as_table, known_as
from hanzo_agents.policies.budget import Budget, BudgetAlerts

if TYPE_CHECKING:
    from hanzo_agents.facade.keywords import Keywords

__all__ = ["budget_of"]

_NAMES = {
    "Budget_per_call": "max_cost_per_request",
    "Budget_daily": "daily_budget",
    "Budget_monthly": "monthly_budget",
}


def budget_of(given: Keywords) -> Budget | None:
    """The budget that these keywords mean, None for none.

    Raises:
        ConfigError: one is no amount of dollars, or alerts have no budget to watch.
    """
    daily, monthly = given.get("daily_budget"), given.get("monthly_budget")
    per_call, alerts = given.get("max_cost_per_request"), given.get("budget_alerts")
    if alerts is not None and daily is None and monthly is None:
        raise ConfigError("budget_alerts: they watch daily_budget and monthly_budget, and neither is given")
    if daily is None and monthly is None and per_call is None:
        return None
    with known_as(**_NAMES):
        return Budget(per_call=per_call, daily=daily, monthly=monthly, alerts=_alerts(alerts))


def _alerts(given: object) -> BudgetAlerts | None:
    if given is None:
        return None
    fields = ("thresholds", "webhook", "secret", "callback")
    table = as_table("budget_alerts", given, fields)
    with known_as(**{f"BudgetAlerts_{name}": f"budget_alerts[{name!r}]" for name in fields}):
        return BudgetAlerts(**table)
