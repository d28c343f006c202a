"""`run_budget()`: one account for everything that a block of code asks models for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.ambient import around_sends
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.tracking import track
from hanzo_agents.policies.budget.amounts import Amount, checked
from hanzo_agents.policies.budget.enforcer import Enforcer, Terms, covered
from hanzo_agents.policies.budget.planned import planned
from hanzo_agents.policies.budget.runs import Run, entered

if TYPE_CHECKING:
    from collections.abc import Generator

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.journal import Decision
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Run", "charged_to", "run_budget"]


@contextmanager
def run_budget(limit: Amount | None = None) -> Generator[Run]:
    """Hold every model call made in the block to one limit, and add up what they cost.

        with run_budget(0.50) as run:
            await Runner.run(agent, "...", run_config=RunConfig(model_provider=provider))
        print(run.cost)

    Counted are all calls through our providers, models and clients: of tools that run at once, agents inside
    agents, handoffs, retries, hedges, and of tasks begun in the block. Blocks nest: a call is charged to every one
    around it. The limit holds with and without a `Budget` in the stack.

    Threads of the agents' tools and of `asyncio.to_thread` belong to the block too. A thread or an executor of
    your own does where it runs in the block's context, `pool.submit(copy_context().run, ask)`: before Python 3.14
    a `threading.Thread` begins in an empty one, and nothing of it is seen here.

    Args:
        limit: US dollars; None only adds up.

    Raises:
        ConfigError: `limit` is no amount.
        BudgetExceeded: from a call that the rest of the limit cannot pay for.
        Unaccountable: from a call to a model whose price nobody knows, when there is a limit.
    """
    run = Run(None if limit is None else checked("run_budget", limit))
    with track() as run.journals, charged_to(run):
        yield run


@contextmanager
def charged_to(run: Run) -> Generator[None]:
    """Charge the calls of a block to a run that outlives it; it learns what they cost, and keeps no journals."""
    with entered(run), around_sends(_KEEPER):
        yield


class _Keeper:
    """Charges runs for calls that no `Budget` in the stack charges them for."""

    place: ClassVar[Place] = Place.BUDGET

    def __init__(self) -> None:
        self.__name__ = "run_budget"
        self._enforcer = Enforcer(Terms())

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send, at the expense of the runs around the call."""
        # A leg of a call that has a stack of its own further out is charged there.
        if call.journal.leg or covered(call):
            return await send(call)
        return await self._enforcer.serve(call, send)

    def plan(self, call: Call) -> Decision:
        """What the runs around the call would reserve."""
        return planned(self._enforcer, call)[0]

    def onward(self, call: Call) -> list[Call]:
        """The call, its answer bounded."""
        return [planned(self._enforcer, call)[1]]


_KEEPER = _Keeper()
