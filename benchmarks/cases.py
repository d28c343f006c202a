"""The figures: one function a table, each over subjects that were all built against the same server."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from functools import partial

from benchmarks.cached import CACHED, LITELLM_CACHE
from benchmarks.fallback import DEFAULTS, RETRIES_OFF, added_by_fallback
from benchmarks.imports import import_costs
from benchmarks.measure import Block, Series, cpu, interleaved, throughput, wall
from benchmarks.payloads import ANSWER, asked_anew, messages, pieces
from benchmarks.streams import costs
from benchmarks.subjects import BARE, BARE_RESPONSES, CHAT, RESPONSES, Build, Subject, absent_in, build

SHORT, LONG = 10, 210  # chunks: their difference, over 200, is the cost of a chunk without that of a call
CALLS = {2: 80, 40: 30, 100: 15}


@dataclass(frozen=True)
class Table:
    """The series of one figure, and the subject that its ratios are to."""

    key: str
    title: str
    unit: str
    scale: float
    base: str
    series: dict[str, Series]


async def checked(subjects: dict[str, Subject], chunks: int) -> None:
    """Every subject must give the very answer the server sent, as a value and as a stream."""
    for name, subject in subjects.items():
        value = await _ask(subject, messages(2))
        streamed = "".join([piece async for piece in subject.stream(asked_anew(messages(2)))])
        if value != ANSWER or streamed != "".join(pieces(chunks)):
            raise RuntimeError(f"{name} does not return what was sent")


async def _ask(subject: Subject, turns: list[dict[str, str]]) -> str:
    return await subject.call(asked_anew(turns))


async def _drain(subject: Subject) -> None:
    async for _ in subject.stream(asked_anew(messages(2))):
        pass


async def _first_token(subject: Subject) -> float:
    start, first = time.perf_counter(), 0.0
    async for piece in subject.stream(asked_anew(messages(2))):
        if piece and not first:
            first = time.perf_counter() - start
    return first


async def _calls(subjects: dict[str, Subject], base: str, dialect: str, rounds: int) -> list[Table]:
    tables = []
    for count, calls in CALLS.items():
        blocks = {name: cpu(partial(_ask, subject, messages(count)), calls) for name, subject in subjects.items()}
        series = await interleaved(blocks, rounds)
        title = f"CPU per call, {dialect}, {count} messages"
        tables.append(Table(f"{dialect}_cpu_{count}", title, "us", 1e6, base, series))
    return tables


async def _chunks(origin: str, builds: dict[str, Build], base: str, dialect: str, rounds: int) -> Table:
    blocks: dict[tuple[str, int], Block] = {}
    for chunks in (SHORT, LONG):
        subjects, _ = build(builds, f"{origin}/{chunks}/v1")
        await checked(subjects, chunks)
        for name, subject in subjects.items():
            blocks[name, chunks] = cpu(partial(_drain, subject), 12)
    both = await interleaved(blocks, rounds)
    per_chunk = {
        name: Series(
            [
                (long - short) / (LONG - SHORT)
                for long, short in zip(both[name, LONG].values, both[name, SHORT].values, strict=True)
            ]
        )
        for name, chunks in both
        if chunks == SHORT
    }
    return Table(f"{dialect}_cpu_chunk", f"CPU per stream chunk, {dialect}", "us", 1e6, base, per_chunk)


async def _dialect(origin: str, builds: dict[str, Build], base: str, dialect: str, rounds: int) -> list[Table]:
    subjects, _ = build(builds, f"{origin}/{SHORT}/v1")
    await checked(subjects, SHORT)
    gc.freeze()  # what the libraries hold is not walked again in everybody's blocks
    waits = {name: wall(partial(_first_token, subject), 15) for name, subject in subjects.items()}
    waited = await interleaved(waits, rounds)
    return [
        *await _calls(subjects, base, dialect, rounds),
        await _chunks(origin, builds, base, dialect, rounds),
        Table(f"{dialect}_ttft", f"Time to first token, {dialect}", "ms", 1e3, base, waited),
    ]


async def _load(origin: str, rounds: int) -> Table:
    subjects, _ = build(CHAT, f"{origin}/{SHORT}/v1")
    blocks = {
        name: throughput(partial(_ask, subject, messages(2)), calls=512, concurrency=64)
        for name, subject in subjects.items()
    }
    series = await interleaved(blocks, rounds)
    return Table("rps_64", "Requests a second, 64 in flight, chat", "/s", 1, BARE, series)


async def _fallback(origin: str, samples: int) -> list[Table]:
    url, base = f"{origin}/{SHORT}/v1", "AsyncOpenAI, try/except"
    slow = await added_by_fallback(DEFAULTS, url, samples)
    fast = await added_by_fallback(RETRIES_OFF, url, 3 * samples)
    return [
        Table("fallback_defaults", "Added by a fallback from a 500, all defaults", "ms", 1e3, base, slow),
        Table("fallback_no_retries", "Added by a fallback from a 500, retries off", "ms", 1e3, base, fast),
    ]


async def _cache(origin: str, rounds: int) -> Table:
    """Wall time of an answer that is in a cache already."""
    subjects, _ = build(CACHED, f"{origin}/{SHORT}/v1")
    blocks = {}
    for name, subject in subjects.items():
        await subject.call(messages(2))
        blocks[name] = wall(partial(_hit, subject), 50)
    series = await interleaved(blocks, rounds)
    return Table("cache_hit", "A cache hit, chat, 2 messages", "ms", 1e3, LITELLM_CACHE, series)


async def _hit(subject: Subject) -> float:
    start = time.perf_counter()
    await subject.call(messages(2))
    return time.perf_counter() - start


def _streams(origin: str, rounds: int) -> list[Table]:
    found = costs(f"{origin}/{SHORT}/v1", rounds)
    return [
        Table("streams_memory", "1000 open streams, memory each", "KiB", 1 / 1024, BARE, found["memory"]),
        Table("streams_cpu", "1000 open streams, CPU each", "us", 1e6, BARE, found["cpu"]),
    ]


async def tables(origin: str, rounds: int) -> list[Table]:
    """Every figure, in the order of the report."""
    return [
        *await _dialect(origin, CHAT, BARE, "chat", rounds),
        *await _dialect(origin, RESPONSES, BARE_RESPONSES, "responses", rounds),
        await _load(origin, max(3, rounds // 2)),
        *await _fallback(origin, max(3, rounds // 2)),
        await _cache(origin, rounds),
        *_streams(origin, max(3, rounds // 2)),
        Table("import", "Importing", "ms", 1e3, "agents", import_costs(2 * rounds)),
    ]


def absent() -> dict[str, str]:
    """Subjects that cannot be built here, with the reason."""
    return absent_in({**CHAT, **RESPONSES, **CACHED})
