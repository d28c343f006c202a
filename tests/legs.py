"""Targets that take their time: what a hedge stands on instead of a wire."""

import asyncio
from dataclasses import dataclass, field

from hanzo_agents import Attempt, Reply, Settled, Usage
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Settlement

ONE = Usage(100, 100)


@dataclass
class Leg:
    """How one target behaves.

    `takes` seconds until it is accepted (None: for ever), then `answer`: a value, or an exception to raise. It
    waits `queued` seconds for limits of ours before anything is sent, and `cleanup` turns of the loop when it is
    cancelled. `refuses`: raised before anything is sent.
    """

    takes: float | None = 0.0
    answer: object = "answer"
    queued: float = 0.0
    cleanup: int = 0
    refuses: Exception | None = None
    usage: Usage = ONE
    streams: bool = False


@dataclass
class Upstreams:
    """`send` for a policy: each target a `Leg`, or a list of them, one a call; the last one repeats."""

    legs: dict
    log: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    opened: int = 0
    closed: int = 0
    settled: list = field(default_factory=list)

    def count(self, target):
        return sum(str(call.target) == target for call in self.calls)

    async def __call__(self, call):
        name = str(call.target)
        legs = self.legs[name]
        leg = legs[min(self.count(name), len(legs) - 1)] if isinstance(legs, list) else legs
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            return await self._send(call, leg)
        except asyncio.CancelledError:
            for _ in range(leg.cleanup):
                await asyncio.sleep(0)
            self.log.append(f"{name} cancelled")
            raise
        finally:
            self.running -= 1

    async def _send(self, call, leg):
        if leg.queued:
            await call.clock.sleep(leg.queued)
        if leg.refuses is not None:
            raise leg.refuses
        record = Attempt(call.attempt, str(call.target), call.clock.now())
        call.begin(record)
        try:
            if leg.takes is None:
                await asyncio.Event().wait()
            await call.clock.sleep(leg.takes)
            if isinstance(leg.answer, BaseException):
                raise leg.answer
        except BaseException as error:
            record.error, record.ended = error, call.clock.now()
            call.journal.finish(record)
            raise
        record.accepted, record.usage = call.clock.now(), leg.usage
        if leg.streams:
            return await self._stream(call, leg, record)
        record.ended = record.accepted
        call.journal.finish(record)
        end = Settled(leg.usage)
        self.settled.append((str(call.target), end))
        return Reply(leg.answer, record, end=Settlement(end))

    async def _stream(self, call, leg, record):
        end = Settlement()
        open_ = True
        self.opened += 1

        async def batches():
            for event in leg.answer:
                yield True, [event]
                await asyncio.sleep(0)

        source = batches()

        async def close():
            nonlocal open_
            self.closed += open_
            open_ = False
            await source.aclose()

        def finished(error, complete):
            record.ended = call.clock.now()
            call.journal.finish(record)
            settled = Settled(leg.usage, error=error, complete=complete)
            self.settled.append((str(call.target), settled))
            end.settle(settled)

        primed = Primed(source, close=close, finished=finished, clock=call.clock)
        await primed.prime()
        return Reply(primed, record, end=end, bound=primed.bound)


def decisions(call):
    """What policies decided, in words."""
    return [f"{d.policy} {d.action}" for d in call.journal.decisions]
