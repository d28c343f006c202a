"""The accounts that a call is charged to beside the ledger's: its own, and those of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.budget.local_accounts import LocalAccount, NamedAccounts
from hanzo_agents.policies.budget.runs import current_runs

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from decimal import Decimal

    from hanzo_agents._kernel.call import Call
    from hanzo_agents.policies.budget.runs import Run

__all__ = ["CallAccounts"]


class CallAccounts:
    """An account for each call and each run that is under way.

    Args:
        per_call, per_run: their limits in US dollars, None without one.
    """

    def __init__(self, per_call: Decimal | None, per_run: Decimal | None) -> None:
        self.per_call = per_call
        self.per_run = per_run
        self._runs: WeakKeyDictionary[Run, LocalAccount] = WeakKeyDictionary()
        self._named = None if per_run is None else NamedAccounts("per_run", per_run)

    def of(self, call: Call, *, runs: bool) -> Sequence[LocalAccount]:
        """The accounts of a call; the first question opens them.

        Args:
            call: whose.
            runs: whether the `run_budget` blocks around it are charged here.

        Raises:
            ConfigError: there is a limit for runs, and nothing tells which one this is.
        """
        found: list[LocalAccount] = []
        if self.per_call is not None:
            found.append(_opened(call.journal.kept, self, "per_call", self.per_call))
        blocks = current_runs()
        # A leg of a call that has a stack of its own further out is charged there.
        if blocks and runs and not call.journal.leg:
            found.extend(run.account for run in blocks)
        if self.per_run is None or self._named is None:
            return found
        if blocks:
            found.append(_opened(self._runs, blocks[-1], "per_run", self.per_run))
        elif call.journal.run is not None:
            found.append(self._named[call.journal.run])
        else:
            raise ConfigError(
                "Budget.per_run: nothing tells which run this call belongs to; make it inside "
                "`with run_budget():`, or through an agent's run; a thread of your own is in the block only by "
                "contextvars.copy_context().run(...)"
            )
        return found

    def left(self, call: Call, kind: Literal["per_call", "per_run"]) -> Decimal | None:
        """What a call's own account or its run's has left, None without a limit. Opens none."""
        blocks, account = current_runs(), None
        if kind == "per_call":
            account, limit = call.journal.kept.get(self), self.per_call
        else:
            limit = self.per_run
            if blocks:
                account = self._runs.get(blocks[-1])
            elif self._named is not None and call.journal.run is not None:
                account = self._named.get(call.journal.run)
        return limit if account is None else account.available


def _opened(accounts: MutableMapping[Any, LocalAccount], key: object, kind: str, limit: Decimal) -> LocalAccount:
    account = accounts.get(key)
    if account is None:
        # Legs of one call may begin at once on several threads: the first one's account stays.
        account = accounts.setdefault(key, LocalAccount(kind, limit))
    return account
