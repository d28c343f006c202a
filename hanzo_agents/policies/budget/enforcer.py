"""What a budget does with a call: price it, reserve, send, and see to it that the truth is booked."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal

from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import BudgetExceeded, Unaccountable
from hanzo_agents.policies.budget.call_accounts import CallAccounts
from hanzo_agents.policies.budget.local_accounts import reserve_in
from hanzo_agents.policies.budget.quote import Quote, affordable, quote, tokens_foretold, tokens_in
from hanzo_agents.policies.budget.refusals import of_local, of_window
from hanzo_agents.policies.budget.reservation import Reservation
from hanzo_agents.prices import over
from hanzo_agents.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.price import Pricing
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents.policies.budget.local_accounts import LocalAccount
    from hanzo_agents.policies.budget.window_accounts import Period, WindowAccounts
    from hanzo_agents.prices import Price
    from hanzo_agents.stores.ledger import Shortage

__all__ = ["Enforcer", "Rung", "Terms", "covered"]

Rung = Literal["shrink"] | Target
"""A step of the ladder."""

FREE_PATHS = frozenset({"conversations", "files", "models", "moderations", "uploads", "vector_stores"})
"""Requests beside model calls that cost nothing by themselves. What is not among them may, and has no price."""

FREE_ENDS = ("/cancel", "/input_tokens")
"""What ends the paths of others that are free: tokens are counted for nothing."""

PAID_ENDS = ("/search",)
"""What ends the paths of those that are not: a search in a vector store is billed."""

READING = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})

MODEL_CALLS = frozenset({"blend", "chat", "compare", "embeddings", "judge", "model", "responses"})

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


class Enforcer:
    """Lets through what the accounts can pay for.

    Args:
        windows: the accounts in the ledger; None where only calls and runs are limited.
    """

    def __init__(self, terms: Terms, windows: WindowAccounts | None = None) -> None:
        self.terms = terms
        self.windows = windows
        self.accounts = CallAccounts(terms.per_call, terms.per_run)

    async def serve(self, call: Call, send: Send) -> Reply:
        """Send what can be paid for.

        Raises:
            BudgetExceeded: an account cannot pay, and no step of the ladder helps.
            Unaccountable: there is no price, or the ledger is away.
        """
        if call.view.operation not in MODEL_CALLS:
            self._check_other(call)
            return await send(call)
        accounts = self.accounts.of(call, runs=not covered(call))
        try:
            reservation = await self._opened(call, accounts, shrink=False)
        except BudgetExceeded as refusal:
            reservation = await self._by_the_ladder(call, accounts, refusal)
        try:
            reply = await send(reservation.below())
        except BaseException:
            reservation.failed()
            raise
        reply.on_settled(reservation.settled)
        return reply

    def _check_other(self, call: Call) -> None:
        """Refuse a request beside model calls that may cost, where a limit holds."""
        method, _, path = call.view.operation.partition(" ")
        if method in READING or _free(path):
            return
        period = None if self.windows is None else self.windows.at(call.clock.wall())
        self._check_unpriced(call, path, limited=_limited(period, self.accounts.of(call, runs=not covered(call))))

    async def _by_the_ladder(
        self, call: Call, accounts: Sequence[LocalAccount], refusal: BudgetExceeded
    ) -> Reservation:
        """Try the steps in their order.

        Raises:
            BudgetExceeded: the first refusal; the ladder ends.
        """
        # A second leg that only makes the call quicker is not worth a worse answer.
        for aimed, shrink in () if call.extra else self.rungs(call):
            try:
                reservation = await self._opened(aimed, accounts, shrink=shrink)
            except (BudgetExceeded, Unaccountable) as error:
                call.note("Budget", "skips", str(error))
                continue
            how = "a smaller answer" if aimed is call else f"{aimed.target}"
            call.note("Budget", "makes do", f"{how}: {refusal}")
            return reservation
        call.note("Budget", "refuses", str(refusal))
        raise refusal

    def rungs(self, call: Call) -> Iterator[tuple[Call, bool]]:
        """What the ladder makes of a call, step by step, and whether a smaller answer is permitted there."""
        aimed, shrink = call, False
        for rung in self.terms.ladder:
            if rung == "shrink":
                shrink = True
            elif call.pinned or call.single or call.exact or call.view.needs & rung.lacks:
                continue
            else:
                aimed = call.aimed_at(rung)
            yield aimed, shrink

    async def _opened(self, call: Call, accounts: Sequence[LocalAccount], *, shrink: bool) -> Reservation:
        """The reservation for a call, made."""
        windows = self.windows
        reservation = Reservation(call, windows=windows, accounts=accounts)
        limited = _limited(reservation.period, accounts)
        reservation.prices = over(self.terms.prices, call.prices)
        prices, target = reservation.prices, call.priced_target
        # The router's own page comes before the public list, and tells the largest answer; it is asked seldom.
        ask = limited or windows is not None
        reservation.price = await prices.learn(target) if ask else prices.known(target)
        if reservation.price is not None:
            reservation.most = partial(self.most, call, reservation.price)
            if limited:
                await self._reserved(reservation, shrink=shrink)
                return reservation
        else:
            self._check_unpriced(call, str(call.target), limited=limited)
        return reservation

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

    async def _reserved(self, reservation: Reservation, *, shrink: bool) -> None:
        """Reserve for the largest answer; for a smaller one where that is allowed and the whole cannot be paid.

        Raises:
            BudgetExceeded: an account cannot pay.
        """
        call, price, asked = reservation.call, reservation.price, reservation.most()
        assert price is not None
        assert asked is not None
        given = call.view.max_output
        may_shrink = not call.extra and (given is None or shrink)
        wanted, tries = asked, 0
        while (refused := await self._refusal(reservation, wanted)) is not None:
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
        reservation.max_output = wanted.tokens_out if bounds else None

    async def _refusal(self, reservation: Reservation, wanted: Quote) -> tuple[BudgetExceeded, Decimal] | None:
        """Reserve, or say why not, and what is left."""
        call, amount = reservation.call, wanted.amount
        if not amount:
            return None  # what is free passes an exhausted budget
        # A second leg leaves as much for the first ones as it takes.
        spare = amount if call.extra else _ZERO
        account = reserve_in(reservation.accounts, amount, spare=spare)
        if account is not None:
            return of_local(account, call, amount), account.available or _ZERO
        reservation.amount = amount
        if self.windows is None or reservation.period is None or not reservation.period.limited:
            return None
        try:
            short = await self._asked(reservation, self.windows, reservation.period, wanted, spare)
        except BaseException:
            reservation.give_back()
            raise
        if short is None:
            return None
        reservation.unreserve()
        return of_window(short, call, amount, reservation.period, self.windows.calendar), short.available

    async def _asked(
        self, reservation: Reservation, windows: WindowAccounts, period: Period, wanted: Quote, spare: Decimal
    ) -> Shortage | None:
        """Reserve in the ledger.

        Raises:
            Unaccountable: the ledger is away, and that is no reason to go on.
        """
        call, facts = reservation.call, reservation.facts(tokens=(wanted.tokens_in, wanted.tokens_out))
        remaining = call.remaining()
        lease = LONGEST_LEASE if remaining is None else max(remaining, 0.0) + LEASE_MARGIN
        reservation.asked = True
        try:
            return await windows.reserve(
                reservation.op, wanted.amount, period, facts, spare=spare, lease=lease, clock=call.clock
            )
        except StoreUnavailable as error:
            if self.terms.refuse_when_away:
                call.note("Budget", "refuses", f"the ledger is away: {error}")
                raise Unaccountable(
                    f"the budget's ledger is away, so nobody knows what is left ({error}); "
                    'on_store_unavailable="allow" would let the call pass',
                    code="store_unavailable",
                ) from error
            call.note("Budget", "allows", f"the ledger is away: {error}")
            return None

    def _check_unpriced(self, call: Call, what: str, *, limited: bool) -> None:
        if not limited:
            return
        if self.terms.allow_unpriced:
            call.note("Budget", "allows", f"nobody knows what {what} costs")
            return
        raise Unaccountable(
            f"nobody knows what {what} costs, and a budget is set; give its price in Budget(prices={{...}}), "
            "or let it pass with allow_unpriced=True",
            code="unpriced",
        )


def _limited(period: Period | None, accounts: Sequence[LocalAccount]) -> bool:
    return (period is not None and period.limited) or any(account.limit is not None for account in accounts)


def _free(path: str) -> bool:
    """Whether a request to a path costs nothing, as far as its spelling tells for sure."""
    parts = path.strip("/").split("/")
    if ".." in parts or "%" in path or path.endswith(PAID_ENDS):
        return False
    return parts[0] in FREE_PATHS or path.endswith(FREE_ENDS)


def covered(call: Call) -> bool:
    """Whether a budget further out pays for the call already."""
    return any(isinstance(record, Reservation) for record in call.records)
