"""Telling somebody that a budget fills up: once a threshold and window, in all processes of a store."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.loop_thread import DAEMON_THREADS
from hanzo_agents._kernel.money import EXACT
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.budget.quote import dollars
from hanzo_agents.policies.budget.webhook import WebhookError, check_url, post

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Future

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.budget.window_accounts import Period
    from hanzo_agents.stores.ledger import Balance, Ledger

__all__ = ["Alert", "BudgetAlerts", "Thresholds"]

_logger = logging.getLogger("hanzo_agents")

WAITS = (0.0, 1.0, 3.0)
"""Seconds before each try to reach a webhook."""

GRACE = 5.0
"""Seconds that the end of the process waits for alerts under way."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold that was crossed.

    Attributes:
        budget: the name of the budget.
        budget_type: "daily" or "monthly".
        threshold: the share of the limit, as it was configured.
        limit, spent: US dollars.
        resets_at: when the window ends, seconds since the epoch.
    """

    budget: str
    budget_type: str
    threshold: float
    limit: Decimal
    spent: Decimal
    resets_at: float

    def payload(self) -> dict[str, Any]:
        """What a webhook is sent. Amounts are strings: JSON's numbers are not exact."""
        return {
            "event": "budget_alert",
            "budget": self.budget,
            "budget_type": self.budget_type,
            "threshold": self.threshold,
            "limit": f"{self.limit:f}",
            "spent": f"{self.spent:f}",
            "resets_at": self.resets_at,
        }

    def __str__(self) -> str:
        return (
            f"{self.budget_type} budget {self.budget!r}: {dollars(self.spent)} of {dollars(self.limit)} spent "
            f"(past {self.threshold:.0%})"
        )


@dataclass(frozen=True, kw_only=True)
class BudgetAlerts:
    """Whom to tell when the spend of a day or a month passes a share of its limit.

    Each threshold is told once a window, by one of the processes that share the store, in the background: never on
    the way of a call. What cannot be delivered is logged.

    Attributes:
        thresholds: shares of the limit, above 0; 1.0 is the limit itself.
        webhook: an https address on a public host; gets `Alert.payload()` as JSON.
        secret: signs what the webhook gets: header `X-Hanzo-Signature`, "sha256=" and the HMAC of the body.
        callback: called with the `Alert`, on a thread of its own; may return something to await.

    Raises:
        ConfigError: a threshold is no share, the webhook is no public https address, or nobody is to be told.
    """

    thresholds: Sequence[float] = (0.5, 0.8, 0.9, 1.0)
    webhook: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    callback: Callable[[Alert], object] | None = None

    def __post_init__(self) -> None:
        """Check what was given."""
        listed = isinstance(self.thresholds, Sequence) and not isinstance(self.thresholds, str | bytes)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not listed or not self.thresholds:
            raise ConfigError(f"BudgetAlerts.thresholds: expected a list of shares, got {self.thresholds!r}")
        for share in self.thresholds:
            number = isinstance(share, int | float) and not isinstance(share, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
            if not number or not math.isfinite(share) or share <= 0:
                raise ConfigError(f"BudgetAlerts.thresholds: expected shares above 0 such as 0.8, got {share!r}")
        object.__setattr__(self, "thresholds", tuple(sorted(set(self.thresholds))))
        if self.webhook is None and self.callback is None:
            raise ConfigError("BudgetAlerts: expected a webhook or a callback, got neither")
        if self.webhook is not None:
            check_url("BudgetAlerts.webhook", self.webhook)
        if self.secret is not None and (not isinstance(self.secret, str) or not self.secret):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError("BudgetAlerts.secret: expected a string that is not empty")
        if self.callback is not None and not callable(self.callback):
            raise ConfigError(f"BudgetAlerts.callback: expected a callable, got {type(self.callback).__name__}")


class Thresholds:
    """Compares balances with thresholds, and has alerts delivered."""

    def __init__(self, alerts: BudgetAlerts, budget: str) -> None:
        self._alerts = alerts
        self._budget = budget
        self._told: set[tuple[str, float]] = set()

    def check(self, balances: Sequence[Balance], period: Period, ledger: Ledger, clock: Clock) -> None:
        """Hear how the accounts of a period stand. Called on any thread; starts what it has to do, and returns."""
        for account, balance in zip(period.accounts, balances, strict=True):
            if not account.limit:
                continue
            for share in self._alerts.thresholds:
                mark = EXACT.multiply(account.limit, Decimal(str(share)))
                if balance.spent < mark or (account.name, share) in self._told:
                    continue
                self._told.add((account.name, share))
                assert account.ends is not None
                alert = Alert(
                    self._budget, period.kinds[account.name], share, account.limit, balance.spent, account.ends
                )
                self._once(alert, f"{account.name} {share!r}", ledger, clock)
        if len(self._told) > 2 * 2 * len(self._alerts.thresholds):
            current = {account.name for account in period.accounts}
            self._told = {told for told in self._told if told[0] in current}

    def _once(self, alert: Alert, mark: str, ledger: Ledger, clock: Clock) -> None:
        def marked(first: bool) -> None:
            if first:
                _deliveries.begin(self._alerts, alert)

        ledger.mark(mark, alert.resets_at, clock=clock).tell(
            marked, lambda error: _logger.warning("budget alert not sent (%s): %s", error, alert)
        )


class _Deliveries:
    """Alerts on their way, so that the end of the process can give them a moment."""

    def __init__(self) -> None:
        self._under_way: set[Future[None]] = set()
        atexit.register(self.finish)

    def begin(self, alerts: BudgetAlerts, alert: Alert) -> None:
        try:
            job = DAEMON_THREADS.submit(_deliver, alerts, alert)
        except RuntimeError:  # the process ends, and starts no threads any more
            _logger.warning("budget alert not sent: %s", alert)
            return
        self._under_way.add(job)  # in one step: no lock, as this may be told to us in the middle of anything
        job.add_done_callback(self._under_way.discard)

    def finish(self) -> None:
        until = time.monotonic() + GRACE
        for job in list(self._under_way):
            try:
                job.result(max(until - time.monotonic(), 0))
            except TimeoutError:
                return


_deliveries = _Deliveries()


def _deliver(alerts: BudgetAlerts, alert: Alert) -> None:
    if alerts.callback is not None:
        try:
            answer = alerts.callback(alert)
            if inspect.isawaitable(answer):
                asyncio.run(_finish(answer))
        except Exception:
            _logger.exception("a budget alert's callback failed")
    if alerts.webhook is not None:
        _post(alerts.webhook, alerts.secret, alert)


def _post(url: str, secret: str | None, alert: Alert) -> None:
    body, failure = json.dumps(alert.payload()).encode(), ""
    for wait in WAITS:
        time.sleep(wait)
        try:
            post(url, body, secret=secret)
        except WebhookError as error:
            failure = str(error)
        else:
            return
    _logger.warning("budget alert not delivered, %s: %s", failure, alert)


async def _finish(answer: Awaitable[object]) -> None:
    await answer
