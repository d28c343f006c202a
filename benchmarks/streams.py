"""A thousand streams open at once: what each costs in memory and CPU, every subject in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Series
from benchmarks.payloads import messages
from benchmarks.subjects import CHAT, Subject, absent_in, build

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STREAMS = 1000


def _resident() -> int:
    """Bytes this process keeps in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def _opened(subject: Subject) -> AsyncIterator[str]:
    """A stream that has shown its first text."""
    stream = subject.stream(messages(2))
    async for piece in stream:
        if piece:
            return stream
    raise RuntimeError("the stream has no text")


async def _drain(stream: AsyncIterator[str]) -> None:
    async for _ in stream:
        pass


async def _measure(subject: Subject) -> dict[str, float]:
    await _drain(await _opened(subject))
    gc.collect()
    memory, cpu = _resident(), time.process_time()
    streams = await asyncio.gather(*(_opened(subject) for _ in range(STREAMS)))
    held = _resident() - memory
    await asyncio.gather(*map(_drain, streams))
    return {"memory": held / STREAMS, "cpu": (time.process_time() - cpu) / STREAMS}


def costs(url: str, rounds: int) -> dict[str, dict[str, Series]]:
    """Memory (bytes) and CPU (seconds) a stream, of every subject that can be built."""
    series: dict[str, dict[str, Series]] = {"memory": {}, "cpu": {}}
    names = [name for name in CHAT if name not in absent_in(CHAT)]
    for _ in range(rounds):
        for name in names:
            program = [sys.executable, "-m", "benchmarks.streams", url, name]
            found = json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
            for figure, value in found.items():
                series[figure].setdefault(name, Series()).values.append(value)
    return series


if __name__ == "__main__":
    origin, wanted = sys.argv[1:]
    print(json.dumps(asyncio.run(_measure(build({wanted: CHAT[wanted]}, origin)[0][wanted]))))
