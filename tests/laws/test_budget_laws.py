"""Whatever calls cost, however they end and whoever dies: what is spent and reserved never passes a limit."""

import asyncio
import itertools
from decimal import Decimal
from types import SimpleNamespace

from calls import PlainView, http_error, lost_connection, make_call
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hanzo_agents import (
    Attempt,
    Budget,
    BudgetExceeded,
    Cost,
    InvalidResponse,
    MemoryStore,
    Price,
    run_budget,
)
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents.stores.ledger import Account, Facts
from hanzo_agents.testing.clock import FakeClock

PRICES = {"m": Price(input=0, output=100)}
CENT = Decimal("0.01")
LIMITS = {"daily": Decimal(1), "monthly": Decimal("1.5")}
NAMES = ["default/daily/2023-11-14/UTC", "default/monthly/2023-11/UTC"]


def now(pending):
    """The result of an operation on a store in memory, which is over when it returns."""
    return pending.value


class Ledgers(RuleBasedStateMachine):
    """A ledger against the simplest thing that could be right: a dict of what each operation came to."""

    def __init__(self):
        super().__init__()
        self.clock = FakeClock()
        self.ledger = MemoryStore().ledger
        self.ops = {}
        self.numbers = itertools.count()
        self.day = Account("day", Decimal(1), self.clock.wall() + 86_400)
        self.month = Account("month", Decimal("1.5"), self.clock.wall() + 30 * 86_400)
        self.facts = Facts("2023-11-14", "m")

    def accounts(self):
        return (self.day, self.month)

    def held(self):
        """What the model holds, spent and reserved."""
        self.expire()
        spent = sum((op.amount for op in self.ops.values() if op.state in {"settled", "expired"}), Decimal(0))
        reserved = sum((op.amount for op in self.ops.values() if op.state == "reserved"), Decimal(0))
        return spent, reserved

    def expire(self):
        for op in self.ops.values():
            if op.state == "reserved" and op.until <= self.clock.now():
                op.state = "expired"

    @rule(cents=st.integers(1, 60), lease=st.integers(1, 30))
    def reserve(self, cents, lease):
        op, amount = f"op{next(self.numbers)}", cents * CENT
        spent, reserved = self.held()
        short = now(self.ledger.reserve(op, amount, self.accounts(), self.facts, lease=lease, clock=self.clock))
        assert (short is None) == (spent + reserved + amount <= self.day.limit)
        if short is None:
            self.ops[op] = SimpleNamespace(
                state="reserved", amount=amount, until=self.clock.now() + lease, most=amount
            )

    @precondition(lambda self: self.ops)
    @rule(data=st.data())
    def reserve_again(self, data):
        op = data.draw(st.sampled_from(sorted(self.ops)))
        assert (
            now(self.ledger.reserve(op, self.ops[op].most, self.accounts(), self.facts, lease=9, clock=self.clock))
            is None
        )

    @precondition(lambda self: self.ops)
    @rule(data=st.data(), share=st.integers(0, 100))
    def settle(self, data, share):
        op = data.draw(st.sampled_from(sorted(self.ops)))
        known = self.ops[op]
        if known.state == "released":  # an owner says one or the other
            return
        self.expire()
        amount = known.most * share / 100
        now(self.ledger.settle(op, amount, self.accounts(), self.facts, clock=self.clock))
        if known.state in {"reserved", "expired"}:
            known.state, known.amount = "settled", amount

    @precondition(lambda self: self.ops)
    @rule(data=st.data())
    def release(self, data):
        op = data.draw(st.sampled_from(sorted(self.ops)))
        self.expire()
        now(self.ledger.release(op, clock=self.clock))
        if self.ops[op].state in {"reserved", "expired"}:
            self.ops[op].state = "released"

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def it_is_what_it_should_be(self):
        spent, reserved = self.held()
        for balance in now(self.ledger.balances(["day", "month"], clock=self.clock)):
            assert (balance.spent, balance.reserved) == (spent, reserved)
            assert 0 <= balance.spent + balance.reserved <= self.day.limit

    def teardown(self):
        self.clock.advance(60)
        assert all(
            balance.reserved == 0 for balance in now(self.ledger.balances(["day", "month"], clock=self.clock))
        )


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(max_examples=60, stateful_step_count=40)


