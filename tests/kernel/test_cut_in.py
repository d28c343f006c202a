"""The garbage collector ends a dropped stream in the middle of anything: no account hangs, and none is wrong.

Each test stops one account between reading a figure and writing it, and has the collector find there a cycle that
holds an unread stream, whose end is told to the same account.
"""

import asyncio
import gc
import threading
from decimal import Decimal

import pytest

from hanzo_agents import BudgetAlerts, Settled
from hanzo_agents._kernel.reply import Settlement
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.policies.budget import alerts as alerting
from hanzo_agents.policies.budget.alerts import Thresholds
from hanzo_agents.policies.budget.local_accounts import LocalAccount, reserve_in, settle_in
from hanzo_agents.policies.budget.window_accounts import WindowAccounts
from hanzo_agents.policies.budget.windows import Calendar
from hanzo_agents.policies.cache.shelf import Shelf
from hanzo_agents.policies.hedge import Latencies
from hanzo_agents.policies.hedge.allowance import Allowance
from hanzo_agents.policies.rate_limit.pace import Pace
from hanzo_agents.policies.spend import Spend
from hanzo_agents.stores import MemoryStore
from hanzo_agents.stores.circuits import Rules
from hanzo_agents.stores.circuits.circuit import Circuit
from hanzo_agents.stores.circuits.memory import MemoryCircuits
from hanzo_agents.stores.entries import Bounds
from hanzo_agents.stores.entries.flights import Flights
from hanzo_agents.stores.entries.memory import MemoryEntries
from hanzo_agents.stores.ledger import Account, Facts
from hanzo_agents.stores.ledger import memory as ledger_memory
from hanzo_agents.stores.ledger.memory import MemoryLedger
from hanzo_agents.stores.limits import Need
from hanzo_agents.stores.limits.bells import Bells
from hanzo_agents.stores.limits.memory import MemoryLimits
from hanzo_agents.testing.clock import FakeClock

USD = Decimal("0.25")
ACCOUNT = Account("day", Decimal(100), None)
FACTS = Facts("2026-01-01", "m", "", "", "estimated", 1, 2, 3)
RULES = Rules(5, None, 20, 60.0, 60.0, 1, 60.0)
NEED = Need(10, None, 1000, 10, 10, 5.0, 0.0)


class Unread:
    """A stream that nobody reads, in a cycle with its reader."""

    def __init__(self, hook):
        self.end = Settlement()
        self.end.on_settled(lambda _: hook())
        self.reader = self

    def __del__(self):
        self.end.settle(Settled(complete=False))


class Cut:
    """Where the collector comes by, once."""

    def __init__(self, hook):
        self.hook = hook
        self.done = 0

    def __call__(self):
        hook, self.hook = self.hook, None
        if hook is not None:
            Unread(hook)
            gc.collect()
            self.done += 1


class CutInt(int):
    """A number that the collector cuts in on while it is added to something."""

    cut = None

    def __radd__(self, other):
        self.cut()
        return other + int(self)

    def __rsub__(self, other):
        self.cut()
        return other - int(self)


class CutFloat(float):
    cut = None

    def __rmul__(self, other):
        self.cut()
        return other * float(self)

    def __lt__(self, other):
        self.cut()
        return float(self) < other


def number(kind, value, cut):
    made = kind(value)
    made.cut = cut
    return made


def without_hanging(job):
    """Do it on a thread of its own: one that hangs is told of, and left."""
    failures = []

    def work():
        try:
            job()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits for itself"
    if failures:
        raise failures[0]


@pytest.fixture
def clock():
    return FakeClock()


class CutTally(LocalAccount):
    """The collector cuts in when a figure has been read that is about to be written."""

    __slots__ = ("cut",)

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if name in {"reserved", "spent"} and self.armed:
            self.cut()
        return value

    armed = False


def test_tallies():
    for figure, cut_in in (
        ("reserved", reserve_in),
        ("spent", lambda t, amount: settle_in(t, Decimal(0), amount)),
    ):
        tally = CutTally("per_run", None)
        tally.cut = cut = Cut(lambda tally=tally: settle_in([tally], -USD, USD))
        CutTally.armed = True
        without_hanging(lambda tally=tally, go=cut_in: go([tally], Decimal(1)))
        CutTally.armed = False
        assert cut.done
        assert getattr(tally, figure) == 1 + USD


