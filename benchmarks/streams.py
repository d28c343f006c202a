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

from benchmarks.measure import Series
from benchmarks.payloads import asked_anew, messages
from benchmarks.subjects import CHAT, Subject, absent_in, build

STREAMS = 1000


def _resident() -> int:
    """Bytes this process keeps in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def _held(subject: Subject, opened: asyncio.Semaphore, go_on: asyncio.Event) -> None:
    """Open a stream, wait with its first text in hand, read it to its end: in one task, as the SDK wants it."""
    first = True
    async for piece in subject.stream(asked_anew(messages(2))):
        if piece and first:
            first = False
            opened.release()
            await go_on.wait()


async def _measure(subject: Subject) -> dict[str, float]:
    async for _ in subject.stream(messages(2)):
        pass
    gc.collect()
    memory, cpu = _resident(), time.process_time()
    opened, go_on = asyncio.Semaphore(0), asyncio.Event()
    readers = [asyncio.create_task(_held(subject, opened, go_on)) for _ in range(STREAMS)]
    for _ in range(STREAMS):
        await opened.acquire()
    held = _resident() - memory
    go_on.set()
    await asyncio.gather(*readers)
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
