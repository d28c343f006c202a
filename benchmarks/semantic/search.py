"""What it costs to look for a similar question, by how many there are."""

from __future__ import annotations

import asyncio
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hanzo_agents import MemoryStore, RedisStore, SQLiteStore
from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.stores.entries import Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = 512
SPACE = b"s" * 32
CONTENT = b"x" * 1000
SIZES = (1_000, 10_000, 100_000)
LOOKS = 15


def vectors(count: int) -> Iterator[bytes]:
    numbers = np.random.default_rng(1)
    for _ in range(count):
        row = numbers.standard_normal(LENGTH)
        yield (row / np.linalg.norm(row)).astype("<f4").tobytes()


async def fill(store: Any, count: int) -> float:
    bounds = Bounds(10**6, 1 << 40)
    began = time.perf_counter()
    pending = [
        store.vectors.put(SPACE, vector, CONTENT, ttl=3600, bounds=bounds, clock=SYSTEM_CLOCK)
        for vector in vectors(count)
    ]
    for one in pending:
        assert await one
    return (time.perf_counter() - began) / count


async def look(store: Any) -> tuple[float, float]:
    """Seconds of the first look, which may have to read everything, and of the next ones (median)."""
    wanted = next(vectors(1))
    took = []
    for _ in range(1 + LOOKS):
        began = time.perf_counter()
        found = await store.vectors.nearest(SPACE, wanted, least=0.6, most=8, clock=SYSTEM_CLOCK)
        took.append(time.perf_counter() - began)
        assert found[0].similarity > 0.999
    return took[0], statistics.median(took[1:])


@contextmanager
def redis(folder: Path) -> Iterator[str | None]:
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(0.5)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


def measured(sizes: tuple[int, ...] = SIZES) -> list[tuple[str, int, float, float, float]]:
    """Store, answers in it, and seconds: to put one, to look first, to look again."""
    found = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as name, redis(Path(name)) as url:
            stores: list[tuple[str, Any, Any]] = [
                ("memory", MemoryStore, None),
                ("file", lambda path=Path(name) / "a.db": SQLiteStore(path, timeout=60), "again"),
            ]
            if url is not None:
                stores.append(("Redis on this machine", lambda: RedisStore(url, timeout=30), "again"))
            for kind, opened, again in stores:
                store = opened()
                put = asyncio.run(fill(store, count))
                if again:
                    store.close()
                    store = opened()  # another process: it has everything still to read
                first, then = asyncio.run(look(store))
                store.close()
                found.append((kind, count, put, first, then))
    return found