@pytest.mark.parametrize("operation", ["reserve", "settle", "release"])
def test_the_ledger_in_memory(clock, monkeypatch, operation):
    ledger, other = MemoryLedger(), []
    ledger.reserve("other", USD, [ACCOUNT], FACTS, lease=60, clock=clock)
    ledger.reserve("op", USD, [ACCOUNT], FACTS, lease=60, clock=clock)

    def hook():
        ledger.settle("other", 2 * USD, [ACCOUNT], FACTS, clock=clock).tell(other.append, other.append)

    cut = Cut(hook)
    to_units = ledger_memory.to_units
    monkeypatch.setattr(ledger_memory, "to_units", lambda amount: number(CutInt, to_units(amount), cut))
    operate = {
        "reserve": lambda: ledger.reserve("new", USD, [ACCOUNT], FACTS, lease=60, clock=clock),
        "settle": lambda: ledger.settle("op", 3 * USD, [ACCOUNT], FACTS, clock=clock),
        "release": lambda: (
            ledger.release("op", clock=clock),
            ledger.settle("x", USD, [ACCOUNT], FACTS, clock=clock),
        ),
    }[operation]
    without_hanging(operate)
    assert cut.done
    (balance,) = ledger.balances(["day"], clock=clock).value
    expected = {"reserve": (2 * USD, 2 * USD), "settle": (5 * USD, 0), "release": (3 * USD, 0)}[operation]
    assert (balance.spent, balance.reserved) == expected
    assert len(other) == 1
    assert other[0][0].name == "day"


def test_the_lanes_in_memory(clock):
    limits = MemoryLimits()
    limits.ask("lane", "first", NEED, clock=clock)
    cut = Cut(lambda: limits.settle("lane", "first", 3, clock=clock))
    need = NEED._replace(tokens=number(CutInt, 10, cut))
    without_hanging(lambda: limits.ask("lane", "second", need, clock=clock))
    assert cut.done
    standing = limits.standing("lane", clock=clock).value
    assert (standing.requests, standing.tokens, standing.slots) == (2, 13, 1)


def test_bells():
    bells = Bells()

    async def ring():
        first, second = bells.hang("lane", "one"), bells.hang("lane", "two")
        bells.add(first)
        bells.add(second)
        cut = Cut(lambda: (bells.remove(first), bells.ring("lane")))
        wake = type(first).ring
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(first), "ring", lambda bell: (wake(bell), cut())[0])
            bells.ring("lane")
        assert cut.done
        assert (first.rung, second.rung, bells.waiting("lane")) == (True, True, 1)

    without_hanging(lambda: asyncio.run(ring()))


def test_circuits_in_memory(clock, monkeypatch):
    circuits = MemoryCircuits()
    changes = []

    def failed(by):
        circuits.record("key", by, 0, "failure", RULES, clock=clock).tell(changes.append, changes.append)

    cut = Cut(lambda: [failed(f"in {n}") for n in range(3)])
    remember = Circuit._remember

    def remembered(circuit, by):
        failures = circuit.failures
        remember(circuit, by)
        cut()
        assert circuit.failures == failures

    monkeypatch.setattr(Circuit, "_remember", remembered)
    without_hanging(lambda: failed("out"))
    assert cut.done
    assert circuits.look("key", RULES, clock=clock).value.failures == 4
    assert changes == [None] * 4


def test_cached_answers_in_memory(clock, monkeypatch):
    entries = MemoryEntries()
    bounds = Bounds(10, 1000)

    def put(key, content):
        entries.put(key, content, ttl=60, bounds=bounds, fence=None, clock=clock)

    cut = Cut(lambda: put(b"a", b"1234567"))
    drop = entries._drop
    monkeypatch.setattr(entries, "_drop", lambda key: (drop(key), cut()))
    without_hanging(lambda: put(b"a", b"123"))
    assert cut.done
    assert entries.get(b"a", clock=clock).value == b"1234567"
    assert entries._size == 7


def test_flights(monkeypatch):
    flights = Flights()

    async def fly():
        lead = flights.board(b"a")
        waiters = [flights.board(b"a") for _ in range(3)]
        cut = Cut(lambda: waiters[0].outcome.failed(harmless=True))
        deliver = type(waiters[0]).deliver
        monkeypatch.setattr(
            type(waiters[0]), "deliver", lambda waiter, outcome: (deliver(waiter, outcome), cut())[0]
        )
        lead.failed()
        assert cut.done
        # The heir that was dropped at once has handed over to the next.
        assert [waiter.outcome is not None for waiter in waiters] == [True, True, False]
        waiters[1].outcome.landed(b"answer")
        assert waiters[2].outcome == b"answer"
        assert len(flights) == 0

    without_hanging(lambda: asyncio.run(fly()))


