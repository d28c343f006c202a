"""Spending limits that hold: reserved before the send, settled with the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Literal

from hanzo_agents._kernel.fields import check_count, check_flag, check_store
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.budget.alerts import BudgetAlerts, Thresholds
from hanzo_agents.policies.budget.amounts import Amount, checked
from hanzo_agents.policies.budget.enforcer import Enforcer, Rung, Terms
from hanzo_agents.policies.budget.planned import planned
from hanzo_agents.policies.budget.quote import dollars
from hanzo_agents.policies.budget.window_accounts import WindowAccounts
from hanzo_agents.policies.budget.windows import Calendar
from hanzo_agents.prices import checked_table, over

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Decision
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.prices import Price
    from hanzo_agents.stores.store import Store

__all__ = ["Budget"]

_LIMITS = ("per_call", "per_run", "daily", "monthly")


@dataclass(frozen=True, kw_only=True, repr=False)
class Budget:
    """Refuse what cannot be paid for.

    Before each send the most it can cost is reserved in every account it is charged to, or in none: the estimated
    input, and the largest answer it may get, at the target's price. Afterwards the truth is booked instead: what
    the router reports, else what the tokens cost. What was lost, cancelled or half streamed counts as it was
    reserved; what was never sent, or refused by the upstream, counts nothing.

    A call without a `max_tokens` of its own is sent with one, or its reservation would bound nothing: the smallest
    of the model's own limit, `max_output`, and what the tightest account still pays for.

    Limits are US dollars: a number, a Decimal or a string. All are optional; without any, spend is only listed.

    Attributes:
        per_call: for all attempts, fallbacks and hedges of one model call together.
        per_run: for all calls of one agent run, agents inside it included; in a `run_budget` block, of the block.
        daily, monthly: for a day or month of the calendar. A call belongs to the window in which it was reserved.
        store: where the accounts are, and how far they reach: with a `MemoryStore` this process, with a
            `SQLiteStore` a file, with a `RedisStore` a Redis. By default a file in the user's state folder
            (HANZO_STATE_DIR).
        name: budgets of one name share the accounts of a store.
        timezone: whose calendar, a name of the IANA database.
        prices: your own, by model; they win over what the router or the public list says.
        allow_unpriced: let calls pass whose price nobody knows. They count nothing, and are listed as unknown.
        on_shortage: what to try, in order, before refusing: "shrink" permits a smaller answer than the caller
            asked for, of this target and those that follow; a model's name or a `Target` is asked instead.
        max_output: tokens of the largest answer to a call that names no limit of its own.
        alerts: whom to tell when a day's or month's spend passes a share of its limit.
        on_store_unavailable: "refuse" paid calls, or "allow" them; spend is booked when the store is back.

    Raises:
        ConfigError: a field is wrong; or, from a call, nothing tells which run it belongs to.
        BudgetExceeded: an account cannot pay; says which, its limit, and when it starts afresh.
        Unaccountable: nobody knows the price, or the store is away.
    """

    place: ClassVar[Place] = Place.BUDGET

    per_call: Amount | None = None
    per_run: Amount | None = None
    daily: Amount | None = None
    monthly: Amount | None = None
    store: Store | None = None
    name: str = "default"
    timezone: str = "UTC"
    prices: Mapping[str, Price] | None = field(default=None, hash=False)
    allow_unpriced: bool = False
    on_shortage: Sequence[str | Target] = ()
    max_output: int = 4096
    alerts: BudgetAlerts | None = None
    on_store_unavailable: Literal["refuse", "allow"] = "refuse"
    _enforcer: Enforcer = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Check every field; ConfigError names the one that is wrong."""
        limits = {name: _limit(name, getattr(self, name)) for name in _LIMITS}
        for name, limit in limits.items():
            object.__setattr__(self, name, limit)
        calendar = Calendar(self.timezone, "Budget.timezone")
        self._check()
        if self.store is None:
            from hanzo_agents.stores.state_dir import default_store

            object.__setattr__(self, "store", default_store())
        prices: Mapping[str, Price] = {} if self.prices is None else self.prices
        object.__setattr__(self, "prices", checked_table("Budget.prices", prices))
        ladder = _ladder(self.on_shortage)
        object.__setattr__(self, "on_shortage", ladder)
        terms = Terms(
            per_call=limits["per_call"],
            per_run=limits["per_run"],
            prices=self.prices or {},
            allow_unpriced=self.allow_unpriced,
            ladder=ladder,
            max_output=self.max_output,
            refuse_when_away=self.on_store_unavailable == "refuse",
        )
        by_window = {kind: limits[kind] for kind in ("daily", "monthly")}
        thresholds = None if self.alerts is None else Thresholds(self.alerts, self.name)
        windows = WindowAccounts(lambda: _store_of(self).ledger, self.name, by_window, calendar, thresholds)
        object.__setattr__(self, "_enforcer", Enforcer(terms, windows))

    def _check(self) -> None:
        if not isinstance(self.name, str) or not self.name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Budget.name: expected a name, got {self.name!r}")
        check_store("Budget.store", self.store, "ledger")
        check_count("Budget.max_output", self.max_output)
        check_flag("Budget.allow_unpriced", self.allow_unpriced)
        if self.on_store_unavailable not in ("refuse", "allow"):
            raise ConfigError(
                f'Budget.on_store_unavailable: expected "refuse" or "allow", got {self.on_store_unavailable!r}'
            )
        if self.alerts is None:
            return
        if not isinstance(self.alerts, BudgetAlerts):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"Budget.alerts: expected BudgetAlerts(...), got {type(self.alerts).__name__}")
        if self.daily is None and self.monthly is None:
            raise ConfigError("Budget.alerts: they watch daily= and monthly=, and neither is given")

    @property
    def to(self) -> tuple[Target, ...]:
        """The targets of the ladder."""
        return tuple(rung for rung in self.on_shortage if isinstance(rung, Target))

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send what can be paid for."""
        return await self._enforcer.serve(call, send)

    def onward(self, call: Call) -> list[Call]:
        """The call as it would be passed on: by the ladder, its answer bounded, priced as this budget does it."""
        return [planned(self._enforcer, call)[1].but(prices=over(self.prices or {}, call.prices))]

    def plan(self, call: Call) -> Decision:
        """What would be reserved for this call. The store is not asked: what it last told holds."""
        return planned(self._enforcer, call)[0]

    def __repr__(self) -> str:
        limits = [
            f"{name}={dollars(value)}" for name in _LIMITS if isinstance(value := getattr(self, name), Decimal)
        ]
        named = [] if self.name == "default" else [f"name={self.name!r}"]
        ladder = [f"on_shortage={[str(rung) for rung in self.on_shortage]}"] if self.on_shortage else []
        parts = [*limits, *named, f"timezone={self.timezone!r}", *ladder, f"store={self.store!r}"]
        return f"Budget({', '.join(parts)})"


def _limit(name: str, value: object) -> Decimal | None:
    return None if value is None else checked(f"Budget.{name}", value)


def _store_of(budget: Budget) -> Store:
    assert budget.store is not None
    return budget.store


def _ladder(steps: object) -> tuple[Rung, ...]:
    if isinstance(steps, str | Target) or not isinstance(steps, Sequence):
        raise ConfigError(
            f'Budget.on_shortage: expected a list of "shrink", model names and Targets, got {steps!r}'
        )
    return tuple(step if step == "shrink" else Target.of(step, "Budget.on_shortage") for step in steps)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
