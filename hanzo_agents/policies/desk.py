"""What a budget does with a call: price it, reserve, send, and see to it that the truth is booked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal

from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import BudgetExceeded, Unaccountable
from hanzo_agents.policies.leg import Leg
from hanzo_agents.policies.purses import Purses
from hanzo_agents.policies.reckoning import Quote, affordable, quote, tokens_foretold, tokens_in
from hanzo_agents.policies.refusals import of_account, of_tally
from hanzo_agents.policies.tally import reserve_in
from hanzo_agents.prices import over
from hanzo_agents.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.price import Prices, Pricing
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.policies.book import Book, Page
    from hanzo_agents.policies.tally import Tally
    from hanzo_agents.prices import Price
    from hanzo_agents.stores.ledger import Shortage

__all__ = ["Desk", "Rung", "Terms", "as_priced", "covered"]

Rung = Literal["shrink"] | Target
"""A step of the ladder."""

FREE_PATHS = frozenset({"conversations", "files", "models", "moderations", "uploads", "vector_stores"})
"""Requests beside model calls that cost nothing by themselves. What is not among them may, and has no price."""

FREE_ENDS = ("/cancel", "/input_tokens")
"""What ends the paths of others that are free: tokens are counted for nothing."""

PAID_ENDS = ("/search",)
"""What ends the paths of those that are not: a search in a vector store is billed."""

READING = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})

MODEL_CALLS = frozenset({"chat", "responses", "embeddings", "model"})

LEASE_MARGIN = 120.0
"""Seconds after a call's deadline at which its process is taken for dead."""

LONGEST_LEASE = 3_600.0
"""Seconds, of a call without a deadline."""

TRIES = 4
"""Reservations that one call asks for, each smaller than the one before."""

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Terms:
    """A budget's conditions; see `Budget` for what each means."""

    per_call: Decimal | None = None
    per_run: Decimal | None = None
    prices: Mapping[str, Price] = field(default_factory=dict[str, "Price"])
    allow_unpriced: bool = False
    ladder: tuple[Rung, ...] = ()
    max_output: int = 4096
    refuse_when_away: bool = True