def test_a_waiter_that_is_dropped_while_it_is_called_takes_no_lead_along(monkeypatch):
    flights = Flights()

    async def fly():
        lead = flights.board(b"a")
        first, second = flights.board(b"a"), flights.board(b"a")
        cut = Cut(lambda: flights.leave(first, first._flight))
        deliver = type(first).deliver
        monkeypatch.setattr(type(first), "deliver", lambda waiter, outcome: (cut(), deliver(waiter, outcome))[1])
        lead.failed()
        assert cut.done
        assert first.outcome is None
        second.outcome.landed(None)
        assert len(flights) == 0

    without_hanging(lambda: asyncio.run(fly()))


def test_what_second_legs_may_spend(monkeypatch):
    allowance = Allowance(0.5)
    allowance.earn(Spend(0, 100))
    paid = Spend(0, 10)
    cut = Cut(lambda: allowance.settle(paid, None))
    monkeypatch.setattr(Spend, "tokens", property(lambda spend: number(CutFloat, spend.input + spend.output, cut)))
    without_hanging(lambda: allowance.earn(Spend(100, 0)))
    assert cut.done
    assert allowance._tokens.credit == 50 + 50 + 10


def test_times_to_first_event():
    latencies = Latencies(4)
    for seconds in (1.0, 2.0, 3.0):
        latencies.note("a", seconds)
    cut = Cut(lambda: [latencies.note("a", 9.0) for _ in range(3)])
    without_hanging(lambda: latencies._turns.put(latencies._note, "a", number(CutFloat, 2.5, cut)))
    assert cut.done
    latest, ordered = latencies._targets["a"]
    assert list(latest) == [2.5, 9.0, 9.0, 9.0]
    assert ordered == sorted(latest)


def test_the_pace(clock):
    pace = Pace(4)
    pace.went(0.0, 100)
    cut = Cut(lambda: pace.stayed(100))
    without_hanging(lambda: pace.went(0.0, number(CutInt, 7, cut)))
    assert cut.done
    assert pace.went(0.0, 0)[1:] == (2, 7)


def test_figures_of_a_cache():
    shelf = Shelf(MemoryStore(), ttl=60, bounds=Bounds(10, 1000), tool_calls=False, substitutes=False)
    cut = Cut(lambda: shelf.figures.count("kept", 3))
    without_hanging(lambda: shelf.figures.count("kept", number(CutInt, 2, cut)))
    assert cut.done
    assert shelf.stats.kept == 5


def test_alerts_for_what_is_booked_in_the_middle_are_told_once(clock, monkeypatch):
    told = []
    monkeypatch.setattr(alerting._deliveries, "begin", lambda _, alert: told.append(alert))
    ledger = MemoryLedger()
    watch = Thresholds(BudgetAlerts(thresholds=[0.5], callback=print), "b")
    book = WindowAccounts(
        lambda: ledger, "b", {"daily": Decimal(1), "monthly": None}, Calendar("UTC", "tz"), watch
    )
    page = book.at(clock.wall())
    cut = Cut(lambda: book.settle("in", Decimal("0.6"), page, FACTS, clock))
    balance = ledger._balance
    monkeypatch.setattr(ledger, "_balance", lambda name: (balance(name), cut())[0])
    without_hanging(lambda: book.settle("out", Decimal("0.1"), page, FACTS, clock))
    assert cut.done
    assert [alert.spent for alert in told] == [Decimal("0.7")]


def test_two_accounts_that_cut_in_on_each_other_on_two_threads_do_not_wait_for_each_other():
    one, two = Turns(), Turns()
    both, log = threading.Barrier(2, timeout=10), []

    def work(mine, other, name):
        with mine:
            both.wait()
            told = threading.Event()
            Unread(lambda: (other.put(log.append, name), told.set()))
            while not told.is_set():
                gc.collect()  # nothing happens while the other thread does it
            both.wait()

    threads = [
        threading.Thread(target=work, args=args, daemon=True)
        for args in ((one, two, "to two"), (two, one, "to one"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    with one, two:
        assert sorted(log) == ["to one", "to two"]
