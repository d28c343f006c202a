"""What tests of the breaker stand on: a wire that runs guards, and calls that must pass or must fail."""

import asyncio

import pytest
from calls import Inner, make_call

from hanzo_agents import Reply, Settled
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Settlement


async def hang(_call):
    await asyncio.Event().wait()


class Wire(Inner):
    """The service beneath, which asks the guards right before it sends; `sent` counts what got past them."""

    @property
    def sent(self):
        return len(self.calls)

    async def __call__(self, call):
        await call.pass_guards()
        return await super().__call__(call)

    @staticmethod
    async def stream(batches, clock):
        """A reply that streams these batches."""
        end = Settlement()

        async def close():
            await batches.aclose()

        primed = Primed(
            batches,
            close=close,
            finished=lambda error, complete: end.settle(Settled(error=error, complete=complete)),
            clock=clock,
        )
        await primed.prime()
        return Reply(primed, end=end, bound=primed.bound)


async def passes(breaker, wire, *, call=None, **fields):
    """A call that is answered."""
    return await breaker(call or make_call(**fields), wire)


async def fails(breaker, wire, kind=BaseException, *, call=None, **fields):
    """A call that fails; its error."""
    with pytest.raises(kind) as failed:
        await breaker(call or make_call(**fields), wire)
    return failed.value
