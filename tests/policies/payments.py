"""Calls that cost, an upstream that says what they did, and budgets to pay from."""

from decimal import Decimal

from calls import PlainView, make_call

from hanzo_agents import Attempt, Budget, Cost, MemoryStore, Price
from hanzo_agents._kernel.price import NO_PRICES
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents.prices import over

PRICES = {"m": Price(input=0, output=100), "mini": Price(input=0, output=10), "free": Price(input=0, output=0)}
"""An answer of 1000 tokens costs 10 cents with "m", 1 cent with "mini"."""

DAY = "default/daily/2023-11-14/UTC"
"""Under a `FakeClock` as it comes."""

LISTED = over(PRICES, NO_PRICES)
"""The same prices, for calls without a budget that brings its own."""


def usd(text):
    return Decimal(text)


def budget(**fields):
    return Budget(**{"store": MemoryStore(), "prices": PRICES, **fields})


def asks(tokens=1000, target="m", **fields):
    """A call whose answer may have so many tokens."""
    fields.setdefault("view", PlainView(text="", max_output=tokens))
    return make_call(target, **fields)


class Upstream:
    """What the wire does: writes an attempt down, and answers, fails, or streams."""

    def __init__(self, *, cost=None, usage=None, error=None, status=None, sent=True, stream=False, before=None):
        self.cost = Cost() if cost is None else Cost(usd(cost), "reported")
        self.usage, self.error, self.status, self.sent = usage, error, status, sent
        self.stream, self.before = stream, before
        self.calls, self.ends = [], []

    async def __call__(self, call):
        self.calls.append(call)
        if self.before is not None:
            await self.before(call)
        attempt = Attempt(call.attempt, str(call.target), call.clock.now(), model=call.target.name)
        call.begin(attempt)
        attempt.usage, attempt.cost, attempt.status_code, attempt.sent = (
            self.usage,
            self.cost,
            self.status,
            self.sent,
        )
        if self.error is not None:
            attempt.error = self.error
            raise self.error
        attempt.accepted = call.clock.now()
        end = Settlement() if self.stream else Settlement(Settled(self.usage, self.cost))
        self.ends.append(end)
        return Reply("answer", attempt, end=end)
