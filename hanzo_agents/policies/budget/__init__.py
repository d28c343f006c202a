"""Spending limits that hold: the policy `Budget`, the block `run_budget`, and whom to tell when money runs low."""

from hanzo_agents.policies.budget.alerts import Alert, BudgetAlerts
from hanzo_agents.policies.budget.policy import Budget
from hanzo_agents.policies.budget.run_block import run_budget
from hanzo_agents.policies.budget.runs import Run

__all__ = ["Alert", "Budget", "BudgetAlerts", "Run", "run_budget"]
