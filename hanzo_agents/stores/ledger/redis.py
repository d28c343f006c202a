"""Money in Redis."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hanzo_agents.stores.ledger import (
    DAYS_KEPT,
    EXPIRED_REMEMBERED,
    MARGIN,
    REMEMBERED,
    Balance,
    Entry,
    Shortage,
    to_dollars,
    to_units,
)
from hanzo_agents.stores.ledger.scripts import BALANCES, ENTRIES, MARK, RELEASE, RESERVE, SETTLE
from hanzo_agents.stores.operations import new_op
from hanzo_agents.stores.pending import joined

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from decimal import Decimal

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.ledger import Account, Facts
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.redis import RedisStore, Script

__all__ = ["RedisLedger"]

MOST_GROUPS = 2_000
"""Lines of a day's report; beyond them runs are no longer told apart."""

_TIMES = json.dumps(
    {
        "margin": MARGIN,
        "remembered": REMEMBERED,
        "expired": EXPIRED_REMEMBERED,
        "history": (DAYS_KEPT + 2) * 86_400,
        "groups": MOST_GROUPS,
    }
)


class RedisLedger:
    """Accounts in one Redis. What was reserved there is as durable as that Redis keeps its data.

    Sums are integers that only ever change by an increment. A script reads them to compare them, which Lua does
    exactly below 2^53 units.
    """

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._base = store.key("ledger", "")

    def reserve(
        self, op: str, amount: Decimal, accounts: Sequence[Account], facts: Facts, *, lease: float, clock: Clock
    ) -> Submitted[Shortage | None]:
        """Set `amount` aside in all accounts, or in none."""
        args = (op, str(to_units(amount)), _accounts(accounts), _facts(facts), repr(float(lease)))

        def read(reply: Any) -> Shortage | None:
            if not reply:
                return None
            index, spent, reserved = reply
            account = accounts[int(index) - 1]
            return Shortage(account, Balance(account.name, int(spent), int(reserved)))

        return self._run(RESERVE, args, clock).read(read)

    def settle(
        self, op: str, amount: Decimal, accounts: Sequence[Account], facts: Facts, *, clock: Clock
    ) -> Submitted[list[Balance]]:
        """Book what the operation cost in place of its reservation."""
        args = (op, str(to_units(amount)), _accounts(accounts), _facts(facts))
        names = [account.name for account in accounts]
        return self._run(SETTLE, args, clock).read(lambda reply: _balances(names, reply))

    def release(self, op: str, *, clock: Clock) -> Submitted[None]:
        """Give the reservation back."""
        return self._run(RELEASE, (op,), clock).read(lambda _: None)

    def balances(self, names: Sequence[str], *, clock: Clock) -> Submitted[list[Balance]]:
        """What accounts hold."""
        held = json.dumps([[name, "", ""] for name in names])
        return self._run(BALANCES, (held,), clock).read(lambda reply: _balances(names, reply))

    def entries(self, since: date, until: date, *, clock: Clock) -> Submitted[list[Entry]]:
        """The usage of some days, a script a day."""
        # No calendar is more than a day ahead, and there is nothing to ask of days to come.
        until = min(until, datetime.fromtimestamp(clock.wall(), UTC).date() + timedelta(days=1))
        count = min((until - since).days, DAYS_KEPT)
        days = [(until - timedelta(days=back)).isoformat() for back in range(count + 1)]
        return joined([self._run(ENTRIES, (day,), clock).read(_entries) for day in days], "Ledger.entries")

    def mark(self, name: str, ends: float | None, *, clock: Clock) -> Submitted[bool]:
        """Whether this is the first mark of that name."""
        return self._run(MARK, (name, _time(ends), new_op()), clock).read(bool)

    def _run(self, script: Script, args: Sequence[str], clock: Clock) -> Submitted[Any]:
        # One key names them all: they share its hash tag, and which ones there are, only the script finds out.
        return self._store.run(script, [self._base], _TIMES, *args, clock=clock)


def _accounts(accounts: Sequence[Account]) -> str:
    """As Lua reads them: every value a string, as its JSON would round numbers to 14 digits."""
    return json.dumps(
        [
            [account.name, "" if account.limit is None else str(account.limit_units), _time(account.ends)]
            for account in accounts
        ]
    )


def _time(seconds: float | None) -> str:
    return "" if seconds is None else repr(float(seconds))


def _facts(facts: Facts) -> str:
    """Day, line of the report, the line beyond `MOST_GROUPS`, and three counts."""
    group = [facts.model, facts.agent, facts.run, facts.basis]
    coarse = [facts.model, facts.agent, "", facts.basis]
    counts = [str(n) for n in (facts.attempts, facts.input_tokens, facts.output_tokens)]
    return json.dumps([facts.day, json.dumps(group), json.dumps(coarse), *counts])


def _balances(names: Sequence[str], reply: Any) -> list[Balance]:
    return [Balance(name, int(spent), int(reserved)) for name, (spent, reserved) in zip(names, reply, strict=True)]


def _entries(reply: Any) -> list[Entry]:
    """Fields are "a" to "e" and the line they belong to."""
    day, flat = reply[0].decode(), reply[1]
    lines: dict[str, dict[str, int]] = {}
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        field = name.decode()
        lines.setdefault(field[1:], {})[field[0]] = int(value)
    return [_entry(day, group, sums) for group, sums in lines.items() if sums["a"]]


def _entry(day: str, group: str, sums: dict[str, int]) -> Entry:
    model, agent, run, basis = json.loads(group)
    return Entry(day, model, agent, run, basis, sums["a"], sums["b"], sums["c"], sums["d"], to_dollars(sums["e"]))