ENDINGS = ["value", "stream", "lost", "refused", "unsent", "broken", "cancelled"]

calls_made = st.lists(
    st.tuples(st.integers(1, 3000), st.sampled_from(ENDINGS), st.integers(0, 100), st.integers(0, 3)),
    min_size=1, max_size=25,
)  # fmt: skip


class Upstream:
    """Ends each call as drawn, and checks the limits at every step."""

    def __init__(self, check):
        self.check = check
        self.ends = []
        self.spent = Decimal(0)

    def service(self, tokens, ending, share, turns):
        cost = Decimal(tokens) / 10_000 * share / 100

        async def send(call):
            for _ in range(turns):
                self.check()
                await asyncio.sleep(0)
            attempt = Attempt(1, "m", call.clock.now(), model="m")
            if ending == "unsent":
                raise InvalidResponse("never sent")
            call.begin(attempt)
            if ending == "cancelled":
                asyncio.current_task().cancel()
                await asyncio.sleep(0)
            if ending in {"lost", "broken", "refused"}:
                attempt.error = {
                    "lost": lost_connection(),
                    "broken": InvalidResponse("x"),
                    "refused": http_error(500),
                }[ending]
                attempt.status_code = 500 if ending == "refused" else None
                raise attempt.error
            attempt.cost, attempt.accepted = Cost(cost, "reported"), call.clock.now()
            end = Settlement(Settled(cost=attempt.cost)) if ending == "value" else Settlement()
            if ending == "stream":
                self.ends.append((end, attempt.cost))
            return Reply("x", attempt, end=end)

        return send


def paid(limit=None):
    return Budget(store=MemoryStore(), prices=PRICES, per_call="0.25", **(limit or LIMITS))


@settings(max_examples=80)
@given(calls_made, st.sampled_from([None, Decimal("0.4")]))
def test_no_limit_is_ever_passed_and_nothing_stays_reserved(calls, run_limit):
    async def scenario():
        policy = paid()

        def check():
            for balance, limit in zip(
                now(policy.store.ledger.balances(NAMES, clock=clock)), LIMITS.values(), strict=True
            ):
                assert balance.spent + balance.reserved <= limit
                assert balance.reserved >= 0
            assert run_limit is None or run.spent + run.reserved <= run_limit

        upstream = Upstream(check)

        async def one(call):
            try:
                view = PlainView(text="", max_output=call[0])
                await policy(make_call(view=view), upstream.service(*call))
            finally:
                check()

        with run_budget(run_limit) as run:
            await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
        check()
        for end, cost in upstream.ends:
            end.settle(Settled(cost=cost))
            check()
        assert [b.reserved for b in now(policy.store.ledger.balances(NAMES, clock=clock))] == [0, 0]
        assert run.reserved == 0

    with FakeClock() as clock:
        asyncio.run(scenario())


@settings(max_examples=30)
@given(st.lists(st.integers(1, 3000), min_size=20, max_size=60), st.randoms(use_true_random=False))
def test_there_are_no_phantom_refusals(tokens, order):
    """When callers who keep asking are refused, less is left than one of them may cost."""

    async def scenario():
        policy = Budget(store=MemoryStore(), prices=PRICES, daily=Decimal("0.5"))
        upstream = Upstream(lambda: None)
        refused = []
        for number in tokens:
            share = order.randint(0, 100)
            try:
                await policy(
                    make_call(view=PlainView(text="", max_output=number)),
                    upstream.service(number, "value", share, 0),
                )
            except BudgetExceeded as error:
                left = error.limit - error.spent - error.reserved
                assert left < Decimal(number) / 10_000
                refused.append(number)
        (balance, _) = now(policy.store.ledger.balances(NAMES, clock=clock))
        assert all(Decimal("0.5") - balance.spent < Decimal(number) / 10_000 for number in refused)

    with FakeClock() as clock:
        asyncio.run(scenario())