class Desk:
    """Where calls are paid for.

    Args:
        book: the ledger's accounts; None where only calls and runs are limited, and nothing is written down.
    """

    def __init__(self, terms: Terms, book: Book | None = None) -> None:
        self.terms = terms
        self.book = book
        self.purses = Purses(terms.per_call, terms.per_run)

    async def serve(self, call: Call, send: Send) -> Reply:
        """Send what can be paid for.

        Raises:
            BudgetExceeded: an account cannot pay, and no step of the ladder helps.
            Unaccountable: there is no price, or the ledger is away.
        """
        if call.view.operation not in MODEL_CALLS:
            self._check_other(call)
            return await send(call)
        tallies = self.purses.of(call, runs=not covered(call))
        try:
            leg = await self._opened(call, tallies, shrink=False)
        except BudgetExceeded as refusal:
            leg = await self._by_the_ladder(call, tallies, refusal)
        try:
            reply = await send(leg.below())
        except BaseException as error:
            leg.failed(error)
            raise
        reply.on_settled(leg.settled)
        return reply

    def _check_other(self, call: Call) -> None:
        """Refuse a request beside model calls that may cost, where a limit holds."""
        method, _, path = call.view.operation.partition(" ")
        if method in READING or _free(path):
            return
        page = None if self.book is None else self.book.page(call.clock.wall())
        self._check_unpriced(call, path, limited=_limited(page, self.purses.of(call, runs=not covered(call))))

    async def _by_the_ladder(self, call: Call, tallies: Sequence[Tally], refusal: BudgetExceeded) -> Leg:
        """Try the steps in their order.

        Raises:
            BudgetExceeded: the first refusal; the ladder ends.
        """
        # A second leg that only makes the call quicker is not worth a worse answer.
        for aimed, shrink in () if call.extra else self._rungs(call):
            try:
                leg = await self._opened(aimed, tallies, shrink=shrink)
            except (BudgetExceeded, Unaccountable) as error:
                call.note("Budget", "passes by", str(error))
                continue
            how = "a smaller answer" if aimed is call else f"{aimed.target}"
            call.note("Budget", "makes do", f"{how}: {refusal}")
            return leg
        call.note("Budget", "refuses", str(refusal))
        raise refusal

    def _rungs(self, call: Call) -> Iterator[tuple[Call, bool]]:
        aimed, shrink = call, False
        for rung in self.terms.ladder:
            if rung == "shrink":
                shrink = True
            elif call.pinned or call.single or call.view.needs & rung.lacks:
                continue
            else:
                aimed = call.aimed_at(rung)
            yield aimed, shrink

    async def _opened(self, call: Call, tallies: Sequence[Tally], *, shrink: bool) -> Leg:
        """A leg whose reservation is made."""
        book = self.book
        leg = Leg(call, book=book, tallies=tallies)
        limited = _limited(leg.page, tallies)
        leg.prices = over(self.terms.prices, call.prices)
        leg.price = await self._price(call, leg.prices, ask=limited or book is not None)
        if leg.price is not None:
            leg.most = partial(self.most, call, leg.price)
            if limited:
                await self._reserved(leg, shrink=shrink)
                return leg
        else:
            self._check_unpriced(call, str(call.target), limited=limited)
        return leg

    async def _price(self, call: Call, prices: Prices, *, ask: bool) -> Pricing | None:
        target = as_priced(call)
        # The router's own page comes before the public list, and tells the largest answer; it is asked seldom.
        return await prices.learn(target) if ask else prices.known(target)

    def most(self, call: Call, price: Pricing) -> Quote:
        """What the call can cost with the largest answer it may get."""
        view = call.view
        asked, given = view.max_output, tokens_in(view)
        if asked is None or asked < 0:
            known = price.max_output
            asked = self.terms.max_output if known is None else min(known, self.terms.max_output)
        if view.stateful and call.target.context_window is not None:
            # What the provider adds of its own, such as earlier turns, is not seen here.
            given = max(given, call.target.context_window)
        return quote(price, given, asked, view.choices, tokens_foretold(view))

    async def _reserved(self, leg: Leg, *, shrink: bool) -> None:
        """Reserve for a leg; for a smaller answer where that is allowed and the whole cannot be paid.

        Raises:
            BudgetExceeded: an account cannot pay.
        """
        call, price, asked = leg.call, leg.price, leg.most()
        assert price is not None
        assert asked is not None
        given = call.view.max_output
        may_shrink = not call.extra and (given is None or shrink)
        wanted, tries = asked, 0
        while (refused := await self._refusal(leg, wanted)) is not None:
            refusal, left = refused
            tries += 1
            # What is left may go to others between two tries, so that the next is smaller still.
            if not may_shrink or tries >= TRIES:
                raise refusal
            smaller = affordable(price, wanted, left, call.view.choices, tokens_foretold(call.view))
            if smaller is None:
                raise refusal
            wanted = smaller
        if wanted is not asked:
            call.note("Budget", "shortens", f"the answer to {wanted.tokens_out} tokens", cost=str(wanted.amount))
        bounds = wanted.amount and wanted.tokens_out and wanted.tokens_out != given
        leg.max_output = wanted.tokens_out if bounds else None

    async def _refusal(self, leg: Leg, wanted: Quote) -> tuple[BudgetExceeded, Decimal] | None:
        """Reserve, or say why not, and what is left."""
        call, amount = leg.call, wanted.amount
        if not amount:
            return None  # what is free passes an exhausted budget
        # A second leg leaves as much for the first ones as it takes.
        spare = amount if call.extra else _ZERO
        tally = reserve_in(leg.tallies, amount, spare=spare)
        if tally is not None:
            return of_tally(tally, call, amount), tally.available or _ZERO
        leg.amount = amount
        if self.book is None or leg.page is None or not leg.page.limited:
            return None
        try:
            short = await self._asked(leg, self.book, leg.page, wanted, spare)
        except BaseException:
            leg.give_back()
            raise
        if short is None:
            return None
        leg.unreserve()
        return of_account(short, call, amount, leg.page, self.book.calendar), short.available

    async def _asked(self, leg: Leg, book: Book, page: Page, wanted: Quote, spare: Decimal) -> Shortage | None:
        """Reserve in the ledger.

        Raises:
            Unaccountable: the ledger is away, and that is no reason to go on.
        """
        call, facts = leg.call, leg.facts(tokens=(wanted.tokens_in, wanted.tokens_out))
        remaining = call.remaining()
        lease = LONGEST_LEASE if remaining is None else max(remaining, 0.0) + LEASE_MARGIN
        leg.asked = True
        try:
            return await book.reserve(
                leg.op, wanted.amount, page, facts, spare=spare, lease=lease, clock=call.clock
            )
        except StoreUnavailable as error:
            if self.terms.refuse_when_away:
                call.note("Budget", "refuses", f"the ledger is away: {error}")
                raise Unaccountable(
                    f"the budget's ledger is away, so nobody knows what is left ({error}); "
                    'when_store_is_away="allow" would let the call pass',
                    code="store_unavailable",
                ) from error
            call.note("Budget", "lets pass", f"the ledger is away: {error}")
            return None

    def _check_unpriced(self, call: Call, what: str, *, limited: bool) -> None:
        if not limited:
            return
        if self.terms.allow_unpriced:
            call.note("Budget", "lets pass", f"nobody knows what {what} costs")
            return
        raise Unaccountable(
            f"nobody knows what {what} costs, and a budget is set; give its price in Budget(prices={{...}}), "
            "or let it pass with allow_unpriced=True",
            code="unpriced",
        )


def _limited(page: Page | None, tallies: Sequence[Tally]) -> bool:
    return (page is not None and page.limited) or any(tally.limit is not None for tally in tallies)


def _free(path: str) -> bool:
    """Whether a request to a path costs nothing, as far as its spelling tells for sure."""
    parts = path.strip("/").split("/")
    if ".." in parts or "%" in path or path.endswith(PAID_ENDS):
        return False
    return parts[0] in FREE_PATHS or path.endswith(FREE_ENDS)


def covered(call: Call) -> bool:
    """Whether a budget further out pays for the call already."""
    return any(isinstance(record, Leg) for record in call.records)


def as_priced(call: Call) -> Target:
    """The target; one that keeps the caller's model, with that model's name."""
    target = call.target
    if target.model is None and (model := getattr(call.view, "model", None)):
        return replace(target, model=model)
    return target
