"""What a decision costs."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

from hanzo_agents import Call, Journal, Reply, Route
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.target import Target
from hanzo_agents._wire.dialects.chat import ChatView
from hanzo_agents.prices.public import PUBLIC
from hanzo_agents.routing import complexity, contains_pii, pii

if TYPE_CHECKING:
    from collections.abc import Callable

CANDIDATES = ["gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "claude-3-haiku", "llama-3-8b"]
ASKED = "Compare two ways to store money in a database and recommend one."
ROUNDS, TIMES = 150, 40


def lines() -> list[str]:
    policy = Route(to=CANDIDATES)
    local = Route(to=CANDIDATES, local=["llama-3-8b"], local_for=pii)
    short, long = _call(1), _call(50)
    rows = [
        ("decision, 5 candidates, one message", lambda: policy.plan(short)),
        ("decision, 5 candidates, 100 messages", lambda: policy.plan(long)),
        ("the same, one message, with `local_for=pii`", lambda: local.plan(short)),
        ("`complexity` of a prompt of 64 characters", lambda: complexity(ASKED)),
        ("`contains_pii` of a prompt of 64 characters", lambda: contains_pii(ASKED)),
    ]
    found = [
        "",
        "## Speed",
        "",
        "The best of 150 rounds, on a machine that was busy with other things.",
        "",
        "| | µs |",
        "|---|---|",
    ]
    found += [f"| {name} | {_micros(work):.0f} |" for name, work in rows]
    found.append(f"| the whole policy around a call that answers at once, one message | {_whole(policy):.0f} |")
    return found


def _call(turns: int) -> Call:
    messages = []
    for _ in range(turns):
        messages += [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ASKED * 2}]
    clock = current_clock()
    view = ChatView({"model": "auto", "messages": messages[:-1]})
    return Call(target=Target("auto"), view=view, journal=Journal(clock.now(), "chat"), prices=PUBLIC, clock=clock)


def _micros(work: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(TIMES):
            work()
        rounds.append((time.perf_counter() - started) / TIMES * 1e6)
    return min(rounds)


def _whole(policy: Route) -> float:
    async def send(_call: Call) -> Reply:
        return Reply("answer")

    async def measured() -> list[float]:
        rounds = []
        for _ in range(ROUNDS):
            call = _call(1)
            started = time.perf_counter()
            for _ in range(TIMES):
                await policy(call, send)
            rounds.append((time.perf_counter() - started) / TIMES * 1e6)
        return rounds

    rounds = asyncio.run(measured())
    assert statistics.median(rounds) > 0
    return min(rounds)
