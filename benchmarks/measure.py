"""How it is measured: interleaved blocks, so that a noisy second hurts every subject alike.

A round runs one block of each subject, starting with another one each time. Within a round, a subject's cost
is divided by the bare model's; the table shows the median of those ratios, with the lowest and the highest.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

Block = Callable[[], Awaitable[float]]
Key = TypeVar("Key", bound=Hashable)
# Seconds of idling at the end of a block: work put off to the background is counted, not dodged.
SETTLE = 0.02


@dataclass
class Series:
    """One figure of one subject, a value a round."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def ratio(self, base: Series) -> tuple[float, float, float]:
        """Median, lowest and highest of the per-round ratios to `base`."""
        ratios = [mine / theirs for mine, theirs in zip(self.values, base.values, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


async def interleaved(blocks: dict[Key, Block], rounds: int) -> dict[Key, Series]:
    """Run every block once a round, and one round more to warm up, which is thrown away."""
    series = {name: Series() for name in blocks}
    names = list(blocks)
    for number in range(-1, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            gc.collect()
            value = await blocks[name]()
            if number >= 0:
                series[name].values.append(value)
    return series


def cpu(action: Callable[[], Awaitable[object]], calls: int) -> Block:
    """CPU seconds an action takes, in this process with all its threads."""

    async def block() -> float:
        start = time.process_time()
        for _ in range(calls):
            await action()
        await asyncio.sleep(SETTLE)
        return (time.process_time() - start) / calls

    return block


def wall(action: Callable[[], Awaitable[float]], calls: int) -> Block:
    """The median of `calls` times that an action measured itself."""

    async def block() -> float:
        return statistics.median([await action() for _ in range(calls)])

    return block


def throughput(action: Callable[[], Awaitable[object]], *, calls: int, concurrency: int) -> Block:
    """Calls a second with `concurrency` in flight."""

    async def block() -> float:
        left = iter(range(calls))

        async def worker() -> None:
            for _ in left:
                await action()

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return calls / (time.perf_counter() - start)

    return block
